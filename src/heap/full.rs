//! A heap that has run full.
//!
//! A program may meet a full kind all the time, as one that frees its oldest block whenever
//! there is no room for a new one. To take back what threads have cached is dear. So they
//! have no caches for a while: what one frees is there for all at once. Nor do blocks that
//! grow get room meanwhile.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, Ordering};

use once_cell::race::OnceBox;

use super::class;
use super::exhausted::Counts;
use crate::boxed::boxed;

/// How many operations beside caches go without one, or without room, when a heap has run full.
const WITHOUT: u32 = 512;

/// See the module.
pub(super) struct Full {
    /// How many more operations go without.
    without: AtomicU32,
    /// How often caches or arenas have given something back.
    turn: AtomicU32,
    /// Once somebody has asked for it.
    freed: OnceBox<Freed>,
}

/// Blocks that jemalloc has got back whose slabs stayed.
struct Freed {
    /// Which heap this is about, of all that ever were.
    heap: u32,
    /// How many of each class.
    blocks: [AtomicU32; class::COUNT],
}

/// How many heaps have counted such blocks.
static COUNTED: AtomicU32 = AtomicU32::new(0);

impl Full {
    pub(super) const fn new() -> Self {
        Self {
            without: AtomicU32::new(0),
            turn: AtomicU32::new(0),
            freed: OnceBox::new(),
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

    /// A number that changes when caches give back blocks or arenas unused pages, and after
    /// a block was freed whose pages may be free.
    pub(super) fn turn(&self) -> u32 {
        self.turn.load(Ordering::Acquire)
    }

    /// Something has been given back.
    pub(super) fn next_turn(&self) {
        self.turn.fetch_add(1, Ordering::Release);
    }

    /// Counts a block of a class that jemalloc has got back, and with it no pages.
    pub(super) fn count_freed(&self, class: usize) {
        match self.freed.get() {
            Some(freed) => {
                freed.blocks[class].fetch_add(1, Ordering::Release);
            }
            None => self.next_turn(),
        }
    }

    /// What is counted of a class; `None` when memory is short.
    pub(super) fn counts(&self, class: usize) -> Option<Counts> {
        let fresh = || {
            boxed(Freed {
                heap: COUNTED.fetch_add(1, Ordering::Relaxed) + 1,
                blocks: [const { AtomicU32::new(0) }; class::COUNT],
            })
        };
        let freed = self.freed.get_or_try_init(fresh).ok()?;
        Some(Counts {
            heap: freed.heap,
            turn: self.turn(),
            freed: freed.blocks[class].load(Ordering::Acquire),
        })
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
