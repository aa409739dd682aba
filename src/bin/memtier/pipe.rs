//! What SIGPIPE does in the program that memtier runs: the same as where memtier was started. systemd(1), for one, starts
//! services with SIGPIPE ignored. Rust's start-up ignores it, and [`Command`] sets it to the default.

use core::mem::MaybeUninit;
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};
use std::os::unix::process::CommandExt;
use std::process::Command;

static IS_IGNORED: AtomicBool = AtomicBool::new(false);

/// Notes whether memtier was started with SIGPIPE ignored.
extern "C" fn note() {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: nothing is changed, and `action` is writable; it is read only when it was filled.
    let is_ignored = unsafe {
        libc::sigaction(libc::SIGPIPE, ptr::null(), action.as_mut_ptr()) == 0
            && action.assume_init().sa_sigaction == libc::SIG_IGN
    };
    IS_IGNORED.store(is_ignored, Ordering::Relaxed);
}

/// Called before Rust's start-up.
#[used]
// SAFETY: the section holds addresses of functions without arguments, as this one is.
#[unsafe(link_section = ".init_array")]
static AT_START: extern "C" fn() = note;

/// Has `command` run its program with SIGPIPE as memtier was started with.
pub(crate) fn pass_on(command: &mut Command) {
    if !IS_IGNORED.load(Ordering::Relaxed) {
        return;
    }
    let ignore = || {
        // SAFETY: no handler is installed.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
        Ok(())
    };
    // SAFETY: signal() is async-signal-safe, and the function does nothing else.
    unsafe { command.pre_exec(ignore) };
}
