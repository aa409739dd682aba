//! Builds a memory from settings.

use core::ffi::{CStr, c_uint, c_void};
use core::fmt::Write;

use interpose::c::memkind::*;
use interpose::c::{Builder, Kind, Memory};
use interpose::text::Line;

use crate::log::Fault;
use crate::settings::{self, Policy, Settings};
use crate::thresholds::{self, Threshold};

/// A builder that is deleted in the end.
struct Building(Builder);

impl Drop for Building {
    fn drop(&mut self) {
        // SAFETY: made by memtier_builder_new, and not used after this.
        unsafe { memtier_builder_delete(self.0) }
    }
}

impl Building {
    fn new(policy: Policy) -> Option<Self> {
        let policy: c_uint = match policy {
            Policy::StaticRatio => 0,
            Policy::DynamicThreshold => 1,
        };
        // SAFETY: no precondition.
        let builder = unsafe { memtier_builder_new(policy) };
        (!builder.is_null()).then_some(Self(builder))
    }

    fn set_thresholds(&self, index: usize, threshold: &Threshold) -> bool {
        [
            ("val", threshold.val),
            ("min", threshold.min),
            ("max", threshold.max),
        ]
        .into_iter()
        .all(|(name, value)| value.is_none_or(|value| self.set(index, name, value)))
    }

    fn set(&self, index: usize, name: &str, value: u64) -> bool {
        let mut line = Line::new();
        let _ = write!(
            line,
            "policy.dynamic_threshold.thresholds[{index}].{name}\0"
        );
        let (Ok(name), Ok(value)) = (
            CStr::from_bytes_with_nul(line.bytes()),
            usize::try_from(value),
        ) else {
            return false;
        };
        let value: *const c_void = (&raw const value).cast();
        // SAFETY: the builder is live, the name a string, the value a size_t.
        unsafe { memtier_ctl_set(self.0, name.as_ptr(), value) == 0 }
    }
}

/// The memory or kind from which malloc allocates.
pub(crate) enum Way {
    /// One tier, so there is nothing to choose and nothing to count.
    Kind(Kind),
    /// One of several tiers.
    Tiers,
}

/// Builds the tiers of the settings.
///
/// # Errors
/// The fault of the settings.
pub(crate) fn memory(settings: Settings) -> Result<(Memory, Way), Fault<'static>> {
    let memory = build(&settings).map_err(settings::reject)?;
    let way = match &settings.tiers[..settings.n_tiers] {
        [tier] => Way::Kind(tier.kind),
        _ => Way::Tiers,
    };
    Ok((memory, way))
}

fn build(settings: &Settings) -> Result<Memory, Fault<'static>> {
    let builder = Building::new(settings.policy).ok_or_else(|| settings::no_memory(settings))?;
    for tier in &settings.tiers[..settings.n_tiers] {
        // SAFETY: the builder is live, and a bogus kind is refused.
        if unsafe { memtier_builder_add_tier(builder.0, tier.kind, tier.ratio) } != 0 {
            return Err(settings::no_tier(tier));
        }
    }
    thresholds::read(settings, |index, threshold| {
        builder.set_thresholds(index, threshold)
    })?;
    // SAFETY: the builder is live.
    let memory = unsafe { memtier_builder_construct_memtier_memory(builder.0) };
    if memory.is_null() {
        return Err(settings::no_memory(settings));
    }
    Ok(memory)
}
