//! Reads MEMKIND_MEM_TIERS. The grammar is the original's, which splits
//! with strtok(3); so are the messages and their order.
//!
//! Kinds are made while their tier is read, since a kind that cannot be made is an error of the
//! tier.

use core::ffi::CStr;

use interpose::c::{Kind, environment};
use interpose::nodes;
use interpose::text::token;

use crate::kinds::{self, NoFile};
use crate::log::{self, Fault};
use crate::numbers::{read_ratio, read_size};
use crate::rules::*;

/// Bytes of MEMKIND_MEM_TIERS that are read.
const LONGEST: usize = 1023;
/// The most tiers that fit in there: each takes at least "RATIO:1;" and its kind.
pub(crate) const MOST_TIERS: usize = 64;

/// The policy by which blocks are spread over tiers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    StaticRatio,
    DynamicThreshold,
}

/// A tier as it was read.
#[derive(Clone, Copy)]
pub(crate) struct Tier {
    /// The kind of the tier; null when it names none.
    pub(crate) kind: Kind,
    pub(crate) ratio: u32,
    /// The tier's part of the setting.
    pub(crate) text: &'static [u8],
}

/// The contents of MEMKIND_MEM_TIERS.
pub(crate) struct Settings {
    pub(crate) tiers: [Tier; MOST_TIERS],
    pub(crate) n_tiers: usize,
    pub(crate) policy: Policy,
    /// The whole setting.
    pub(crate) text: &'static [u8],
}

/// Parts between semicolons, empty ones too.
pub(crate) fn count(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte == b';').count() + 1
}

/// Reads MEMKIND_MEM_TIERS.
pub(crate) fn read() -> Result<Settings, Fault<'static>> {
    let Some(text) = environment(c"MEMKIND_MEM_TIERS") else {
        log::error(&[b"Missing MEMKIND_MEM_TIERS env var"]);
        return Err(tiers_fault(b"", "the variable must be set"));
    };
    let text = text.to_bytes();
    read_tiers(text)
        .map_err(|fault| of_empty_part(fault, text))
        .map_err(reject)
}

/// The fault of a setting with an empty part, where all that is wrong is that the policy or a tier
/// is not where it is looked for.
fn of_empty_part(fault: Fault<'static>, text: &'static [u8]) -> Fault<'static> {
    let has_empty = text.split(|byte| *byte == b';').any(<[u8]>::is_empty);
    match fault.part {
        b"" | b"POLICY" if has_empty => tiers_fault(text, EMPTY_RULE),
        _ => fault,
    }
}

fn read_tiers(text: &'static [u8]) -> Result<Settings, Fault<'static>> {
    let mut rest = &text[..text.len().min(LONGEST)];
    let n_parts = count(rest);
    let Some(mut query) = token(&mut rest, b';') else {
        log::error(&[b"No valid query found in: ", text]);
        return Err(tiers_fault(
            text,
            "at least one tier and a policy are needed",
        ));
    };
    if n_parts < 2 {
        log::error(&[b"Too low number of queries in configuration string: ", text]);
        return Err(tiers_fault(
            text,
            "at least one tier and a policy are needed",
        ));
    }
    let n_tiers = n_parts - 1;
    let mut settings = Settings {
        tiers: [Tier {
            kind: core::ptr::null_mut(),
            ratio: 0,
            text: b"",
        }; MOST_TIERS],
        n_tiers,
        policy: Policy::StaticRatio,
        text,
    };
    for index in 0..n_tiers {
        let tier = read_tier(query).inspect_err(|_| {
            log::error(&[b"Failed to parse query: ", first_key(query)]);
        })?;
        let Some(place) = settings.tiers.get_mut(index) else {
            return Err(tiers_fault(text, "there are too many tiers"));
        };
        *place = tier;
        // Empty parts are skipped, so there may be fewer than counted.
        query = token(&mut rest, b';').unwrap_or(b"");
    }
    settings.policy = read_policy(query)?;
    Ok(settings)
}

/// A query up to where its first key ends.
pub(crate) fn first_key(query: &[u8]) -> &[u8] {
    let mut rest = query;
    match token(&mut rest, b':') {
        Some(key) => {
            let start = query.iter().take_while(|byte| **byte == b':').count();
            &query[..start + key.len()]
        }
        None => query,
    }
}

fn read_policy(query: &'static [u8]) -> Result<Policy, Fault<'static>> {
    let mut rest = query;
    let key = token(&mut rest, b':');
    if key != Some(b"POLICY") {
        log::error(&[
            b"Missing POLICY parameter in the query: ",
            key.unwrap_or(b"(null)"),
        ]);
        return Err(tiers_fault(query, POLICY_RULE));
    }
    match rest {
        b"STATIC_RATIO" => Ok(Policy::StaticRatio),
        b"DYNAMIC_THRESHOLD" => Ok(Policy::DynamicThreshold),
        _ => {
            log::error(&[b"Unknown policy: ", rest]);
            Err(tiers_fault(query, POLICY_RULE))
        }
    }
}

/// A parameter of a tier: absent, present without a value, or its value.
type Param = Option<Option<&'static [u8]>>;

fn define(
    place: &mut Param,
    name: &'static [u8],
    value: Option<&'static [u8]>,
    query: &'static [u8],
) -> Result<(), Fault<'static>> {
    if place.is_some() {
        log::error(&[name, b" param already defined"]);
        return Err(tiers_fault(query, KEY_RULE));
    }
    *place = Some(value);
    Ok(())
}

fn missing(name: &[u8], query: &'static [u8], rule: &'static str) -> Fault<'static> {
    log::error(&[name, b" param not found"]);
    tiers_fault(query, rule)
}

fn read_tier(query: &'static [u8]) -> Result<Tier, Fault<'static>> {
    let (mut kind, mut ratio, mut path, mut limit): (Param, Param, Param, Param) =
        (None, None, None, None);
    let (mut file, mut found, mut number) = (false, core::ptr::null_mut(), None);
    let mut rest = query;
    while let Some(key) = token(&mut rest, b':') {
        let value = token(&mut rest, b',');
        match key {
            b"KIND" => {
                define(&mut kind, b"KIND", value, query)?;
                let name = value.ok_or_else(|| missing(b"KIND", query, KIND_RULE))?;
                (file, found) = read_kind(name)?;
            }
            b"RATIO" => {
                define(&mut ratio, b"RATIO", value, query)?;
                let text = value.ok_or_else(|| missing(b"RATIO", query, RATIO_RULE))?;
                number = Some(read_ratio(text)?);
            }
            b"PATH" => {
                define(&mut path, b"PATH", value, query)?;
                value.ok_or_else(|| missing(b"PATH", query, PATH_RULE))?;
            }
            b"PMEM_SIZE_LIMIT" => define(&mut limit, b"PMEM_SIZE_LIMIT", value, query)?,
            _ => {
                log::error(&[b"Invalid parameter: ", key]);
                let rule = match key {
                    b"POLICY" => POLICY_RULE,
                    _ => KEY_RULE,
                };
                return Err(tiers_fault(key, rule));
            }
        }
    }
    let Some(ratio) = number else {
        return Err(missing(b"RATIO", query, RATIO_RULE));
    };
    if !file {
        for (param, name, rule) in [
            (path, &b"PATH"[..], PATH_RULE),
            (limit, b"PMEM_SIZE_LIMIT", LIMIT_RULE),
        ] {
            if param.is_some() {
                log::error(&[name, b" param can be defined only for FS_DAX kind"]);
                return Err(tiers_fault(query, rule));
            }
        }
        return Ok(Tier {
            kind: found,
            ratio,
            text: query,
        });
    }
    let Some(Some(path)) = path else {
        log::error(&[b"PATH param (required for FS_DAX) not found"]);
        return Err(tiers_fault(query, PATH_RULE));
    };
    let (limit, limit_text) = match limit {
        None => (0, query),
        Some(None) => return Err(missing(b"PMEM_SIZE_LIMIT", query, LIMIT_RULE)),
        Some(Some(text)) => {
            let limit = read_size(text).ok_or(tiers_fault(text, LIMIT_RULE))?;
            (limit, text)
        }
    };
    let kind = kinds::file_kind(path, limit).map_err(|failure| match failure {
        NoFile::Limit => tiers_fault(limit_text, LIMIT_RULE),
        NoFile::Directory => tiers_fault(path, PATH_RULE),
        NoFile::NotWritable => tiers_fault(path, WRITABLE_RULE),
    })?;
    Ok(Tier {
        kind,
        ratio,
        text: query,
    })
}

/// The kind of the tier, or that it is a file.
fn read_kind(name: &'static [u8]) -> Result<(bool, Kind), Fault<'static>> {
    if name == b"FS_DAX" {
        return Ok((true, core::ptr::null_mut()));
    }
    let kind = match (nodes::list(name), kinds::static_kind(name)) {
        (Some(list), _) => nodes::kind(list).map_err(|refused| Fault {
            part: name,
            rule: refused.reason(),
            example: NODE_EXAMPLE,
        }),
        (None, Some(kind)) => Ok(kind),
        (None, None) => Err(tiers_fault(name, KIND_RULE)),
    };
    let kind = kind.inspect_err(|_| log::error(&[b"Unsupported kind: ", name]))?;
    if !kinds::usable(kind) {
        if name == b"KMEM_DAX" {
            log::error(&[b"Allocation to DAX KMEM nodes failed!"]);
        } else {
            log::error(&[b"Allocation to ", name, b" failed!"]);
        }
        return Err(tiers_fault(name, "this machine has no such memory to give"));
    }
    Ok((false, kind))
}

/// Reports that the builder refuses a tier.
pub(crate) fn no_tier(tier: &Tier) -> Fault<'static> {
    log::error(&[b"Failed to add tierPOLICY"]);
    tiers_fault(
        tier.text,
        "each tier names a KIND, and no two tiers the same (but FS_DAX and NODE)",
    )
}

/// Reports that the builder refuses the settings as a whole.
pub(crate) fn no_memory(settings: &Settings) -> Fault<'static> {
    if settings.policy == Policy::DynamicThreshold && settings.n_tiers < 2 {
        return Fault {
            part: settings.text,
            rule: "POLICY:DYNAMIC_THRESHOLD needs at least two tiers",
            example: DYNAMIC_EXAMPLE,
        };
    }
    let text = environment(c"MEMKIND_MEM_THRESHOLDS").map_or(&b""[..], CStr::to_bytes);
    thresholds_fault(
        text,
        "MIN_VAL <= INIT_VAL <= MAX_VAL, which begin as 512, 1024 and 1535 and 1024 more for each further threshold; MAX_VAL is not above the next MIN_VAL",
    )
}

/// The last message about every rejected setting.
pub(crate) fn reject(fault: Fault<'static>) -> Fault<'static> {
    log::error(&[b"Error with parsing MEMKIND_MEM_TIERS"]);
    fault
}
