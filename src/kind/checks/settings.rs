//! Which checks are on: found out at the first allocation, and not changed afterwards.

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use super::trace;
use crate::env;
use crate::error::Error;
use crate::heap::fast;
use crate::sys::tools::{self, Tool};

/// Double frees and pointers that are no blocks.
pub(crate) const FREE: u32 = 1;
/// Bytes before and behind blocks.
pub(crate) const OVERFLOW: u32 = 2;
/// Writes into freed blocks.
pub(crate) const USE: u32 = 4;
/// What is alive at the end.
pub(crate) const LEAK: u32 = 8;
/// Pages without access.
pub(super) const GUARD: u32 = 16;
/// All checks.
pub(super) const ALL: u32 = 31;
/// A tool watches.
pub(super) const TOOL: u32 = 1 << 16;
/// The environment has not been looked at.
const UNKNOWN: u32 = 1 << 31;

/// One block in this number is guarded, unless `MEMKIND_CHECKS` gives another number.
const GUARD_RATE: usize = 1000;

static CHECKS: AtomicU32 = AtomicU32::new(UNKNOWN);

/// One block in this number is guarded; 0 for none.
static RATE: AtomicUsize = AtomicUsize::new(0);

/// Whether blocks are checked. The first call decides for the life of the process.
#[inline]
pub(crate) fn on() -> bool {
    let checks = CHECKS.load(Ordering::Relaxed);
    checks != 0 && (checks != UNKNOWN || decide() != 0)
}

/// Whether one of some checks is on.
pub(crate) fn has(check: u32) -> bool {
    CHECKS.load(Ordering::Relaxed) & check != 0
}

/// Whether there is a record of each block, not only of those before closed pages.
pub(super) fn records_all() -> bool {
    has(!GUARD)
}

/// If at most one block in this number is guarded and nothing else is checked, the fast paths stay on:
/// blocks to guard are chosen where the fast paths are left in any case.
const SELDOM: usize = 256;

/// Whether only one block in many is checked, and the fast paths are on.
pub(super) fn is_seldom() -> bool {
    CHECKS.load(Ordering::Relaxed) == GUARD && rate() >= SELDOM
}

/// One block in how many is guarded; 0 for none.
pub(super) fn rate() -> usize {
    RATE.load(Ordering::Relaxed)
}

/// Whether any of the checks that programs ask for is on; decides nothing.
pub(super) fn any() -> bool {
    let checks = CHECKS.load(Ordering::Relaxed);
    checks != UNKNOWN && checks & ALL != 0
}

/// A malformed MEMKIND_CHECKS.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

/// What a value of MEMKIND_CHECKS asks for: checks, and one block in how many is guarded. Beside
/// "all", "guard=N" gives the number; "none" stands alone.
fn parse(text: &[u8]) -> Result<(u32, usize), Malformed> {
    let (mut checks, mut rate) = (0, GUARD_RATE);
    if text == b"none" {
        return Ok((checks, rate));
    }
    for word in text.split(|byte| *byte == b',') {
        let (name, number) = match word.iter().position(|byte| *byte == b'=') {
            Some(at) => (&word[..at], Some(&word[at + 1..])),
            None => (word, None),
        };
        checks |= match (name, number) {
            (b"", None) => 0,
            (b"free", None) => FREE,
            (b"overflow", None) => OVERFLOW,
            (b"use", None) => USE,
            (b"leak", None) => LEAK,
            (b"all", None) => ALL,
            (b"guard", None) => GUARD,
            (b"guard", Some(number)) => {
                rate = core::str::from_utf8(number)
                    .ok()
                    .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
                    .and_then(|digits| digits.parse().ok())
                    .filter(|rate| (1..=1 << 32).contains(rate))
                    .ok_or(Malformed)?;
                GUARD
            }
            _ => return Err(Malformed),
        };
    }
    Ok((checks, rate))
}

fn asked_for() -> Result<Option<(u32, usize)>, Malformed> {
    env::get(env::CHECKS)
        .map(|value| parse(value.to_bytes()))
        .transpose()
}

/// Looks at the environment at the first allocation. A malformed value asks for nothing.
#[cold]
fn decide() -> u32 {
    let asked = asked_for().unwrap_or(None);
    let (checks, rate) = asked.unwrap_or((0, GUARD_RATE));
    // "none" turns all of them off.
    let tool = match tools::tool() {
        Tool::Nothing => 0,
        _ if env::get(env::CHECKS).is_some_and(|value| value.to_bytes() == b"none") => 0,
        Tool::Memcheck | Tool::Races => TOOL,
        // It takes no notice of what is freed twice.
        Tool::Sanitizer => TOOL | FREE,
    };
    settle(checks | tool, rate)
}

/// Sets the checks, unless they are set already; those that are.
fn settle(checks: u32, rate: usize) -> u32 {
    if checks != 0 {
        trace::prepare();
    }
    if checks & GUARD != 0 {
        RATE.store(rate, Ordering::Relaxed);
    }
    match CHECKS.compare_exchange(UNKNOWN, checks, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => checks,
        Err(others) => others,
    }
}

/// When the library is loaded: whether the fast paths may be used.
///
/// # Errors
/// [`Malformed`] for a variable that cannot be understood.
pub fn at_load() -> Result<bool, Malformed> {
    let asked = asked_for()?;
    if asked.is_some() || tools::tool() != Tool::Nothing {
        on();
    }
    Ok(is_seldom() || matches!(CHECKS.load(Ordering::Relaxed), 0 | UNKNOWN))
}

/// Turns checks on, before the first allocation.
///
/// # Errors
/// `Invalid` for unknown ones; `NoMemory`; `OperationFailed` after the first allocation, or when
/// MEMKIND_CHECKS is set.
pub fn set(checks: u32) -> Result<(), Error> {
    if checks & !ALL != 0 {
        return Err(Error::Invalid);
    }
    if CHECKS.load(Ordering::Relaxed) != UNKNOWN {
        return Err(Error::OperationFailed);
    }
    if checks == 0 {
        return Ok(());
    }
    // Nothing has been allocated, so nothing is in a cache.
    if checks != GUARD && !fast::disable() {
        return Err(Error::NoMemory);
    }
    if settle(checks, GUARD_RATE) == checks {
        Ok(())
    } else {
        // Another thread has allocated at this moment: all works, but slower.
        Err(Error::OperationFailed)
    }
}

#[cfg(test)]
mod tests {
    use super::{ALL, FREE, GUARD, GUARD_RATE, LEAK, Malformed, OVERFLOW, USE, parse};

    #[test]
    fn a_list_names_checks() {
        assert_eq!(parse(b"all"), Ok((ALL, GUARD_RATE)));
        assert_eq!(parse(b"free,use"), Ok((FREE | USE, GUARD_RATE)));
        assert_eq!(
            parse(b"leak,overflow,guard=7"),
            Ok((LEAK | OVERFLOW | GUARD, 7))
        );
        assert_eq!(parse(b"guard"), Ok((GUARD, GUARD_RATE)));
        assert_eq!(parse(b""), Ok((0, GUARD_RATE)));
        assert_eq!(parse(b"none"), Ok((0, GUARD_RATE)));
        assert_eq!(parse(b"guard=7,all"), Ok((ALL, 7)));
    }

    #[test]
    fn what_is_no_list_is_malformed() {
        for text in [
            "al",
            "free use",
            "guard=",
            "guard=0",
            "guard=x",
            "guard=-1",
            "free=1",
            "ALL",
            "all,none",
            "none,leak",
            "leak,none",
            "none,none",
            "none,",
            ",none",
            "none=1",
        ] {
            assert_eq!(parse(text.as_bytes()), Err(Malformed), "{text}");
        }
    }
}
