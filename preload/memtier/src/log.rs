//! The messages of MEMKIND_MEM_TIERING_LOG_LEVEL.

use core::sync::atomic::{AtomicU8, Ordering};

use interpose::c::{abort, environment};
use interpose::text::{leading_number, say, skip_blanks};

const ERRORS: u8 = 0;
const INFOS: u8 = 1;
const DEBUG: u8 = 2;
static LEVEL: AtomicU8 = AtomicU8::new(ERRORS);

/// The fault of the settings, beyond the messages that the original has.
pub(crate) struct Fault<'a> {
    /// The part of the setting that is wrong.
    pub(crate) part: &'a [u8],
    /// The rule for the part.
    pub(crate) rule: &'a str,
    /// An example of a right setting.
    pub(crate) example: &'static str,
}

/// Writes an error, whatever the level.
#[cold]
pub(crate) fn error(parts: &[&[u8]]) {
    line(b"MEMKIND_MEM_TIERING_LOG_ERROR: ", parts);
}

/// Writes general information, from level 1.
pub(crate) fn info(parts: &[&[u8]]) {
    if LEVEL.load(Ordering::Relaxed) >= INFOS {
        line(b"MEMKIND_MEM_TIERING_LOG_INFO: ", parts);
    }
}

/// Writes information for developers, from level 2.
fn debug(parts: &[&[u8]]) {
    if LEVEL.load(Ordering::Relaxed) >= DEBUG {
        line(b"MEMKIND_MEM_TIERING_LOG_DEBUG: ", parts);
    }
}

fn line(prefix: &[u8], parts: &[&[u8]]) {
    let mut all: [&[u8]; 10] = [b""; 10];
    all[0] = prefix;
    let room = all.len() - 2;
    let count = parts.len().min(room);
    all[1..=count].copy_from_slice(&parts[..count]);
    all[count + 1] = b"\n";
    say(&all[..count + 2]);
}

/// Writes the wrong part of a rejected setting, the rule, and an example.
#[cold]
pub(crate) fn explain(fault: &Fault<'_>) {
    error(&[
        b"Cannot use \"",
        fault.part,
        b"\": ",
        fault.rule.as_bytes(),
        b". Example: ",
        fault.example.as_bytes(),
    ]);
}

/// Reads the level. A wrong one ends the program.
pub(crate) fn read_level() {
    let Some(value) = environment(c"MEMKIND_MEM_TIERING_LOG_LEVEL") else {
        return;
    };
    let value = value.to_bytes();
    let digits = skip_blanks(value);
    let digits = digits.strip_prefix(b"+").unwrap_or(digits);
    let level = match leading_number(digits, 10) {
        Some((level @ 0..=2, b"")) => level as u8,
        None if value.is_empty() => ERRORS,
        _ => {
            error(&[b"Wrong value of MEMKIND_MEM_TIERING_LOG_LEVEL=", value]);
            explain(&Fault {
                part: value,
                rule: "the level is 0 (errors), 1 (and information) or 2 (and debugging)",
                example: "MEMKIND_MEM_TIERING_LOG_LEVEL=1",
            });
            abort();
        }
    };
    LEVEL.store(level, Ordering::Relaxed);
    debug(&[b"Setting log level to: ", &[b'0' + level]]);
}
