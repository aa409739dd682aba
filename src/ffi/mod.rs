//! The exported C functions: one file per header, nothing but checking arguments,
//! calling the core and turning `Error` into the C code and `errno`.
//!
//! C names live here only. Each file is read by cbindgen (build.rs), so exported items
//! are written out plainly, and their documentation becomes the header's.

pub mod decorate;
pub mod deprecated;
pub mod ext;
pub mod hbw;
pub mod hbw_region;
pub mod internal;
mod load;
pub mod memkind;
pub mod memtier;
pub mod preload;

use core::ffi::{c_int, c_void};
use core::ptr;

use crate::error::Error;
use crate::kind::{self, Kind, table};
use crate::log;

use memkind::memkind_t;

/// The kind behind a handle; `None` for NULL, a bogus or a destroyed kind.
#[inline]
fn kind_of(handle: memkind_t) -> Option<&'static Kind> {
    kind::from_ptr(handle.cast_const().cast::<Kind>())
}

/// The handle of a kind.
const fn handle_of(kind: &'static Kind) -> memkind_t {
    ptr::from_ref(kind).cast_mut().cast()
}

/// The handle of the static kind with this number.
const fn handle_at(number: usize) -> memkind_t {
    table::address(number).cast_mut().cast()
}

/// The integer that C gets.
fn status(result: Result<(), Error>) -> c_int {
    match result {
        Ok(()) => 0,
        Err(error) => error.code(),
    }
}

/// The pointer that C gets; on an error NULL with `errno`.
#[inline]
fn block_or_errno(kind: Option<&'static Kind>, result: Result<*mut u8, Error>) -> *mut c_void {
    match result {
        Ok(block) => block.cast(),
        Err(error) => {
            log::set_errno(failure(kind, error));
            ptr::null_mut()
        }
    }
}

/// The `errno` of a failed allocation. Does not return where the manual's standards
/// want the process to end: a kind whose first use fails for good.
#[cold]
fn failure(kind: Option<&'static Kind>, error: Error) -> c_int {
    // A program may be refused all the time: names are for those that end.
    let name = || kind.map_or("?", Kind::name);
    match error {
        Error::Environ => {
            log::fatal!(
                "[{}] Failed to create arena map (error code:{}).",
                name(),
                error.code()
            );
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

/// Ends the process as `abort(3)` does.
fn abort() -> ! {
    // SAFETY: abort has no preconditions and does not return.
    unsafe { libc::abort() }
}

/// Whether a posix_memalign alignment is valid: a power of two, at least a pointer's size.
const fn valid_alignment(alignment: usize) -> bool {
    alignment.is_power_of_two() && alignment >= size_of::<*mut c_void>()
}

/// What every posix_memalign does: checks, NULL in `memptr` on failure, `errno` kept.
///
/// # Safety
/// `memptr` is null or writable.
unsafe fn memalign_into(
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
    // MEMKIND_DEFAULT is as jemalloc is: on failure it leaves the pointer alone.
    if code == 0 || !kind.is_system() {
        // SAFETY: the caller's promise, and `memptr` is not null.
        unsafe { *memptr = block.cast() };
    }
    log::set_errno(errno);
    code
}
