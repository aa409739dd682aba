use memkind_sys as sys;

use crate::Error;

/// Statistics of a kind, in bytes, as of the last [`update_statistics`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Physical memory held.
    pub resident: usize,
    /// Pages that hold blocks.
    pub active: usize,
    /// Blocks, by their usable sizes.
    pub allocated: usize,
}

/// Takes new statistics of all kinds.
///
/// # Errors
/// `MEMKIND_ERROR_OPERATION_FAILED`.
pub fn update_statistics() -> Result<(), Error> {
    // SAFETY: the function has no preconditions.
    Error::check(unsafe { sys::memkind_update_cached_stats() })
}

pub(crate) fn of(kind: sys::memkind_t) -> Result<Statistics, Error> {
    let read = |which| {
        let mut value = 0;
        // SAFETY: the kind lives, and the value is writable.
        Error::check(unsafe { sys::memkind_get_stat(kind, which, &raw mut value) })?;
        Ok(value)
    };
    Ok(Statistics {
        resident: read(sys::MEMKIND_STAT_TYPE_RESIDENT)?,
        active: read(sys::MEMKIND_STAT_TYPE_ACTIVE)?,
        allocated: read(sys::MEMKIND_STAT_TYPE_ALLOCATED)?,
    })
}
