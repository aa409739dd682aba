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
mod tests {
    use super::{Border, Borders, Threshold, Tuning, rounded_up};

    fn one_border(check_cnt: u32) -> Borders {
        let border = Border::new(Threshold::default_for(0), 1, 4);
        Borders::new(
            Box::new([border]),
            Tuning {
                check_cnt,
                ..Tuning::DEFAULT
            },
        )
    }

    fn check_times(borders: &Borders, times: usize, allocated: impl Fn(usize) -> usize) {
        for _ in 0..times {
            borders.check(0, &allocated);
        }
    }

    fn val(borders: &Borders) -> usize {
        borders
            .iter()
            .next()
            .map_or(0, |border| border.threshold().val)
    }

    #[test]
    fn a_border_that_stays_moves_again_when_bytes_change() {
        let borders = one_border(1);
        check_times(&borders, 5, |_| 0);
        assert_eq!(val(&borders), 1355);
        // Too much below, and it could sink; then to its minimum.
        borders.check(0, |_| 1000);
        assert_eq!(val(&borders), 1151);
        check_times(&borders, 9, |_| 1000);
        assert_eq!(val(&borders), 600);
        // As asked for, and too much above at last.
        check_times(&borders, 2, |tier| if tier == 0 { 1000 } else { 4000 });
        assert_eq!(val(&borders), 600);
        borders.check(0, |tier| if tier == 0 { 1000 } else { 9000 });
        assert_eq!(val(&borders), 690);
    }

    #[test]
    fn sizes_part_at_the_border() {
        let borders = one_border(1);
        assert_eq!(borders.tier(0), 0);
        assert_eq!(borders.tier(1023), 0);
        assert_eq!(borders.tier(1024), 1);
        assert_eq!(borders.tier(usize::MAX), 1);
        assert_eq!(borders.sizes(0), 0..1024);
        assert_eq!(borders.sizes(1), 1024..usize::MAX);
    }

    #[test]
    fn an_empty_lower_tier_raises_the_border_up_to_its_maximum() {
        let borders = one_border(1);
        let expected = [1178, 1355, 1355];
        for value in expected {
            assert!(borders.count());
            borders.check(0, |_| 0);
            assert_eq!(val(&borders), value);
        }
    }

    #[test]
    fn the_border_moves_against_the_deviation_unless_it_shrinks() {
        let borders = one_border(1);
        // Too much below: the border sinks.
        borders.check(0, |_| 1000);
        assert_eq!(val(&borders), 870);
        // Better than last time: it stays.
        borders.check(0, |tier| if tier == 0 { 1000 } else { 2000 });
        assert_eq!(val(&borders), 870);
        // Too much above: it rises.
        borders.check(0, |tier| if tier == 0 { 1000 } else { 9000 });
        assert_eq!(val(&borders), 1001);
        // As asked for: it stays.
        borders.check(0, |tier| if tier == 0 { 1000 } else { 4000 });
        assert_eq!(val(&borders), 1001);
    }

    #[test]
    fn checks_come_every_check_cnt_operations() {
        let borders = one_border(3);
        assert_eq!(borders.left(0), 3);
        assert!(!borders.count() && !borders.count());
        assert_eq!(borders.left(0), 1);
        assert!(borders.count());
        assert_eq!(borders.left(0), 3);
        let never = one_border(0);
        assert!((0..100).all(|_| !never.count()));
        assert_eq!(never.left(0), 0);
    }

    #[test]
    fn numbers_are_rounded_up() {
        for number in [0.0, 0.1, 1.0, 1.5, 153.6, 16_777_215.0, 1e18, 1e30_f32] {
            assert_eq!(rounded_up(number), number.ceil() as usize, "{number}");
        }
        assert_eq!(rounded_up(f32::NAN), 0);
    }

    #[test]
    fn the_operation_of_a_check_is_counted_for_a_thread_that_is_alone() {
        let borders = one_border(100);
        // At first somebody else may come.
        for _ in 0..2 {
            assert_eq!(borders.count_ahead(2), (99, false));
            assert_eq!(borders.count_ahead(2), (0, false));
            assert!(borders.count());
            borders.check(2, |_| 0);
        }
        for _ in 0..3 {
            assert_eq!(borders.count_ahead(2), (100, true));
            assert_eq!(borders.left(1), 1);
            borders.check(2, |_| 0);
        }
        assert_eq!(borders.left(0), 100);
        // Another thread comes.
        assert_eq!(borders.count_ahead(4), (99, false));
        assert_eq!(borders.count_ahead(2), (0, false));
        assert!(borders.count());
        borders.check(4, |_| 0);
        assert_eq!(borders.count_ahead(4), (99, false));
    }

    #[test]
    fn threads_that_do_little_leave_the_check_to_others() {
        let borders = one_border(20);
        let mut checks = 0;
        for thread in 1..=100 {
            let mut ahead = 0;
            for _ in 0..19 {
                if ahead == 0 {
                    ahead = borders.count_ahead(2 * thread).0;
                }
                if ahead > 0 {
                    ahead -= 1;
                } else if borders.count() {
                    borders.check(2 * thread, |_| 0);
                    checks += 1;
                }
            }
        }
        assert!((90..=100).contains(&checks), "{checks}");
    }

    #[test]
    fn long_rounds_are_counted_in_parts() {
        let borders = one_border(200);
        for _ in 0..2 {
            let parts = [0; 3].map(|_| borders.count_ahead(2));
            assert_eq!(parts, [(127, false), (72, false), (0, false)]);
            assert!(borders.count());
            borders.check(2, |_| 0);
        }
        let parts = [0; 3].map(|_| borders.count_ahead(2));
        assert_eq!(parts, [(127, false), (73, true), (127, false)]);
        assert_eq!(one_border(0).count_ahead(2), (127, false));
    }

    /// The rule as it stands, without what is kept to save work.
    struct Plain {
        val: usize,
        seen: f32,
    }

    impl Plain {
        fn adjust(&mut self, lower: usize, upper: usize) {
            let mut raise = true;
            if lower > 0 {
                let ratio = upper as f32 / lower as f32;
                let off = (ratio - 4.0).abs();
                let seen = core::mem::replace(&mut self.seen, ratio);
                if off < Tuning::DEFAULT.trigger || off < (seen - 4.0).abs() {
                    return;
                }
                raise = ratio > 4.0;
            }
            let step = (self.val as f32 * Tuning::DEFAULT.degree).ceil() as usize;
            let moved = if raise {
                self.val + step
            } else {
                self.val - step
            };
            if (512..=1535).contains(&moved) {
                self.val = moved;
            }
        }
    }

    #[test]
    fn what_is_kept_changes_no_decision() {
        let mut random = 7_u32;
        let mut below = |limit: u32| {
            random = random.wrapping_mul(1_103_515_245).wrapping_add(12345);
            ((random >> 16) % limit) as usize
        };
        for _ in 0..2000 {
            let borders = one_border(1);
            let mut plain = Plain {
                val: 1024,
                seen: 4.0,
            };
            let mut bytes = (0, 0);
            for _ in 0..100 {
                if below(3) == 0 {
                    bytes = (1000 * below(3), 1000 * below(12));
                }
                borders.check(0, |tier| if tier == 0 { bytes.0 } else { bytes.1 });
                plain.adjust(bytes.0, bytes.1);
                assert_eq!(val(&borders), plain.val);
            }
        }
    }
}
