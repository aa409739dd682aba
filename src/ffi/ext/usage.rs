//! What regions and pools use.

use core::ffi::c_int;
use core::ptr;

use crate::error::Error;
use crate::ext::Usage;

/// What a region or a pool uses: sizes in bytes. Which of its objects count as in use is
/// said at the function that fills it.
#[repr(C)]
#[allow(non_camel_case_types, reason = "the C name")]
pub struct memkind_usage {
    /// The most that there may be; 0 for any number.
    pub limit: usize,
    /// Taken from the kind.
    pub held: usize,
    /// Handed out.
    pub in_use: usize,
    /// The most that has been held so far.
    pub peak: usize,
    /// The page size of the kind.
    pub page_size: usize,
    /// In how many separate ranges the memory is.
    pub n_ranges: usize,
    /// How many requests got nothing.
    pub n_refused: usize,
}

const _: () = assert!(size_of::<memkind_usage>() == size_of::<Usage>());

/// Fills as much of a caller's structure as it has.
///
/// # Safety
/// `usage` is null or has `size` writable bytes.
pub(super) unsafe fn fill(found: Usage, usage: *mut memkind_usage, size: usize) -> c_int {
    if usage.is_null() || size == 0 {
        return Error::Invalid.code();
    }
    let known = size.min(size_of::<memkind_usage>());
    // SAFETY: `size` bytes are writable. Fields of later versions are 0.
    unsafe {
        ptr::write_bytes(usage.cast::<u8>(), 0, size);
        ptr::copy_nonoverlapping((&raw const found).cast::<u8>(), usage.cast::<u8>(), known);
    }
    0
}
