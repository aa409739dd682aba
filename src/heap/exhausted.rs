//! What a thread's arena is known to have no room for.
//!
//! A program that frees blocks of a full heap until there is room for the next one, of
//! another size, is refused again and again, and each time jemalloc searches in vain all that
//! the arena might still take. Most of what is freed is of no use to the class in question:
//! its slabs have room only when one of its own blocks has been freed, and there are pages
//! for another slab only when the heap has got some back. Both are counted ([`super::full`]),
//! so the arena need not be asked while neither has happened.
//!
//! This is true of heaps that only their own limit keeps from growing. Where a file system or
//! a node is full, others can make room.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::class;

/// So many times in a row the arena is not asked. Pages on their way from one list of jemalloc
/// to another may be missed by who asks in that moment, and be there the next.
const ROW: u32 = 32;

/// What the heap counted before an arena was asked: see [`super::full`].
#[derive(Clone, Copy)]
pub(super) struct Counts {
    /// Which heap it is, of all that ever were.
    pub(super) heap: u32,
    /// Changes with the pages that may be free.
    pub(super) turn: u32,
    /// Blocks of the class that have been freed.
    pub(super) freed: u32,
}

/// See the module. Of one heap at a time something is known. Written by its thread.
pub(super) struct Exhausted {
    heap: AtomicU32,
    turn: AtomicU32,
    /// The classes that the arena had no room for, a bit for each.
    classes: AtomicU64,
    /// How many blocks of such a class may have been freed without room for one: those that
    /// had been, and each that the thread has taken since.
    freed: [AtomicU32; class::COUNT],
    /// How often the arena has not been asked for one since it last was in vain.
    row: [AtomicU32; class::COUNT],
}

const _: () = assert!(class::COUNT <= u64::BITS as usize);

impl Exhausted {
    pub(super) const fn new() -> Self {
        Self {
            heap: AtomicU32::new(0),
            turn: AtomicU32::new(0),
            classes: AtomicU64::new(0),
            freed: [const { AtomicU32::new(0) }; class::COUNT],
            row: [const { AtomicU32::new(0) }; class::COUNT],
        }
    }

    fn is_about(&self, counts: Counts) -> bool {
        self.heap.load(Ordering::Relaxed) == counts.heap
            && self.turn.load(Ordering::Relaxed) == counts.turn
    }

    fn has(&self, class: usize) -> bool {
        self.classes.load(Ordering::Relaxed) >> class & 1 != 0
    }

    /// Notes that the arena had no room for a class.
    pub(super) fn note(&self, class: usize, counts: Counts) {
        let mut classes = 1 << class;
        if self.is_about(counts) {
            classes |= self.classes.load(Ordering::Relaxed);
        }
        self.heap.store(counts.heap, Ordering::Relaxed);
        self.turn.store(counts.turn, Ordering::Relaxed);
        self.classes.store(classes, Ordering::Relaxed);
        self.freed[class].store(counts.freed, Ordering::Relaxed);
        self.row[class].store(0, Ordering::Relaxed);
    }

    /// Notes that it has had room for a block of a class, and has it no more.
    pub(super) fn took(&self, class: usize, counts: Counts) {
        if self.is_about(counts) && self.has(class) {
            let freed = self.freed[class].load(Ordering::Relaxed);
            self.freed[class].store(freed.wrapping_add(1), Ordering::Relaxed);
        }
    }

    /// Whether the arena need not be asked for a block of a class.
    pub(super) fn is_known(&self, class: usize, counts: Counts) -> bool {
        if !self.is_about(counts) || !self.has(class) {
            return false;
        }
        let row = self.row[class].load(Ordering::Relaxed);
        let more = counts
            .freed
            .wrapping_sub(self.freed[class].load(Ordering::Relaxed));
        let known = more as i32 <= 0 && row < ROW;
        if known {
            self.row[class].store(row + 1, Ordering::Relaxed);
        }
        known
    }
}

#[cfg(test)]
mod tests {
    use super::{Counts, Exhausted, ROW};

    const fn counts(heap: u32, turn: u32, freed: u32) -> Counts {
        Counts { heap, turn, freed }
    }

    #[test]
    fn only_what_was_freed_makes_room() {
        let exhausted = Exhausted::new();
        assert!(!exhausted.is_known(3, counts(1, 7, 0)));
        exhausted.note(3, counts(1, 7, 10));
        assert!(exhausted.is_known(3, counts(1, 7, 10)));
        // Another class, pages, another heap.
        assert!(!exhausted.is_known(4, counts(1, 7, 10)));
        assert!(!exhausted.is_known(3, counts(1, 8, 10)));
        assert!(!exhausted.is_known(3, counts(2, 7, 10)));
        // One block, and it is taken.
        assert!(!exhausted.is_known(3, counts(1, 7, 11)));
        exhausted.took(3, counts(1, 7, 11));
        assert!(exhausted.is_known(3, counts(1, 7, 11)));
        // What is known of two classes holds for as long.
        exhausted.note(4, counts(1, 7, 0));
        assert!(exhausted.is_known(3, counts(1, 7, 11)));
        exhausted.note(4, counts(1, 8, 0));
        assert!(!exhausted.is_known(3, counts(1, 8, 11)));
        assert!(exhausted.is_known(4, counts(1, 8, 0)));
        // What is taken from another heap, or of a class of which nothing is known, is no
        // matter.
        exhausted.took(4, counts(2, 8, 0));
        assert!(!exhausted.is_known(4, counts(1, 8, 1)));
        exhausted.took(5, counts(1, 8, 0));
        exhausted.note(5, counts(1, 8, u32::MAX));
        assert!(exhausted.is_known(5, counts(1, 8, u32::MAX)));
        assert!(!exhausted.is_known(5, counts(1, 8, 0)));
    }

    #[test]
    fn the_arena_is_asked_now_and_then() {
        let exhausted = Exhausted::new();
        exhausted.note(3, counts(1, 0, 0));
        for _ in 0..3 {
            assert!((0..ROW).all(|_| exhausted.is_known(3, counts(1, 0, 0))));
            assert!(!exhausted.is_known(3, counts(1, 0, 0)));
            exhausted.note(3, counts(1, 0, 0));
        }
        // Whatever is found out of others meanwhile.
        let known = |_: &u32| {
            exhausted.note(4, counts(1, 0, 0));
            exhausted.is_known(3, counts(1, 0, 0))
        };
        assert_eq!((0..2 * ROW).take_while(known).count() as u32, ROW);
    }
}
