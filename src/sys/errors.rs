//! What jemalloc and Rust's library say of an error number: the C library's text, in English. To translate it the C
//! library takes the lock of the locale, which a program may hold while it allocates: setlocale(3) does.

use core::ffi::{CStr, c_char, c_int};
use core::fmt::Write;

use crate::log::Line;

unsafe extern "C" {
    /// The text of an error number, not translated; null for a number that is none.
    safe fn strerrordesc_np(error: c_int) -> *const c_char;
}

/// GNU's strerror_r(3), not translated. Returns `buffer`.
///
/// # Safety
/// `buffer` has room for `size` bytes.
pub(super) unsafe extern "C" fn strerror_r(
    error: c_int,
    buffer: *mut c_char,
    size: usize,
) -> *mut c_char {
    let mut unknown = Line::new();
    let known = strerrordesc_np(error);
    let text = if known.is_null() {
        // A line has room for this, and only says afterwards whether it had.
        let _ = write!(unknown, "Unknown error {error}");
        unknown.text().as_bytes()
    } else {
        // SAFETY: a string of the C library's, which stays.
        unsafe { CStr::from_ptr(known) }.to_bytes()
    };
    let length = text.len().min(size.saturating_sub(1));
    if size > 0 {
        // SAFETY: `buffer` has room for `size` bytes, which are more than `length`.
        unsafe {
            core::ptr::copy_nonoverlapping(text.as_ptr(), buffer.cast(), length);
            *buffer.add(length) = 0;
        }
    }
    buffer
}

/// POSIX's strerror_r(3), not translated.
///
/// # Safety
/// `buffer` has room for `size` bytes.
pub(super) unsafe extern "C" fn xpg_strerror_r(
    error: c_int,
    buffer: *mut c_char,
    size: usize,
) -> c_int {
    // SAFETY: the caller passes a buffer of this size.
    unsafe { strerror_r(error, buffer, size) };
    0
}

#[cfg(test)]
mod tests {
    use core::ffi::CStr;

    #[test]
    fn a_text_is_cut_where_the_buffer_ends() {
        let mut buffer = [1; 32];
        for (error, size, text) in [
            (libc::ENOMEM, 32, c"Cannot allocate memory"),
            (libc::ENOMEM, 7, c"Cannot"),
            (libc::ENOMEM, 1, c""),
            (9999, 32, c"Unknown error 9999"),
        ] {
            // SAFETY: the buffer has room for `size` bytes.
            let told = unsafe { super::strerror_r(error, buffer.as_mut_ptr().cast(), size) };
            // SAFETY: a string is there.
            assert_eq!(unsafe { CStr::from_ptr(told) }, text);
        }
        buffer[0] = 1;
        // SAFETY: nothing is written.
        unsafe { super::strerror_r(12, buffer.as_mut_ptr().cast(), 0) };
        assert_eq!(buffer[0], 1);
    }
}
