//! The environment variables, read as C reads them.
//!
//! `std::env` takes a lock and allocates, so it is not used. Values are read with
//! `secure_getenv(3)` at the moment named beside each variable: programs may call
//! `setenv` before their first allocation.

use core::ffi::{CStr, c_char};

/// High-bandwidth nodes, numa(3) node string; read when an HBW kind is first used.
pub const HBW_NODES: &CStr = c"MEMKIND_HBW_NODES";
/// Bandwidth in MiB/s from which memory counts as high-bandwidth; read when an HBW kind is first
/// used.
pub const HBW_THRESHOLD: &CStr = c"MEMKIND_HBW_THRESHOLD";
/// Persistent-memory nodes, numa(3) node string; read when a DAX_KMEM kind is first used.
pub const DAX_KMEM_NODES: &CStr = c"MEMKIND_DAX_KMEM_NODES";
/// `many` lets kinds that prefer one node take several equally good ones; read when such a
/// kind is first used.
pub const PREFERRED_TIES: &CStr = c"MEMKIND_PREFERRED_TIES";
/// `weighted` interleaves by the kernel's weights; read when an interleaving kind is first used.
pub const INTERLEAVE: &CStr = c"MEMKIND_INTERLEAVE";
/// `always` or `never` asks the kernel for transparent huge pages or for none, `system` for nothing;
/// read when the first kind takes memory.
pub const THP: &CStr = c"MEMKIND_THP";
/// Arenas per kind; read when a kind first needs an arena.
pub const ARENA_NUM_PER_KIND: &CStr = c"MEMKIND_ARENA_NUM_PER_KIND";
/// Exactly `1` hands out memory of bound kinds without looking whether their nodes have
/// it; read when such a kind is first used.
pub const OVERCOMMIT: &CStr = c"MEMKIND_OVERCOMMIT";
/// A value that begins with `1` keeps freed memory; read at load.
pub const HOG_MEMORY: &CStr = c"MEMKIND_HOG_MEMORY";
/// Exactly `1` turns messages on; read at the first message.
pub const DEBUG: &CStr = c"MEMKIND_DEBUG";
/// Number of background threads; read at load, a malformed value aborts.
pub const BACKGROUND_THREAD_LIMIT: &CStr = c"MEMKIND_BACKGROUND_THREAD_LIMIT";
/// A list of checks; read at the first allocation, a malformed value aborts at load.
pub const CHECKS: &CStr = c"MEMKIND_CHECKS";
/// `TBB` selects Threading Building Blocks; read at load.
pub const HEAP_MANAGER: &CStr = c"MEMKIND_HEAP_MANAGER";
/// Settings of the jemalloc in the library, under the name that the original uses; read by
/// jemalloc when it starts.
pub const JEMALLOC_CONF: &CStr = c"JEMK_MALLOC_CONF";

unsafe extern "C" {
    // Missing in the libc crate for linux-gnu.
    fn secure_getenv(name: *const c_char) -> *const c_char;
}

/// The value of `name`, or `None` when it is unset or the process is set-uid.
pub fn get(name: &CStr) -> Option<&'static CStr> {
    // SAFETY: `name` is NUL-terminated; secure_getenv has no other precondition.
    let value = unsafe { secure_getenv(name.as_ptr()) };
    if value.is_null() {
        return None;
    }
    // SAFETY: getenv returns a NUL-terminated string that lives until the program
    // changes the variable, which POSIX forbids while other threads read it.
    Some(unsafe { CStr::from_ptr(value) })
}

/// Parses `text` as strtoul(3) in base 10 does, but rejects trailing characters:
/// leading blanks and one sign are allowed, an empty string is 0.
/// `None` when the text is malformed, negative or larger than `max`.
pub fn parse_decimal(text: &CStr, max: u64) -> Option<u64> {
    let bytes = text.to_bytes();
    let (value, rest) = match leading_decimal(bytes) {
        None if bytes.is_empty() => return Some(0),
        leading => leading?,
    };
    (rest.is_empty() && value <= max).then_some(value)
}

/// Parses the number at the start of `text` as strtoul(3) in base 10 does. `None` when there is
/// none, or it is negative or larger than `max`.
pub fn parse_leading_decimal(text: &CStr, max: u64) -> Option<u64> {
    leading_decimal(text.to_bytes())
        .map(|(value, _)| value)
        .filter(|value| *value <= max)
}

/// The number at the start of `text`, and the bytes after it.
fn leading_decimal(text: &[u8]) -> Option<(u64, &[u8])> {
    let start = text
        .iter()
        .position(|b| !b.is_ascii_whitespace() && *b != 0x0b)?;
    let (negative, digits) = match &text[start..] {
        [sign @ (b'+' | b'-'), digits @ ..] => (*sign == b'-', digits),
        digits => (false, digits),
    };
    let end = digits
        .iter()
        .position(|b| !b.is_ascii_digit())
        .unwrap_or(digits.len());
    let (digits, rest) = digits.split_at(end);
    if digits.is_empty() {
        return None;
    }
    let mut value: u64 = 0;
    for digit in digits {
        value = value
            .checked_mul(10)?
            .checked_add(u64::from(digit - b'0'))?;
    }
    (!negative || value == 0).then_some((value, rest))
}

#[cfg(test)]
mod tests {
    use super::{parse_decimal, parse_leading_decimal};

    #[test]
    fn decimal_accepts_what_the_original_accepts() {
        assert_eq!(parse_decimal(c"", 10), Some(0));
        assert_eq!(parse_decimal(c"+5", 10), Some(5));
        assert_eq!(parse_decimal(c"-0", 10), Some(0));
        assert_eq!(
            parse_decimal(c"4294967295", u64::from(u32::MAX)),
            Some(4_294_967_295)
        );
    }

    #[test]
    fn decimal_rejects_the_rest() {
        for text in [
            c"-1",
            c"abc",
            c"1x",
            c"0x10",
            c"4294967296",
            c"+",
            c"-",
            c" ",
        ] {
            assert_eq!(parse_decimal(text, u64::from(u32::MAX)), None, "{text:?}");
        }
    }

    #[test]
    fn what_follows_a_leading_number_is_not_looked_at() {
        for text in [c"4", c" 4", c"+4 ", c"4\n", c"4x", c"4.9", c"04"] {
            assert_eq!(parse_leading_decimal(text, 10), Some(4), "{text:?}");
        }
        for text in [c"", c" ", c"x4", c"-4", c"11", c"99999999999999999999"] {
            assert_eq!(parse_leading_decimal(text, 10), None, "{text:?}");
        }
    }
}
