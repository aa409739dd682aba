//! Addresses that the kernel would not unmap, for example because the process has as many mappings
//! as it may have. Each creation and destruction of a file tries again.

use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::boxed::boxed;

/// A mapping of a file that has been closed.
struct Left {
    base: usize,
    length: usize,
    next: *mut Left,
}

/// The list of all such mappings; a thread that tries them takes the whole list.
static LEFT: AtomicPtr<Left> = AtomicPtr::new(ptr::null_mut());

/// Unmaps a range of a file that is about to be closed; `false` if that has to be done later.
pub(super) fn unmap(base: usize, length: usize) -> bool {
    try_again();
    if now(base, length) {
        return true;
    }
    // Without memory for a note the addresses are lost.
    let next = ptr::null_mut();
    if let Ok(left) = boxed(Left { base, length, next }) {
        note(Box::into_raw(left));
    }
    false
}

fn now(base: usize, length: usize) -> bool {
    // SAFETY: a mapping of ours that is not used any more.
    unsafe { libc::munmap(base as *mut _, length) == 0 }
}

fn note(left: *mut Left) {
    let mut first = LEFT.load(Ordering::Relaxed);
    loop {
        // SAFETY: a note that is ours until it is in the list.
        unsafe { (*left).next = first };
        match LEFT.compare_exchange_weak(first, left, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => return,
            Err(seen) => first = seen,
        }
    }
}

/// Tries again to unmap the mappings of the list.
pub(super) fn try_again() {
    if LEFT.load(Ordering::Relaxed).is_null() {
        return;
    }
    let mut next = LEFT.swap(ptr::null_mut(), Ordering::Acquire);
    while !next.is_null() {
        // SAFETY: the list is ours, and its notes came from `Box::into_raw`.
        let left = unsafe { Box::from_raw(next) };
        next = left.next;
        if !now(left.base, left.length) {
            note(Box::into_raw(left));
        }
    }
}
