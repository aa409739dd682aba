//! Whether anything may have become free in a heap since a moment ago.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use once_cell::race::OnceBox;

use crate::boxed::boxed;
use crate::heap::base::class;
use crate::heap::thread::exhausted::Counts;

/// Each heap has two to the power of this many turns, enough for years, that none of the 65,535 heaps
/// opened before it has had.
const TURN_BITS: u32 = 48;

/// What a heap counts to know when a request that it refused may be met.
pub(crate) struct Turn {
    /// How often pages may have become free, from a number on that is this heap's alone.
    turn: AtomicU64,
    /// How many blocks of each class jemalloc has got back whose slabs stayed; none before the
    /// heap first ran full.
    freed: OnceBox<[AtomicU32; class::SMALL_COUNT]>,
}

impl Turn {
    pub(super) const fn new() -> Self {
        Self {
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

    /// Counts freed blocks from now on: the heap has refused a request.
    pub(crate) fn count_blocks(&self) {
        // Without memory for the counts each block that is freed is a new turn.
        let none = || boxed([const { AtomicU32::new(0) }; class::SMALL_COUNT]);
        let _ = self.freed.get_or_try_init(none);
    }

    /// A number that changes when caches give back blocks or arenas unused pages, and after
    /// a block was freed whose pages may be free.
    pub(crate) fn get(&self) -> u64 {
        self.turn.load(Ordering::Acquire)
    }

    /// Notes that something has been given back.
    pub(crate) fn next(&self) {
        self.turn.fetch_add(1, Ordering::Release);
    }

    /// Counts a block of a class that jemalloc has got back, and with it no pages.
    pub(crate) fn count_freed(&self, class: usize) {
        match self.freed.get() {
            Some(freed) => {
                freed[class].fetch_add(1, Ordering::Release);
            }
            None => self.next(),
        }
    }

    /// The counts that matter for a request of a class; class 0 has no blocks.
    pub(crate) fn counts(&self, class: usize) -> Counts {
        let turn = self.get();
        let freed = self.freed.get();
        Counts {
            turn,
            freed: freed.map_or(0, |freed| freed[class].load(Ordering::Acquire)),
        }
    }
}
