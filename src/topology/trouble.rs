//! Failures to read that pass: no descriptor, no memory, a device that did not answer.
//!
//! Facts that were read during such a failure may be wrong, and are not kept.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicUsize, Ordering};
use std::io;

use crate::reserve;

static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Number of reads that have failed for a reason that passes, and of requests for memory that only the
/// reserve could meet.
pub fn count() -> usize {
    COUNT.load(Ordering::Relaxed) + reserve::count()
}

/// Whether an `errno` is of a failure that passes.
pub(super) fn passes(errno: i32) -> bool {
    [
        libc::EMFILE,
        libc::ENFILE,
        libc::ENOMEM,
        libc::EIO,
        libc::EINTR,
        libc::EAGAIN,
    ]
    .contains(&errno)
}

/// Returns the result of a read, after counting it if it is a failure that passes.
pub(super) fn noted<T>(result: io::Result<T>) -> io::Result<T> {
    result.inspect_err(|error| {
        // The standard library's own want of memory has no number.
        if error.kind() == io::ErrorKind::OutOfMemory || error.raw_os_error().is_some_and(passes) {
            note();
        }
    })
}

/// Counts a failure that passes.
pub(super) fn note() {
    COUNT.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::passes;

    // Without `note`: its count is of the process, and other tests hold what they read against it.
    #[test]
    fn only_what_passes_counts() {
        assert!(!passes(libc::ENOENT) && !passes(libc::EACCES));
        assert!(
            [
                libc::EMFILE,
                libc::ENFILE,
                libc::EIO,
                libc::EINTR,
                libc::ENOMEM
            ]
            .into_iter()
            .all(passes)
        );
    }
}
