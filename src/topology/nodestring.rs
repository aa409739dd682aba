//! Node lists in environment variables, as numa(3) defines them for
//! `numa_parse_nodestring`: `0`, `1-3,5`, `all`, a leading `!` for every node but
//! these, a leading `+` for numbers that count the allowed nodes.
//!
//! The parser is pure. What it complains of is a [`Problem`], whose text is that of
//! libnuma's warning, since scripts and tests look for it; [`warn`] prints it.
#![forbid(unsafe_code)]

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, Ordering};

use super::mask::{N_NODES, NodeMask};
use crate::log::{Bytes, Line};

/// The fault of a text that is no node list; displayed as libnuma's warning, without its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem<'a> {
    /// No number where one is needed; the text from there on.
    Unparseable(&'a [u8]),
    /// A node that is not allowed or does not exist, as a single node or first of a range.
    OutOfRange(i32),
    /// A node that is not allowed or does not exist, as the last of a range.
    LastOutOfRange(i32),
    /// Nothing usable after the dash of a range; the text from there on.
    MissingLast(&'a [u8]),
    /// Characters after a complete list: an error that libnuma does not comment on.
    Trailing,
}

impl fmt::Display for Problem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unparseable(text) => {
                write!(f, "unparseable node description `{}'", Bytes(text))
            }
            Self::OutOfRange(node) => write!(f, "node argument {node} is out of range"),
            Self::LastOutOfRange(node) => write!(f, "node argument {node} out of range"),
            Self::MissingLast(text) => write!(f, "missing node argument {}", Bytes(text)),
            Self::Trailing => Ok(()),
        }
    }
}

/// Parses a node list. `allowed` are the nodes that may be named, `configured` those
/// that the machine has; the two differ inside a cpuset. The empty text is the empty set.
///
/// Unlike libnuma, which complements the first `n` numbers on a machine of `n` nodes,
/// `!` complements the nodes that exist, which is the same unless numbers are missing.
/// The device names that numactl(8) knows (`file:`, `netdev:`, ...) are not node lists.
///
/// # Errors
/// The first [`Problem`] from the left.
pub fn parse<'a>(
    text: &'a [u8],
    allowed: &NodeMask,
    configured: &NodeMask,
) -> Result<NodeMask, Problem<'a>> {
    if text.is_empty() {
        return Ok(NodeMask::EMPTY);
    }
    let (inverted, rest) = strip(text, b'!');
    let (relative, mut rest) = strip(rest, b'+');
    let mut mask = NodeMask::EMPTY;
    loop {
        if rest == b"all" {
            mask = *allowed;
            break;
        }
        let (first, after) = number(rest).ok_or(Problem::Unparseable(rest))?;
        let first = member(resolve(first, relative, allowed), allowed)
            .map_err(|node| Problem::OutOfRange(printed(node)))?;
        mask.insert(first);
        rest = after;
        if let (true, after) = strip(rest, b'-') {
            let (last, end) = number(after).ok_or(Problem::MissingLast(after))?;
            let last = member(resolve(last, relative, allowed), allowed)
                .map_err(|node| Problem::LastOutOfRange(printed(node)))?;
            let range = allowed
                .iter()
                .filter(|node| (first..=last).contains(node))
                .collect();
            mask = mask.union(&range);
            rest = end;
        }
        match strip(rest, b',') {
            (true, after) => rest = after,
            (false, []) => break,
            (false, _) => return Err(Problem::Trailing),
        }
    }
    Ok(if inverted {
        configured.difference(&mask)
    } else {
        mask
    })
}

static WARNED: AtomicBool = AtomicBool::new(false);

/// Prints libnuma's warning for a problem, once per process as libnuma does: a
/// variable is parsed for several kinds, and one line tells it.
pub fn warn(problem: Problem<'_>) {
    if problem == Problem::Trailing || WARNED.swap(true, Ordering::Relaxed) {
        return;
    }
    let mut line = Line::new();
    // The text ends with a newline of its own, so an empty line follows.
    let _ = writeln!(line, "libnuma: Warning: {problem}");
    line.write();
}

/// Whether `text` begins with the character, and what comes after it.
fn strip(text: &[u8], character: u8) -> (bool, &[u8]) {
    match text.split_first() {
        Some((first, rest)) if *first == character => (true, rest),
        _ => (false, text),
    }
}

/// The node that a written number stands for: itself, or the n-th allowed node if relative. A
/// relative number past the last node is [`N_NODES`], a negative one -1: no set has either.
fn resolve(number: u64, relative: bool, allowed: &NodeMask) -> u64 {
    if !relative {
        return number;
    }
    if number > i64::MAX as u64 {
        return u64::MAX;
    }
    let nth = usize::try_from(number).unwrap_or(usize::MAX);
    allowed.iter().nth(nth).map_or(N_NODES as u64, u64::from)
}

/// The number as libnuma prints it, a C `int`.
fn printed(number: u64) -> i32 {
    let [a, b, c, d, ..] = number.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

/// The number as a node, or back as an error when it is not one of those allowed.
fn member(number: u64, allowed: &NodeMask) -> Result<u16, u64> {
    match u16::try_from(number) {
        Ok(node) if allowed.contains(node) => Ok(node),
        _ => Err(number),
    }
}

/// A number as strtoul(3) in base 0 reads it: blanks, a sign, `0x` or `0`; a negative
/// one wraps around, one too large is the largest. `None` when there is no digit.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let blanks = text
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r'))
        .count();
    let text = &text[blanks..];
    let (negative, rest) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    let (radix, digits) = match rest {
        [b'0', b'x' | b'X', digit, ..] if digit.is_ascii_hexdigit() => (16, &rest[2..]),
        [b'0', ..] => (8, rest),
        _ => (10, rest),
    };
    let n_digits = digits
        .iter()
        .take_while(|byte| char::from(**byte).is_digit(radix))
        .count();
    if n_digits == 0 {
        return None;
    }
    let (digits, rest) = digits.split_at(n_digits);
    let value = digits.iter().try_fold(0u64, |value, byte| {
        let digit = char::from(*byte).to_digit(radix)?;
        value
            .checked_mul(radix.into())?
            .checked_add(u64::from(digit))
    });
    let value = match value {
        Some(value) if negative => value.wrapping_neg(),
        Some(value) => value,
        None => u64::MAX,
    };
    Some((value, rest))
}

#[cfg(test)]
mod tests {
    use super::{NodeMask, Problem, parse};

    fn mask(nodes: &[u16]) -> NodeMask {
        nodes.iter().copied().collect()
    }

    #[test]
    fn lists_are_parsed() {
        let nodes = mask(&[0, 1, 2, 3, 4, 5, 6, 7]);
        for (text, expected) in [
            ("", &[][..]),
            ("0", &[0]),
            ("1-3,5", &[1, 2, 3, 5]),
            ("0,0", &[0]),
            ("3-1", &[3]),
            ("all", &[0, 1, 2, 3, 4, 5, 6, 7]),
            ("1,all", &[0, 1, 2, 3, 4, 5, 6, 7]),
            ("!0-5", &[6, 7]),
            ("!all", &[]),
            ("0x2, 07", &[2, 7]),
            ("+1", &[1]),
        ] {
            let parsed = parse(text.as_bytes(), &nodes, &nodes);
            assert_eq!(parsed, Ok(mask(expected)), "{text}");
        }
    }

    #[test]
    fn numbers_count_the_allowed_nodes_after_a_plus() {
        let (allowed, configured) = (mask(&[2, 5, 9]), mask(&[0, 2, 5, 7, 9]));
        let parse = |text: &'static str| parse(text.as_bytes(), &allowed, &configured);
        assert_eq!(parse("+0,2"), Ok(mask(&[2, 9])));
        assert_eq!(parse("+0-1"), Ok(mask(&[2, 5])));
        assert_eq!(parse("+3"), Err(Problem::OutOfRange(1024)));
        assert_eq!(parse("2-9"), Ok(allowed));
        assert_eq!(parse("!2"), Ok(mask(&[0, 5, 7, 9])));
        assert_eq!(parse("all"), Ok(allowed));
        assert_eq!(parse("0"), Err(Problem::OutOfRange(0)));
    }

    #[test]
    fn problems_have_the_words_of_libnuma() {
        let nodes = mask(&[0, 1]);
        for (text, words) in [
            ("-1", "node argument -1 is out of range"),
            ("9", "node argument 9 is out of range"),
            ("0-3", "node argument 3 out of range"),
            ("abc", "unparseable node description `abc'"),
            ("1,x", "unparseable node description `x'"),
            ("0,", "unparseable node description `'"),
            ("!", "unparseable node description `'"),
            ("0-", "missing node argument "),
            ("0-x", "missing node argument x"),
            ("99999999999999999999", "node argument -1 is out of range"),
            ("0x", ""),
            ("0;1", ""),
            ("08", ""),
        ] {
            let problem = parse(text.as_bytes(), &nodes, &nodes).expect_err(text);
            assert_eq!(problem.to_string(), words, "{text}");
        }
    }
}
