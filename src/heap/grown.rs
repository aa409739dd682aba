//! Arenas that have grown although they have free memory.
//!
//! When an arena takes more addresses for a block of moderate size, what it has free is in pieces
//! too small for that: jemalloc joins free extents of a few pages only when it gives them back.
//! So then they go back at once, and the next requests have what they were. That is dear where the
//! pieces are many, but seldom: jemalloc takes a fifth of what an arena has, or more, each time,
//! until it takes 1 GiB at once.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, Ordering};

use super::{Heap, je};

/// Growth by less is not looked at: there cannot be much that is free.
const GROWTH: usize = 8 << 20;
/// Where there is no room for a larger block, there may be blocks that are worth keeping.
const MODERATE: usize = 1 << 20;

/// That an arena of a heap has grown. The heap has it, so that the arena lives when it is used.
pub(super) struct Grown {
    /// The arena, 0 for none. Of several the last: the others will grow again.
    arena: AtomicU32,
}

impl Grown {
    pub(super) const fn new() -> Self {
        Self {
            arena: AtomicU32::new(0),
        }
    }

    /// Notes that an arena has taken so many bytes of addresses. jemalloc's locks are held.
    pub(super) fn note(&self, arena: u32, bytes: usize) {
        if bytes >= GROWTH {
            self.arena.store(arena, Ordering::Relaxed);
        }
    }
}

impl Heap {
    /// To be called after the thread's arena was asked for a block of so many bytes. That there
    /// was no place for one that is `aligned` beyond its class does not tell what is free.
    #[inline]
    pub(super) fn after_growth(&self, size: usize, aligned: bool) {
        if self.grown.arena.load(Ordering::Relaxed) != 0 {
            self.give_pieces_back(size, aligned);
        }
    }

    #[cold]
    fn give_pieces_back(&self, size: usize, aligned: bool) {
        let arena = self.grown.arena.load(Ordering::Relaxed);
        // Another thread's arena is that one's affair.
        if !self.arenas.is_current(arena) {
            return;
        }
        self.grown.arena.store(0, Ordering::Relaxed);
        if size <= MODERATE && !aligned {
            je::purge(arena);
        }
    }
}
