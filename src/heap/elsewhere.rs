//! Where a thread looks for a block when its own arena of a full heap has none.
//!
//! A full heap has no time to ask all arenas whenever it refuses ([`super::effort`]). Then a
//! thread asks another arena now and then, each in its turn; but the one that has had room
//! for it, it asks again.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// Of so many requests in a row for which there is no room, one asks another arena.
const ROW: u32 = 8;

/// What a thread has found. Written by its thread.
pub(super) struct Elsewhere {
    /// The id of the heap that this is about.
    heap: AtomicU32,
    /// The slot of the arena to ask first.
    first: AtomicUsize,
    /// How many times in a row it might have asked a single arena, and had nothing.
    row: AtomicU32,
}

impl Elsewhere {
    pub(super) const fn new() -> Self {
        Self {
            heap: AtomicU32::new(0),
            first: AtomicUsize::new(0),
            row: AtomicU32::new(0),
        }
    }

    /// The same for a heap: of one heap at a time something is known.
    pub(super) fn of(&self, heap: u32) -> &Self {
        if self.heap.load(Ordering::Relaxed) != heap {
            self.heap.store(heap, Ordering::Relaxed);
            self.first.store(0, Ordering::Relaxed);
            self.row.store(0, Ordering::Relaxed);
        }
        self
    }

    /// The slot to begin with.
    pub(super) fn first(&self) -> usize {
        self.first.load(Ordering::Relaxed)
    }

    /// Whether another arena is to be asked this time.
    pub(super) fn is_due(&self) -> bool {
        let row = self.row.load(Ordering::Relaxed);
        self.row.store(row.wrapping_add(1), Ordering::Relaxed);
        row % ROW == 0
    }

    /// Notes whether the arena of a slot has had room.
    pub(super) fn note(&self, slot: usize, found: bool) {
        if found {
            self.row.store(0, Ordering::Relaxed);
        }
        self.first
            .store(slot + usize::from(!found), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::{Elsewhere, ROW};

    #[test]
    fn an_arena_that_has_room_is_asked_each_time() {
        let elsewhere = Elsewhere::new();
        let mut asked = Vec::new();
        for _ in 0..3 * ROW {
            if elsewhere.of(1).is_due() {
                asked.push(elsewhere.first());
                elsewhere.note(elsewhere.first(), false);
            }
        }
        assert_eq!(asked, [0, 1, 2]);
        elsewhere.note(7, true);
        for _ in 0..5 {
            assert!(elsewhere.of(1).is_due());
            assert_eq!(elsewhere.first(), 7);
            elsewhere.note(7, true);
        }
        assert_eq!(elsewhere.of(2).first(), 0);
        assert!(elsewhere.is_due());
    }
}
