//! Arenas that have grown although they have free memory.
//!
//! When an arena takes more addresses for a block of moderate size, what it has free is in pieces
//! too small for that: jemalloc joins free extents of a few pages only when it gives them back.
//! So then they go back at once, and the next requests have what they were. Where the pieces lie
//! between blocks that stay, that is dear and of no use; so for each one the arenas have to grow
//! by something before any go back again.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use crate::heap::{Heap, class, je};

/// Growth by less is not looked at: there cannot be much that is free.
const GROWTH: usize = 8 << 20;
/// Where there is no room for a larger block, there may be blocks that are worth keeping.
const MODERATE: usize = 1 << 20;

/// By how much arenas grow for each piece that went back: to give it back and to get it again
/// takes as long as to touch so much for the first time. If it is too small for the request
/// even so, by its length at least: it has all to be touched again, and for nothing.
const PIECE: usize = 32 << 10;

/// That an arena of a heap has grown. The heap has it, so that the arena lives when it is used.
pub(crate) struct Grown {
    /// The arena, 0 for none. Of several the last: the others will grow again.
    arena: AtomicU32,
    /// How many bytes the request takes for which pieces go back.
    wanted: AtomicUsize,
    /// By how many bytes arenas have to grow for all pieces that have ever gone back.
    price: AtomicUsize,
    /// By how many they have to before pieces go back again.
    owed: AtomicUsize,
    /// How many bytes of addresses arenas have taken.
    taken: AtomicUsize,
}

impl Grown {
    pub(crate) const fn new() -> Self {
        Self {
            arena: AtomicU32::new(0),
            wanted: AtomicUsize::new(0),
            price: AtomicUsize::new(0),
            owed: AtomicUsize::new(0),
            taken: AtomicUsize::new(0),
        }
    }

    /// Notes that an arena has taken so many bytes of addresses. jemalloc's locks are held.
    pub(crate) fn note(&self, arena: u32, bytes: usize) {
        if bytes >= GROWTH {
            self.arena.store(arena, Ordering::Relaxed);
        }
        self.taken.fetch_add(bytes, Ordering::Relaxed);
        let owed = self.owed.load(Ordering::Relaxed);
        self.owed
            .store(owed.saturating_sub(bytes), Ordering::Relaxed);
    }

    /// Counts a piece that an arena gives back. jemalloc's locks are held.
    pub(crate) fn count_piece(&self, length: usize) {
        let is_enough = length >= self.wanted.load(Ordering::Relaxed);
        let price = if is_enough { PIECE } else { PIECE.max(length) };
        self.price.fetch_add(price, Ordering::Relaxed);
    }
}

impl Heap {
    /// To be called after the thread's arena was asked for a block of so many bytes. That there
    /// was no place for a `demanding` one, which is aligned beyond its class or is to have room
    /// behind it, does not tell what is free.
    #[inline]
    pub(crate) fn after_growth(&self, size: usize, demanding: bool) {
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
        let wanted = class::least_pages(size);
        self.grown.wanted.store(wanted, Ordering::Relaxed);
        // What other threads' arenas give back meanwhile counts as well: it only delays.
        let before = self.grown.price.load(Ordering::Relaxed);
        je::purge(arena);
        let price = self.grown.price.load(Ordering::Relaxed);
        // In what is twice as large pieces may be of use again.
        let most = self.grown.taken.load(Ordering::Relaxed);
        let owed = price.wrapping_sub(before).min(most);
        self.grown.owed.store(owed, Ordering::Relaxed);
    }
}
