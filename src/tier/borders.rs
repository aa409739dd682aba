//! The borders between sizes under the dynamic policy, and when they move.
//!
//! After each round of `check_cnt` operations borders move so that the tiers approach their
//! ratios. To keep threads off a shared counter, each counts operations in advance, most often
//! a whole round of them.
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
    /// Bytes in the upper tier per byte in the lower at the last check, as the bits of an `f32`.
    seen: AtomicU32,
    /// Bytes of the lower and the upper tier at which a check has left the border in place;
    /// `usize::MAX` when the next check may move it.
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

    /// The settings of the border, with its current value.
    pub(super) fn threshold(&self) -> Threshold {
        Threshold {
            val: self.val.load(Ordering::Relaxed),
            min: self.min,
            max: self.max,
        }
    }

    /// Moves the border if `lower` and `upper`, bytes in its two tiers, deviate from the ratio by
    /// more than the trigger and are not on their way back. Returns whether a second check with
    /// the same bytes would leave it in place.
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

    /// [`Border::adjust`] without the remembered result of the check before.
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

/// The next whole number above one that is not negative. Inlined arithmetic: not every x86-64
/// processor has an instruction for it.
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
    /// Operations until the next check that no thread has counted in advance.
    left: AtomicI64,
    /// The number of the thread of the last check, with [`AGAIN`] if it made the check before
    /// too; 0 once another thread has counted.
    checker: AtomicUsize,
}

impl Borders {
    /// The state with these borders, which are ordered by their values.
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

    /// The settings that all borders share.
    pub(super) const fn tuning(&self) -> &Tuning {
        &self.tuning
    }

    /// Operations until the next check; `ahead` of those counted in advance are still to come.
    pub(super) fn left(&self, ahead: i64) -> i64 {
        match i64::from(self.tuning.check_cnt) {
            0 => 0,
            round => match (self.left.load(Ordering::Relaxed) + ahead) % round {
                0 => round,
                left => left,
            },
        }
    }

    /// Counts one operation, and returns whether a check is due after it.
    pub(super) fn count(&self) -> bool {
        match i64::from(self.tuning.check_cnt) {
            0 => false,
            round => self.take(round, |left| left.min(1)).1,
        }
    }

    /// Counts operations of `thread` in advance: returns how many, and whether a check is due
    /// after them. A thread may stop before the last operation of a round, so that is counted
    /// in advance only for a thread that has made two checks while no other counted.
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

    /// The operations of a round if [`Borders::count_ahead`] would give `thread` a whole one,
    /// which changes nothing here.
    #[inline]
    pub(super) fn whole_round(&self, thread: usize) -> Option<i64> {
        let round = i64::from(self.tuning.check_cnt);
        let alone = self.checker.load(Ordering::Relaxed) == thread | AGAIN;
        (alone && round <= AHEAD && self.left.load(Ordering::Relaxed) == 0).then_some(round)
    }

    /// Takes `part` of the operations left in a round: returns how many, and whether none is left.
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

    /// The sizes in bytes whose blocks land on a tier; empty if the borders have just been moved
    /// across each other.
    pub(super) fn sizes(&self, tier: usize) -> Range<usize> {
        let val = |border: &Border| border.val.load(Ordering::Relaxed);
        let below = &self.borders[..tier.min(self.borders.len())];
        let lowest = below.iter().map(val).max().unwrap_or(0);
        lowest..self.borders.get(tier).map_or(usize::MAX, val)
    }

    /// Compares the ratios with the bytes that `allocated` reports for a tier, as is due
    /// every `check_cnt` operations. `thread` is the number of the calling thread, which is even;
    /// 0 if it has none. Returns whether a second check with the same bytes would move nothing.
    pub(super) fn check(&self, thread: usize, allocated: impl Fn(usize) -> usize) -> bool {
        let before = self.checker.load(Ordering::Relaxed) & !AGAIN;
        let again = if before == thread { AGAIN } else { 0 };
        self.checker.store(thread | again, Ordering::Relaxed);
        let stays = |(index, border): (usize, &Border)| {
            border.adjust(allocated(index), allocated(index + 1), &self.tuning)
        };
        let each = self.borders.iter().enumerate().map(stays);
        // Each border is adjusted, so the loop does not stop at the first that moves.
        each.filter(|stays| !stays).count() == 0
    }
}

#[cfg(test)]
mod tests;
