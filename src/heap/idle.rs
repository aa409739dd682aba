//! What nobody has used for a while goes back, although nobody asks for it.
//!
//! jemalloc returns pages when their time has come, which it notices when it is called.
//! Behind caches that may be seldom, and never for an arena whose kind is not used any
//! more. So whoever leaves the fast path far enough to meet the depot or jemalloc looks at
//! a clock, and once a second one of them looks through all heaps.

use core::sync::atomic::{AtomicU32, Ordering};

use super::{HEAPS, Heap, je, reclaim};
use crate::clock::seconds as now;

/// When the heaps were last looked through, in seconds.
static LOOKED: AtomicU32 = AtomicU32::new(0);

/// Nothing is due in the first second. Called once, at load.
pub(super) fn prepare() {
    LOOKED.store(now(), Ordering::Relaxed);
}

/// Looks through all heaps if that is due. The caller is in no operation on its caches.
#[inline]
pub(super) fn tick() {
    let (now, last) = (now(), LOOKED.load(Ordering::Relaxed));
    if is_later(now, last) {
        look_through(now, last);
    }
}

/// Whether `now` is after `last`. It may be before it: another thread has asked the clock
/// since. Taken for a time long after, it would send back what was in use a moment ago.
#[inline]
fn is_later(now: u32, last: u32) -> bool {
    (now.wrapping_sub(last) as i32) > 0
}

#[cold]
fn look_through(now: u32, last: u32) {
    let due = LOOKED.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed);
    if due.is_err() {
        return;
    }
    // While the lock is held no heap goes away.
    let Some(_still) = reclaim::try_lock() else {
        return;
    };
    for heap in (1..HEAPS).filter_map(Heap::by_id) {
        if let Some(depot) = heap.depot() {
            depot.age(heap, now);
        }
        for arena in heap.arenas() {
            je::decay(arena);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_later;

    #[test]
    fn a_moment_ago_is_not_long_after() {
        assert!(is_later(6, 5));
        assert!(!is_later(5, 5));
        assert!(!is_later(4, 5));
        assert!(is_later(0, u32::MAX));
    }
}
