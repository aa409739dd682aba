//! Which pages of a piece the heap has taken and not given back: a forked child's copy must
//! have blocks for all of them, also for those that nobody has written to yet.

#![forbid(unsafe_code)]

use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};

use super::super::PAGE;
use super::super::table::Table;

const BITS: usize = u64::BITS as usize;

/// A bit for each page of a piece. Positions are bytes from where the piece begins.
pub(super) struct Taken(Table<AtomicU64>);

const fn words(length: usize) -> usize {
    length.div_ceil(PAGE * BITS)
}

impl Taken {
    pub(super) const fn new() -> Self {
        Self(Table::new())
    }

    /// Makes the bits of a piece of `length` bytes, before anybody takes a page of it.
    /// Without memory for them nothing is known.
    pub(super) fn prepare(&self, length: usize) {
        self.0.prepare(words(length));
    }

    /// Notes whether a range of the piece is taken.
    pub(super) fn set(&self, range: &Range<usize>, taken: bool) {
        let pages = range.start / PAGE..range.end.div_ceil(PAGE);
        let words = pages.start / BITS..pages.end.div_ceil(BITS);
        let bits = self.0.entries().get(words.clone()).unwrap_or(&[]);
        for (index, word) in words.zip(bits) {
            let first = pages.start.saturating_sub(index * BITS);
            let end = (pages.end - index * BITS).min(BITS);
            let mask = (u64::MAX >> (BITS - (end - first))) << first;
            if taken {
                word.fetch_or(mask, Ordering::Relaxed);
            } else {
                word.fetch_and(!mask, Ordering::Relaxed);
            }
        }
    }

    /// The ranges up to `end` that are taken; all of it when nothing is known.
    pub(super) fn ranges(&self, end: usize) -> impl Iterator<Item = Range<usize>> {
        let n_pages = end.div_ceil(PAGE);
        let words = self.0.entries();
        let is_taken = move |page: &usize| match words.get(page / BITS) {
            Some(word) => word.load(Ordering::Relaxed) >> (page % BITS) & 1 == 1,
            None => true,
        };
        let mut next = 0;
        core::iter::from_fn(move || {
            let first = (next..n_pages).find(is_taken)?;
            let others = |page: &usize| !is_taken(page);
            next = (first..n_pages).find(others).unwrap_or(n_pages);
            Some(first * PAGE..(next * PAGE).min(end))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{PAGE, Taken};
    use core::ops::Range;

    fn ranges(taken: &Taken, n_pages: usize) -> Vec<Range<usize>> {
        taken
            .ranges(n_pages * PAGE)
            .map(|range| range.start / PAGE..range.end / PAGE)
            .collect()
    }

    #[test]
    fn ranges_are_what_was_taken_and_not_given_back() {
        let taken = Taken::new();
        let length = 300 * PAGE;
        assert_eq!(ranges(&taken, 300), vec![0..300; 1]);
        taken.prepare(length);
        assert!(ranges(&taken, 300).is_empty());
        let set = |pages: Range<usize>, on| taken.set(&(pages.start * PAGE..pages.end * PAGE), on);
        set(3..5, true);
        set(60..200, true);
        set(299..300, true);
        assert_eq!(ranges(&taken, 300), [3..5, 60..200, 299..300]);
        set(64..128, false);
        set(4..5, false);
        assert_eq!(ranges(&taken, 300), [3..4, 60..64, 128..200, 299..300]);
        assert_eq!(ranges(&taken, 130), [3..4, 60..64, 128..130]);
        set(0..300, true);
        assert_eq!(ranges(&taken, 300), vec![0..300; 1]);
    }
}
