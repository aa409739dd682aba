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

fn info(text: &str) {
    if LEVEL.load(Ordering::Relaxed) >= INFORMS {
        say(&[text.as_bytes()]);
    }
}

/// Reads all settings, and returns the kind for the chosen sizes.
pub(crate) fn read() -> Kind {
    read_level();
    let kind = default_kind();
    say_level();
    read_sizes();
    let kind = read_kind().unwrap_or(kind);
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

/// As atoi(3).
fn number(text: &[u8]) -> i32 {
    let text = skip_blanks(text);
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let value = leading_number(digits, 10).map_or(0, |(value, _)| value);
    let value = i32::try_from(value).unwrap_or(i32::MAX);
    if negative { -value } else { value }
}

fn read_level() {
    let Some(text) = environment(c"AUTO_HBW_LOG").map(CStr::to_bytes) else {
        return;
    };
    if text.is_empty() {
        return;
    }
    let level = number(text);
    LEVEL.store(level, Ordering::Relaxed);
    if level > SILENT {
        print(format_args!("INFO: Setting log level to {level}\n"));
    }
}

fn say_level() {
    info(match LEVEL.load(Ordering::Relaxed) {
        ..=0 => "INFO: HBW allocation stats will not be printed. Set AUTO_HBW_LOG to enable.\n",
        1 => "INFO: Only HBW allocations will be printed. Set AUTO_HBW_LOG to disable/enable.\n",
        2.. => {
            "INFO: HBW allocation with backtrace info will be printed. Set AUTO_HBW_LOG to disable.\n"
        }
    });
}

/// Parses one limit: its number, the letter after it, their value in bytes, and the rest.
fn limit(text: &[u8]) -> (usize, u8, usize, &[u8]) {
    let Some((number, rest)) = leading_number(skip_blanks(text), 10) else {
        return (0, b'B', 0, text);
    };
    let number = usize::try_from(number).unwrap_or(usize::MAX);
    let (letter, rest) = match rest {
        [letter, rest @ ..] if *letter != b':' => (*letter, rest),
        _ => (b'B', rest),
    };
    let factor = match letter.to_ascii_uppercase() {
        b'K' => KIB,
        b'M' => KIB * KIB,
        b'G' => KIB * KIB * KIB,
        _ => 1,
    };
    (number, letter, number.saturating_mul(factor), rest)
}

fn read_sizes() {
    let Some(text) = environment(c"AUTO_HBW_SIZE").map(CStr::to_bytes) else {
        info(
            "INFO: Using default values for array size thresholds. Set AUTO_HBW_SIZE=X:Y to change.\n",
        );
        return say_sizes();
    };
    let (low_number, low_letter, low, rest) = limit(text);
    let (high_number, high_letter, high) = match rest.iter().position(|byte| *byte == b':') {
        Some(colon) => {
            let (number, letter, bytes, _) = limit(&rest[colon + 1..]);
            (number, letter, bytes)
        }
        None => (usize::MAX, b'B', usize::MAX),
    };
    if LEVEL.load(Ordering::Relaxed) >= INFORMS {
        print(format_args!(
            "INFO: lowlim={low_number}({}), highlim={high_number}({})\n",
            char::from(low_letter),
            char::from(high_letter)
        ));
    }
    let is_known = |letter: u8| b"BKMG".contains(&letter.to_ascii_uppercase());
    if !is_known(low_letter) || !is_known(high_letter) {
        warn(&[
            b"WARN: Cannot use AUTO_HBW_SIZE=",
            text,
            b": K, M and G are known, other letters mean bytes. Example: AUTO_HBW_SIZE=1M:5M\n",
        ]);
    }
    if low >= high {
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
    LOW.store(low, Ordering::Relaxed);
    HIGH.store(high, Ordering::Relaxed);
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
