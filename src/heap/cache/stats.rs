//! Statistics of a set of arenas, from the last snapshot.

use core::sync::atomic::Ordering;

use crate::error::Error;
use crate::heap::je::{self, Stat};
use crate::heap::lock::Guard;
use crate::heap::{HEAPS, Heap, cache, reclaim};

/// Takes a new snapshot of all statistics; `false` when jemalloc cannot. What caches hold goes
/// to the arenas before, for a free block would keep the pages around it active.
pub fn refresh() -> bool {
    let lock = reclaim::lock();
    for heap in (1..HEAPS).filter_map(Heap::by_id) {
        if reclaim::is_cached(heap) {
            reclaim::drain(heap);
        }
    }
    refresh_under(&lock)
}

/// Takes a snapshot of all statistics as they are; `false` when jemalloc cannot. With the lock
/// no thread that ends moves blocks from caches to arenas meanwhile.
pub(crate) fn refresh_under(_lock: &Guard) -> bool {
    for heap in (1..HEAPS).filter_map(Heap::by_id) {
        let bytes = cache::cached_bytes(heap);
        heap.cached.store(bytes, Ordering::Relaxed);
    }
    je::refresh_stats()
}

/// The sum over all heaps, in bytes. Of the bytes allocated those that caches held do not count,
/// and a heap that the last snapshot does not know counts as 0.
pub fn total(stat: Stat) -> usize {
    let _still = reclaim::lock();
    let of = |heap: &Heap| {
        let cached = match stat {
            Stat::Allocated => heap.cached_bytes(),
            Stat::Active | Stat::Resident => 0,
        };
        sum(heap.arenas(), stat).unwrap_or(0).saturating_sub(cached)
    };
    (1..HEAPS).filter_map(Heap::by_id).map(of).sum()
}

/// The sum over arenas. An arena that the snapshot does not know counts as 0;
/// `Invalid` when it knows none of them although there are some.
pub fn sum(arenas: impl Iterator<Item = u32>, stat: Stat) -> Result<usize, Error> {
    let (mut sum, mut asked, mut known) = (0, false, false);
    for arena in arenas {
        asked = true;
        if let Some(value) = je::arena_stat(arena, stat) {
            sum += value;
            known = true;
        }
    }
    if asked && !known {
        Err(Error::Invalid)
    } else {
        Ok(sum)
    }
}
