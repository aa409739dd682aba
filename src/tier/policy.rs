//! The two policies of libmemtier(7) as arithmetic: sizes and counters in, a tier out.
//!
//! Nothing here allocates, locks or knows where a counter lives. Ratios are `f32`
//! and rounded as C rounds them, because the tier that a block lands on is
//! observable and has to agree with the original's choice.
#![forbid(unsafe_code)]

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

/// A fault in settings; displays as the message of the original.
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

/// Checks that the borders are ordered and the tuning is usable. Of several faults the first
/// is told, in the original's order.
pub fn check(thresholds: &[Threshold], tuning: &Tuning) -> Result<(), Inconsistent> {
    let mut lowest = 0;
    for (index, threshold) in thresholds.iter().enumerate() {
        if threshold.min > threshold.val {
            return Err(Inconsistent::Minimum(index, *threshold));
        }
        if threshold.val > threshold.max {
            return Err(Inconsistent::Maximum(index, *threshold));
        }
        if lowest > threshold.min {
            return Err(Inconsistent::Overlap(index - 1));
        }
        lowest = threshold.max;
    }
    // Written so that NaN is refused too.
    if !matches!(tuning.degree.partial_cmp(&0.0), Some(order) if order.is_ge()) {
        return Err(Inconsistent::Degree);
    }
    if !matches!(tuning.trigger.partial_cmp(&0.0), Some(order) if order.is_ge()) {
        return Err(Inconsistent::Trigger);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Inconsistent, Threshold, Tuning, check, least_filled, normalized};

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
}
