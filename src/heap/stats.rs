//! Statistics of a set of arenas, from the last snapshot.

use core::sync::atomic::Ordering;

use super::je::{self, Stat};
use super::lock::Guard;
use super::{HEAPS, Heap, cache, reclaim};
use crate::error::Error;

/// Takes a new snapshot of all statistics; `false` when jemalloc cannot. Meanwhile no
/// thread that ends, and nobody who reclaims, moves blocks from caches to arenas.
pub fn refresh() -> bool {
    refresh_under(&reclaim::lock())
}

/// The same with that lock.
pub(super) fn refresh_under(_lock: &Guard) -> bool {
    for heap in (1..HEAPS).filter_map(Heap::by_id) {
        let bytes = cache::cached_bytes(heap);
        heap.cached.store(bytes, Ordering::Relaxed);
    }
    je::refresh_stats()
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
