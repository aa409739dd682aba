//! What jemalloc and Rust's library say of an error number. The C library translates its texts and takes the lock
//! of the locale for that, which a program may hold while it allocates: setlocale(3) does.

use core::ffi::{c_char, c_int};
use core::fmt::Write;

use crate::log::Line;

/// GNU's strerror_r(3), without texts: `error N`. Returns `buffer`.
///
/// # Safety
/// `buffer` has room for `size` bytes.
pub(super) unsafe extern "C" fn strerror_r(
    error: c_int,
    buffer: *mut c_char,
    size: usize,
) -> *mut c_char {
    let mut line = Line::new();
    // A line has room for this, and only says afterwards whether it had.
    let _ = write!(line, "error {error}");
    let text = line.text().as_bytes();
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

/// POSIX's strerror_r(3), without texts: `error N`.
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
        let mut buffer = [1; 16];
        for (size, text) in [(16, c"error 12"), (8, c"error 1"), (1, c"")] {
            // SAFETY: the buffer has room for `size` bytes.
            let told = unsafe { super::strerror_r(12, buffer.as_mut_ptr().cast(), size) };
            // SAFETY: a string is there.
            assert_eq!(unsafe { CStr::from_ptr(told) }, text);
        }
        buffer[0] = 1;
        // SAFETY: nothing is written.
        unsafe { super::strerror_r(12, buffer.as_mut_ptr().cast(), 0) };
        assert_eq!(buffer[0], 1);
    }
}
