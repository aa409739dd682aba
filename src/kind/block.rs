//! Blocks of any kind, by their addresses alone.

use super::checks;
use crate::heap::{self, fast};
use crate::log;

/// The id of the heap that owns the address `ptr`; 0 when the library does not own it.
pub fn heap_id(ptr: *const u8) -> usize {
    heap::blocks::owner(ptr as usize)
}

/// Frees the block at `ptr`. Null is a no-op; a pointer that is not the library's is left
/// alone and reported under MEMKIND_DEBUG.
///
/// # Safety
/// `ptr` is null, a live block of any kind, or not a block of the library at all.
pub unsafe fn free(ptr: *mut u8) {
    if checks::on() {
        if checks::free(ptr) {
            return;
        }
        if checks::is_sample_due() {
            // SAFETY: `ptr` is null, a live block or not the library's.
            unsafe { heap::blocks::free_and_set_aside(ptr) };
            return;
        }
    }
    // SAFETY: `ptr` is null, a live block or not the library's, as `heap::blocks::free` asks too.
    if !unsafe { heap::blocks::free(ptr) } && !ptr.is_null() {
        log_foreign(ptr);
    }
}

/// Bytes that the program may use of the block at `ptr`; 0 for null and for a pointer that is
/// not the library's.
///
/// # Safety
/// `ptr` is null, a live block of any kind, or not a block of the library at all.
pub unsafe fn usable_size(ptr: *const u8) -> usize {
    match fast::usable_size(ptr as usize) {
        Some(size) => size,
        // SAFETY: null, a live block or not the library's.
        None => unsafe { usable_size_otherwise(ptr) },
    }
}

/// [`usable_size`] where the fast path does not know.
///
/// # Safety
/// `ptr` is null, a live block or not the library's.
#[cold]
unsafe fn usable_size_otherwise(ptr: *const u8) -> usize {
    if checks::on() {
        if let Some(size) = checks::usable_size(ptr.cast_mut()) {
            return size;
        }
    }
    // SAFETY: `ptr` is null, a live block or not the library's, as `heap::blocks::usable_size` asks too.
    unsafe { heap::blocks::usable_size(ptr) }
}

/// Reports under MEMKIND_DEBUG that `ptr` is not the library's.
#[cold]
pub(super) fn log_foreign(ptr: *const u8) {
    log::error!("The pointer {ptr:p} was not allocated by memkind and is ignored.");
}
