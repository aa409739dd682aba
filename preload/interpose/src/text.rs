//! Messages on standard error, and the numbers in settings.

use core::fmt::{self, Write};

use crate::c;

/// A message under construction; text that does not fit is cut off.
pub struct Line {
    bytes: [u8; 2048],
    len: usize,
}

impl Line {
    /// An empty message.
    pub const fn new() -> Self {
        Self {
            bytes: [0; 2048],
            len: 0,
        }
    }

    /// The bytes of the message so far.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Adds bytes as they are.
    pub fn add(&mut self, bytes: &[u8]) {
        let taken = bytes.len().min(self.bytes.len() - self.len);
        self.bytes[self.len..self.len + taken].copy_from_slice(&bytes[..taken]);
        self.len += taken;
    }
}

impl Default for Line {
    fn default() -> Self {
        Self::new()
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.add(text.as_bytes());
        Ok(())
    }
}

/// Writes a message to standard error in one call: the parts one after the other.
#[cold]
pub fn say(parts: &[&[u8]]) {
    let mut line = Line::new();
    for part in parts {
        line.add(part);
    }
    c::write_stderr(line.bytes());
}

/// Writes a formatted message to standard error in one call.
#[cold]
pub fn print(text: fmt::Arguments<'_>) {
    let mut line = Line::new();
    let _ = line.write_fmt(text);
    c::write_stderr(line.bytes());
}

/// The next part of `rest` between separators, as strtok(3) finds it: leading
/// separators are skipped, and `rest` begins after the one that ends the part.
pub fn token<'a>(rest: &mut &'a [u8], separator: u8) -> Option<&'a [u8]> {
    let start = rest.iter().position(|byte| *byte != separator)?;
    let text = &rest[start..];
    let end = text.iter().position(|byte| *byte == separator);
    let (found, left) = match end {
        Some(end) => (&text[..end], &text[end + 1..]),
        None => (text, &text[text.len()..]),
    };
    *rest = left;
    Some(found)
}

/// The digits that `text` begins with in this base, as a number that stays at the
/// largest value instead of overflowing, and what follows; `None` without a digit.
pub fn leading_number(text: &[u8], base: u32) -> Option<(u64, &[u8])> {
    let mut value: u64 = 0;
    let mut length = 0;
    for byte in text {
        let Some(digit) = char::from(*byte).to_digit(base) else {
            break;
        };
        value = value
            .saturating_mul(u64::from(base))
            .saturating_add(u64::from(digit));
        length += 1;
    }
    (length > 0).then(|| (value, &text[length..]))
}

/// `text` without leading blanks, as isspace(3) defines them.
pub fn skip_blanks(text: &[u8]) -> &[u8] {
    let start = text
        .iter()
        .position(|byte| !matches!(byte, b' ' | b'\t'..=b'\r'))
        .unwrap_or(text.len());
    &text[start..]
}

#[cfg(test)]
mod tests {
    use super::{leading_number, skip_blanks, token};

    #[test]
    fn tokens_are_those_of_strtok() {
        let mut rest: &[u8] = b";;a;b;;";
        assert_eq!(token(&mut rest, b';'), Some(&b"a"[..]));
        assert_eq!(token(&mut rest, b';'), Some(&b"b"[..]));
        assert_eq!(token(&mut rest, b';'), None);
        let mut rest: &[u8] = b"KIND::DRAM,X";
        assert_eq!(token(&mut rest, b':'), Some(&b"KIND"[..]));
        assert_eq!(token(&mut rest, b','), Some(&b":DRAM"[..]));
        assert_eq!(rest, b"X");
    }

    #[test]
    fn numbers_stop_at_the_first_other_byte_and_do_not_overflow() {
        assert_eq!(leading_number(b"12K", 10), Some((12, &b"K"[..])));
        assert_eq!(leading_number(b"ff", 16), Some((255, &b""[..])));
        assert_eq!(leading_number(b"x", 10), None);
        assert_eq!(
            leading_number(b"18446744073709551616", 10),
            Some((u64::MAX, &b""[..]))
        );
        assert_eq!(skip_blanks(b" \t1"), b"1");
    }
}
