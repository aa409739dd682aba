//! Statistics of a set of arenas, from the last snapshot.

use super::store::Store;
use crate::error::Error;
use crate::heap::base::je::{self, Stat};
use crate::heap::thread;

/// Takes a new snapshot of all statistics; `false` when jemalloc cannot. What caches hold goes
/// to the arenas before, for a free block would keep the pages around it active.
pub fn refresh() -> bool {
    let lock = thread::hold_caches();
    Store::all()
        .filter(|store| store.is_cached())
        .for_each(Store::drain);
    Store::refresh_all(&lock)
}

/// The sum over all heaps, in bytes. Of the bytes allocated those that caches held do not count,
/// and a heap that the last snapshot does not know counts as 0.
pub fn total(stat: Stat) -> usize {
    let _still = thread::hold_caches();
    let of = |store: &Store| {
        let cached = match stat {
            Stat::Allocated => store.cached_bytes(),
            Stat::Active | Stat::Resident => 0,
        };
        let of_arenas = sum(store.arenas.existing(), stat).unwrap_or(0);
        let all = of_arenas + store.first_bytes(stat);
        all.saturating_sub(cached)
    };
    Store::all().map(of).sum::<usize>() + of_mappings(stat)
}

/// The part of all blocks that are mappings of their own, which jemalloc does not know, in bytes.
pub fn of_mappings(stat: Stat) -> usize {
    let of = |store: &Store| store.arenas.mappings.stat(stat);
    Store::all().map(of).sum()
}

/// The sum over arenas. An arena that the snapshot does not know counts as 0;
/// `Invalid` when there are arenas and it knows none of them.
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
