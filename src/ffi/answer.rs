//! Turns the arguments of C functions into the core's types, and the core's results into C's.

use core::ffi::{c_int, c_void};
use core::ptr;

use super::memkind::types::memkind_t;
use crate::env;
use crate::error::Error;
use crate::kind::{self, Kind, registry};
use crate::log;

/// The kind behind a handle; `None` for NULL, a bogus or a destroyed kind.
#[inline]
pub(super) fn kind_of(handle: memkind_t) -> Option<&'static Kind> {
    kind::from_ptr(handle.cast_const().cast::<Kind>())
}

/// The handle of a kind.
pub(super) const fn handle_of(kind: &'static Kind) -> memkind_t {
    ptr::from_ref(kind).cast_mut().cast()
}

/// The handle of the static kind with this number.
pub(super) const fn handle_at(number: usize) -> memkind_t {
    registry::static_address(number).cast_mut().cast()
}

/// The code of a result, as C functions return it.
pub(super) fn status(result: Result<(), Error>) -> c_int {
    match result {
        Ok(()) => 0,
        Err(error) => error.code(),
    }
}

/// The block of a result, as C functions return it; on an error NULL with `errno`.
#[inline]
pub(super) fn block_or_errno(
    kind: Option<&'static Kind>,
    result: Result<*mut u8, Error>,
) -> *mut c_void {
    match result {
        Ok(block) => block.cast(),
        Err(error) => {
            log::set_errno(failure(kind, error));
            ptr::null_mut()
        }
    }
}

/// The `errno` of a failed allocation. Does not return where the manual says that the process
/// ends: when the first use of a kind fails for good.
#[cold]
pub(super) fn failure(kind: Option<&'static Kind>, error: Error) -> c_int {
    // Looked up only where the process ends: other failures may be frequent.
    let name = || kind.map_or("?", Kind::name);
    match error {
        Error::Environ => {
            log::fatal!(
                "[{}] Failed to create arena map (error code:{}).",
                name(),
                error.code()
            );
            explain_arenas();
            abort()
        }
        Error::Unavailable => {
            log::fatal!(
                "[{}] NUMA not available (error code:{}).",
                name(),
                error.code()
            );
            abort()
        }
        Error::InvalidArgument => libc::EINVAL,
        _ => libc::ENOMEM,
    }
}

/// Names the malformed variable that keeps a kind from being made ready, and its value.
fn explain_arenas() {
    let name = env::ARENA_NUM_PER_KIND;
    log::fatal!(
        "Cannot use {}=\"{}\": it is a number from 1 to 2147483647.",
        log::Bytes(name.to_bytes()),
        log::Bytes(env::get(name).unwrap_or_default().to_bytes())
    );
}

/// Ends the process as `abort(3)` does.
pub(super) fn abort() -> ! {
    // SAFETY: abort has no preconditions and does not return.
    unsafe { libc::abort() }
}

/// Whether a posix_memalign alignment is valid: a power of two, at least a pointer's size.
pub(super) const fn valid_alignment(alignment: usize) -> bool {
    alignment.is_power_of_two() && alignment >= size_of::<*mut c_void>()
}

/// The steps that all posix_memalign functions share: checks its arguments, calls `allocate`,
/// writes NULL to `memptr` on failure, keeps `errno`.
///
/// # Safety
/// `memptr` is null or writable.
pub(super) unsafe fn memalign_into(
    kind: &'static Kind,
    memptr: *mut *mut c_void,
    alignment: usize,
    size: usize,
) -> c_int {
    if memptr.is_null() {
        return libc::EINVAL;
    }
    let errno = log::errno();
    let result = if valid_alignment(alignment) || (size == 0 && kind.is_system()) {
        kind.memalign(alignment, size)
    } else {
        Err(Error::InvalidArgument)
    };
    let (block, code) = match result {
        Ok(block) => (block, 0),
        Err(error) => (ptr::null_mut(), failure(Some(kind), error)),
    };
    // For MEMKIND_DEFAULT a failure leaves the pointer alone, as in jemalloc.
    if code == 0 || !kind.is_system() {
        // SAFETY: `memptr` is not null, and writable.
        unsafe { *memptr = block.cast() };
    }
    log::set_errno(errno);
    code
}
