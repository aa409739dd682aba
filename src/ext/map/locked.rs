//! A value behind a lock.

use core::cell::UnsafeCell;

use crate::heap::lock::Lock;

/// A value behind a lock that survives fork(2).
pub(super) struct Locked<T> {
    pub(super) lock: Lock,
    pub(super) value: UnsafeCell<T>,
}

// SAFETY: the value is only touched under the lock, by one thread at a time, whichever it is: what
// is kept here belongs to no thread.
unsafe impl<T> Sync for Locked<T> {}

impl<T> Locked<T> {
    pub(super) const fn new(value: T) -> Self {
        Self {
            lock: Lock::new(),
            value: UnsafeCell::new(value),
        }
    }

    /// Calls `work` under the lock: it is short, and calls nothing of the program's.
    pub(super) fn with<R>(&'static self, work: impl FnOnce(&mut T) -> R) -> R {
        let _held = self.lock.hold();
        // SAFETY: the lock is held, and `work` cannot come back here.
        work(unsafe { &mut *self.value.get() })
    }
}
