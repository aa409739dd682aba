//! The two policies of libmemtier(7) as arithmetic: sizes and counters in, a tier out.
//!
//! Nothing here allocates, locks or knows where a counter lives. Ratios are `f32`
//! and rounded as C rounds them, because the tier that a block lands on is
//! observable and has to agree with the original's choice.
#![forbid(unsafe_code)]

use core::ops::Range;
use core::sync::atomic::{AtomicI64, AtomicU32, AtomicUsize, Ordering};

/// How allocations are spread over the tiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Keep the ratio between the tiers' allocated bytes, whatever the sizes.
    StaticRatio,
    /// Small blocks to the first tiers, large ones to the later; the borders move.
    DynamicThreshold,
}

impl Policy {
    /// The policy with this C number, if there is one.
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::StaticRatio),
            1 => Some(Self::DynamicThreshold),
            _ => None,
        }
    }
}

/// The weight of a tier relative to the first one, as the policies use it:
/// how many bytes the first tier should hold per byte of this tier. That of the first
/// itself is 1, even if its ratio is 0.
#[allow(
    clippy::cast_precision_loss,
    reason = "the original's precision decides"
)]
pub fn normalized(first_ratio: u32, ratio: u32) -> f32 {
    first_ratio as f32 / ratio as f32
}

/// The tier for the next block under [`Policy::StaticRatio`]: the last one that
/// holds less than its share compared with the first, else the first.
///
/// `first` is the number of bytes in the first tier, `others` yields bytes and
/// [`normalized`] ratio of the second tier and up.
#[allow(
    clippy::cast_precision_loss,
    reason = "the original's precision decides"
)]
pub fn least_filled(first: usize, others: impl Iterator<Item = (usize, f32)>) -> usize {
    let mut chosen = 0;
    for (index, (allocated, ratio)) in others.enumerate() {
        if allocated as f32 * ratio < first as f32 {
            chosen = index + 1;
        }
    }
    chosen
}

/// The settings of one border between two neighbouring tiers, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// Blocks smaller than this go to the lower tier.
    pub val: usize,
    /// `val` never sinks below this.
    pub min: usize,
    /// `val` never rises above this.
    pub max: usize,
}

impl Threshold {
    /// The default of the border between tiers `index` and `index + 1`.
    pub const fn default_for(index: usize) -> Self {
        const STEP: usize = 1024;
        let min = index.saturating_mul(STEP).saturating_add(STEP / 2);
        Self {
            val: min.saturating_add(STEP / 2),
            min,
            max: min.saturating_add(STEP - 1),
        }
    }
}

/// The settings of [`Policy::DynamicThreshold`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tuning {
    /// Operations between two checks of the ratio; 0 never checks.
    pub check_cnt: u32,
    /// The smallest deviation from the ratio that moves a border.
    pub trigger: f32,
    /// The part of its value by which a border moves.
    pub degree: f32,
}

impl Tuning {
    /// What a dynamic builder starts with.
    pub const DEFAULT: Self = Self {
        check_cnt: 20,
        trigger: 0.02,
        degree: 0.15,
    };
    /// What a static builder shows.
    pub const NONE: Self = Self {
        check_cnt: 0,
        trigger: 0.0,
        degree: 0.0,
    };
}

/// Why settings cannot be used; displays as the message of the original.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Inconsistent {
    /// `min` is above `val`.
    Minimum(usize, Threshold),
    /// `val` is above `max`.
    Maximum(usize, Threshold),
    /// `max` is above the `min` of the next border.
    Overlap(usize),
    /// The degree is negative.
    Degree,
    /// The trigger is negative.
    Trigger,
}

impl core::fmt::Display for Inconsistent {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Minimum(index, threshold) => write!(
                f,
                "Minimum value of threshold {index} is too high (min = {}, val = {})",
                threshold.min, threshold.val
            ),
            Self::Maximum(index, threshold) => write!(
                f,
                "Maximum value of threshold {index} is too low (val = {}, max = {})",
                threshold.val, threshold.max
            ),
            Self::Overlap(index) => write!(
                f,
                "Maximum value of threshold {index} should be less than minimum value of threshold {}",
                index + 1
            ),
            Self::Degree => f.write_str("Threshold change value has to be >= 0"),
            Self::Trigger => f.write_str("Threshold trigger value has to be >= 0"),
        }
    }
}

/// Checks that the borders are ordered and the tuning is usable.
pub fn check(thresholds: &[Threshold], tuning: &Tuning) -> Result<(), Inconsistent> {
    for (index, threshold) in thresholds.iter().enumerate() {
        if threshold.min > threshold.val {
            return Err(Inconsistent::Minimum(index, *threshold));
        }
        if threshold.val > threshold.max {
            return Err(Inconsistent::Maximum(index, *threshold));
        }
        if thresholds
            .get(index + 1)
            .is_some_and(|next| threshold.max > next.min)
        {
            return Err(Inconsistent::Overlap(index));
        }
    }
    // Written so that NaN is refused as well.
    if !matches!(tuning.degree.partial_cmp(&0.0), Some(order) if order.is_ge()) {
        return Err(Inconsistent::Degree);
    }
    if !matches!(tuning.trigger.partial_cmp(&0.0), Some(order) if order.is_ge()) {
        return Err(Inconsistent::Trigger);
    }
    Ok(())
}

/// A border in use.
///
/// Threads that move it at the same moment may lose a step, never its limits.
pub struct Border {
    val: AtomicUsize,
    min: usize,
    max: usize,
    /// Bytes in the upper tier per byte in the lower that the ratios ask for.
    expected: f32,
    /// The same as last seen, as the bits of an `f32`.
    seen: AtomicU32,
    /// The bytes of the tiers at which it has been found to stay where it is; impossible
    /// ones after it was moved.
    stays_at: [AtomicUsize; 2],
}

impl Border {
    /// A border between two tiers whose ratios are given as in the builder.
    #[allow(
        clippy::cast_precision_loss,
        reason = "the original's precision decides"
    )]
    pub fn new(threshold: Threshold, lower_ratio: u32, upper_ratio: u32) -> Self {
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
    pub fn threshold(&self) -> Threshold {
        Threshold {
            val: self.val.load(Ordering::Relaxed),
            min: self.min,
            max: self.max,
        }
    }

    /// Moves the border if the tiers' bytes are off by more than the trigger and
    /// not already on their way back.
    #[allow(
        clippy::cast_precision_loss,
        reason = "the original's precision decides"
    )]
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the value is not negative, and `as` saturates"
    )]
    fn adjust(&self, lower: usize, upper: usize, tuning: &Tuning) {
        let [stays_lower, stays_upper] = &self.stays_at;
        let stays_at = |lower, upper| {
            stays_lower.store(lower, Ordering::Relaxed);
            stays_upper.store(upper, Ordering::Relaxed);
        };
        if lower == stays_lower.load(Ordering::Relaxed)
            && upper == stays_upper.load(Ordering::Relaxed)
        {
            return;
        }
        let mut raise = true;
        if lower > 0 {
            let ratio = upper as f32 / lower as f32;
            let off = (ratio - self.expected).abs();
            let seen = f32::from_bits(self.seen.load(Ordering::Relaxed));
            self.seen.store(ratio.to_bits(), Ordering::Relaxed);
            if off < tuning.trigger {
                return stays_at(lower, upper);
            }
            if off < (seen - self.expected).abs() {
                return;
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
        match moved {
            Some(moved) => {
                self.val.store(moved, Ordering::Relaxed);
                stays_at(usize::MAX, usize::MAX);
            }
            None => stays_at(lower, upper),
        }
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

/// The state of [`Policy::DynamicThreshold`].
pub struct Borders {
    borders: Box<[Border]>,
    tuning: Tuning,
    /// Operations until the next check that nobody has taken yet.
    left: AtomicI64,
}

impl Borders {
    /// Starts with the given borders, ordered by their values.
    pub fn new(borders: Box<[Border]>, tuning: Tuning) -> Self {
        let left = AtomicI64::new(i64::from(tuning.check_cnt));
        Self {
            borders,
            tuning,
            left,
        }
    }

    /// The borders, lowest first.
    pub fn iter(&self) -> impl Iterator<Item = &Border> {
        self.borders.iter()
    }

    /// The settings.
    pub const fn tuning(&self) -> &Tuning {
        &self.tuning
    }

    /// Operations until the next check, when so many that were counted are still to come.
    pub fn left(&self, ahead: i64) -> i64 {
        match i64::from(self.tuning.check_cnt) {
            0 => 0,
            round => match (self.left.load(Ordering::Relaxed) + ahead) % round {
                0 => round,
                left => left,
            },
        }
    }

    /// Counts one operation; whether a check is due after it.
    pub fn count(&self) -> bool {
        self.take(1).1
    }

    /// Counts some operations in advance: how many, and whether a check is due after them.
    pub fn count_ahead(&self) -> (i64, bool) {
        self.take(AHEAD)
    }

    fn take(&self, most: i64) -> (i64, bool) {
        let round = i64::from(self.tuning.check_cnt);
        if round == 0 {
            return (most, false);
        }
        // A whole round leaves the number as it is.
        if round <= most && self.left.load(Ordering::Relaxed) == 0 {
            return (round, true);
        }
        let whole = |left: i64| if left == 0 { round } else { left };
        let taken = |left: i64| whole(left).min(most);
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                Some(whole(left) - taken(left))
            })
            .map_or((0, false), |left| (taken(left), taken(left) == whole(left)))
    }

    /// The tier for a block of `size` bytes.
    pub fn tier(&self, size: usize) -> usize {
        self.borders
            .iter()
            .position(|border| size < border.val.load(Ordering::Relaxed))
            .unwrap_or(self.borders.len())
    }

    /// The sizes of which blocks land on a tier; empty if the borders have just been moved
    /// across each other.
    pub fn sizes(&self, tier: usize) -> Range<usize> {
        let val = |border: &Border| border.val.load(Ordering::Relaxed);
        let below = &self.borders[..tier.min(self.borders.len())];
        let lowest = below.iter().map(val).max().unwrap_or(0);
        lowest..self.borders.get(tier).map_or(usize::MAX, val)
    }

    /// Compares the ratios with the bytes that `allocated` reports for a tier, as is due
    /// every `check_cnt` operations.
    pub fn check(&self, allocated: impl Fn(usize) -> usize) {
        for (index, border) in self.borders.iter().enumerate() {
            border.adjust(allocated(index), allocated(index + 1), &self.tuning);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Border, Borders, Inconsistent, Threshold, Tuning, check, least_filled, normalized,
        rounded_up,
    };

    #[test]
    fn static_ratio_follows_the_ratio() {
        // 1:4: the second tier takes blocks until it holds four times the first.
        let ratio = normalized(1, 4);
        assert_eq!(least_filled(0, [(0, ratio)].into_iter()), 0);
        assert_eq!(least_filled(100, [(0, ratio)].into_iter()), 1);
        assert_eq!(least_filled(100, [(399, ratio)].into_iter()), 1);
        assert_eq!(least_filled(100, [(400, ratio)].into_iter()), 0);
    }

    #[test]
    fn the_last_tier_below_its_share_wins() {
        let ratios = [normalized(1, 1), normalized(1, 2)];
        assert_eq!(
            least_filled(100, [(0, ratios[0]), (0, ratios[1])].into_iter()),
            2
        );
        assert_eq!(
            least_filled(100, [(0, ratios[0]), (200, ratios[1])].into_iter()),
            1
        );
    }

    #[test]
    fn a_tier_with_ratio_zero_gets_nothing() {
        let none = normalized(1, 0);
        assert_eq!(least_filled(1 << 40, [(0, none)].into_iter()), 0);
    }

    #[test]
    fn defaults_are_those_of_the_manual() {
        assert_eq!(
            Threshold::default_for(0),
            Threshold {
                val: 1024,
                min: 512,
                max: 1535
            }
        );
        assert_eq!(
            Threshold::default_for(1),
            Threshold {
                val: 2048,
                min: 1536,
                max: 2559
            }
        );
    }

    #[test]
    fn contradictions_are_found() {
        let good = [Threshold::default_for(0), Threshold::default_for(1)];
        let with = |index: usize, threshold: Threshold| {
            let mut all = good;
            all[index] = threshold;
            check(&all, &Tuning::DEFAULT)
        };
        let low = Threshold { val: 10, ..good[0] };
        let high = Threshold {
            val: 2000,
            ..good[0]
        };
        assert_eq!(check(&good, &Tuning::DEFAULT), Ok(()));
        assert_eq!(with(0, low), Err(Inconsistent::Minimum(0, low)));
        assert_eq!(with(0, high), Err(Inconsistent::Maximum(0, high)));
        assert_eq!(
            with(
                0,
                Threshold {
                    max: 1536,
                    ..good[0]
                }
            ),
            Ok(())
        );
        assert_eq!(
            with(
                0,
                Threshold {
                    max: 1537,
                    ..good[0]
                }
            ),
            Err(Inconsistent::Overlap(0))
        );
        let negative = Tuning {
            degree: -1.0,
            ..Tuning::DEFAULT
        };
        assert_eq!(check(&good, &negative), Err(Inconsistent::Degree));
        let unordered = Tuning {
            trigger: f32::NAN,
            ..Tuning::DEFAULT
        };
        assert_eq!(check(&good, &unordered), Err(Inconsistent::Trigger));
    }

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

    fn val(borders: &Borders) -> usize {
        borders
            .iter()
            .next()
            .map_or(0, |border| border.threshold().val)
    }

    #[test]
    fn a_border_that_stays_moves_again_when_bytes_change() {
        let borders = one_border(1);
        (0..5).for_each(|_| borders.check(|_| 0));
        assert_eq!(val(&borders), 1355);
        // Too much below, and it could sink; then to its minimum.
        borders.check(|_| 1000);
        assert_eq!(val(&borders), 1151);
        (0..9).for_each(|_| borders.check(|_| 1000));
        assert_eq!(val(&borders), 600);
        // As asked for, and too much above at last.
        (0..2).for_each(|_| borders.check(|tier| if tier == 0 { 1000 } else { 4000 }));
        assert_eq!(val(&borders), 600);
        borders.check(|tier| if tier == 0 { 1000 } else { 9000 });
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
            borders.check(|_| 0);
            assert_eq!(val(&borders), value);
        }
    }

    #[test]
    fn the_border_moves_against_the_deviation_unless_it_shrinks() {
        let borders = one_border(1);
        // Too much below: the border sinks.
        borders.check(|_| 1000);
        assert_eq!(val(&borders), 870);
        // Better than last time: it stays.
        borders.check(|tier| if tier == 0 { 1000 } else { 2000 });
        assert_eq!(val(&borders), 870);
        // Too much above: it rises.
        borders.check(|tier| if tier == 0 { 1000 } else { 9000 });
        assert_eq!(val(&borders), 1001);
        // As asked for: it stays.
        borders.check(|tier| if tier == 0 { 1000 } else { 4000 });
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
    fn operations_counted_in_advance_end_with_a_check() {
        for (check_cnt, rounds) in [(100, vec![100; 3]), (200, vec![127, 73, 127])] {
            let borders = one_border(check_cnt);
            let mut done = 0;
            for round in rounds {
                let (ahead, due) = borders.count_ahead();
                assert_eq!(ahead, round);
                done += ahead;
                assert_eq!(due, done % i64::from(check_cnt) == 0);
                let left = i64::from(check_cnt) - (done - 1) % i64::from(check_cnt);
                assert_eq!(borders.left(1), left);
            }
        }
        assert_eq!(one_border(0).count_ahead(), (127, false));
    }

    #[test]
    fn threads_that_count_in_advance_do_not_share_a_round() {
        let borders = one_border(100);
        assert_eq!(borders.count_ahead(), (100, true));
        assert_eq!(borders.count_ahead(), (100, true));
        assert_eq!(borders.left(100 + 100), 100);
        assert_eq!(borders.left(7 + 15), 22);
        assert!(!borders.count());
        assert_eq!(borders.count_ahead(), (99, true));
    }
}
