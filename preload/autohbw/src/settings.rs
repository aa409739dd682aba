//! AUTO_HBW_LOG, AUTO_HBW_SIZE and AUTO_HBW_MEM_TYPE. None of them is ever fatal.

use core::ffi::CStr;
use core::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use interpose::c::memkind::{
    MEMKIND_DEFAULT, MEMKIND_HBW, MEMKIND_HBW_PREFERRED, memkind_check_available,
};
use interpose::c::{Kind, environment};
use interpose::kinds;
use interpose::nodes;
use interpose::text::{leading_number, print, say, skip_blanks};

/// The smallest size of a block, in bytes, that is of the chosen kind.
pub(crate) static LOW: AtomicUsize = AtomicUsize::new(1 << 20);
/// The largest size of a block, in bytes, that is of the chosen kind.
pub(crate) static HIGH: AtomicUsize = AtomicUsize::new(usize::MAX);
/// AUTO_HBW_LOG.
pub(crate) static LEVEL: AtomicI32 = AtomicI32::new(1);

/// The AUTO_HBW_LOG that turns every message off.
pub(crate) const SILENT: i32 = -2;
const INFORMS: i32 = 0;

const KIB: usize = 1 << 10;

const KIND_RULE: &str = "it is a static kind of memkind(3), or NODE: and nodes";

fn warn(parts: &[&[u8]]) {
    if LEVEL.load(Ordering::Relaxed) > SILENT {
        say(parts);
    }
}

pub(crate) fn info(text: &str) {
    if LEVEL.load(Ordering::Relaxed) >= INFORMS {
        say(&[text.as_bytes()]);
    }
}

/// Reads all settings, and returns the kind for the chosen sizes.
pub(crate) fn read() -> Kind {
    let given = read_level();
    let kind = default_kind();
    say_level(given);
    let kind = read_kind().unwrap_or(kind);
    read_sizes();
    info("INFO: autohbw.so loaded!\n");
    kind
}

fn default_kind() -> Kind {
    // SAFETY: static kinds, which are always live.
    unsafe {
        if memkind_check_available(MEMKIND_HBW) == 0 {
            return MEMKIND_HBW_PREFERRED;
        }
    }
    warn(&[
        b"WARN: *** No HBM found in system. Will use default (DDR) OR user specified type ***\n",
    ]);
    // SAFETY: the variable of a static kind never changes.
    unsafe { MEMKIND_DEFAULT }
}

/// The number that `text` begins with, as strtoll(3) reads it in base 10, and what follows; 0 and all of
/// `text` where there is none.
fn number(text: &[u8]) -> (i64, &[u8]) {
    let (negative, digits) = match skip_blanks(text) {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let Some((value, rest)) = leading_number(digits, 10) else {
        return (0, text);
    };
    let value = i64::try_from(value).unwrap_or(i64::MAX);
    (if negative { -value } else { value }, rest)
}

/// Whether AUTO_HBW_LOG is set.
fn read_level() -> bool {
    let Some(text) = environment(c"AUTO_HBW_LOG").map(CStr::to_bytes) else {
        return false;
    };
    if text.is_empty() {
        return false;
    }
    let limits = (i64::from(i32::MIN), i64::from(i32::MAX));
    let level = number(text).0.clamp(limits.0, limits.1);
    #[expect(clippy::cast_possible_truncation, reason = "it is within the limits")]
    LEVEL.store(level as i32, Ordering::Relaxed);
    true
}

fn say_level(given: bool) {
    let level = LEVEL.load(Ordering::Relaxed);
    if given && level > SILENT {
        print(format_args!("INFO: Setting log level to {level}\n"));
    }
    info(match level {
        0 => "INFO: HBW allocation stats will not be printed. Set AUTO_HBW_LOG to enable.\n",
        1 => "INFO: Only HBW allocations will be printed. Set AUTO_HBW_LOG to disable/enable.\n",
        2 => {
            "INFO: HBW allocation with backtrace info will be printed. Set AUTO_HBW_LOG to disable.\n"
        }
        _ => return,
    });
}

/// A part of AUTO_HBW_SIZE.
struct Limit {
    number: usize,
    /// What stands behind the number, a blank for nothing.
    letter: u8,
    bytes: usize,
}

/// Without an upper limit; the numbers are those that the original shows.
const NO_LIMIT: Limit = Limit {
    number: usize::MAX / KIB,
    letter: b'K',
    bytes: usize::MAX,
};

/// Reads one limit, and returns what follows it. A negative number is a very large one.
fn limit(text: &[u8]) -> (Limit, &[u8]) {
    let (number, rest) = number(text);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "as the original converts it"
    )]
    let number = number as usize;
    let (letter, rest) = match rest {
        [letter, rest @ ..] if *letter != b':' => (*letter, rest),
        _ => (b' ', rest),
    };
    let factor = match letter.to_ascii_uppercase() {
        b'K' => KIB,
        b'M' => KIB * KIB,
        b'G' => KIB * KIB * KIB,
        _ => 1,
    };
    let bytes = number.saturating_mul(factor);
    let limit = Limit {
        number,
        letter,
        bytes,
    };
    (limit, rest)
}

fn read_sizes() {
    let Some(text) = environment(c"AUTO_HBW_SIZE").map(CStr::to_bytes) else {
        info(
            "INFO: Using default values for array size thresholds. Set AUTO_HBW_SIZE=X:Y to change.\n",
        );
        return say_sizes();
    };
    let (low, rest) = limit(text);
    let (high, rest) = match rest {
        [b':', rest @ ..] => limit(rest),
        _ => (NO_LIMIT, rest),
    };
    if LEVEL.load(Ordering::Relaxed) >= INFORMS {
        print(format_args!(
            "INFO: lowlim={}({}), highlim={}({})\n",
            low.number,
            char::from(low.letter),
            high.number,
            char::from(high.letter)
        ));
    }
    let is_known = |limit: &Limit| b" KMG".contains(&limit.letter.to_ascii_uppercase());
    if !is_known(&low) || !is_known(&high) || !rest.is_empty() {
        warn(&[
            b"WARN: Cannot use AUTO_HBW_SIZE=",
            text,
            b": K, M and G are known, other letters mean bytes, and what follows is not read. Example: AUTO_HBW_SIZE=1M:5M\n",
        ]);
    }
    if low.bytes >= high.bytes {
        warn(&[
            b"WARN: In AUTO_HBW_SIZE=X:Y, X cannot be greater or equal to Y. None of allocations will use HBW memory.\n",
        ]);
        warn(&[
            b"WARN: Cannot use AUTO_HBW_SIZE=",
            text,
            b". Example: AUTO_HBW_SIZE=1M:5M\n",
        ]);
        // The limits are in the wrong order: no size is between them.
        LOW.store(usize::MAX, Ordering::Relaxed);
        HIGH.store(0, Ordering::Relaxed);
        return;
    }
    LOW.store(low.bytes, Ordering::Relaxed);
    HIGH.store(high.bytes, Ordering::Relaxed);
    say_sizes();
}

fn say_sizes() {
    if LEVEL.load(Ordering::Relaxed) < INFORMS {
        return;
    }
    let (low, high) = (LOW.load(Ordering::Relaxed), HIGH.load(Ordering::Relaxed));
    match (low, high) {
        (0, usize::MAX) => print(format_args!("INFO: All allocation will be done in HBW.")),
        (0, _) => print(format_args!(
            "INFO: Allocations smaller than {}K will be allocated in HBW. Set AUTO_HBW_SIZE=X:Y to change this limit.\n",
            high / KIB
        )),
        (_, usize::MAX) => print(format_args!(
            "INFO: Allocations greater than {}K will be allocated in HBW. Set AUTO_HBW_SIZE=X:Y to change this limit.\n",
            low / KIB
        )),
        _ => print(format_args!(
            "INFO: Allocations between {}K - {}K will be allocated in HBW. Set AUTO_HBW_SIZE=X:Y to change this limit.\n",
            low / KIB,
            high / KIB
        )),
    }
}

fn read_kind() -> Option<Kind> {
    let name = environment(c"AUTO_HBW_MEM_TYPE").map(CStr::to_bytes)?;
    if name.is_empty() {
        return None;
    }
    let found = match nodes::list(name) {
        Some(list) => nodes::kind(list).map_err(|refused| (refused.reason(), &b"NODE:0"[..])),
        None => kinds::by_name_any_case(name)
            .map(|(_, kind)| kind)
            .ok_or((KIND_RULE, &b"memkind_hbw_preferred"[..])),
    };
    match found {
        Ok(_) => {
            if LEVEL.load(Ordering::Relaxed) >= INFORMS {
                say(&[b"INFO: Setting HBW memory type to ", name, b"\n"]);
            }
        }
        Err((rule, example)) => {
            warn(&[
                b"WARN: Memory type ",
                name,
                b" not recognized. Using default type\n",
            ]);
            warn(&[
                b"WARN: Cannot use AUTO_HBW_MEM_TYPE=",
                name,
                b": ",
                rule.as_bytes(),
                b". Example: AUTO_HBW_MEM_TYPE=",
                example,
                b"\n",
            ]);
        }
    }
    found.ok()
}
