//! Numbers of pages that the heap may touch, for each unit of the address space.
//!
//! A unit is as large as a transparent huge page: the first touch of a page in it may take the
//! whole unit from the node. So a unit is promised from the first page that is handed out to the
//! last that is given back. Where there can be no such huge page, single pages are promised.

#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU16, Ordering};

use crate::backing::base::{END, UNIT, page_size};
use crate::backing::table::Table;

/// The bit that marks the counter of a unit whose pages are promised one by one.
const BY_PAGE: u16 = 1 << 15;
const LEAF_UNITS: usize = 2048;
/// Bytes of addresses whose counters are in one leaf.
const SPAN: usize = UNIT * LEAF_UNITS;
/// The counters of each span.
static LEAVES: [Table<AtomicU16>; END / SPAN] = [const { Table::new() }; END / SPAN];

/// Makes counters for the units of a range, which may be another mapping's; `false` when there is no
/// memory for them.
pub(super) fn prepare(start: usize, size: usize) -> bool {
    let mut leaf_start = start;
    while leaf_start < start + size {
        if leaf(leaf_start).is_none() {
            return false;
        }
        leaf_start = (leaf_start / SPAN + 1) * SPAN;
    }
    true
}

/// Prepares the units of a fresh mapping that begins with one; `huge` says whether the
/// kernel may put huge pages there. `false` when there is no memory for counters.
pub(super) fn open(start: usize, size: usize, huge: bool) -> bool {
    if !prepare(start, size) {
        return false;
    }
    // A unit that is only partly in the mapping gets no huge page.
    let by_page = if huge {
        start + size / UNIT * UNIT..start + size
    } else {
        start..start + size
    };
    change(by_page.start, by_page.len(), |unit, _| {
        unit.store(BY_PAGE, Ordering::Relaxed);
        0
    });
    true
}

/// Counts the pages of a range, and returns the number of pages to promise for them.
pub(super) fn add(start: usize, size: usize) -> usize {
    change(start, size, |unit, n_pages| {
        let before = unit.fetch_add(n_pages, Ordering::Relaxed);
        pages_changed(before, n_pages, before == 0)
    })
}

/// Stops counting the pages of a range, and returns the number of pages that are not promised any
/// more.
pub(super) fn remove(start: usize, size: usize) -> usize {
    change(start, size, |unit, n_pages| {
        let before = unit.fetch_sub(n_pages, Ordering::Relaxed);
        pages_changed(before, n_pages, before == n_pages)
    })
}

/// The number of pages that are promised in a range of whole units and what is behind them.
pub(super) fn promised(start: usize, size: usize) -> usize {
    change(start, size, |unit, _| {
        let count = unit.load(Ordering::Relaxed);
        pages_changed(count, count & !BY_PAGE, count != 0)
    })
}

/// Forgets the units of a mapping, and returns the number of pages that were promised there.
pub(super) fn close(start: usize, size: usize) -> usize {
    change(start, size, |unit, _| {
        let before = unit.swap(0, Ordering::Relaxed);
        pages_changed(before, before & !BY_PAGE, before != 0)
    })
}

/// Calls `each` with the start and the size of every run of units of a mapping in which
/// something is promised; a run ends with the mapping.
pub(super) fn for_each_promised(start: usize, size: usize, mut each: impl FnMut(usize, usize)) {
    let (mut at, end) = (start, start + size);
    let mut run = start;
    while at < end {
        let next = (at / UNIT + 1) * UNIT;
        let promised = leaf(at).is_some_and(|leaf| {
            leaf[at / UNIT % LEAF_UNITS].load(Ordering::Relaxed) & !BY_PAGE != 0
        });
        if !promised {
            if run < at {
                each(run, at - run);
            }
            run = next;
        }
        at = next;
    }
    if run < end {
        each(run, end - run);
    }
}

fn pages_changed(before: u16, n_pages: u16, whole: bool) -> usize {
    if before & BY_PAGE != 0 {
        n_pages.into()
    } else if whole {
        UNIT / page_size()
    } else {
        0
    }
}

/// Applies `each` to the counter of every unit and the number of its pages in the range, and
/// returns the sum of the results.
fn change(start: usize, size: usize, each: impl Fn(&AtomicU16, u16) -> usize) -> usize {
    let (mut at, end, mut sum) = (start, start + size, 0);
    while at < end {
        let next = (at / UNIT + 1) * UNIT;
        // At most 512 pages.
        let n_pages = ((next.min(end) - at) / page_size()) as u16;
        if let Some(leaf) = leaf(at) {
            sum += each(&leaf[at / UNIT % LEAF_UNITS], n_pages);
        }
        at = next;
    }
    sum
}

/// The counters for an address, mapped on first use.
fn leaf(address: usize) -> Option<&'static [AtomicU16]> {
    let leaf = LEAVES.get(address / SPAN)?.prepare(LEAF_UNITS);
    (!leaf.is_empty()).then_some(leaf)
}

#[cfg(test)]
mod tests {
    use super::{
        END, SPAN, UNIT, add, close, for_each_promised, open, page_size, promised, remove,
    };

    fn whole() -> usize {
        UNIT / page_size()
    }

    // Addresses that no test maps; two leaves meet in the middle.
    #[test]
    fn a_unit_counts_from_its_first_page_to_its_last() {
        let start = 1000 * SPAN;
        assert!(open(start - UNIT, 5 * UNIT, true));
        assert_eq!(add(start - UNIT + page_size(), page_size()), whole());
        assert_eq!(add(start - page_size(), 2 * page_size()), whole());
        assert_eq!(add(start + page_size(), 2 * UNIT), 2 * whole());
        assert_eq!(remove(start - page_size(), 2 * page_size()), 0);
        assert_eq!(remove(start - UNIT + page_size(), page_size()), whole());
        assert_eq!(remove(start + page_size(), 2 * UNIT), 3 * whole());
        assert_eq!(add(start, UNIT), whole());
        assert_eq!(remove(start, UNIT), whole());
        assert_eq!(add(start, page_size()), whole());
        assert_eq!(close(start - UNIT, 5 * UNIT), whole());
        assert_eq!(close(start - UNIT, 5 * UNIT), 0);
    }

    #[test]
    fn without_huge_pages_pages_count() {
        let start = 1002 * SPAN;
        assert!(open(start, 2 * UNIT, false));
        assert_eq!(add(start + UNIT - page_size(), 3 * page_size()), 3);
        assert_eq!(add(start, page_size()), 1);
        assert_eq!(remove(start + UNIT, page_size()), 1);
        assert_eq!(close(start, 2 * UNIT), 3);
    }

    #[test]
    fn the_rest_of_a_mapping_counts_by_the_page() {
        let start = 1004 * SPAN;
        assert!(open(start, UNIT + 8 * page_size(), true));
        assert_eq!(add(start, UNIT + page_size()), whole() + 1);
        assert_eq!(add(start + UNIT + page_size(), page_size()), 1);
        assert_eq!(remove(start + page_size(), UNIT), 1);
        assert_eq!(promised(start, UNIT + 8 * page_size()), whole() + 1);
        assert_eq!(remove(start, page_size()), whole());
        assert_eq!(close(start, UNIT + 8 * page_size()), 1);
    }

    #[test]
    fn runs_are_what_is_promised() {
        let runs = |start, size| {
            let mut runs = Vec::new();
            for_each_promised(start, size, |at, size| runs.push((at - start, size)));
            runs
        };
        // Two leaves meet in the middle; the last unit is a part.
        let (start, size) = (1006 * SPAN - 2 * UNIT, 5 * UNIT + page_size());
        assert!(open(start, size, true));
        assert_eq!(runs(start, size), []);
        assert_eq!(add(start + UNIT + page_size(), UNIT), 2 * whole());
        assert_eq!(add(start + 5 * UNIT, page_size()), 1);
        let last = (5 * UNIT, page_size());
        assert_eq!(runs(start, size), [(UNIT, 2 * UNIT), last]);
        assert_eq!(add(start, page_size()), whole());
        assert_eq!(runs(start, size), [(0, 3 * UNIT), last]);
        assert_eq!(add(start + 3 * UNIT, 2 * UNIT), 2 * whole());
        assert_eq!(runs(start, size), [(0, size)]);
        assert_eq!(close(start, size), 5 * whole() + 1);
        assert_eq!(runs(start, size), []);
    }

    #[test]
    fn addresses_have_an_end() {
        assert!(!open(END, UNIT, true));
        assert_eq!(add(END, UNIT), 0);
    }
}
