//! The borders between sizes under the dynamic policy, at work.
//!
//! Every so many operations borders move so that the tiers approach their ratios. Threads
//! count operations in advance, most often whole rounds of them, lest they all write to
//! one counter.
#![forbid(unsafe_code)]

use core::ops::Range;
use core::sync::atomic::{AtomicI64, AtomicU32, AtomicUsize, Ordering};

use super::policy::{Threshold, Tuning};

/// A border in use.
///
/// Threads that move it at the same moment may lose a step, never its limits.
pub(super) struct Border {
    val: AtomicUsize,
    min: usize,
    max: usize,
    /// Bytes in the upper tier per byte in the lower that the ratios ask for.
    expected: f32,
    /// The same as last seen, as the bits of an `f32`.
    seen: AtomicU32,
    /// The bytes of the tiers at which it has been found to stay where it is; impossible
    /// ones where the next look may find otherwise.
    stays_at: [AtomicUsize; 2],
}

impl Border {
    /// A border between two tiers whose ratios are given as in the builder.
    #[allow(
        clippy::cast_precision_loss,
        reason = "the original's precision decides"
    )]
    pub(super) fn new(threshold: Threshold, lower_ratio: u32, upper_ratio: u32) -> Self {
        let expected = upper_ratio as f32 / lower_ratio as f32;
        Self {
            val: AtomicUsize::new(threshold.val),
            min: threshold.min,
            max: threshold.max,
            expected,
            seen: AtomicU32::new(expected.to_bits()),
            stays_at: [const { AtomicUsize::new(usize::MAX) }; 2],
        }
    }

    /// The settings with the current value.
    pub(super) fn threshold(&self) -> Threshold {
        Threshold {
            val: self.val.load(Ordering::Relaxed),
            min: self.min,
            max: self.max,
        }
    }

    /// Moves the border if the tiers' bytes are off by more than the trigger and
    /// not already on their way back. Whether it would stay if they were asked again.
    fn adjust(&self, lower: usize, upper: usize, tuning: &Tuning) -> bool {
        let [stays_lower, stays_upper] = &self.stays_at;
        if lower == stays_lower.load(Ordering::Relaxed)
            && upper == stays_upper.load(Ordering::Relaxed)
        {
            return true;
        }
        let stays = self.stays(lower, upper, tuning);
        let (lower, upper) = if stays {
            (lower, upper)
        } else {
            (usize::MAX, usize::MAX)
        };
        stays_lower.store(lower, Ordering::Relaxed);
        stays_upper.store(upper, Ordering::Relaxed);
        stays
    }

    /// [`Border::adjust`], whatever has been found before.
    #[allow(
        clippy::cast_precision_loss,
        reason = "the original's precision decides"
    )]
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the value is not negative, and `as` saturates"
    )]
    fn stays(&self, lower: usize, upper: usize, tuning: &Tuning) -> bool {
        let mut raise = true;
        if lower > 0 {
            let ratio = upper as f32 / lower as f32;
            let off = (ratio - self.expected).abs();
            let seen = f32::from_bits(self.seen.load(Ordering::Relaxed));
            self.seen.store(ratio.to_bits(), Ordering::Relaxed);
            if off < tuning.trigger {
                return true;
            }
            if off < (seen - self.expected).abs() {
                return false;
            }
            raise = ratio > self.expected;
        }
        let val = self.val.load(Ordering::Relaxed);
        let step = rounded_up(val as f32 * tuning.degree);
        let moved = if raise {
            val.checked_add(step).filter(|&higher| higher <= self.max)
        } else {
            val.checked_sub(step).filter(|&smaller| smaller >= self.min)
        };
        if let Some(moved) = moved {
            self.val.store(moved, Ordering::Relaxed);
        }
        moved.is_none()
    }
}

/// The next whole number, for one that is not negative; without a call, as there is no
/// instruction for it that every processor has.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and what is large has no fraction"
)]
fn rounded_up(number: f32) -> usize {
    let whole = number as usize;
    if (whole as f32) < number {
        whole.saturating_add(1)
    } else {
        whole
    }
}

/// The most operations that a thread counts in advance; enough for the usual `check_cnt`.
const AHEAD: i64 = 127;

/// Marks a thread that has made two checks in a row.
const AGAIN: usize = 1;

/// The state of [`super::policy::Policy::DynamicThreshold`].
pub(super) struct Borders {
    borders: Box<[Border]>,
    tuning: Tuning,
    /// Operations until the next check that nobody has taken yet.
    left: AtomicI64,
    /// The thread of the last check, with [`AGAIN`] if it made the one before too; 0 once
    /// another one has counted.
    checker: AtomicUsize,
}

impl Borders {
    /// Starts with the given borders, ordered by their values.
    pub(super) fn new(borders: Box<[Border]>, tuning: Tuning) -> Self {
        let left = AtomicI64::new(i64::from(tuning.check_cnt));
        Self {
            borders,
            tuning,
            left,
            checker: AtomicUsize::new(0),
        }
    }

    /// The borders, lowest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Border> {
        self.borders.iter()
    }

    /// The settings.
    pub(super) const fn tuning(&self) -> &Tuning {
        &self.tuning
    }

    /// Operations until the next check, when so many that were counted are still to come.
    pub(super) fn left(&self, ahead: i64) -> i64 {
        match i64::from(self.tuning.check_cnt) {
            0 => 0,
            round => match (self.left.load(Ordering::Relaxed) + ahead) % round {
                0 => round,
                left => left,
            },
        }
    }

    /// Counts one operation; whether a check is due after it.
    pub(super) fn count(&self) -> bool {
        match i64::from(self.tuning.check_cnt) {
            0 => false,
            round => self.take(round, |left| left.min(1)).1,
        }
    }

    /// Counts some operations of a thread in advance: how many, and whether a check is due
    /// after them. A thread may not come to the last one. So that is only counted for a
    /// thread that has made two checks while nobody else was counting; else it is for
    /// whoever comes first.
    pub(super) fn count_ahead(&self, thread: usize) -> (i64, bool) {
        let round = i64::from(self.tuning.check_cnt);
        if round == 0 {
            return (AHEAD, false);
        }
        let checker = self.checker.load(Ordering::Relaxed);
        if checker == thread | AGAIN {
            return match self.whole_round(thread) {
                Some(round) => (round, true),
                None => self.take(round, |left| left.min(AHEAD)),
            };
        }
        if checker != thread {
            self.checker.store(0, Ordering::Relaxed);
        }
        self.take(round, |left| (left - 1).min(AHEAD))
    }

    /// The operations of a round if [`Borders::count_ahead`] gives the thread a whole one,
    /// which leaves everything as it is.
    #[inline]
    pub(super) fn whole_round(&self, thread: usize) -> Option<i64> {
        let round = i64::from(self.tuning.check_cnt);
        let alone = self.checker.load(Ordering::Relaxed) == thread | AGAIN;
        (alone && round <= AHEAD && self.left.load(Ordering::Relaxed) == 0).then_some(round)
    }

    /// Takes a part of what is left of a round; how much, and whether nothing is left.
    fn take(&self, round: i64, part: impl Fn(i64) -> i64) -> (i64, bool) {
        let whole = |left: i64| if left == 0 { round } else { left };
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                Some(whole(left) - part(whole(left)))
            })
            .map_or((0, false), |left| {
                let taken = part(whole(left));
                (taken, taken == whole(left))
            })
    }

    /// The tier for a block of `size` bytes.
    pub(super) fn tier(&self, size: usize) -> usize {
        self.borders
            .iter()
            .position(|border| size < border.val.load(Ordering::Relaxed))
            .unwrap_or(self.borders.len())
    }

    /// The sizes of which blocks land on a tier; empty if the borders have just been moved
    /// across each other.
    pub(super) fn sizes(&self, tier: usize) -> Range<usize> {
        let val = |border: &Border| border.val.load(Ordering::Relaxed);
        let below = &self.borders[..tier.min(self.borders.len())];
        let lowest = below.iter().map(val).max().unwrap_or(0);
        lowest..self.borders.get(tier).map_or(usize::MAX, val)
    }

    /// Compares the ratios with the bytes that `allocated` reports for a tier, as is due
    /// every `check_cnt` operations. `thread` is the calling one, an even number; 0 for any.
    /// Whether another one with the same bytes and borders would change nothing.
    pub(super) fn check(&self, thread: usize, allocated: impl Fn(usize) -> usize) -> bool {
        let before = self.checker.load(Ordering::Relaxed) & !AGAIN;
        let again = if before == thread { AGAIN } else { 0 };
        self.checker.store(thread | again, Ordering::Relaxed);
        let stays = |(index, border): (usize, &Border)| {
            border.adjust(allocated(index), allocated(index + 1), &self.tuning)
        };
        let each = self.borders.iter().enumerate().map(stays);
        // All of them are asked, whatever the first says.
        each.filter(|stays| !stays).count() == 0
    }
}

#[cfg(test)]
mod tests;
