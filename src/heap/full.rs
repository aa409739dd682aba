//! A heap that has run full.
//!
//! A program may meet a full kind all the time, as one that frees its oldest block whenever
//! there is no room for a new one. To take back what threads have cached is dear. So they
//! have no caches for a while: what one frees is there for all at once. Nor do blocks that
//! grow get room meanwhile.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, Ordering};

/// How many operations beside caches go without one, or without room, when a heap has run full.
const WITHOUT: u32 = 512;

/// See the module.
pub(super) struct Full {
    /// How many more operations go without.
    without: AtomicU32,
    /// How often caches or arenas have given something back.
    turn: AtomicU32,
}

impl Full {
    pub(super) const fn new() -> Self {
        Self {
            without: AtomicU32::new(0),
            turn: AtomicU32::new(0),
        }
    }

    /// The heap could not serve a request.
    pub(super) fn begin(&self) {
        self.without.store(WITHOUT, Ordering::Relaxed);
    }

    /// Whether a thread that has no cache goes on without one, or a block that grows without
    /// room. Counts the operation.
    pub(super) fn goes_without(&self) -> bool {
        let left = self.without.load(Ordering::Relaxed);
        if left > 0 {
            // Of two threads at once one may be forgotten.
            self.without.store(left - 1, Ordering::Relaxed);
        }
        left > 0
    }

    /// A number that changes when caches give back blocks, or arenas unused pages.
    pub(super) fn turn(&self) -> u32 {
        self.turn.load(Ordering::Acquire)
    }

    /// Something has been given back.
    pub(super) fn next_turn(&self) {
        self.turn.fetch_add(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::{Full, WITHOUT};

    #[test]
    fn it_ends_when_all_goes_well_for_long() {
        let full = Full::new();
        assert!(!full.goes_without());
        full.begin();
        assert!((0..WITHOUT).all(|_| full.goes_without()));
        assert!(!full.goes_without());
    }
}
