//! Statistics of kinds, from jemalloc's last snapshot.

use super::{Kind, registry};
use crate::error::Error;
use crate::heap::je::{self, Stat};
use crate::heap::{Heap, stats};

/// jemalloc's arena numbers are below this.
const ARENAS: usize = 4096;

impl Kind {
    /// A statistic of this kind, in bytes; 0 for a kind that has not been used.
    ///
    /// # Errors
    /// `Invalid` when the kind was first used after the last snapshot.
    pub fn stat(&'static self, stat: Stat) -> Result<usize, Error> {
        if !self.is_system() {
            return stats::sum(self.heaps().flat_map(Heap::arenas), stat);
        }
        let mut owned = [0_u64; ARENAS / 64];
        for arena in registry::all().flat_map(Kind::heaps).flat_map(Heap::arenas) {
            owned[arena as usize / 64] |= 1 << (arena % 64);
        }
        let own = (0..je::n_arenas().min(ARENAS as u32))
            .filter(|arena| owned[*arena as usize / 64] & (1 << (arena % 64)) == 0);
        stats::sum(own, stat)
    }
}

/// A statistic of the whole library, in bytes.
///
/// # Errors
/// `Invalid` when jemalloc does not know it.
pub fn stat_of_all(stat: Stat) -> Result<usize, Error> {
    je::total_stat(stat).ok_or(Error::Invalid)
}
