//! Statistics of a set of arenas, from jemalloc's last snapshot.

use super::je::{self, Stat};
use crate::error::Error;

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
