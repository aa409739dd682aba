//! The arenas of a heap, what jemalloc calls for them, and how many a kind may have.

mod arenas;
mod hooks;
mod kept;
mod mappings;
mod records;
mod turn;
mod usage;

pub(crate) use arenas::{Arenas, LARGE_KEPT, Source};

use crate::backing::Backing;
use crate::env;
use crate::error::Error;
use crate::log;
use crate::topology;
use arenas::MAX;

impl Arenas {
    /// Arenas that have taken nothing yet. `id` is from 1 to `HEAPS - 1`; `decay_ms` is after how
    /// many milliseconds unused pages go back, `None` as jemalloc is set up.
    pub(crate) const fn new(backing: Backing, id: u32, decay_ms: Option<isize>) -> Self {
        Self::with_hooks(hooks::EXTENTS, backing, id, decay_ms)
    }
}

/// The number of arenas a kind may have by default: four for each
/// configured CPU; a power of two up to 256.
pub fn usual() -> u32 {
    rounded(topology::n_cpus_configured().saturating_mul(4) as u64)
}

fn rounded(count: u64) -> u32 {
    count.min(MAX as u64).next_power_of_two() as u32
}

/// The fewest bytes for each arena of a bounded kind: each arena has free pages and half-used slabs
/// that only some threads get at first.
const LEAST_PART: usize = 16 << 20;

/// The number of arenas that a kind may have which can hold no more than `bound` bytes.
pub fn usual_for(bound: Option<usize>) -> u32 {
    match bound.map_or(usize::MAX, |bytes| bytes / LEAST_PART) {
        0 => 1,
        parts => usual().min(1 << parts.ilog2().min(u32::BITS - 1)),
    }
}

/// The number of arenas a kind may have by MEMKIND_ARENA_NUM_PER_KIND, a power of two up to
/// 256; `None` if it is not set. `Environ` for a malformed value.
pub fn asked_for() -> Result<Option<u32>, Error> {
    match env::get(env::ARENA_NUM_PER_KIND) {
        None => Ok(None),
        Some(text) => match env::parse_leading_decimal(text, i32::MAX as u64) {
            Some(count) if count > 0 => Ok(Some(rounded(count))),
            _ => {
                log::error!(
                    "Wrong MEMKIND_ARENA_NUM_PER_KIND environment value: {}.",
                    log::Bytes(text.to_bytes())
                );
                Err(Error::Environ)
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_kinds_have_few_arenas() {
        assert_eq!(usual_for(Some(0)), 1);
        assert_eq!(usual_for(Some(2 * LEAST_PART - 1)), 1);
        assert_eq!(usual_for(Some(2 * LEAST_PART)), usual().min(2));
        assert_eq!(usual_for(Some(7 * LEAST_PART)), usual().min(4));
        assert_eq!(usual_for(Some(usize::MAX)), usual());
        assert_eq!(usual_for(None), usual());
    }
}
