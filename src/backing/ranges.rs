//! The address ranges of a source: a list without locks, in pages that it maps itself.

use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use crate::sys::addresses::map_zeroes;

/// The value of [`Range::start`] while the place is held and has no range yet.
const HELD: usize = 1;
/// The size of a block of the list, in bytes.
const BLOCK: usize = 4096;
/// Ranges in a block.
const N_RANGES: usize = (BLOCK - size_of::<usize>()) / size_of::<Range>();

/// A place of the list.
struct Range {
    /// First address; 0 while the place is free, [`HELD`] while its range may be in either of two
    /// places.
    start: AtomicUsize,
    /// Bytes of the range; 0 until it is complete.
    size: AtomicUsize,
}

struct Block {
    next: AtomicPtr<Block>,
    ranges: [Range; N_RANGES],
}

/// A place of the list that is kept for a range, by [`Ranges::hold`].
pub(super) struct Held<'a>(&'a Range);

impl Held<'_> {
    /// Lists the range again.
    pub(super) fn put(self, start: usize, size: usize) {
        self.0.start.store(start, Ordering::Release);
        self.0.size.store(size, Ordering::Release);
    }
}

/// A list of ranges.
pub(crate) struct Ranges {
    first: AtomicPtr<Block>,
}

impl Ranges {
    pub(crate) const fn new() -> Self {
        Self {
            first: AtomicPtr::new(ptr::null_mut()),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Range> {
        let mut next = self.first.load(Ordering::Acquire);
        core::iter::from_fn(move || {
            // SAFETY: null or a block of the list, unmapped only when the list is dropped.
            let block = unsafe { next.as_ref() }?;
            next = block.next.load(Ordering::Acquire);
            Some(&block.ranges)
        })
        .flatten()
    }

    /// Adds a range; `false` when there is no memory for it. Neither number is 0.
    pub(crate) fn insert(&self, start: usize, size: usize) -> bool {
        loop {
            let place = self.all().find(|range| {
                range.start.load(Ordering::Relaxed) == 0
                    && range
                        .start
                        .compare_exchange(0, start, Ordering::AcqRel, Ordering::Relaxed)
                        .is_ok()
            });
            if let Some(range) = place {
                range.size.store(size, Ordering::Release);
                return true;
            }
            if !self.add_block() {
                return false;
            }
        }
    }

    /// Removes the range that begins at `start`.
    pub(super) fn remove(&self, start: usize) {
        if let Some(range) = self
            .all()
            .find(|range| range.start.load(Ordering::Relaxed) == start)
        {
            range.size.store(0, Ordering::Relaxed);
            range.start.store(0, Ordering::Release);
        }
    }

    /// Puts another range in the place of the one that begins at `start`.
    pub(super) fn replace(&self, start: usize, to: usize, size: usize) {
        let begins = |range: &&Range| range.start.load(Ordering::Relaxed) == start;
        if let Some(range) = self.all().find(begins) {
            range.size.store(0, Ordering::Relaxed);
            range.start.store(to, Ordering::Release);
            range.size.store(size, Ordering::Release);
        }
    }

    /// Takes out the range that begins at `start`, and keeps its place in the list for it: it may be
    /// elsewhere when it comes back, and other threads may list ranges at either address meanwhile.
    pub(super) fn hold(&self, start: usize) -> Option<Held<'_>> {
        let begins = |range: &&Range| range.start.load(Ordering::Relaxed) == start;
        let range = self.all().find(begins)?;
        range.size.store(0, Ordering::Relaxed);
        range.start.store(HELD, Ordering::Release);
        Some(Held(range))
    }

    /// Takes the range out for which `rank`, which is told start and size, is least, and returns
    /// both; those without a rank stay. Two threads never get the same range.
    pub(crate) fn take_least(
        &self,
        rank: impl Fn(usize, usize) -> Option<usize>,
    ) -> Option<(usize, usize)> {
        loop {
            let ranked = self.all().filter_map(|range| {
                let size = range.size.load(Ordering::Acquire);
                let start = range.start.load(Ordering::Relaxed);
                let complete = size != 0 && start != 0;
                let rank = complete.then(|| rank(start, size)).flatten()?;
                Some((rank, range, start, size))
            });
            let (_, range, start, size) = ranked.min_by_key(|(rank, ..)| *rank)?;
            let (done, seen) = (Ordering::AcqRel, Ordering::Relaxed);
            if range.size.compare_exchange(size, 0, done, seen).is_err() {
                continue;
            }
            // Another range of that size may have come to the place meanwhile.
            let now = range.start.load(Ordering::Relaxed);
            if now == start {
                range.start.store(0, Ordering::Release);
                return Some((start, size));
            }
            range.size.store(size, Ordering::Release);
        }
    }

    /// Calls `each` with every range that is complete.
    pub(super) fn for_each(&self, mut each: impl FnMut(usize, usize)) {
        for range in self.all() {
            let size = range.size.load(Ordering::Acquire);
            let start = range.start.load(Ordering::Relaxed);
            if size != 0 && start != 0 {
                each(start, size);
            }
        }
    }

    fn add_block(&self) -> bool {
        let Some(block) = map_zeroes(size_of::<Block>()) else {
            return false;
        };
        // A block of zeroes has free places only.
        let block: *mut Block = block.cast();
        let mut first = self.first.load(Ordering::Relaxed);
        loop {
            // SAFETY: our own mapping, which no other thread has seen.
            unsafe { (*block).next.store(first, Ordering::Relaxed) };
            match self.first.compare_exchange_weak(
                first,
                block,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => first = now,
            }
        }
    }
}

impl Drop for Ranges {
    fn drop(&mut self) {
        let mut next = *self.first.get_mut();
        while !next.is_null() {
            let block = next;
            // SAFETY: a block of the list, which is not shared any more.
            unsafe {
                next = *(*block).next.get_mut();
                libc::munmap(block.cast(), size_of::<Block>());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{N_RANGES, Ordering, Ranges};
    use std::thread;

    fn sum(ranges: &Ranges) -> (usize, usize) {
        let mut sum = (0, 0);
        ranges.for_each(|start, size| sum = (sum.0 + start, sum.1 + size));
        sum
    }

    #[test]
    fn ranges_come_and_go() {
        let ranges = Ranges::new();
        assert_eq!(sum(&ranges), (0, 0));
        for start in 1..=2 * N_RANGES {
            assert!(ranges.insert(start, 1));
        }
        let all = (1..=2 * N_RANGES).sum::<usize>();
        assert_eq!(sum(&ranges), (all, 2 * N_RANGES));
        ranges.remove(7);
        ranges.remove(8);
        ranges.remove(usize::MAX);
        assert_eq!(sum(&ranges), (all - 15, 2 * N_RANGES - 2));
        assert!(ranges.insert(15, 2));
        assert_eq!(sum(&ranges), (all, 2 * N_RANGES));
    }

    #[test]
    fn a_held_range_comes_back_beside_another_one_at_its_address() {
        let ranges = Ranges::new();
        assert!(ranges.insert(4096, 30) && ranges.hold(8192).is_none());
        let held = ranges.hold(4096).expect("it is there");
        assert_eq!(sum(&ranges), (0, 0));
        assert!(ranges.insert(4096, 7) && ranges.insert(8192, 8));
        held.put(8192, 40);
        ranges.remove(4096);
        assert_eq!(sum(&ranges), (2 * 8192, 48));
    }

    #[test]
    fn the_least_is_taken_once() {
        let ranges = Ranges::new();
        for (start, size) in [(1, 30), (2, 10), (3, 20)] {
            assert!(ranges.insert(start, size));
        }
        let at_least = |least| move |_, size| Some(size).filter(|size| *size >= least);
        assert_eq!(ranges.take_least(at_least(11)), Some((3, 20)));
        ranges.replace(1, 5, 15);
        assert_eq!(ranges.take_least(at_least(11)), Some((5, 15)));
        assert_eq!(ranges.take_least(at_least(11)), None);
        assert_eq!(sum(&ranges), (2, 10));
    }

    #[test]
    fn each_range_is_taken_by_one_thread() {
        let ranges = Ranges::new();
        let taken = std::sync::atomic::AtomicUsize::new(0);
        thread::scope(|scope| {
            for first in 0..4 {
                let (ranges, taken) = (&ranges, &taken);
                scope.spawn(move || {
                    for i in 0..500 {
                        assert!(ranges.insert(4 * i + first + 1, 8));
                        // Of two one stays for now, so that the list grows.
                        let rank = |start, _| Some(start).filter(|_| i % 2 == 0);
                        if let Some((start, _)) = ranges.take_least(rank) {
                            taken.fetch_add(start, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        while let Some((start, _)) = ranges.take_least(|start, _| Some(start)) {
            taken.fetch_add(start, Ordering::Relaxed);
        }
        assert_eq!(taken.into_inner(), (1..=2000).sum::<usize>());
    }
}
