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
///
/// # Safety
/// It is a mapping of the file, and is not used any more.
pub(super) unsafe fn unmap(base: usize, length: usize) -> bool {
    try_again();
    // SAFETY: a mapping of the file that is not used any more.
    if unsafe { now(base, length) } {
        return true;
    }
    // Without memory for a note the addresses are lost.
    let next = ptr::null_mut();
    if let Ok(left) = boxed(Left { base, length, next }) {
        note(left);
    }
    false
}

/// Unmaps a range at once; `false` if the kernel refuses.
///
/// # Safety
/// It is a mapping of a file, and is not used any more.
unsafe fn now(base: usize, length: usize) -> bool {
    // SAFETY: a mapping of ours that is not used any more.
    unsafe { libc::munmap(base as *mut _, length) == 0 }
}

fn note(mut left: Box<Left>) {
    left.next = LEFT.load(Ordering::Relaxed);
    let left = Box::into_raw(left);
    // SAFETY: a note that is ours until it is in the list.
    let first = unsafe { &mut (*left).next };
    while let Err(seen) =
        LEFT.compare_exchange_weak(*first, left, Ordering::Release, Ordering::Relaxed)
    {
        *first = seen;
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
        // SAFETY: a mapping of a file that has been closed.
        if !unsafe { now(left.base, left.length) } {
            note(left);
        }
    }
}
