//! No signal handler runs between the handlers of a fork(2): one that forks would wait for
//! locks that its own thread holds over the first fork, ours and jemalloc's.

use core::ffi::c_int;
use core::ptr;
use core::sync::atomic::{AtomicU64, Ordering};

/// As the kernel has it: signal n is bit n - 1.
type Set = u64;

/// A signal mask of before a fork; whoever forks has the locks that guard it.
static BEFORE_FORK: AtomicU64 = AtomicU64::new(0);

/// All that wait without harm. Faults of the thread itself do not: the program may answer
/// them by mapping memory. Nor do those below SIGRTMIN, which are the C library's.
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

/// Changes the mask of the calling thread; `how` is SIG_BLOCK or SIG_SETMASK. The mask of before.
fn change(how: c_int, set: Set) -> Set {
    let mut old: Set = 0;
    // SAFETY: both sets live, and have the size that is told.
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

/// Signals of the thread that forks, which wait.
#[must_use]
pub struct HeldBack {
    before: Set,
}

/// Holds signals of the calling thread back: first thing before fork(2).
pub fn hold_back() -> HeldBack {
    HeldBack {
        before: change(libc::SIG_BLOCK, HELD_BACK),
    }
}

/// What `keep_over_fork` kept: call it with the lock held that was held there.
pub fn held_over_fork() -> HeldBack {
    HeldBack {
        before: BEFORE_FORK.load(Ordering::Relaxed),
    }
}

impl HeldBack {
    /// Holds them back over the fork. A lock that is kept as well keeps other threads away.
    pub fn keep_over_fork(self) {
        BEFORE_FORK.store(self.before, Ordering::Relaxed);
    }

    /// Lets them come: last thing after fork(2), in parent and child.
    pub fn release(self) {
        change(libc::SIG_SETMASK, self.before);
    }
}
