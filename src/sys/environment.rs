//! getenv(3) and secure_getenv(3).

use core::ffi::{CStr, c_char};
use core::ptr;

use super::auxiliary;

unsafe extern "C" {
    static environ: *const *const c_char;
}

/// The variable of any other jemalloc in the process, which must not set up this one.
const JEMALLOC: &CStr = c"_RJEM_MALLOC_CONF";
/// The variable of the jemalloc in this library.
const OURS: &CStr = crate::env::JEMALLOC_CONF;

/// # Safety
/// `name` is a string, and no other thread changes the environment.
pub(super) unsafe extern "C" fn secure_getenv(name: *const c_char) -> *const c_char {
    if auxiliary::is_secure() {
        return ptr::null();
    }
    // SAFETY: `name` is a string, and no other thread changes the environment.
    unsafe { getenv(name) }
}

/// The value of the environment variable called `name`, or null.
///
/// # Safety
/// `name` is a string, and no other thread changes the environment.
pub(super) unsafe extern "C" fn getenv(name: *const c_char) -> *const c_char {
    // SAFETY: a string that ends in NUL.
    let mut name = unsafe { CStr::from_ptr(name) };
    if name == JEMALLOC {
        name = OURS;
    }
    let name = name.to_bytes();
    // SAFETY: `environ` is null or a list of strings that ends with null. Each comparison
    // reads a byte further only if the one before was not the string's end.
    unsafe {
        let mut entry = environ;
        while !entry.is_null() && !(*entry).is_null() {
            let text = *entry;
            let same = name
                .iter()
                .enumerate()
                .all(|(at, byte)| *text.add(at) as u8 == *byte);
            if same && *text.add(name.len()) as u8 == b'=' {
                return text.add(name.len() + 1);
            }
            entry = entry.add(1);
        }
    }
    ptr::null()
}
