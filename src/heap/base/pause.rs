//! Waiting for another thread that is about to be done.

use crate::log;

/// How often the processor is left to other threads before this one sleeps: a thread of a real-time
/// class leaves it to none of lower priority, for one of which it may be waiting.
const YIELDS: u32 = 100;
/// How long it sleeps at a time, in nanoseconds.
const SLEEP: i64 = 50_000;

/// A wait, made of pauses. Holds no lock, and keeps `errno`.
pub(crate) struct Pause(u32);

impl Pause {
    pub(crate) const fn new() -> Self {
        Self(0)
    }

    /// Lets other threads go on.
    #[cold]
    pub(crate) fn wait(&mut self) {
        if self.0 < YIELDS {
            self.0 += 1;
            // SAFETY: sched_yield(2) has no preconditions.
            unsafe { libc::sched_yield() };
            return;
        }
        let errno = log::errno();
        let time = libc::timespec {
            tv_sec: 0,
            tv_nsec: SLEEP,
        };
        // Not nanosleep(3), at which a thread may be cancelled.
        // SAFETY: the time is readable; nothing is written without a place for the rest.
        unsafe {
            libc::syscall(
                libc::SYS_nanosleep,
                &raw const time,
                core::ptr::null_mut::<libc::timespec>(),
            )
        };
        log::set_errno(errno);
    }
}

#[cfg(test)]
mod tests {
    use super::{Pause, SLEEP, YIELDS};
    use crate::log;
    use std::time::{Duration, Instant};

    #[test]
    fn a_long_wait_sleeps() {
        let mut pause = Pause::new();
        (0..YIELDS).for_each(|_| pause.wait());
        let begun = Instant::now();
        log::set_errno(libc::ENOENT);
        (0..100).for_each(|_| pause.wait());
        assert_eq!(log::errno(), libc::ENOENT);
        assert!(begun.elapsed() >= Duration::from_nanos(100 * SLEEP as u64));
    }
}
