//! What nobody has used for a while goes back, although nobody asks for it.
//!
//! jemalloc returns pages when their time has come, which it notices when it is called.
//! Behind caches that may be seldom, and never for an arena whose kind is not used any
//! more. So whoever leaves the fast path far enough to meet the depot or jemalloc looks at
//! a clock, and once a second one of them looks through all heaps.
//!
//! And when an arena takes more addresses for a block of moderate size, what it has free is in
//! pieces too small for that: jemalloc joins free extents of a few pages only when it gives them
//! back. So then they go back at once, and the next requests have what they were; but not for
//! more than a small part of the time, as that is dear where the pieces are many.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::{HEAPS, Heap, je, reclaim};
use crate::clock::{nanoseconds, seconds as now};

/// When the heaps were last looked through, in seconds.
static LOOKED: AtomicU32 = AtomicU32::new(0);

/// Growth by less is not looked at: there cannot be much that is free.
const GROWTH: usize = 8 << 20;
/// Where there is no room for a larger block, there may be blocks that are worth keeping.
const MODERATE: usize = 1 << 20;
/// The part of the time in which pieces may be given back.
const PART: u64 = 16;

/// That an arena of a heap has grown. The heap has it, so that the arena lives when it is used.
pub(super) struct Grown {
    /// The arena, 0 for none. Of several the last: the others will grow again.
    arena: AtomicU32,
    /// Before which moment nothing is given back, in nanoseconds.
    due: AtomicU64,
}

impl Grown {
    pub(super) const fn new() -> Self {
        Self {
            arena: AtomicU32::new(0),
            due: AtomicU64::new(0),
        }
    }

    /// Notes that an arena has taken so many bytes of addresses. jemalloc's locks are held.
    pub(super) fn note(&self, arena: u32, bytes: usize) {
        if bytes >= GROWTH {
            self.arena.store(arena, Ordering::Relaxed);
        }
    }
}

/// To be called after an arena of a heap that is in use was asked for a block of so many bytes.
/// `aligned`: beyond its size. That there was no such place does not tell what there is.
#[inline]
pub(super) fn after_growth(heap: &'static Heap, size: usize, aligned: bool) {
    if heap.grown.arena.load(Ordering::Relaxed) != 0 {
        give_pieces_back(heap, size, aligned);
    }
}

#[cold]
fn give_pieces_back(heap: &'static Heap, size: usize, aligned: bool) {
    let grown = &heap.grown;
    let arena = grown.arena.load(Ordering::Relaxed);
    // It is for another thread if that one's has grown.
    if heap.arenas.current(heap) != Ok(arena) {
        return;
    }
    grown.arena.store(0, Ordering::Relaxed);
    let start = nanoseconds();
    if size > MODERATE || aligned || start < grown.due.load(Ordering::Relaxed) {
        return;
    }
    je::purge(arena);
    let end = nanoseconds();
    let due = end + (end - start) * (PART - 1);
    grown.due.store(due, Ordering::Relaxed);
}

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
