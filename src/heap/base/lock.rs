//! A lock that survives fork: whoever forks holds it over the fork, and the child lets
//! go of it by a store. It is held for short work that seldom happens, so waiting yields.

use core::sync::atomic::{AtomicBool, Ordering};

/// See the module.
pub(crate) struct Lock(AtomicBool);

/// Lets go of the lock when dropped.
pub(crate) struct Guard(&'static Lock);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.release();
    }
}

impl Lock {
    pub(crate) const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// Waits for the lock.
    pub(crate) fn hold(&'static self) -> Guard {
        while self.0.swap(true, Ordering::Acquire) {
            // SAFETY: no preconditions.
            unsafe { libc::sched_yield() };
        }
        Guard(self)
    }

    /// Takes the lock if nobody has it.
    pub(crate) fn try_hold(&'static self) -> Option<Guard> {
        (!self.0.swap(true, Ordering::Acquire)).then(|| Guard(self))
    }

    /// Whether anybody has it. If not, all that was done under it is seen.
    pub(crate) fn is_held(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Holds the lock until `release`: before fork(2).
    pub(crate) fn hold_over_fork(&'static self) {
        core::mem::forget(self.hold());
    }

    /// Lets go of it: after fork(2), in parent and child.
    pub(crate) fn release(&self) {
        self.0.store(false, Ordering::Release);
    }
}
