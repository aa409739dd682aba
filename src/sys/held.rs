//! How many locks the calling thread holds, the library's and jemalloc's: a signal handler that forks
//! while it interrupts their holder is not to wait for them.
//!
//! The count lies behind the thread's pointer to its record (`heap/thread/tls.rs`). Where that
//! is not in static TLS nothing is counted: to reach it might allocate.

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use super::thread_pointer::thread_pointer;

/// What is kept of a thread. Only the thread uses it, and signal handlers that leave the counts as they
/// found them.
#[repr(C)]
struct Counts {
    /// The locks that the thread holds, or is about to.
    locks: AtomicU32,
    /// The forks that are going on although the thread holds locks: more than one if a signal
    /// handler interrupts such a fork and forks.
    forks: AtomicU32,
}

/// Distance of the thread's [`Counts`] from the thread pointer; 0 = nothing is counted.
static DISTANCE: AtomicUsize = AtomicUsize::new(0);

/// Begins to count. `distance` is that of eight bytes of static TLS from the thread pointer, which are zero.
/// Called once, at load: no lock is held.
pub(crate) fn prepare(distance: usize) {
    DISTANCE.store(distance, Ordering::Relaxed);
}

#[inline]
fn counts() -> Option<&'static Counts> {
    let distance = DISTANCE.load(Ordering::Relaxed);
    // SAFETY: eight bytes of the thread's own, which no other thread is given.
    (distance != 0).then(|| unsafe { &*(thread_pointer().wrapping_add(distance) as *const Counts) })
}

/// Adds to a count of the calling thread's.
#[inline]
fn add(count: &AtomicU32, number: u32) {
    let sum = count.load(Ordering::Relaxed).wrapping_add(number);
    count.store(sum, Ordering::Relaxed);
}

/// Counts a lock that the calling thread is about to take.
#[inline]
pub(crate) fn one_more() {
    if let Some(counts) = counts() {
        add(&counts.locks, 1);
    }
}

/// Counts one lock less: the calling thread has released it, or did not get it.
#[inline]
pub(crate) fn one_less() {
    if let Some(counts) = counts() {
        add(&counts.locks, 1_u32.wrapping_neg());
    }
}

/// Whether the calling thread holds locks, as far as they are counted.
pub(crate) fn any() -> bool {
    counts().is_some_and(|counts| counts.locks.load(Ordering::Relaxed) != 0)
}

/// Counts from 0, in a child just forked whose thread held no locks before the fork: some are free
/// without having been released.
pub(crate) fn start_again() {
    if let Some(counts) = counts() {
        counts.locks.store(0, Ordering::Relaxed);
    }
}

/// Notes that the calling thread forks without holding the locks over it; `false` where that cannot be
/// noted.
pub(crate) fn fork_without() -> bool {
    counts().is_some_and(|counts| {
        add(&counts.forks, 1);
        true
    })
}

/// Whether the fork that the calling thread has just made is one of [`fork_without`]. It is one no
/// more.
pub(crate) fn has_forked_without() -> bool {
    counts().is_some_and(|counts| {
        let without = counts.forks.load(Ordering::Relaxed) != 0;
        if without {
            add(&counts.forks, 1_u32.wrapping_neg());
        }
        without
    })
}
