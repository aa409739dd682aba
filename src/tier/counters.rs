//! Bytes in live memtier blocks, per kind: exact, without locks, without allocation.
//!
//! Each thread adds to the cells of one of [`SHARDS`] rows, chosen by its address
//! in memory, so threads seldom share a cache line. A cell only ever accumulates;
//! the exact number is the sum of the kind's cells ([`allocated`]).
//!
//! Decisions are made on less ([`estimate`]): on the sums as of each cell's last
//! *mark*. An allocation leaves the mark alone while the cell is at most [`FOLD`]
//! bytes above it, a free while it is at most that much below; any other change
//! moves the mark to the current sum, and so does asking for the exact number.
//! Which tier a block lands on depends on these moments, so they are the
//! original's, to the byte. A kind's common total holds what has been folded in of
//! the marks; a new mark may wait until its thread next decides, so that most
//! changes touch nothing shared.
//!
//! Nothing here needs repair after fork(2). Depends on nothing.

use core::sync::atomic::{AtomicI64, Ordering};

/// Kinds that are counted: partitions 0 to 514.
const KINDS: usize = 515;
/// Rows of cells; a power of two.
const SHARDS: usize = 64;
/// Bytes that a cell may be off its mark, and a mark off the common total.
const FOLD: i64 = 51_200;

/// What one row's threads have added for one kind.
struct Cell {
    /// Bytes allocated minus bytes freed; negative where others' blocks are freed.
    sum: AtomicI64,
    /// `sum` at the moment that decisions may know of.
    mark: AtomicI64,
    /// The mark that the common total contains.
    folded: AtomicI64,
}

impl Cell {
    const fn new() -> Self {
        Self {
            sum: AtomicI64::new(0),
            mark: AtomicI64::new(0),
            folded: AtomicI64::new(0),
        }
    }

    /// Brings the common total up to `mark`.
    ///
    /// Threads may do this at once: the total is always the sum of all `folded`.
    fn fold(&self, mark: i64, total: &AtomicI64) {
        let before = self.folded.swap(mark, Ordering::Relaxed);
        if mark != before {
            total.fetch_add(mark.wrapping_sub(before), Ordering::Relaxed);
        }
    }

    /// Moves the mark to `sum`.
    #[inline]
    fn mark(&self, sum: i64, total: &AtomicI64) {
        self.mark.store(sum, Ordering::Relaxed);
        let unfolded = sum.wrapping_sub(self.folded.load(Ordering::Relaxed));
        if !(-FOLD..=FOLD).contains(&unfolded) {
            self.fold(sum, total);
        }
    }

    /// Marks and folds the current sum, and returns it.
    fn settle(&self, total: &AtomicI64) -> i64 {
        let sum = self.sum.load(Ordering::Relaxed);
        self.mark.store(sum, Ordering::Relaxed);
        self.fold(sum, total);
        sum
    }
}

#[repr(align(64))]
struct Row([Cell; KINDS]);

static ROWS: [Row; SHARDS] = [const { Row([const { Cell::new() }; KINDS]) }; SHARDS];

static TOTALS: [AtomicI64; KINDS] = [const { AtomicI64::new(0) }; KINDS];

/// A number that no other live thread has.
#[inline]
fn thread_number() -> usize {
    #[cfg(target_arch = "x86_64")]
    {
        let number: usize;
        // SAFETY: on x86-64 Linux %fs:0 holds the thread's own control block
        // address in every thread; the instruction only reads it.
        unsafe {
            core::arch::asm!("mov {}, fs:0", out(reg) number,
                options(pure, readonly, nostack, preserves_flags));
        }
        number
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        // SAFETY: pthread_self has no precondition.
        unsafe { libc::pthread_self() as usize }
    }
}

/// The row of the calling thread.
#[inline]
fn row() -> &'static Row {
    // Fibonacci hashing: thread blocks lie at regular distances, the top bits of
    // the product spread them.
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    const SHIFT: u32 = u64::BITS - SHARDS.trailing_zeros();
    let hash = (thread_number() as u64).wrapping_mul(GOLDEN) >> SHIFT;
    // The shift leaves a value below SHARDS, so the index cannot be out of range.
    &ROWS[hash as usize % SHARDS]
}

/// Counts a new block of `bytes` usable bytes; a failed one as 0 bytes.
#[inline]
pub(super) fn add(partition: usize, bytes: usize) {
    let (Some(cell), Some(total)) = (row().0.get(partition), TOTALS.get(partition)) else {
        return;
    };
    let bytes = bytes as i64;
    let sum = cell
        .sum
        .fetch_add(bytes, Ordering::Relaxed)
        .wrapping_add(bytes);
    let unmarked = sum.wrapping_sub(cell.mark.load(Ordering::Relaxed));
    if !(0..=FOLD).contains(&unmarked) {
        cell.mark(sum, total);
    }
}

/// Counts a block of `bytes` usable bytes as gone.
#[inline]
pub(super) fn sub(partition: usize, bytes: usize) {
    let (Some(cell), Some(total)) = (row().0.get(partition), TOTALS.get(partition)) else {
        return;
    };
    let bytes = bytes as i64;
    let sum = cell
        .sum
        .fetch_sub(bytes, Ordering::Relaxed)
        .wrapping_sub(bytes);
    let unmarked = sum.wrapping_sub(cell.mark.load(Ordering::Relaxed));
    if !(-FOLD..0).contains(&unmarked) {
        cell.mark(sum, total);
    }
}

/// What a negative sum means: other threads were caught between their two halves.
#[inline]
const fn at_least_zero(bytes: i64) -> usize {
    if bytes < 0 { 0 } else { bytes as usize }
}

/// Bytes in live blocks as of the last marks; for decisions.
#[inline]
pub(super) fn estimate(partition: usize) -> usize {
    let (Some(cell), Some(total)) = (row().0.get(partition), TOTALS.get(partition)) else {
        return 0;
    };
    let mark = cell.mark.load(Ordering::Relaxed);
    if mark != cell.folded.load(Ordering::Relaxed) {
        cell.fold(mark, total);
    }
    at_least_zero(total.load(Ordering::Relaxed))
}

/// Bytes in live blocks, exactly; folds every row.
pub(super) fn allocated(partition: usize) -> usize {
    let Some(total) = TOTALS.get(partition) else {
        return 0;
    };
    let sum = ROWS
        .iter()
        .filter_map(|row| row.0.get(partition))
        .fold(0_i64, |sum, cell| sum.wrapping_add(cell.settle(total)));
    at_least_zero(sum)
}

/// Forgets the blocks of a kind that is gone.
pub(super) fn forget(partition: usize) {
    let Some(total) = TOTALS.get(partition) else {
        return;
    };
    for cell in ROWS.iter().filter_map(|row| row.0.get(partition)) {
        cell.sum.store(0, Ordering::Relaxed);
        cell.mark.store(0, Ordering::Relaxed);
        cell.folded.store(0, Ordering::Relaxed);
    }
    total.store(0, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::{FOLD, add, allocated, estimate, forget, sub};

    // Each test has partitions of its own: the cells are shared by the process.

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
    fn a_forgotten_kind_reads_zero() {
        add(301, 100);
        forget(301);
        assert_eq!(allocated(301), 0);
        add(301, 7);
        assert_eq!(allocated(301), 7);
    }

    #[test]
    fn partitions_out_of_range_are_ignored() {
        add(515, 1);
        forget(515);
        assert_eq!(allocated(515) + estimate(515), 0);
        add(514, 3);
        assert_eq!(allocated(514), 3);
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
