//! Messages on standard error, one line each, as MEMKIND_DEBUG asks (memkind(3), ENVIRONMENT).
//!
//! A message is formatted on the stack and written with one write(2): nothing here
//! allocates or locks, so it may be called from any allocation path. `errno` is kept.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU8, Ordering};

use crate::{cancel, env};

/// The level of a message: decides its prefix, and whether it needs MEMKIND_DEBUG.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// General information; shown when MEMKIND_DEBUG is 1.
    Info,
    /// A failed operation; shown when MEMKIND_DEBUG is 1.
    Error,
    /// The process is about to abort, or a promise is broken; always shown.
    Fatal,
}

const UNKNOWN: u8 = 0;
const SILENT: u8 = 1;
const SHOWN: u8 = 2;
static STATE: AtomicU8 = AtomicU8::new(UNKNOWN);

/// The kernel's id of the calling thread (gettid(2)).
pub fn thread() -> u32 {
    // SAFETY: no preconditions.
    unsafe { libc::gettid() as u32 }
}

/// A line under construction; text that does not fit is cut off.
pub struct Line {
    bytes: [u8; 1024],
    len: usize,
}

impl Line {
    /// An empty line.
    pub const fn new() -> Self {
        Self {
            bytes: [0; 1024],
            len: 0,
        }
    }

    /// The text of the line so far.
    pub fn text(&self) -> &str {
        // What is cut off may begin within a character.
        let mut chunks = self.bytes[..self.len].utf8_chunks();
        chunks.next().map_or("", |chunk| chunk.valid())
    }

    /// Calls `work` with the line and a newline, as a C string.
    pub fn with_c_text(&mut self, work: impl FnOnce(&core::ffi::CStr)) {
        let mut whole = [0_u8; 1026];
        whole[..self.len].copy_from_slice(&self.bytes[..self.len]);
        whole[self.len] = b'\n';
        if let Ok(text) = core::ffi::CStr::from_bytes_until_nul(&whole) {
            work(text);
        }
    }

    /// Writes the line and a newline to standard error in one call, keeping `errno`.
    pub fn write(&mut self) {
        let _deferred = cancel::defer_calls();
        self.bytes[self.len] = b'\n';
        let errno = errno();
        // SAFETY: the first `len + 1` bytes of the buffer are initialised and live
        // during the call; a failed write is not an error worth reporting.
        unsafe {
            libc::write(
                libc::STDERR_FILENO,
                self.bytes.as_ptr().cast(),
                self.len + 1,
            )
        };
        set_errno(errno);
    }
}

impl Default for Line {
    fn default() -> Self {
        Self::new()
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.len() - 1 - self.len;
        let taken = text.len().min(room);
        self.bytes[self.len..self.len + taken].copy_from_slice(&text.as_bytes()[..taken]);
        self.len += taken;
        Ok(())
    }
}

fn enabled() -> bool {
    match STATE.load(Ordering::Relaxed) {
        UNKNOWN => {
            let value = env::get(env::DEBUG);
            let shown = value.is_some_and(|v| v.to_bytes() == b"1");
            let state = if shown { SHOWN } else { SILENT };
            let first = STATE
                .compare_exchange(UNKNOWN, state, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
            if let (true, false, Some(text)) = (first, shown, value) {
                let mut line = Line::new();
                let _ = write!(
                    line,
                    "MEMKIND_WARNING: debug option \"{}\" unknown; Try man memkind for available options.",
                    Bytes(text.to_bytes())
                );
                line.write();
            }
            shown
        }
        state => state == SHOWN,
    }
}

/// Text from outside (environment, paths), shown as it is where it is UTF-8. Of a long one the beginning
/// is shown, so that the line has room for what is said of it.
pub struct Bytes<'a>(pub &'a [u8]);

impl Bytes<'_> {
    /// The most bytes of a text that are shown.
    const SHOWN: usize = 400;
}

impl fmt::Display for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.0[..self.0.len().min(Self::SHOWN)];
        for chunk in shown.utf8_chunks() {
            f.write_str(chunk.valid())?;
            if !chunk.invalid().is_empty() {
                f.write_char('?')?;
            }
        }
        if shown.len() < self.0.len() {
            f.write_str("...")?;
        }
        Ok(())
    }
}

/// Writes one message; see the macros `info!`, `error!` and `fatal!`.
#[cold]
pub fn message(level: Level, text: fmt::Arguments<'_>) {
    // Called for messages of every level: an unknown value of MEMKIND_DEBUG is reported first.
    if !enabled() && level != Level::Fatal {
        return;
    }
    let mut line = Line::new();
    let prefix = match level {
        Level::Info => "MEMKIND_INFO: ",
        Level::Error => "MEMKIND_ERROR: ",
        Level::Fatal => "MEMKIND_FATAL: ",
    };
    let _ = line.write_str(prefix);
    let _ = line.write_fmt(text);
    line.write();
}

/// The calling thread's `errno`.
pub fn errno() -> i32 {
    // SAFETY: __errno_location returns the address of the thread's errno.
    unsafe { *libc::__errno_location() }
}

/// Sets the calling thread's `errno`.
pub fn set_errno(value: i32) {
    // SAFETY: __errno_location returns the address of the thread's errno, which is writable.
    unsafe { *libc::__errno_location() = value }
}

/// Logs as an error why something is refused. Its value is the first argument: what the caller gets
/// instead.
macro_rules! refused { ($answer:expr, $($arg:tt)*) => {{ $crate::log::error!($($arg)*); $answer }} }
macro_rules! info { ($($arg:tt)*) => { $crate::log::message($crate::log::Level::Info, format_args!($($arg)*)) } }
macro_rules! error { ($($arg:tt)*) => { $crate::log::message($crate::log::Level::Error, format_args!($($arg)*)) } }
macro_rules! fatal { ($($arg:tt)*) => { $crate::log::message($crate::log::Level::Fatal, format_args!($($arg)*)) } }
pub(crate) use {error, fatal, info, refused};

#[cfg(test)]
mod tests {
    use core::fmt::Write;

    use super::{Bytes, Line};

    #[test]
    fn a_long_text_leaves_room_for_what_is_said_of_it() {
        let mut line = Line::new();
        write!(line, "{}: wrong", Bytes(&[b'x'; 5000])).expect("a line takes all");
        assert!(line.text().ends_with("x...: wrong"));
        let mut line = Line::new();
        write!(line, "{}: wrong", Bytes(b"short")).expect("a line takes all");
        assert_eq!(line.text(), "short: wrong");
    }

    #[test]
    fn a_line_is_cut_between_characters() {
        let mut line = Line::new();
        write!(line, "{}{}", "x".repeat(1022), "ä".repeat(10)).expect("a line takes all");
        assert_eq!(line.text(), "x".repeat(1022));
    }
}
