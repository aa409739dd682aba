//! Clocks: time that passes, and CPU time of a thread.

/// Nanoseconds on a clock that only goes forward. The kernel is not entered.
pub fn nanoseconds() -> u64 {
    let time = read(libc::CLOCK_MONOTONIC);
    // Neither is negative.
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Seconds on a clock that is cheaper to read, and may be some milliseconds late. The kernel is
/// not entered.
pub fn seconds() -> u32 {
    read(libc::CLOCK_MONOTONIC_COARSE).tv_sec as u32
}

/// Nanoseconds of CPU time that the calling thread has used. The kernel is entered for it.
pub fn thread_nanoseconds() -> u64 {
    let time = read(libc::CLOCK_THREAD_CPUTIME_ID);
    // Neither is negative.
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn read(clock: libc::clockid_t) -> libc::timespec {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the kernel writes one timespec; it cannot fail for these clocks.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time
}
