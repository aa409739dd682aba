//! When a thread next looks at the clock although its caches meet all its requests.
//!
//! A program that has freed much and goes on with little never leaves the fast paths, which
//! look at no clock. So a thread counts its frees down, and takes the slow path when it gets to
//! zero: one decrement and a branch. How many frees that takes follows from how
//! many there are in a second, and starts low whenever memory has been given back.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU32, Ordering};

/// The most frees between two looks: what a look costs is little beside them.
const MOST: u32 = 512;
/// The frees until the next look after a block has left the thread's magazines: the program may
/// free a few blocks in a second from now on.
const SOON: u32 = 32;
/// The factor by which the frees until the next look grow when no second has passed since the last,
/// and shrink when one has.
const FACTOR: u32 = 4;

/// A thread's countdown to its next look at the clock.
pub(crate) struct Beat {
    /// Frees until the next look; below 0 when it is due.
    left: UnsafeCell<i32>,
    /// Frees that were to pass when the countdown last began, but [`SOON`] after blocks have left the
    /// thread: the next countdown follows from it.
    period: AtomicU32,
    /// The second of the last look.
    second: AtomicU32,
}

// SAFETY: `left` is used by the record's own thread alone, and not in the records that stand
// for none.
unsafe impl Sync for Beat {}

impl Beat {
    pub(crate) const fn new() -> Self {
        Self {
            left: UnsafeCell::new(0),
            period: AtomicU32::new(0),
            second: AtomicU32::new(0),
        }
    }

    /// Counts a free, in the record's own thread; `false` when a look is due.
    #[inline(always)]
    pub(crate) fn count_down(&self) -> bool {
        // SAFETY: the record's own thread is here, as `Sync` above says.
        unsafe {
            let left = self.left.get();
            *left = (*left).wrapping_sub(1);
            *left >= 0
        }
    }

    /// Whether a look is due, in the record's own thread.
    pub(crate) fn is_due(&self) -> bool {
        // SAFETY: the record's own thread is here, as `Sync` above says.
        unsafe { *self.left.get() < 0 }
    }

    /// The fewest frees from the last look to the next.
    pub(crate) fn period(&self) -> u32 {
        self.period.load(Ordering::Relaxed)
    }

    /// Whether `now`, in seconds, is another second than that of the last look, in the record's own thread.
    pub(crate) fn is_new(&self, now: u32) -> bool {
        self.second.load(Ordering::Relaxed) != now
    }

    /// Notes what has been looked at in this second, in the record's own thread.
    pub(crate) fn note(&self, now: u32) {
        self.second.store(now, Ordering::Relaxed);
    }

    /// Begins to count down again after a look that was due, in the record's own thread.
    pub(crate) fn restart(&self, now: u32) {
        let last = self.period.load(Ordering::Relaxed);
        self.start(if self.is_new(now) {
            (last / FACTOR).max(1)
        } else {
            (FACTOR * last).clamp(1, MOST)
        });
    }

    /// Lets the next look come within [`SOON`] frees, and not long after it another, in the record's
    /// own thread, from whose magazines blocks have just gone.
    pub(crate) fn come_soon(&self) {
        // SAFETY: the record's own thread is here, as `Sync` above says.
        let left = unsafe { *self.left.get() };
        self.period.store(SOON, Ordering::Relaxed);
        if left > SOON as i32 {
            self.start(SOON);
        }
    }

    /// Begins to count `period` frees down, in the record's own thread.
    fn start(&self, period: u32) {
        self.period.store(period, Ordering::Relaxed);
        // SAFETY: the record's own thread is here, as `Sync` above says.
        unsafe { *self.left.get() = period as i32 }
    }
}

#[cfg(test)]
mod tests {
    use super::{Beat, FACTOR, MOST, SOON};

    /// Frees until a look is due.
    fn frees(beat: &Beat) -> u32 {
        (1..).take_while(|_| beat.count_down()).count() as u32 + 1
    }

    #[test]
    fn it_is_as_often_as_there_is_use() {
        let beat = Beat::new();
        beat.note(7);
        // Much in a second: seldom.
        for _ in 0..6 {
            beat.restart(7);
        }
        assert!(!beat.is_due());
        assert_eq!(frees(&beat), MOST + 1);
        // Blocks have gone: soon, which more of them do not put off, and soon again.
        beat.restart(7);
        beat.come_soon();
        (0..9).for_each(|_| assert!(beat.count_down()));
        beat.come_soon();
        assert_eq!(frees(&beat), SOON + 1 - 9);
        assert!(beat.is_due());
        beat.restart(7);
        assert_eq!(frees(&beat), FACTOR * SOON + 1);
        // Little: soon each time.
        for second in 8..13 {
            beat.restart(second);
            beat.note(second);
        }
        assert_eq!(frees(&beat), 2);
    }
}
