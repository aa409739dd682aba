//! Reads MEMKIND_MEM_THRESHOLDS, whose grammar is that of the tiers.

use core::ffi::CStr;

use interpose::c::environment;
use interpose::text::token;

use crate::log::{self, Fault};
use crate::numbers::read_size;
use crate::rules::{DYNAMIC_EXAMPLE, THRESHOLD_RULE, thresholds_fault};
use crate::settings::{Policy, Settings, count, first_key};

/// The contents of one part of MEMKIND_MEM_THRESHOLDS.
#[derive(Default)]
pub(crate) struct Threshold {
    pub(crate) val: Option<u64>,
    pub(crate) min: Option<u64>,
    pub(crate) max: Option<u64>,
}

/// Reads MEMKIND_MEM_THRESHOLDS and hands each threshold to `apply` with its number.
pub(crate) fn read(
    settings: &Settings,
    apply: impl FnMut(usize, &Threshold) -> bool,
) -> Result<(), Fault<'static>> {
    match environment(c"MEMKIND_MEM_THRESHOLDS").map(CStr::to_bytes) {
        None => Ok(()),
        Some(text) => thresholds(settings, text, apply),
    }
}

fn thresholds(
    settings: &Settings,
    text: &'static [u8],
    mut apply: impl FnMut(usize, &Threshold) -> bool,
) -> Result<(), Fault<'static>> {
    if settings.policy != Policy::DynamicThreshold {
        log::error(&[
            b"MEMKIND_MEM_THRESHOLDS env var could be used only with DYNAMIC_THRESHOLD policy",
        ]);
        return Err(Fault {
            part: settings.text,
            rule: "there are no thresholds without POLICY:DYNAMIC_THRESHOLD; unset MEMKIND_MEM_THRESHOLDS or change the policy",
            example: DYNAMIC_EXAMPLE,
        });
    }
    let few = "there is at most one threshold for each tier but the last, and no ';' after the last threshold";
    let n_thresholds = count(text);
    if n_thresholds > settings.n_tiers - 1 {
        log::error(&[b"Too many thresholds defined"]);
        return Err(thresholds_fault(text, few));
    }
    let mut rest = text;
    for index in 0..n_thresholds {
        let Some(query) = token(&mut rest, b';') else {
            log::error(&[b"No valid thresholds found in: ", text]);
            return Err(thresholds_fault(text, few));
        };
        let threshold = read_threshold(query).inspect_err(|_| {
            log::error(&[b"Failed to parse threshold: ", first_key(query)]);
        })?;
        if !apply(index, &threshold) {
            return Err(thresholds_fault(query, THRESHOLD_RULE));
        }
    }
    Ok(())
}

fn read_threshold(query: &'static [u8]) -> Result<Threshold, Fault<'static>> {
    let mut threshold = Threshold::default();
    let mut rest = query;
    let mut none = true;
    while let Some(key) = token(&mut rest, b':') {
        none = false;
        let value = token(&mut rest, b',');
        let (place, name) = match key {
            b"INIT_VAL" => (&mut threshold.val, &b"VAL"[..]),
            b"MIN_VAL" => (&mut threshold.min, &b"MIN"[..]),
            b"MAX_VAL" => (&mut threshold.max, &b"MAX"[..]),
            _ => {
                log::error(&[b"Invalid parameter: ", key]);
                return Err(thresholds_fault(key, THRESHOLD_RULE));
            }
        };
        if place.is_some() {
            log::error(&[name, b" defined twice"]);
            return Err(thresholds_fault(query, THRESHOLD_RULE));
        }
        *place = value.and_then(read_size);
        if place.is_none() {
            log::error(&[b"Failed to parse value: "]);
            return Err(thresholds_fault(query, THRESHOLD_RULE));
        }
    }
    if none {
        log::error(&[b"No valid parameters defined"]);
        return Err(thresholds_fault(query, THRESHOLD_RULE));
    }
    Ok(threshold)
}
