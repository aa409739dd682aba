//! The lock under which a source grows: held for as long as it takes to fill memory and to tell
//! others of it. Waiting threads sleep.

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use crate::sys::locks;

/// The lock under which one source grows.
pub(super) struct Growth {
    lock: AtomicU32,
    /// The thread that holds it.
    owner: AtomicUsize,
}

/// Lets go of the lock when dropped.
pub(super) struct Guard<'a>(&'a Growth);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.owner.store(0, Ordering::Relaxed);
        locks::release(&self.0.lock);
    }
}

impl Growth {
    pub(super) const fn new() -> Self {
        Self {
            lock: AtomicU32::new(locks::FREE),
            owner: AtomicUsize::new(0),
        }
    }

    /// Waits for the lock; `None` for the thread that holds it.
    pub(super) fn hold(&self) -> Option<Guard<'_>> {
        // SAFETY: no preconditions.
        let own = unsafe { libc::pthread_self() } as usize;
        if self.owner.load(Ordering::Relaxed) == own {
            return None;
        }
        locks::hold(&self.lock);
        self.owner.store(own, Ordering::Relaxed);
        Some(Guard(self))
    }

    /// Frees the lock in a child just forked: the thread that held it is gone.
    pub(super) fn after_fork_in_child(&self) {
        self.owner.store(0, Ordering::Relaxed);
        self.lock.store(locks::FREE, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::Growth;
    use core::cell::Cell;
    use std::thread;

    struct Counter(Cell<u32>);
    // SAFETY: only touched by the thread that holds the lock.
    unsafe impl Sync for Counter {}

    #[test]
    fn one_at_a_time_and_never_twice() {
        let (growth, counter) = (Growth::new(), Counter(Cell::new(0)));
        let counter = &counter;
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..2000 {
                        let held = growth.hold();
                        assert!(held.is_some() && growth.hold().is_none());
                        counter.0.set(counter.0.get() + 1);
                    }
                });
            }
        });
        assert_eq!(counter.0.get(), 8000);
    }
}
