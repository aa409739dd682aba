//! The library's version, and the texts of its error codes.

use core::ffi::{c_char, c_int};
use core::ptr;

use crate::error;
use crate::log;

/// The library's version as one number.
///
/// Returns major * 1000000 + minor * 1000 + patch. MT-safe. STANDARD API.
/// See memkind(3), OTHER FUNCTIONS.
#[unsafe(no_mangle)]
pub extern "C" fn memkind_get_version() -> c_int {
    const fn number(text: &str) -> c_int {
        let (bytes, mut i, mut value) = (text.as_bytes(), 0, 0);
        while i < bytes.len() {
            value = value * 10 + (bytes[i] - b'0') as c_int;
            i += 1;
        }
        value
    }
    const VERSION: c_int = number(env!("CARGO_PKG_VERSION_MAJOR")) * 1_000_000
        + number(env!("CARGO_PKG_VERSION_MINOR")) * 1_000
        + number(env!("CARGO_PKG_VERSION_PATCH"));
    VERSION
}

/// Puts the text for an error code into `msg`.
///
/// \param err   a code that a function of this library returned
/// \param msg   where the text goes, always with a NUL; may be NULL if `size` is 0
/// \param size  bytes at `msg`; MEMKIND_ERROR_MESSAGE_SIZE holds any text
///
/// MT-safe. STANDARD API. See memkind(3), OTHER FUNCTIONS.
///
/// # Safety
/// `msg` must point to `size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_error_message(err: c_int, msg: *mut c_char, size: usize) {
    if msg.is_null() || size == 0 {
        return;
    }
    let mut line = log::Line::new();
    // A longer text is cut; that is no error.
    let _ = match error::message(err) {
        Some(text) => core::fmt::Write::write_fmt(&mut line, format_args!("<memkind> {text}")),
        None => core::fmt::Write::write_fmt(
            &mut line,
            format_args!("<memkind> Undefined error number: {err}"),
        ),
    };
    let text = line.text().as_bytes();
    let length = text.len().min(size - 1);
    // SAFETY: `length + 1` is at most `size`, which the caller says are writable.
    unsafe {
        ptr::copy_nonoverlapping(text.as_ptr(), msg.cast::<u8>(), length);
        *msg.add(length) = 0;
    }
}
