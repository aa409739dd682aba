//! Holds signals back between the handlers of a fork(2): a signal handler that forks there would
//! wait for locks that its own thread holds, the library's and jemalloc's.

use core::ffi::c_int;
use core::ptr;
use core::sync::atomic::{AtomicU64, Ordering};

/// A set of signals as the kernel defines it: signal n is bit n - 1.
type Set = u64;

/// The signal mask of the forking thread before the fork; guarded by the locks that it holds.
static BEFORE_FORK: AtomicU64 = AtomicU64::new(0);

/// The signals that are held back: all but faults of the thread itself, which a program may
/// answer by mapping memory, and the C library's own below SIGRTMIN.
const HELD_BACK: Set = !(bit(libc::SIGSEGV)
    | bit(libc::SIGBUS)
    | bit(libc::SIGFPE)
    | bit(libc::SIGILL)
    | bit(libc::SIGTRAP)
    | bit(32)
    | bit(33));

const fn bit(signal: c_int) -> Set {
    1 << (signal - 1)
}

/// Changes the signal mask of the calling thread by `set` and returns the mask before; `how` is
/// SIG_BLOCK or SIG_SETMASK.
fn change(how: c_int, set: Set) -> Set {
    let mut old: Set = 0;
    // SAFETY: both sets are live and of the size passed to the kernel.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            how,
            ptr::from_ref(&set),
            ptr::from_mut(&mut old),
            size_of::<Set>(),
        )
    };
    old
}

/// The signals of the forking thread are held back until this is released.
#[must_use]
pub struct HeldBack {
    before: Set,
}

/// Holds signals of the calling thread back. Called before all other preparations of fork(2).
pub fn hold_back() -> HeldBack {
    HeldBack {
        before: change(libc::SIG_BLOCK, HELD_BACK),
    }
}

/// The signals kept by [`HeldBack::keep_over_fork`]. The caller holds the lock that it held then.
pub fn held_over_fork() -> HeldBack {
    HeldBack {
        before: BEFORE_FORK.load(Ordering::Relaxed),
    }
}

impl HeldBack {
    /// Holds the signals back until after the fork. The caller holds a lock until then too, so
    /// that no other thread forks.
    pub fn keep_over_fork(self) {
        BEFORE_FORK.store(self.before, Ordering::Relaxed);
    }

    /// Delivers the signals. Called after all other work of fork(2), in parent and child.
    pub fn release(self) {
        change(libc::SIG_SETMASK, self.before);
    }
}
