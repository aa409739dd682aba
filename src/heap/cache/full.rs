//! A heap that has run full goes without caches for a while.
//!
//! A program may meet a full kind all the time, as one that frees its oldest block whenever
//! there is no room for a new one. To take back what threads have cached takes long. So threads
//! get no caches for a while: a block that one frees is there for all at once. Nor do blocks that
//! grow get room meanwhile.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, Ordering};

/// How many operations beside caches go without one, or without room, when a heap has run full.
const WITHOUT: u32 = 512;

/// How many more operations go without a cache.
pub(crate) struct Full(AtomicU32);

impl Full {
    pub(super) const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Notes that the heap could not meet a request.
    pub(crate) fn begin(&self) {
        self.0.store(WITHOUT, Ordering::Relaxed);
    }

    /// Whether a thread that has no cache goes on without one, or a block that grows without
    /// room. Counts the operation.
    pub(crate) fn goes_without(&self) -> bool {
        let left = self.0.load(Ordering::Relaxed);
        if left > 0 {
            // Of two threads at once one may not be counted.
            self.0.store(left - 1, Ordering::Relaxed);
        }
        left > 0
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
