//! The tiers that the options of memtier ask for.

use std::ffi::OsStr;

use memkind::ffi::memkind::{MEMKIND_DAX_KMEM, MEMKIND_REGULAR, memkind_get_capacity};
use memkind::kind::{Kind, registry};
use memkind::topology::NodeMask;
use memkind::topology::mask::N_NODES;
use memkind::topology::nodestring;

use crate::options::Options;
use crate::{Failure, failure, say};

/// The number at the start of `text`, a part of a ratio, as strtoul(3) reads it in base 0, and what
/// follows; 0 where there is none.
fn portion(text: &str) -> Result<(u64, &str), Failure> {
    let implausible = || failure("memtier: the number to --ratio doesn't seem to be plausible.");
    let signed = text.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    if signed.starts_with('-') {
        return Err(implausible());
    }
    let number = signed.strip_prefix('+').unwrap_or(signed);
    let hexadecimal = number
        .strip_prefix("0x")
        .or_else(|| number.strip_prefix("0X"))
        .filter(|digits| digits.starts_with(|letter: char| letter.is_ascii_hexdigit()));
    let (digits, base) = match hexadecimal {
        Some(digits) => (digits, 16),
        None if number.starts_with('0') => (number, 8),
        None => (number, 10),
    };
    let end = digits
        .find(|letter: char| !letter.is_digit(base))
        .unwrap_or(digits.len());
    let (digits, rest) = digits.split_at(end);
    if digits.is_empty() {
        return Ok((0, text));
    }
    match u64::from_str_radix(digits, base) {
        Ok(number) if number <= u64::from(u32::MAX) => Ok((number, rest)),
        _ => Err(implausible()),
    }
}

/// Where `rest` stands, a ratio must have something else.
fn not_a_ratio(rest: &str, must: &str) -> Failure {
    if rest.starts_with('.') {
        return failure("memtier: --ratio expects integers.");
    }
    failure(format!("memtier: --ratio must have {must}."))
}

fn read_ratio(text: &OsStr) -> Result<(u64, u64), Failure> {
    let text = text.to_string_lossy();
    let (dram, rest) = portion(&text)?;
    let Some(second) = rest.strip_prefix(':') else {
        return Err(not_a_ratio(rest, "a colon between values"));
    };
    let (far, rest) = portion(second)?;
    if !rest.is_empty() {
        return Err(not_a_ratio(
            rest,
            "exactly two values in this version of memtier",
        ));
    }
    Ok((dram, far))
}

const fn greatest_divisor(a: u64, b: u64) -> u64 {
    if b == 0 {
        a
    } else {
        greatest_divisor(b, a % b)
    }
}

/// The sizes of the memories that are installed, as a ratio.
fn installed(verbose: bool) -> Result<(u64, u64), Failure> {
    // SAFETY: the kinds are static, and their variables never change.
    let (dram, far) = unsafe {
        (
            memkind_get_capacity(MEMKIND_REGULAR),
            memkind_get_capacity(MEMKIND_DAX_KMEM),
        )
    };
    if verbose {
        say(format!("Installed capacities: {dram}:{far}").as_bytes());
    }
    let (Ok(mut dram), Ok(mut far)) = (u64::try_from(dram), u64::try_from(far)) else {
        return Err(failure(
            "memtier: there appears to be no KMEM_DAX devices installed in this system.",
        ));
    };
    let divisor = greatest_divisor(dram, far).max(1);
    (dram, far) = (dram / divisor, far / divisor);
    while dram.max(far) > u64::from(u32::MAX) {
        (dram, far) = (dram.div_ceil(2), far.div_ceil(2));
    }
    if verbose {
        say(format!("Using ratio of DRAM:KMEM_DAX {dram}:{far}").as_bytes());
    }
    Ok((dram, far))
}

/// Whether libmemtier takes a text for a kind. The program may find that this machine has none of it.
fn is_kind(text: &str) -> bool {
    let nodes = text
        .split_at_checked("NODE:".len())
        .filter(|(prefix, _)| prefix.eq_ignore_ascii_case("NODE:"));
    let Some((_, nodes)) = nodes else {
        let is_it = |kind: &Kind| kind.name() == text;
        return ["DRAM", "KMEM_DAX", "HBW"].contains(&text) || registry::statics().any(is_it);
    };
    let (list, policy) = nodes.split_once(':').unwrap_or((nodes, "BIND"));
    let is_it = |known: &&str| policy.eq_ignore_ascii_case(known);
    let all: NodeMask = (0..N_NODES as u16).collect();
    let list = list.replace('/', ",");
    !list.is_empty()
        && ["BIND", "PREFERRED", "INTERLEAVE"].iter().any(is_it)
        && nodestring::parse(list.as_bytes(), &all, &all).is_ok()
}

/// The tiers of the options --kind, as MEMKIND_MEM_TIERS has them.
pub(crate) fn named(options: &Options) -> Result<String, Failure> {
    if options.ratio.is_some() {
        return Err(failure(
            "memtier: --ratio is for DRAM and KMEM_DAX; with --kind, portions stand after a '='.",
        ));
    }
    if options.threshold.is_some() && options.kinds.len() < 2 {
        return Err(failure("memtier: --threshold requires multiple tiers."));
    }
    let mut tiers = String::new();
    for kind in &options.kinds {
        let text = kind.to_string_lossy();
        let (name, portion) = text.split_once('=').unwrap_or((&text, "1"));
        let portion = portion.parse::<u32>().ok().filter(|portion| *portion > 0);
        let (Some(portion), false, false) = (portion, name.is_empty(), name.contains([';', ' ']))
        else {
            return Err(failure(format!(
                "memtier: --kind takes KIND or KIND=PORTION, a portion being 1 to 4294967295, not {text}."
            )));
        };
        if !is_kind(name) {
            return Err(failure(format!(
                "memtier: no kind {name}: it is DRAM, KMEM_DAX, HBW, NODE: and nodes as numa(3) lists them, or a kind of memkind(3) in lower case."
            )));
        }
        // Commas of a list of nodes would end the parameter in the variable.
        let name = name.replace(',', "/");
        tiers += &format!("KIND:{name},RATIO:{portion};");
    }
    Ok(tiers)
}

/// The tiers of ordinary and far memory, as MEMKIND_MEM_TIERS has them.
pub(crate) fn usual(options: &Options) -> Result<String, Failure> {
    let (dram, far) = match &options.ratio {
        Some(text) => read_ratio(text)?,
        None => installed(options.verbose)?,
    };
    match (dram, far) {
        (0, 0) => Err(failure(
            "memtier: empty ratio would disallow using any memory.",
        )),
        (0, _) | (_, 0) if options.threshold.is_some() => Err(failure(
            "memtier: --threshold requires multiple tiers with non-zero ratios.",
        )),
        (_, 0) => Ok("KIND:DRAM,RATIO:1;".to_owned()),
        (0, _) => Ok("KIND:KMEM_DAX,RATIO:1;".to_owned()),
        _ => Ok(format!("KIND:DRAM,RATIO:{dram};KIND:KMEM_DAX,RATIO:{far};")),
    }
}
