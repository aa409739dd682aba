//! Bytes in live memtier blocks, per heap of a kind: exact, without locks, without
//! allocation.
//!
//! Each thread counts the bytes of its calls in its own [`Tally`], which no other thread writes.
//! The exact number is the sum over all tallies ([`allocated`]).
//!
//! Decisions are made on less ([`View::estimate`]): on the sums as of each tally's last
//! *mark*. An allocation leaves the mark alone while the tally is at most [`FOLD`]
//! bytes above it, a free while it is at most that much below; any other change
//! moves the mark to the current sum, and so does asking for the exact number.
//! Which tier a block lands on depends on these moments, so they are the
//! original's, to the byte. A common total is the sum of the marks that have been folded in: a
//! thread's own marks count at once for its own decisions, and for those of other threads when
//! they are more than [`FOLD`] bytes off.
//!
//! A thread's decision stands until one of its marks moves; [`Tally`] keeps it.
//!
//! Nothing here needs repair after fork(2). Depends on `heap` alone.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use crate::heap::tally::Tally;
use crate::heap::{HEAPS, fast};

/// Bytes that a tally may be off its mark, and a mark off the common total.
const FOLD: i64 = 51_200;

static TOTALS: [AtomicI64; HEAPS] = [const { AtomicI64::new(0) }; HEAPS];

/// Number of changes of the common totals and marks so far; never 0.
static MOMENT: AtomicUsize = AtomicUsize::new(1);

/// A number that changes with the common totals. A thread that reads it before it reads totals
/// may miss a change, but then holds an old number.
#[inline]
pub(super) fn moment() -> usize {
    MOMENT.load(Ordering::Acquire)
}

fn next_moment() {
    // An odd number stays odd, and so never 0, when it wraps.
    MOMENT.fetch_add(2, Ordering::Release);
}

/// The tally of threads without a record; written by atomic read-modify-write.
static SHARED: Tally = Tally::new();

fn tally() -> &'static Tally {
    Tally::own().unwrap_or(&SHARED)
}

fn all() -> impl Iterator<Item = &'static Tally> {
    Tally::all().chain(core::iter::once(&SHARED))
}

/// The cell of the heap with this id; `None` for an id that no heap has.
fn cell(cells: &[AtomicI64; HEAPS], id: usize) -> Option<&AtomicI64> {
    cells.get(id)
}

fn load(cells: &[AtomicI64; HEAPS], id: usize) -> i64 {
    cell(cells, id).map_or(0, |cell| cell.load(Ordering::Relaxed))
}

/// Folds `mark`, of the heap with this id, into the common total.
///
/// Several threads may do this at the same time: the total stays the sum of all `folded`.
fn fold(tally: &Tally, id: usize, mark: i64) {
    let (Some(folded), Some(total)) = (cell(&tally.folded, id), cell(&TOTALS, id)) else {
        return;
    };
    let before = folded.swap(mark, Ordering::Relaxed);
    if mark != before {
        total.fetch_add(mark.wrapping_sub(before), Ordering::Relaxed);
        next_moment();
    }
}

/// Moves the mark of the heap with this id to the current sum, and returns that. The tally is
/// the calling thread's.
fn mark(tally: &Tally, id: usize) -> i64 {
    let (Some(recent), Some(mark)) = (cell(&tally.recent, id), cell(&tally.marks, id)) else {
        return 0;
    };
    if core::ptr::eq(tally, &SHARED) {
        let bytes = recent.swap(0, Ordering::Relaxed);
        return mark.fetch_add(bytes, Ordering::Relaxed).wrapping_add(bytes);
    }
    let sum = mark
        .load(Ordering::Relaxed)
        .wrapping_add(recent.load(Ordering::Relaxed));
    mark.store(sum, Ordering::Relaxed);
    recent.store(0, Ordering::Relaxed);
    sum
}

#[cold]
#[inline(never)]
pub(super) fn move_mark(tally: &Tally, id: usize) {
    let sum = mark(tally, id);
    if !(-FOLD..=FOLD).contains(&sum.wrapping_sub(load(&tally.folded, id))) {
        fold(tally, id, sum);
    }
    tally.choose_again();
}

/// Whether the mark stays after an allocation; `recent` is bytes since the mark, with the block.
#[inline(always)]
pub(super) fn stays(recent: i64) -> bool {
    (0..=FOLD).contains(&recent)
}

/// Moves the mark of the heap with this id, if it is to move, after `block` was counted;
/// `recent` is bytes since the mark. Returns `block`.
#[inline(always)]
pub(super) fn added(tally: &Tally, id: usize, recent: i64, block: NonNull<u8>) -> NonNull<u8> {
    if stays(recent) {
        return block;
    }
    move_mark_for(tally, id, block)
}

#[cold]
#[inline(never)]
fn move_mark_for(tally: &Tally, id: usize, block: NonNull<u8>) -> NonNull<u8> {
    move_mark(tally, id);
    fast::as_is(block)
}

/// Moves the mark of the heap with this id, if it is to move, after a free was counted;
/// `recent` is bytes since the mark.
#[inline(always)]
pub(super) fn subtracted(tally: &Tally, id: usize, recent: i64) {
    // At 0 bytes the mark is already the current sum.
    if !(-FOLD..=0).contains(&recent) {
        move_mark(tally, id);
    }
}

fn change(tally: &Tally, id: usize, bytes: i64) -> i64 {
    cell(&tally.recent, id).map_or(0, |recent| {
        recent
            .fetch_add(bytes, Ordering::Relaxed)
            .wrapping_add(bytes)
    })
}

/// Counts a new block of `bytes` usable bytes; a failed one as 0 bytes.
pub(super) fn add(id: usize, bytes: usize) {
    add_to(tally(), id, bytes as i64);
}

fn add_to(tally: &Tally, id: usize, bytes: i64) {
    if !stays(change(tally, id, bytes)) {
        move_mark(tally, id);
    }
}

/// Counts a block of `bytes` usable bytes as gone.
pub(super) fn sub(id: usize, bytes: usize) {
    let tally = tally();
    subtracted(tally, id, change(tally, id, -(bytes as i64)));
}

/// A sum of bytes; a negative one comes from threads that were read between two stores, and is 0.
#[inline]
const fn at_least_zero(bytes: i64) -> usize {
    if bytes < 0 { 0 } else { bytes as usize }
}

/// The numbers on which a thread bases its decisions.
#[derive(Clone, Copy)]
pub(super) struct View<'a>(&'a Tally);

impl<'a> View<'a> {
    /// The calling thread's view.
    pub(super) fn here() -> View<'static> {
        View::of(tally())
    }

    /// The view of the thread whose tally is `own`.
    #[inline]
    pub(super) fn of(own: &'a Tally) -> Self {
        if own.any_settled.load(Ordering::Relaxed) {
            catch_up(own);
        }
        Self(own)
    }

    /// Bytes in live blocks of the heaps with the ids `first` and `others`, as of the last marks.
    #[inline]
    pub(super) fn estimate(self, first: usize, others: impl Iterator<Item = usize>) -> usize {
        let of = |id| {
            load(&TOTALS, id)
                .wrapping_sub(load(&self.0.folded, id))
                .wrapping_add(load(&self.0.marks, id))
        };
        at_least_zero(others.fold(of(first), |sum, id| sum.wrapping_add(of(id))))
    }

    /// Keeps the decision of `chooser` for the heap with this id until the thread's next mark,
    /// for the fast paths.
    #[inline]
    pub(super) fn keep(self, chooser: usize, id: usize) {
        self.0.choose(chooser, id);
    }
}

/// Moves the marks of heaps whose exact bytes another thread has asked for since.
#[cold]
fn catch_up(own: &Tally) {
    own.any_settled.store(false, Ordering::Relaxed);
    for (id, settled) in own.settled.iter().enumerate() {
        if settled.load(Ordering::Relaxed) && settled.swap(false, Ordering::Acquire) {
            mark(own, id);
        }
    }
}

/// Exact bytes in live blocks of the heaps with these ids. Later decisions use these numbers.
pub(super) fn allocated(ids: impl Iterator<Item = usize>) -> usize {
    let own = tally();
    let sum = ids.fold(0_i64, |total, id| {
        all().fold(total, |total, tally| {
            let sum = if core::ptr::eq(tally, own) {
                mark(tally, id)
            } else {
                load(&tally.marks, id).wrapping_add(load(&tally.recent, id))
            };
            if sum != load(&tally.folded, id) {
                fold(tally, id, sum);
            }
            if let (false, Some(settled)) = (core::ptr::eq(tally, own), tally.settled.get(id)) {
                settled.store(true, Ordering::Release);
                tally.any_settled.store(true, Ordering::Release);
            }
            tally.choose_again();
            total.wrapping_add(sum)
        })
    });
    next_moment();
    at_least_zero(sum)
}

/// Forgets the blocks of the heap with this id, which has been destroyed.
pub(super) fn forget(id: usize) {
    for tally in all() {
        for cells in [&tally.recent, &tally.marks, &tally.folded] {
            if load(cells, id) != 0 {
                cells[id].store(0, Ordering::Relaxed);
            }
        }
        tally.choose_again();
    }
    if let Some(total) = cell(&TOTALS, id) {
        total.store(0, Ordering::Relaxed);
    }
    next_moment();
}

/// Forgets the decisions of `chooser`, which has been destroyed.
pub(super) fn forget_chooser(chooser: usize) {
    all().for_each(|tally| tally.forget(chooser));
}

#[cfg(test)]
mod tests {
    use super::{FOLD, SHARED, View, add, add_to, change, forget, sub, subtracted};

    fn allocated(id: usize) -> usize {
        super::allocated(core::iter::once(id))
    }

    fn estimate(id: usize) -> usize {
        View::here().estimate(id, core::iter::empty())
    }

    // Each test has heaps of its own: the tallies are shared by the process.

    #[test]
    fn decisions_know_marks_only() {
        let fold = FOLD as usize;
        add(300, fold);
        assert_eq!(estimate(300), 0);
        add(300, 1);
        assert_eq!(estimate(300), fold + 1);
        add(300, 10);
        assert_eq!(estimate(300), fold + 1);
        sub(300, 5);
        assert_eq!(estimate(300), fold + 6);
        add(300, 100);
        assert_eq!(estimate(300), fold + 6);
        assert_eq!(allocated(300), fold + 106);
        assert_eq!(estimate(300), fold + 106);
        sub(300, 106);
        assert_eq!(estimate(300), fold + 106);
        add(300, 0);
        assert_eq!(estimate(300), fold);
        sub(300, fold);
        assert_eq!(estimate(300), fold);
        sub(300, 1);
        add(300, 1);
        assert_eq!(estimate(300), 0);
    }

    #[test]
    fn a_forgotten_heap_reads_zero() {
        add(301, 100);
        forget(301);
        assert_eq!(allocated(301), 0);
        add(301, 7);
        assert_eq!(allocated(301), 7);
    }

    #[test]
    fn threads_without_a_record_are_counted_too() {
        let fold = FOLD as usize;
        add_to(&SHARED, 305, 100);
        assert_eq!(allocated(305), 100);
        add_to(&SHARED, 305, FOLD + 1);
        assert_eq!(
            View::of(&SHARED).estimate(305, core::iter::empty()),
            100 + fold + 1
        );
        subtracted(&SHARED, 305, change(&SHARED, 305, -50));
        assert_eq!(allocated(305), 50 + fold + 1);
    }

    #[test]
    fn ids_out_of_range_are_ignored() {
        add(1024, 1);
        forget(1024);
        assert_eq!(allocated(1024) + estimate(1024), 0);
        add(1023, 3);
        assert_eq!(allocated(1023), 3);
    }

    #[test]
    fn others_know_a_mark_that_is_far_from_the_total() {
        std::thread::scope(|scope| {
            scope.spawn(|| (0..100).for_each(|_| add(303, FOLD as usize / 10)));
        });
        let exact = 100 * (FOLD as usize / 10);
        let known = estimate(303);
        assert!(
            known <= exact && exact - known <= 2 * FOLD as usize,
            "{known}"
        );
        assert_eq!(allocated(303), exact);
        assert_eq!(estimate(303), exact);
    }

    #[test]
    fn asking_makes_marks_for_the_others() {
        use std::sync::mpsc::channel;
        let (to, from) = channel();
        let (back, answer) = channel();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                add(304, 100);
                back.send(estimate(304)).expect("asked");
                from.recv().expect("asked");
                back.send(estimate(304)).expect("asked");
            });
            assert_eq!(answer.recv(), Ok(0));
            assert_eq!(allocated(304), 100);
            to.send(()).expect("waits");
            assert_eq!(answer.recv(), Ok(100));
        });
    }

    #[test]
    fn blocks_freed_by_other_threads_balance() {
        let n_threads: usize = 16;
        std::thread::scope(|scope| {
            for _ in 0..n_threads {
                scope.spawn(|| (0..10_000).for_each(|_| add(302, 48)));
            }
        });
        assert_eq!(allocated(302), n_threads * 10_000 * 48);
        std::thread::scope(|scope| {
            for _ in 0..n_threads / 2 {
                scope.spawn(|| (0..20_000).for_each(|_| sub(302, 48)));
            }
        });
        assert_eq!(allocated(302), 0);
    }
}
