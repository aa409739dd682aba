//! Arenas that have grown although they have free memory.
//!
//! When an arena takes more addresses for a block of moderate size, what it has free is in pieces
//! too small for that: jemalloc joins free extents of a few pages only when it gives them back.
//! So then they go back at once, and the next requests have what they were. Where the pieces lie
//! between blocks that stay, that is dear and of no use; so for each one the arenas have to grow
//! by something before any go back again.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use super::{Heap, je};

/// Growth by less is not looked at: there cannot be much that is free.
const GROWTH: usize = 8 << 20;
/// Where there is no room for a larger block, there may be blocks that are worth keeping.
const MODERATE: usize = 1 << 20;

/// By how much arenas grow for each piece that went back: to give it back and to get it again
/// takes as long as to touch so much for the first time.
const PIECE: usize = 32 << 10;

/// That an arena of a heap has grown. The heap has it, so that the arena lives when it is used.
pub(super) struct Grown {
    /// The arena, 0 for none. Of several the last: the others will grow again.
    arena: AtomicU32,
    /// How many pieces arenas have given back.
    pieces: AtomicUsize,
    /// By how many bytes arenas have to grow before pieces go back again.
    owed: AtomicUsize,
}

impl Grown {
    pub(super) const fn new() -> Self {
        Self {
            arena: AtomicU32::new(0),
            pieces: AtomicUsize::new(0),
            owed: AtomicUsize::new(0),
        }
    }

    /// Notes that an arena has taken so many bytes of addresses. jemalloc's locks are held.
    pub(super) fn note(&self, arena: u32, bytes: usize) {
        if bytes >= GROWTH {
            self.arena.store(arena, Ordering::Relaxed);
        }
        let owed = self.owed.load(Ordering::Relaxed);
        self.owed
            .store(owed.saturating_sub(bytes), Ordering::Relaxed);
    }

    /// Counts a piece that an arena gives back. jemalloc's locks are held.
    pub(super) fn count_piece(&self) {
        self.pieces.fetch_add(1, Ordering::Relaxed);
    }
}

impl Heap {
    /// To be called after the thread's arena was asked for a block of so many bytes. That there
    /// was no place for a `demanding` one, which is aligned beyond its class or is to have room
    /// behind it, does not tell what is free.
    #[inline]
    pub(super) fn after_growth(&self, size: usize, demanding: bool) {
        if self.grown.arena.load(Ordering::Relaxed) != 0 {
            self.give_pieces_back(size, demanding);
        }
    }

    #[cold]
    fn give_pieces_back(&self, size: usize, demanding: bool) {
        let arena = self.grown.arena.load(Ordering::Relaxed);
        // Another thread's arena is that one's affair.
        if !self.arenas.is_current(arena) {
            return;
        }
        self.grown.arena.store(0, Ordering::Relaxed);
        if size > MODERATE || demanding || self.grown.owed.load(Ordering::Relaxed) != 0 {
            return;
        }
        // What other threads' arenas give back meanwhile counts as well: it only delays.
        let before = self.grown.pieces.load(Ordering::Relaxed);
        je::purge(arena);
        let pieces = self.grown.pieces.load(Ordering::Relaxed) - before;
        self.grown.owed.store(pieces * PIECE, Ordering::Relaxed);
    }
}
