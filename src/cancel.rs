//! No allocation is a cancellation point (pthreads(7)), although it may read files and write
//! messages: a thread that ended there would keep jemalloc's locks and ours for good.

use core::ffi::c_int;

unsafe extern "C" {
    fn pthread_setcancelstate(state: c_int, old: *mut c_int) -> c_int;
}

const DISABLED: c_int = 1;

/// Defers the cancellation of the calling thread until it is dropped.
pub struct Deferred(c_int);

/// Defers the cancellation of the calling thread where only this library's own system calls
/// follow. Made by `sys`, they are no cancellation points.
#[inline]
pub fn defer_calls() -> Option<Deferred> {
    (!cfg!(any(target_arch = "x86_64", target_arch = "aarch64"))).then(defer)
}

/// Defers the cancellation of the calling thread.
pub fn defer() -> Deferred {
    let mut before = 0;
    // SAFETY: a valid state, and `before` is writable.
    unsafe { pthread_setcancelstate(DISABLED, &raw mut before) };
    Deferred(before)
}

impl Drop for Deferred {
    fn drop(&mut self) {
        let mut ours = 0;
        // SAFETY: `before` is a state that the C library has returned, and `ours` is writable.
        unsafe { pthread_setcancelstate(self.0, &raw mut ours) };
    }
}
