//! Statistics of kinds, from jemalloc's last snapshot.

use super::{Kind, registry};
use crate::error::Error;
use crate::heap::je::{self, Stat};
use crate::heap::{Heap, stats};

impl Kind {
    /// A statistic of this kind, in bytes; 0 for a kind that has not been used. Blocks
    /// that caches hold are not allocated.
    ///
    /// # Errors
    /// `Invalid` when the kind was first used after the last snapshot; `OperationFailed` for a
    /// kind that has been used and is on a pool of TBB.
    pub fn stat(&'static self, stat: Stat) -> Result<usize, Error> {
        if self.is_pooled() && self.is_ready() {
            return Err(Error::OperationFailed);
        }
        let sum = match stats::sum(self.heaps().flat_map(Heap::arenas), stat) {
            // MEMKIND_DEFAULT always exists: before the first snapshot it holds nothing.
            Err(_) if self.is_system() => 0,
            sum => sum?,
        };
        let first: usize = self.heaps().map(|heap| heap.first_bytes(stat)).sum();
        let in_arenas = (sum + first).saturating_sub(match stat {
            Stat::Allocated => self.heaps().map(Heap::cached_bytes).sum(),
            Stat::Active | Stat::Resident => 0,
        });
        let in_mappings: usize = self.heaps().map(|heap| heap.bytes_in_mappings(stat)).sum();
        Ok(in_arenas + in_mappings)
    }
}

/// A statistic of the whole library, in bytes: of the blocks of all kinds and the pages that
/// hold them, or of all memory, the library's own records included.
///
/// # Errors
/// `Invalid` when jemalloc does not know it.
pub fn stat_of_all(stat: Stat) -> Result<usize, Error> {
    if stat == Stat::Resident {
        let of_jemalloc = je::total_stat(stat).ok_or(Error::Invalid)?;
        return Ok(of_jemalloc + stats::of_mappings(stat));
    }
    Ok(stats::total(stat))
}

/// The kinds that have been given memory, as far as the last snapshot knows.
pub fn in_use() -> impl Iterator<Item = &'static Kind> {
    registry::all().filter(|kind| {
        let has_any = |heap: &'static Heap| {
            heap.arenas().next().is_some() || heap.first_bytes(Stat::Active) > 0
        };
        kind.heaps().any(has_any)
    })
}
