//! Numbers in settings: ratios and sizes.

use interpose::text::{leading_number, skip_blanks};

use crate::log::{self, Fault};
use crate::rules::{RATIO_RULE, tiers_fault};

/// The number at the start of a text, as strtoul(3) reads it in base 0; the rest is ignored.
pub(crate) fn read_ratio(text: &'static [u8]) -> Result<u32, Fault<'static>> {
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
pub(crate) fn read_size(text: &[u8]) -> Option<u64> {
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
