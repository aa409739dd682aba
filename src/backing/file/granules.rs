//! Which granules of a piece have all their blocks.
//!
//! A heap takes memory for a few pages at a time, and each call to the file system is dear.
//! So a whole granule is made ready where nothing has been before; pages that are taken
//! there later have their blocks already. Where pages have been given back, only what is
//! taken again is asked for: else a file would hold again what nobody uses.
//!
//! A file system that cannot allocate all of a range (fallocate(2)) takes back what has not
//! been written to, whoever had it allocated. So only one thread fills a granule, once, and
//! others touch the pages that they take there meanwhile.

#![forbid(unsafe_code)]

use core::ops::Range;
use core::sync::atomic::{AtomicU8, Ordering};

use super::super::table::Table;

/// Bytes of a granule.
const GRANULE: usize = 256 << 10;

/// Nothing is known of the granule. The state that a fresh table has.
const UNKNOWN: u8 = 0;
/// A thread is asking for all blocks. In a child that was forked meanwhile it stays so.
const FILLING: u8 = 1;
/// All blocks are there.
const FILLED: u8 = 2;
/// Pages have been given back, or not all could be had.
const HOLES: u8 = 3;

/// The states of a piece's granules. All positions are bytes from where the piece begins.
///
/// A thread says what it knows of pages that are its own, since it takes them or gives them
/// back. As long as others may have pages in a granule, it does not become [`FILLED`] again.
pub(super) struct Granules(Table<AtomicU8>);

/// How to take pages; see [`Granules::claim`].
pub(super) struct Claim {
    /// The range to ask for: the pages, and the rest of granules that nobody else fills.
    pub(super) wide: Range<usize>,
    /// The pages in granules that others are filling.
    pub(super) to_touch: [Option<Range<usize>>; 2],
}

const fn number(length: usize) -> usize {
    length.div_ceil(GRANULE)
}

impl Granules {
    pub(super) const fn new() -> Self {
        Self(Table::new())
    }

    /// Makes the states of a piece of `length` bytes, before anybody takes a page of it.
    /// Without memory for them the file system is asked each time.
    pub(super) fn prepare(&self, length: usize) {
        self.0.prepare(number(length));
    }

    /// The states of some granules, which are in the piece; none when nothing is known.
    fn states(&self, granules: Range<usize>) -> &[AtomicU8] {
        self.0.entries().get(granules).unwrap_or(&[])
    }

    /// Whether a range of the piece has all its blocks.
    pub(super) fn are_filled(&self, range: &Range<usize>) -> bool {
        let states = self.states(touched(range));
        !states.is_empty() && states.iter().all(|state| is(state, FILLED))
    }

    /// Begins to take `own` of a piece of `length` bytes: the caller's pages.
    pub(super) fn claim(&self, own: &Range<usize>, length: usize) -> Claim {
        let mut claim = Claim {
            wide: own.clone(),
            to_touch: [None, None],
        };
        let granules = touched(own);
        let (first, last) = (granules.start, granules.end - 1);
        for (index, to_touch) in [first, last].into_iter().zip(&mut claim.to_touch) {
            let granule = range_of(index, length);
            if holds(&claim.wide, &granule) {
                continue;
            }
            let [state] = self.states(index..index + 1) else {
                continue;
            };
            let order = Ordering::Relaxed;
            match state.compare_exchange(UNKNOWN, FILLING, order, order) {
                Ok(_) => {
                    claim.wide.start = claim.wide.start.min(granule.start);
                    claim.wide.end = claim.wide.end.max(granule.end);
                }
                Err(FILLING) => {
                    let part = own.start.max(granule.start)..own.end.min(granule.end);
                    *to_touch = Some(part);
                }
                Err(_) => {}
            }
        }
        claim
    }

    /// Notes whether all blocks of a claim's `wide` range are there. `own` is the part of it
    /// that is the caller's.
    pub(super) fn settle(&self, wide: &Range<usize>, own: &Range<usize>, length: usize, all: bool) {
        let granules = touched(wide);
        for (index, state) in granules.clone().zip(self.states(granules)) {
            let granule = range_of(index, length);
            let known = if all { FILLED } else { HOLES };
            if holds(own, &granule) {
                state.store(known, Ordering::Relaxed);
            } else if holds(wide, &granule) {
                let order = Ordering::Relaxed;
                let _ = state.compare_exchange(FILLING, known, order, order);
            }
        }
    }

    /// Notes that a range of the caller's may have lost blocks.
    pub(super) fn set_holes(&self, own: &Range<usize>) {
        for state in self.states(touched(own)) {
            state.store(HOLES, Ordering::Relaxed);
        }
    }

    /// About the bytes of a range that have no blocks; not too few.
    pub(super) fn missing(&self, range: &Range<usize>) -> usize {
        let granules = touched(range);
        let states = self.states(granules.clone());
        let filled = granules.zip(states).filter(|(_, state)| is(state, FILLED));
        let bytes = filled.map(|(index, _)| {
            let granule = range_of(index, usize::MAX);
            range.end.min(granule.end) - range.start.max(granule.start)
        });
        range.len() - bytes.sum::<usize>()
    }

    /// Forgets what is there, up to `end`, in a child whose file is a new one.
    pub(super) fn start_anew(&self, end: usize) {
        for state in self.states(0..number(end)) {
            if !is(state, UNKNOWN) {
                state.store(HOLES, Ordering::Relaxed);
            }
        }
    }
}

/// The granules of which a range, which is not empty, has a part.
const fn touched(range: &Range<usize>) -> Range<usize> {
    range.start / GRANULE..range.end.div_ceil(GRANULE)
}

fn range_of(index: usize, length: usize) -> Range<usize> {
    index * GRANULE..((index + 1) * GRANULE).min(length)
}

const fn holds(range: &Range<usize>, part: &Range<usize>) -> bool {
    range.start <= part.start && part.end <= range.end
}

fn is(state: &AtomicU8, expected: u8) -> bool {
    state.load(Ordering::Relaxed) == expected
}

#[cfg(test)]
mod tests {
    use super::{GRANULE, Granules};
    use core::ops::Range;

    const LENGTH: usize = 10 * GRANULE + 8192;

    /// As a file does; the range it asks for.
    fn fill(granules: &Granules, own: Range<usize>) -> Range<usize> {
        let claim = granules.claim(&own, LENGTH);
        assert_eq!(claim.to_touch, [None, None]);
        granules.settle(&claim.wide, &own, LENGTH, true);
        claim.wide
    }

    fn made() -> Granules {
        let granules = Granules::new();
        granules.prepare(LENGTH);
        granules
    }

    #[test]
    fn what_is_new_is_filled_by_granules() {
        let granules = made();
        assert!(!granules.are_filled(&(0..4096)));
        assert_eq!(fill(&granules, 4096..8192), 0..GRANULE);
        assert!(granules.are_filled(&(0..GRANULE)));
        assert!(!granules.are_filled(&(0..GRANULE + 1)));
        assert_eq!(fill(&granules, 4096..2 * GRANULE), 4096..2 * GRANULE);
        let own = 2 * GRANULE + 1..LENGTH - 4096;
        assert_eq!(fill(&granules, own), 2 * GRANULE..LENGTH);
        assert!(granules.are_filled(&(0..LENGTH)));
        granules.start_anew(LENGTH);
        assert!(!granules.are_filled(&(0..4096)));
        assert_eq!(fill(&granules, 0..4096), 0..4096);
    }

    #[test]
    fn what_was_given_back_is_filled_as_it_is_taken() {
        let granules = made();
        fill(&granules, 0..3 * GRANULE);
        let part = GRANULE + 4096..GRANULE + 8192;
        granules.set_holes(&part);
        assert_eq!(granules.missing(&(4096..3 * GRANULE)), GRANULE);
        assert_eq!(
            granules.missing(&(2 * GRANULE + 4096..4 * GRANULE)),
            GRANULE
        );
        assert_eq!(fill(&granules, part.clone()), part);
        assert!(!granules.are_filled(&part));
        // Who takes all of it fills all of it.
        fill(&granules, GRANULE..2 * GRANULE);
        assert!(granules.are_filled(&(0..3 * GRANULE)));
    }

    #[test]
    fn one_thread_fills_a_granule_and_others_touch_theirs() {
        let granules = made();
        let (ours, theirs) = (0..4096, 8192..GRANULE + 4096);
        let claim = granules.claim(&ours, LENGTH);
        assert_eq!(claim.wide, 0..GRANULE);
        let other = granules.claim(&theirs, LENGTH);
        assert_eq!(other.wide, 8192..2 * GRANULE);
        assert_eq!(other.to_touch, [Some(8192..GRANULE), None]);
        granules.settle(&other.wide, &theirs, LENGTH, true);
        assert!(!granules.are_filled(&ours));
        assert!(granules.are_filled(&(GRANULE..GRANULE + 4096)));
        // They give some back before we are done.
        granules.set_holes(&(8192..12288));
        granules.settle(&claim.wide, &ours, LENGTH, true);
        assert!(!granules.are_filled(&ours));
    }

    #[test]
    fn what_cannot_be_filled_is_not_tried_again() {
        let granules = made();
        let own = 4096..8192;
        let claim = granules.claim(&own, LENGTH);
        granules.settle(&claim.wide, &own, LENGTH, false);
        assert_eq!(fill(&granules, own.clone()), own);
        assert!(!granules.are_filled(&own));
    }

    #[test]
    fn without_a_table_each_range_is_asked_for() {
        let granules = Granules::new();
        assert_eq!(fill(&granules, 4096..8192), 4096..8192);
        assert!(!granules.are_filled(&(4096..8192)));
        granules.set_holes(&(0..4096));
        assert_eq!(granules.missing(&(4096..8192)), 4096);
    }
}
