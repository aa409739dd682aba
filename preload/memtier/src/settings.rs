//! Reads MEMKIND_MEM_TIERS and MEMKIND_MEM_THRESHOLDS. The grammar is the original's, which splits
//! with strtok(3); so are the messages and their order.
//!
//! Kinds are made while their tier is read, since a kind that cannot be made is an error of the
//! tier.

use core::ffi::CStr;

use interpose::c::{Kind, environment};
use interpose::nodes;
use interpose::text::{leading_number, skip_blanks, token};

use crate::kinds::{self, NoFile};
use crate::log::{self, Fault};

/// Bytes of MEMKIND_MEM_TIERS that are read.
const LONGEST: usize = 1023;
/// The most tiers that fit in there: each takes at least "RATIO:1;" and its kind.
pub(crate) const MOST_TIERS: usize = 64;

const TIERS_EXAMPLE: &str =
    "MEMKIND_MEM_TIERS=\"KIND:DRAM,RATIO:1;KIND:FS_DAX,PATH:/tmp,RATIO:4;POLICY:STATIC_RATIO\"";
const THRESHOLDS_EXAMPLE: &str = "MEMKIND_MEM_THRESHOLDS=\"INIT_VAL:64,MIN_VAL:1,MAX_VAL:10000\"";
const DYNAMIC_EXAMPLE: &str = "MEMKIND_MEM_TIERS=\"KIND:DRAM,RATIO:1;KIND:FS_DAX,PATH:/tmp,RATIO:4;POLICY:DYNAMIC_THRESHOLD\"";

const NODE_EXAMPLE: &str =
    "MEMKIND_MEM_TIERS=\"KIND:DRAM,RATIO:1;KIND:NODE:0,RATIO:4;POLICY:STATIC_RATIO\"";

const KIND_RULE: &str =
    "KIND is DRAM, KMEM_DAX, FS_DAX, HBW, NODE: and nodes, or a kind of memkind(3) in lower case";
const RATIO_RULE: &str = "RATIO is a number from 1 to 4294967295, once in each tier";
const PATH_RULE: &str = "PATH is an existing directory, needed with KIND:FS_DAX and only there";
const WRITABLE_RULE: &str = "no file can be made in this directory; it must be writable for the program, on a file system that is";
const LIMIT_RULE: &str = "PMEM_SIZE_LIMIT is 0 for no limit or at least 16M, a number with K, M, G or nothing after it, only with KIND:FS_DAX";
const POLICY_RULE: &str =
    "the last part, with no ';' after it, is POLICY:STATIC_RATIO or POLICY:DYNAMIC_THRESHOLD";
const EMPTY_RULE: &str = "a part of it is empty: there is one ';' between two parts, none before the first and none after the last, which is POLICY";
const KEY_RULE: &str = "a tier is made of KIND, RATIO, PATH and PMEM_SIZE_LIMIT, each at most once with ':' and a value, and of no blanks";
const THRESHOLD_RULE: &str = "a threshold is made of INIT_VAL, MIN_VAL and MAX_VAL, each at most once with ':' and a number, which K, M or G may follow";

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

/// The contents of one part of MEMKIND_MEM_THRESHOLDS.
#[derive(Default)]
pub(crate) struct Threshold {
    pub(crate) val: Option<u64>,
    pub(crate) min: Option<u64>,
    pub(crate) max: Option<u64>,
}

const fn tiers_fault<'a>(part: &'a [u8], rule: &'a str) -> Fault<'a> {
    Fault {
        part,
        rule,
        example: TIERS_EXAMPLE,
    }
}

const fn thresholds_fault<'a>(part: &'a [u8], rule: &'a str) -> Fault<'a> {
    Fault {
        part,
        rule,
        example: THRESHOLDS_EXAMPLE,
    }
}

/// The last message about every rejected setting.
fn rejected<T>(fault: Fault<'static>) -> Result<T, Fault<'static>> {
    log::error(&[b"Error with parsing MEMKIND_MEM_TIERS"]);
    Err(fault)
}

/// Parts between semicolons, empty ones too.
fn count(text: &[u8]) -> usize {
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
        .or_else(rejected)
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
fn first_key(query: &[u8]) -> &[u8] {
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

/// The number at the start of a text, as strtoul(3) reads it in base 0; the rest is ignored.
fn read_ratio(text: &'static [u8]) -> Result<u32, Fault<'static>> {
    let digits = skip_blanks(text);
    let digits = digits.strip_prefix(b"+").unwrap_or(digits);
    let hexadecimal = match digits {
        [b'0', b'x' | b'X', rest @ ..] => leading_number(rest, 16),
        _ => None,
    };
    let number = match (hexadecimal, digits) {
        (Some((number, _)), _) => number,
        (None, [b'0', ..]) => leading_number(digits, 8).map_or(0, |(number, _)| number),
        (None, _) => leading_number(digits, 10).map_or(0, |(number, _)| number),
    };
    match u32::try_from(number) {
        Ok(ratio) if ratio > 0 => Ok(ratio),
        _ => {
            log::error(&[b"Unsupported ratio: ", text]);
            Err(tiers_fault(text, RATIO_RULE))
        }
    }
}

/// A number with K, M, G or nothing after it, in bytes. Reports a text that is none.
fn read_size(text: &[u8]) -> Option<u64> {
    let size = parse_size(text);
    if size.is_none() {
        log::error(&[b"Failed to parse size: ", text]);
    }
    size
}

fn parse_size(text: &[u8]) -> Option<u64> {
    let (number, rest) = leading_number(text, 10)?;
    let digits = &text[..text.len() - rest.len()];
    let largest = digits.iter().skip_while(|digit| **digit == b'0');
    if number == u64::MAX && !largest.eq(b"18446744073709551615".iter()) {
        return None;
    }
    let (factor, rest) = match rest {
        [b'K', rest @ ..] => (1 << 10, rest),
        [b'M', rest @ ..] => (1 << 20, rest),
        [b'G', rest @ ..] => (1 << 30, rest),
        _ => (1, rest),
    };
    if !skip_blanks(rest).is_empty() {
        return None;
    }
    let size = number.checked_mul(factor);
    if size.is_none() {
        log::error(&[b"Provided size is too big: ", digits]);
    }
    size
}

/// Reads MEMKIND_MEM_THRESHOLDS and hands each threshold to `apply` with its number.
pub(crate) fn read_thresholds(
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

/// The last message about settings that are found wrong after reading.
pub(crate) fn reject(fault: Fault<'static>) -> Fault<'static> {
    match rejected::<()>(fault) {
        Ok(()) => tiers_fault(b"", ""),
        Err(fault) => fault,
    }
}
