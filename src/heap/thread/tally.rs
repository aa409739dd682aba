//! Bytes that each thread has handed out and taken back, per heap, for a layer that
//! counts them, and the heap that such a layer has chosen for the thread's next block.
//!
//! A tally lies in its thread's record, so that the fast paths find it. Its own thread
//! alone writes `recent` there, without atomic read-modify-write; what the numbers mean
//! is up to the layer that counts. Tallies outlive their threads, as records do.

use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

use crate::heap::base::{HEAPS, class};

/// What a thread has handed out and taken back.
#[repr(C)]
pub(crate) struct Tally {
    /// The layer's object that has chosen a heap, as an address; 0 = none.
    chooser: AtomicUsize,
    /// The heap that was chosen; 0 = none, as heap 0 never has blocks.
    chosen: AtomicUsize,
    /// The object that has counted some operations of the thread in advance; 0 = none.
    counter: AtomicUsize,
    /// How many of the operations counted in advance are still to come.
    counted: AtomicI64,
    /// Whether something is due after the last operation that was counted in advance.
    due: AtomicBool,
    /// The heap that the counter has chosen for a range of sizes.
    of_sizes: AtomicUsize,
    /// The lowest size of that range, in bytes.
    lowest: AtomicUsize,
    /// How many sizes the range has; 0 when nothing is counted.
    n_sizes: AtomicUsize,
    /// A moment at which a look at all that is counted has led to nothing for the counter; 0
    /// when another look may lead to something.
    quiet: AtomicUsize,
    /// Bytes of each heap since its last mark.
    pub(crate) recent: [AtomicI64; HEAPS],
    /// Bytes of each heap up to its last mark.
    pub(crate) marks: [AtomicI64; HEAPS],
    /// The mark of each heap that the common total contains.
    pub(crate) folded: [AtomicI64; HEAPS],
    /// Whether another thread has asked for the exact number of each heap.
    pub(crate) settled: [AtomicBool; HEAPS],
    /// Whether another thread has asked for the exact number of any heap.
    pub(crate) any_settled: AtomicBool,
}

impl Tally {
    /// A tally with nothing counted and nothing chosen.
    pub(crate) const fn new() -> Self {
        Self {
            chooser: AtomicUsize::new(0),
            chosen: AtomicUsize::new(0),
            counter: AtomicUsize::new(0),
            counted: AtomicI64::new(0),
            due: AtomicBool::new(false),
            of_sizes: AtomicUsize::new(0),
            lowest: AtomicUsize::new(0),
            n_sizes: AtomicUsize::new(0),
            quiet: AtomicUsize::new(0),
            recent: [const { AtomicI64::new(0) }; HEAPS],
            marks: [const { AtomicI64::new(0) }; HEAPS],
            folded: [const { AtomicI64::new(0) }; HEAPS],
            settled: [const { AtomicBool::new(false) }; HEAPS],
            any_settled: AtomicBool::new(false),
        }
    }

    /// The heap that `chooser` has chosen. None is chosen by 0.
    #[inline(always)]
    pub(crate) fn chosen_by(&self, chooser: usize) -> Option<usize> {
        (self.chooser.load(Ordering::Relaxed) == chooser)
            .then(|| self.chosen.load(Ordering::Relaxed))
    }

    /// Keeps a choice until the next one or until it is given up.
    pub(crate) fn choose(&self, chooser: usize, heap: usize) {
        self.chosen.store(heap, Ordering::Relaxed);
        self.chooser.store(chooser, Ordering::Relaxed);
    }

    /// Gives the choice of any chooser up, and what led to nothing is to be looked at again.
    pub(crate) fn choose_again(&self) {
        self.chosen.store(0, Ordering::Relaxed);
        self.quiet.store(0, Ordering::Relaxed);
    }

    /// Keeps the moment of a look that has led to nothing for `counter`, or 0; in the thread
    /// that the tally is of.
    pub(crate) fn set_quiet(&self, counter: usize, moment: usize) {
        if self.counter.load(Ordering::Relaxed) == counter {
            self.quiet.store(moment, Ordering::Relaxed);
        }
    }

    /// Whether a look at `moment` has led to nothing for the counter.
    #[inline]
    pub(crate) fn is_quiet(&self, moment: usize) -> bool {
        self.quiet.load(Ordering::Relaxed) == moment
    }

    /// Gives up the choice of a chooser that is gone, and what it has counted in advance.
    pub(crate) fn forget(&self, chooser: usize) {
        if self.chooser.load(Ordering::Relaxed) == chooser {
            self.choose_again();
        }
        if self.counter.load(Ordering::Relaxed) == chooser {
            // Its thread may be at work for another one.
            self.n_sizes.store(0, Ordering::Relaxed);
            self.counted.store(0, Ordering::Release);
        }
    }

    /// How many operations to come `counter` has counted already.
    #[inline(always)]
    pub(crate) fn counted_by(&self, counter: usize) -> i64 {
        if self.counter.load(Ordering::Relaxed) == counter {
            self.counted.load(Ordering::Relaxed)
        } else {
            0
        }
    }

    /// How many operations to come have been counted, by any counter.
    pub(crate) fn counted(&self) -> i64 {
        self.counted.load(Ordering::Relaxed)
    }

    /// Does one of the operations that were counted, in the thread that the tally is of;
    /// whether it was the last.
    #[inline(always)]
    pub(crate) fn do_counted(&self) -> bool {
        let left = as_is(self.counted.load(Ordering::Relaxed).wrapping_sub(1));
        self.counted.store(left, Ordering::Relaxed);
        left <= 0
    }

    /// Counts `operations` again for the counter, when nothing else changes; in the thread that
    /// the tally is of.
    #[inline]
    pub(crate) fn count_again(&self, operations: i64) {
        self.counted.store(operations, Ordering::Relaxed);
    }

    /// Whether something is due after the operations that were counted in advance.
    #[inline]
    pub(crate) fn is_due(&self) -> bool {
        self.due.load(Ordering::Relaxed)
    }

    /// Ends what was counted in advance; whether something is due.
    pub(crate) fn end_counted(&self) -> bool {
        self.n_sizes.store(0, Ordering::Relaxed);
        self.is_due()
    }

    /// The heap for a size that was chosen for the operations that were counted in advance.
    #[inline(always)]
    pub(crate) fn chosen_for(&self, size: usize) -> Option<usize> {
        let from_lowest = size.wrapping_sub(self.lowest.load(Ordering::Relaxed));
        (from_lowest < self.n_sizes.load(Ordering::Relaxed))
            .then(|| self.of_sizes.load(Ordering::Relaxed))
    }

    /// Keeps a heap for the sizes in a range until all operations that the counter has counted are
    /// done; in the thread that the tally is of. Only one counter may ever keep any: the fast path
    /// does not ask which counter's they are.
    pub(crate) fn choose_for(&self, sizes: Range<usize>, heap: usize) {
        self.of_sizes.store(heap, Ordering::Relaxed);
        self.lowest.store(sizes.start, Ordering::Relaxed);
        self.n_sizes.store(sizes.len(), Ordering::Relaxed);
    }

    /// Lets `counter` count operations in advance, `count` says how many and whether
    /// something is due then; in the thread that the tally is of. Another one that has done
    /// so goes first.
    pub(crate) fn count_ahead(&self, counter: usize, count: impl FnOnce() -> (i64, bool)) {
        if self.counted.load(Ordering::Acquire) <= 0 {
            let (operations, due) = count();
            self.n_sizes.store(0, Ordering::Relaxed);
            if self.counter.swap(counter, Ordering::Relaxed) != counter {
                self.quiet.store(0, Ordering::Relaxed);
            }
            self.counted.store(operations, Ordering::Relaxed);
            self.due.store(due, Ordering::Relaxed);
        }
    }

    /// Adds to `recent` of a heap, in the thread that the tally is of; the new value.
    #[inline(always)]
    pub(crate) fn add(&self, id: usize, bytes: i64) -> i64 {
        // SAFETY: ids are below HEAPS, by their making.
        let recent = unsafe { self.recent.get_unchecked(id) };
        let new = as_is(recent.load(Ordering::Relaxed).wrapping_add(bytes));
        recent.store(new, Ordering::Relaxed);
        new
    }
}

/// `number`, which the compiler may not take apart again: it would add twice, once
/// for the store and once, with the limit, for the comparison.
#[inline(always)]
fn as_is(number: i64) -> i64 {
    #[cfg(target_arch = "x86_64")]
    {
        let mut number = number;
        // SAFETY: no instruction at all.
        unsafe {
            core::arch::asm!("/* {0} */", inout(reg) number,
                options(pure, nomem, nostack, preserves_flags));
        }
        number
    }
    #[cfg(not(target_arch = "x86_64"))]
    number
}

const _: () = assert!(size_of::<i64>() == 1 << class::BIN_BITS);

/// The bytes of a block of each class, by the offset of the class itself, so that the fast
/// paths need no shift.
static BYTES: [i64; class::SIZES.len()] = bytes_of_classes();

const fn bytes_of_classes() -> [i64; class::SIZES.len()] {
    let mut all = [0; class::SIZES.len()];
    let mut class = 0;
    while class < all.len() {
        all[class] = class::SIZES[class] as i64;
        class += 1;
    }
    all
}

/// The bytes of the class with this offset, which is one that caches have.
#[inline(always)]
pub(crate) fn bytes(offset: usize) -> i64 {
    // SAFETY: an offset is a class, below COUNT, times the size of an entry.
    unsafe { *BYTES.as_ptr().byte_add(offset) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_sizes_is_kept_while_it_was_counted_for() {
        let tally = Tally::new();
        assert_eq!(tally.chosen_for(64), None);
        tally.count_ahead(8, || (2, true));
        assert_eq!(tally.chosen_for(64), None);
        tally.choose_for(32..1024, 5);
        assert_eq!(tally.chosen_for(32), Some(5));
        assert_eq!((tally.chosen_for(31), tally.chosen_for(1024)), (None, None));
        // Not before what was counted is done.
        tally.count_ahead(16, || (9, false));
        assert_eq!((tally.counted_by(8), tally.counted_by(16)), (2, 0));
        assert!(!tally.do_counted() && tally.do_counted() && tally.end_counted());
        assert_eq!(tally.chosen_for(64), None);
        tally.count_ahead(8, || (3, false));
        tally.choose_for(32..1024, 5);
        tally.forget(8);
        assert_eq!(tally.chosen_for(64), None);
    }

    #[test]
    fn who_is_forgotten_in_the_middle_leaves_nothing() {
        // Another thread deletes 8 while this one counts an operation for it, which leaves
        // less than nothing, and while the range is not cleared yet.
        let tally = Tally::new();
        tally.count_ahead(8, || (1, true));
        tally.forget(8);
        tally.choose_for(32..1024, 5);
        assert!(tally.do_counted());
        tally.count_ahead(16, || (9, false));
        assert_eq!(tally.counted_by(16), 9);
        assert_eq!(tally.chosen_for(64), None);
    }

    #[test]
    fn what_led_to_nothing_is_of_one_counter_and_moment() {
        let tally = Tally::new();
        tally.count_ahead(8, || (1, true));
        tally.set_quiet(8, 3);
        assert!(tally.is_quiet(3) && !tally.is_quiet(5));
        // Of another one, or not the same any more.
        tally.set_quiet(16, 5);
        assert!(tally.is_quiet(3) && tally.do_counted());
        tally.count_ahead(8, || (1, true));
        assert!(tally.is_quiet(3) && tally.do_counted());
        tally.count_ahead(16, || (1, true));
        assert!(!tally.is_quiet(3));
        tally.set_quiet(16, 3);
        tally.choose_again();
        assert!(!tally.is_quiet(3));
    }

    #[test]
    fn sizes_are_those_of_the_classes() {
        for class in 0..class::COUNT {
            let offset = class << class::BIN_BITS;
            assert_eq!(bytes(offset) as usize, class::size_of(offset));
        }
    }
}
