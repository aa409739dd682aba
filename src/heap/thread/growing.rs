//! Blocks that keep growing.
//!
//! jemalloc takes the oldest free extent that will do. Between other blocks that one has no
//! room to grow into: a block that a program enlarges step by step is copied at almost each
//! of them. What has moved once in order to grow is likely to grow on, so the second
//! time it gets a place with room behind it.
//!
//! When it then grows no more, the room is a gap, which costs memory where the kernel makes
//! huge pages of blocks and gaps. So a thread may leave few of them at a time. It learns that
//! one is no more when it frees the block or moves it, or moves another one to its place.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicUsize, Ordering};

/// How many blocks of a thread are remembered, and how many gaps it may leave.
const BLOCKS: usize = 8;
/// The fewest bytes of room.
const LEAST: usize = 1 << 20;

/// The blocks that a thread has moved last in order to enlarge them. Written by its thread.
pub(crate) struct Growing {
    blocks: [AtomicUsize; BLOCKS],
    oldest: AtomicUsize,
    gaps: [Gap; BLOCKS],
}

/// A block that was given room, until it is known to be gone.
struct Gap {
    /// The address of the block.
    start: AtomicUsize,
    /// The end of its room when it was given; 0 for no block.
    end: AtomicUsize,
}

impl Gap {
    const fn new() -> Self {
        Self {
            start: AtomicUsize::new(0),
            end: AtomicUsize::new(0),
        }
    }

    fn set(&self, start: usize, end: usize) {
        self.start.store(start, Ordering::Relaxed);
        self.end.store(end, Ordering::Relaxed);
    }

    fn is_none(&self) -> bool {
        self.end.load(Ordering::Relaxed) == 0
    }

    /// Whether this block is known to be gone once a block has moved from `from` to the addresses from
    /// `start` to `end`: it was this one, or it now lies where this one and its room were.
    fn ends_with(&self, from: usize, start: usize, end: usize) -> bool {
        let own = self.start.load(Ordering::Relaxed);
        own == from || (own < end && start < self.end.load(Ordering::Relaxed))
    }
}

impl Growing {
    pub(crate) const fn new() -> Self {
        Self {
            blocks: [const { AtomicUsize::new(0) }; BLOCKS],
            oldest: AtomicUsize::new(0),
            gaps: [const { Gap::new() }; BLOCKS],
        }
    }

    fn place(&self, block: usize) -> Option<&AtomicUsize> {
        let holds = |place: &&AtomicUsize| place.load(Ordering::Relaxed) == block;
        self.blocks.iter().find(holds)
    }

    /// Whether a block that has to move should have room at its new place: it has moved
    /// before, or another one at its address has.
    pub(crate) fn wants_room(&self, block: usize) -> bool {
        self.place(block).is_some() && self.gaps.iter().any(Gap::is_none)
    }

    /// Notes that a block has been freed.
    pub(crate) fn freed(&self, block: usize) {
        for gap in &self.gaps {
            if gap.start.load(Ordering::Relaxed) == block {
                gap.set(0, 0);
            }
        }
    }

    /// Notes that a block has moved to a place of `size` bytes, and whether with room.
    pub(crate) fn note(&self, from: usize, to: usize, size: usize, room: bool) {
        let place = self.place(from).unwrap_or_else(|| {
            let oldest = self.oldest.load(Ordering::Relaxed);
            self.oldest.store((oldest + 1) % BLOCKS, Ordering::Relaxed);
            &self.blocks[oldest]
        });
        place.store(to, Ordering::Relaxed);
        let end = to + size;
        for gap in &self.gaps {
            if gap.ends_with(from, to, end) {
                gap.set(0, 0);
            }
        }
        if room {
            if let Some(gap) = self.gaps.iter().find(|gap| gap.is_none()) {
                gap.set(to, end);
            }
        }
    }
}

/// How many bytes a block of `size` bytes should have behind it, of `spare` that may lie idle:
/// enough for a few steps of what vectors and strings usually grow by.
pub(crate) fn room(size: usize, spare: usize) -> usize {
    size.saturating_mul(2).max(LEAST).min(spare)
}

#[cfg(test)]
mod tests {
    use super::{BLOCKS, Growing, LEAST, room};

    #[test]
    fn it_follows_a_block_and_forgets_the_oldest() {
        let growing = Growing::new();
        assert!(!growing.wants_room(1000));
        growing.note(1000, 2000, 10, false);
        assert!(growing.wants_room(2000) && !growing.wants_room(1000));
        growing.note(2000, 3000, 10, true);
        assert!(growing.wants_room(3000) && !growing.wants_room(2000));
        for block in 1..BLOCKS {
            growing.note(block, block + 100, 10, false);
        }
        assert!(growing.wants_room(3000));
        growing.note(10, 20, 10, false);
        assert!(!growing.wants_room(3000) && growing.wants_room(20));
    }

    /// Blocks that get room if they may, each at an address of its own from `first` on.
    fn rooms(growing: &Growing, first: usize, count: usize) -> usize {
        let mut with = 0;
        for n in 0..count {
            let (before, address) = ((1 << 40) + n, (first + n) * 100);
            growing.note(0, before, 1, false);
            let room = growing.wants_room(before);
            with += usize::from(room);
            growing.note(before, address, 10, room);
        }
        with
    }

    #[test]
    fn few_gaps_are_left() {
        let growing = Growing::new();
        assert_eq!(rooms(&growing, 10, 100 * BLOCKS), BLOCKS);
    }

    #[test]
    fn what_is_gone_leaves_no_gap() {
        let growing = Growing::new();
        assert_eq!(rooms(&growing, 10, BLOCKS - 1), BLOCKS - 1);
        // At the old places again: the blocks that were there have gone.
        for _ in 0..3 {
            assert_eq!(rooms(&growing, 10, BLOCKS - 1), BLOCKS - 1);
        }
        // Freed blocks take their room with them.
        assert_eq!(rooms(&growing, 20, 2), 1);
        for n in 0..BLOCKS - 1 {
            growing.freed((10 + n) * 100);
            assert_eq!(rooms(&growing, 30 + n, 1), 1);
        }
    }

    #[test]
    fn a_block_that_moves_on_leaves_no_gap() {
        let growing = Growing::new();
        for n in 10..100 {
            growing.note(n * 100, (n + 1) * 100, 10, true);
            assert!(growing.wants_room((n + 1) * 100));
        }
    }

    #[test]
    fn room_ends_with_what_can_be_spared() {
        assert_eq!(room(1000, usize::MAX), LEAST);
        assert_eq!(room(LEAST, usize::MAX), 2 * LEAST);
        assert_eq!(room(1000, 500), 500);
    }
}
