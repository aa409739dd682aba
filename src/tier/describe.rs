//! The lines about a memory that MEMKIND_DEBUG shows when it is made and destroyed.

use super::policy::{Threshold, Tuning};
use crate::kind::Kind;
use crate::log;

pub(super) fn tier(index: usize, kind: &Kind, ratio: f64) {
    log::info!("Tier {index} - memory kind {}", kind.name());
    log::info!("Tier normalized ratio {ratio:.6}");
}

pub(super) fn thresholds(thresholds: impl Iterator<Item = Threshold>, tuning: &Tuning) {
    let mut none = true;
    for (index, threshold) in thresholds.enumerate() {
        none = false;
        log::info!("Threshold {index} - minimum {}", threshold.min);
        log::info!("Threshold {index} - current value {}", threshold.val);
        log::info!("Threshold {index} - maximum {}", threshold.max);
    }
    if none {
        log::info!("No thresholds configuration found");
    }
    log::info!("Threshold trigger value {:.6}", tuning.trigger);
    log::info!("Threshold degree value {:.6}", tuning.degree);
    log::info!("Threshold counter setting value {}", tuning.check_cnt);
}
