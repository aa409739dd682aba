//! Locks that survive fork(2), and the two that all heaps share. The thread that forks holds a
//! lock over the fork; the child releases it by a store. Locks are held for short and rare work,
//! so that a thread which waits looks again and again.

use core::sync::atomic::{AtomicBool, Ordering};

use super::pause::Pause;
use crate::sys::held;

/// A lock that survives fork(2).
pub(crate) struct Lock(AtomicBool);

/// Releases the lock when dropped.
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
        let mut pause = Pause::new();
        held::one_more();
        while self.0.swap(true, Ordering::Acquire) {
            pause.wait();
        }
        Guard(self)
    }

    /// Takes the lock if it is free.
    pub(crate) fn try_hold(&'static self) -> Option<Guard> {
        held::one_more();
        if self.0.swap(true, Ordering::Acquire) {
            held::one_less();
            return None;
        }
        Some(Guard(self))
    }

    /// Whether it is held. If not, all that was done under it is seen.
    pub(crate) fn is_held(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Holds the lock until `release`: before fork(2).
    pub(crate) fn hold_over_fork(&'static self) {
        core::mem::forget(self.hold());
    }

    /// Releases it: after fork(2), in parent and child.
    pub(crate) fn release(&self) {
        self.0.store(false, Ordering::Release);
        held::one_less();
    }
}

/// Held while caches are taken from threads, looked at from outside, or given up by a thread that
/// ends, and while a heap is opened or goes. No thread waits for it in the middle of an operation
/// on its caches.
pub(crate) static CACHES: Lock = Lock::new();

/// Held while an arena is made or destroyed. jemalloc counts its arenas before it takes
/// their locks for a fork and again when it releases them: with one more in between it would
/// release a lock that it does not hold.
pub(crate) static ARENAS: Lock = Lock::new();

/// Before fork(2): waits until no cache is between two owners and no arena is half made.
pub fn prepare_fork() {
    CACHES.hold_over_fork();
    ARENAS.hold_over_fork();
}

/// After fork(2), in parent and child: releases both locks.
pub fn release_after_fork() {
    ARENAS.release();
    CACHES.release();
}
