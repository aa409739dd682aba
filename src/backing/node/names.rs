//! Names of mappings, which /proc/PID/smaps shows where the kernel has them (Linux 5.17, CONFIG_ANON_VMA_NAME).

use core::ffi::{CStr, c_char};
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use crate::log;

/// The most bytes of a name, with its NUL.
const LONGEST: usize = 80;
/// How each name begins, so that mappings of this library can be told from others.
const PREFIX: &[u8] = b"memkind_";

/// Set once the kernel has refused: it has no names.
static UNKNOWN: AtomicBool = AtomicBool::new(false);

/// The name of a kind, for its mappings; none at first.
pub(super) struct Name(AtomicPtr<c_char>);

impl Name {
    pub(super) const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    pub(super) fn set(&self, name: &'static CStr) {
        self.0.store(name.as_ptr().cast_mut(), Ordering::Relaxed);
    }

    /// Gives the name to the mapping of `length` bytes at `address`. Keeps `errno`.
    pub(super) fn give(&self, address: usize, length: usize) {
        const PR_SET_VMA: libc::c_int = 0x53_56_4d_41;
        const PR_SET_VMA_ANON_NAME: libc::c_ulong = 0;
        let name = self.0.load(Ordering::Relaxed);
        if name.is_null() || UNKNOWN.load(Ordering::Relaxed) {
            return;
        }
        // SAFETY: `set` was given a string that lives as long as the process, or the kind.
        let name = unsafe { CStr::from_ptr(name) }.to_bytes();
        let mut text = [0_u8; LONGEST];
        let name = name.strip_prefix(PREFIX).unwrap_or(name);
        let bytes = PREFIX.iter().chain(name);
        for (place, byte) in text[..LONGEST - 1].iter_mut().zip(bytes) {
            *place = *byte;
        }
        let errno = log::errno();
        // SAFETY: the range is a mapping of the library, and the kernel copies the text.
        let status = unsafe {
            libc::prctl(
                PR_SET_VMA,
                PR_SET_VMA_ANON_NAME,
                address,
                length,
                text.as_ptr(),
            )
        };
        if status != 0 && log::errno() == libc::EINVAL {
            UNKNOWN.store(true, Ordering::Relaxed);
        }
        log::set_errno(errno);
    }
}
