//! Time, as the kernel tells it without being entered.

/// Nanoseconds on a clock that only goes forward.
pub fn nanoseconds() -> u64 {
    let time = read(libc::CLOCK_MONOTONIC);
    // Neither is negative.
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Seconds on a clock that is cheaper to read, and may be some milliseconds late.
pub fn seconds() -> u32 {
    read(libc::CLOCK_MONOTONIC_COARSE).tv_sec as u32
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
