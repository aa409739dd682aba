//! A heap that has run full.
//!
//! A program may meet a full kind all the time, as one that frees its oldest block whenever
//! there is no room for a new one. To take back what threads have cached is dear. So they
//! have no caches for a while: what one frees is there for all at once. Nor do blocks that
//! grow get room meanwhile.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use once_cell::race::OnceBox;

use crate::boxed::boxed;
use crate::heap::class;
use crate::heap::exhausted::Counts;

/// How many operations beside caches go without one, or without room, when a heap has run full.
const WITHOUT: u32 = 512;
/// How many turns one heap has for itself, two to the power of this: years of them.
const TURN_BITS: u32 = 48;

/// What a heap counts in order to know when it is full and when it may not be any more.
pub(crate) struct Full {
    /// How many more operations go without a cache.
    without: AtomicU32,
    /// How often pages may have become free, from a number on that is this heap's alone.
    turn: AtomicU64,
    /// How many blocks of each class jemalloc has got back whose slabs stayed; none before the
    /// heap first ran full.
    freed: OnceBox<[AtomicU32; class::COUNT]>,
}

impl Full {
    pub(crate) const fn new() -> Self {
        Self {
            without: AtomicU32::new(0),
            turn: AtomicU64::new(0),
            freed: OnceBox::new(),
        }
    }

    /// Begins with turns that no heap has had.
    pub(crate) fn open(&self) {
        static OPENED: AtomicU64 = AtomicU64::new(0);
        let heap = OPENED.fetch_add(1, Ordering::Relaxed) + 1;
        self.turn.store(heap << TURN_BITS, Ordering::Relaxed);
    }

    /// The heap could not serve a request.
    pub(crate) fn begin(&self) {
        self.without.store(WITHOUT, Ordering::Relaxed);
        // Without memory for the counts each block that is freed is a new turn.
        let none = || boxed([const { AtomicU32::new(0) }; class::COUNT]);
        let _ = self.freed.get_or_try_init(none);
    }

    /// Whether a thread that has no cache goes on without one, or a block that grows without
    /// room. Counts the operation.
    pub(crate) fn goes_without(&self) -> bool {
        let left = self.without.load(Ordering::Relaxed);
        if left > 0 {
            // Of two threads at once one may be forgotten.
            self.without.store(left - 1, Ordering::Relaxed);
        }
        left > 0
    }

    /// A number that changes when caches give back blocks or arenas unused pages, and after
    /// a block was freed whose pages may be free.
    pub(crate) fn turn(&self) -> u64 {
        self.turn.load(Ordering::Acquire)
    }

    /// Something has been given back.
    pub(crate) fn next_turn(&self) {
        self.turn.fetch_add(1, Ordering::Release);
    }

    /// Counts a block of a class that jemalloc has got back, and with it no pages.
    pub(crate) fn count_freed(&self, class: usize) {
        match self.freed.get() {
            Some(freed) => {
                freed[class].fetch_add(1, Ordering::Release);
            }
            None => self.next_turn(),
        }
    }

    /// What is counted for a request of a class; of class 0 no blocks are.
    pub(crate) fn counts(&self, class: usize) -> Counts {
        let turn = self.turn();
        let freed = self.freed.get();
        Counts {
            turn,
            freed: freed.map_or(0, |freed| freed[class].load(Ordering::Acquire)),
        }
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
