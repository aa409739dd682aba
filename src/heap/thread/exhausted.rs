//! What a full heap has refused a thread and would refuse it again.
//!
//! A program that frees blocks of a full heap until there is room for the next one is refused
//! again and again, and each time jemalloc searches all that the arena might still take, and the
//! heap its other arenas. Most of what is freed meanwhile is of no use. A block needs pages, or a
//! free place in a slab of its class. `arena::turn` counts both, so while neither count has
//! changed, nothing is searched.
//!
//! This is true of heaps that only their own limit keeps from growing, and while no cache holds
//! anything. Where a file system or a node is full, others can make room.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use crate::heap::base::class;

/// How many requests in a row are refused without a search. A search may miss pages that another
/// thread moves from one of jemalloc's lists to another at that moment, and find them later.
const ROW: u32 = 32;

/// What a heap has counted, read before it is asked: see `arena::turn`.
#[derive(Clone, Copy)]
pub(crate) struct Counts {
    /// Changes when pages may have become free. No two heaps share a value.
    pub(crate) turn: u64,
    /// How many blocks of the request's class have been freed while their slabs stayed.
    pub(crate) freed: u32,
}

/// A thread's record of refusals, of one heap at a time. Written by its thread.
pub(crate) struct Exhausted {
    /// The turn of the heap at which all of this was found out; 0 for never.
    turn: AtomicU64,
    /// The fewest bytes, in whole pages, that are not to be had; 0 for none.
    pages: AtomicUsize,
    /// The classes of which no block is to be had, a bit for each.
    classes: AtomicU64,
    /// For each class in `classes`, the count of freed blocks up to which none is to be had.
    freed: [AtomicU32; class::SMALL_COUNT],
    /// How many requests have been refused since one was last searched for.
    row: AtomicU32,
}

const _: () = assert!(class::SMALL_COUNT <= u64::BITS as usize);

impl Exhausted {
    pub(crate) const fn new() -> Self {
        Self {
            turn: AtomicU64::new(0),
            pages: AtomicUsize::new(0),
            classes: AtomicU64::new(0),
            freed: [const { AtomicU32::new(0) }; class::SMALL_COUNT],
            row: AtomicU32::new(0),
        }
    }

    /// Whether there is a record of a heap's turn.
    #[inline]
    pub(crate) fn is_about(&self, turn: u64) -> bool {
        self.turn.load(Ordering::Relaxed) == turn
    }

    fn has(&self, class: usize) -> bool {
        self.classes.load(Ordering::Relaxed) >> class & 1 != 0
    }

    /// Notes that a heap has no block of a class, unless it is 0, and none of `pages` bytes in
    /// whole pages, unless it is 0.
    pub(crate) fn note(&self, class: usize, pages: usize, counts: Counts) {
        if !self.is_about(counts.turn) {
            self.turn.store(counts.turn, Ordering::Relaxed);
            self.pages.store(0, Ordering::Relaxed);
            self.classes.store(0, Ordering::Relaxed);
        }
        let fewest = self.pages.load(Ordering::Relaxed);
        if pages != 0 && (fewest == 0 || pages < fewest) {
            self.pages.store(pages, Ordering::Relaxed);
        }
        if class != 0 {
            let classes = self.classes.load(Ordering::Relaxed);
            self.classes.store(classes | 1 << class, Ordering::Relaxed);
            self.freed[class].store(counts.freed, Ordering::Relaxed);
        }
    }

    /// Notes that the thread was given a block of a class: of those that have been freed one
    /// less is to be had.
    pub(crate) fn took(&self, class: usize, turn: u64) {
        if self.is_about(turn) && self.has(class) {
            let freed = self.freed[class].load(Ordering::Relaxed);
            self.freed[class].store(freed.wrapping_add(1), Ordering::Relaxed);
        }
    }

    /// Whether to refuse a request of a class, or of class 0, which needs at least `pages` bytes.
    pub(crate) fn covers(&self, class: usize, pages: usize, counts: Counts) -> bool {
        if !self.is_about(counts.turn) {
            return false;
        }
        let fewest = self.pages.load(Ordering::Relaxed);
        let known = if class != 0 {
            let more = counts
                .freed
                .wrapping_sub(self.freed[class].load(Ordering::Relaxed));
            self.has(class) && more as i32 <= 0
        } else {
            fewest != 0 && pages >= fewest
        };
        let row = self.row.load(Ordering::Relaxed);
        let covers = known && row < ROW;
        if known {
            self.row
                .store(if covers { row + 1 } else { 0 }, Ordering::Relaxed);
        }
        covers
    }
}

#[cfg(test)]
mod tests {
    use super::{Counts, Exhausted, ROW};

    const fn counts(turn: u64, freed: u32) -> Counts {
        Counts { turn, freed }
    }

    #[test]
    fn only_what_was_freed_makes_room_for_a_class() {
        let exhausted = Exhausted::new();
        assert!(!exhausted.covers(3, 0, counts(7, 0)));
        exhausted.note(3, 0, counts(7, 10));
        assert!(exhausted.covers(3, 0, counts(7, 10)));
        // Another class, and pages.
        assert!(!exhausted.covers(4, 0, counts(7, 10)));
        assert!(!exhausted.covers(3, 0, counts(8, 10)));
        // One block, and it is taken.
        assert!(!exhausted.covers(3, 0, counts(7, 11)));
        exhausted.took(3, 7);
        assert!(exhausted.covers(3, 0, counts(7, 11)));
        // What is known of two classes holds for as long.
        exhausted.note(4, 0, counts(7, 0));
        assert!(exhausted.covers(3, 0, counts(7, 11)));
        exhausted.note(4, 0, counts(8, 0));
        assert!(!exhausted.covers(3, 0, counts(8, 11)));
        assert!(exhausted.covers(4, 0, counts(8, 0)));
        // What is taken of a class of which nothing is known does not matter.
        exhausted.took(5, 8);
        exhausted.note(5, 0, counts(8, u32::MAX));
        assert!(exhausted.covers(5, 0, counts(8, u32::MAX)));
        assert!(!exhausted.covers(5, 0, counts(8, 0)));
    }

    #[test]
    fn larger_blocks_are_not_to_be_had_either() {
        let exhausted = Exhausted::new();
        exhausted.note(0, 40960, counts(7, 0));
        assert!(exhausted.covers(0, 40960, counts(7, 0)));
        assert!(exhausted.covers(0, 1 << 30, counts(7, 0)));
        assert!(!exhausted.covers(0, 36864, counts(7, 0)));
        assert!(!exhausted.covers(3, 40960, counts(7, 0)));
        exhausted.note(0, 1 << 30, counts(7, 0));
        exhausted.note(3, 0, counts(7, 0));
        assert!(exhausted.covers(0, 40960, counts(7, 0)));
        exhausted.note(3, 0, counts(8, 0));
        assert!(!exhausted.covers(0, 40960, counts(8, 0)));
    }

    #[test]
    fn there_is_a_search_now_and_then() {
        let exhausted = Exhausted::new();
        exhausted.note(3, 8192, counts(1, 0));
        for _ in 0..3 {
            assert!((0..ROW).all(|_| exhausted.covers(3, 0, counts(1, 0))));
            assert!(!exhausted.covers(3, 0, counts(1, 0)));
            assert!((0..ROW).all(|_| exhausted.covers(0, 8192, counts(1, 0))));
            assert!(!exhausted.covers(0, 8192, counts(1, 0)));
            exhausted.note(3, 8192, counts(1, 0));
        }
    }
}
