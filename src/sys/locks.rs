//! Locks in a word each, for which threads sleep, on futex(2). Those of jemalloc are held while it calls
//! what may allocate, and have conditions besides; it initialises them again in a forked child.

use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicU32, Ordering};

use super::{held, raw};

/// The word of a lock that no thread holds.
pub(crate) const FREE: u32 = 0;
const HELD: u32 = 1;
/// The lock is held, and threads may be waiting for it.
const AWAITED: u32 = 2;

fn wait(word: &AtomicU32, value: u32, until: *const libc::timespec) -> raw::Answer {
    let command = libc::FUTEX_WAIT_BITSET | libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME;
    let arguments = [
        word.as_ptr() as usize,
        command as usize,
        value as usize,
        until as usize,
        0,
        u32::MAX as usize,
    ];
    // SAFETY: the word is live; `until` is null or points to a time.
    unsafe { raw::call(libc::SYS_futex, arguments) }
}

fn wake_one(word: &AtomicU32) {
    let command = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
    let arguments = [word.as_ptr() as usize, command as usize, 1, 0, 0, 0];
    // SAFETY: FUTEX_WAKE uses the address of the word only as a name.
    unsafe { raw::call(libc::SYS_futex, arguments) };
}

/// Waits for a lock, which is not counted among those that the thread holds.
pub(crate) fn hold(word: &AtomicU32) {
    if !take(word) {
        while word.swap(AWAITED, Ordering::Acquire) != FREE {
            wait(word, AWAITED, core::ptr::null());
        }
    }
}

/// Releases a lock after [`hold`].
pub(crate) fn release(word: &AtomicU32) {
    if word.swap(FREE, Ordering::Release) == AWAITED {
        wake_one(word);
    }
}

fn take(word: &AtomicU32) -> bool {
    word.compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed)
        .is_ok()
}

pub(super) extern "C" fn init(word: &AtomicU32, _attributes: *const c_void) -> c_int {
    word.store(FREE, Ordering::Relaxed);
    0
}

pub(super) extern "C" fn nothing() -> c_int {
    0
}

pub(super) extern "C" fn trylock(word: &AtomicU32) -> c_int {
    held::one_more();
    if take(word) {
        0
    } else {
        held::one_less();
        libc::EBUSY
    }
}

pub(super) extern "C" fn lock(word: &AtomicU32) -> c_int {
    held::one_more();
    hold(word);
    0
}

pub(super) extern "C" fn unlock(word: &AtomicU32) -> c_int {
    release(word);
    held::one_less();
    0
}

pub(super) extern "C" fn signal(turn: &AtomicU32) -> c_int {
    turn.fetch_add(1, Ordering::Relaxed);
    wake_one(turn);
    0
}

pub(super) extern "C" fn await_signal(turn: &AtomicU32, held: &AtomicU32) -> c_int {
    await_signal_until(turn, held, core::ptr::null())
}

pub(super) extern "C" fn await_signal_until(
    turn: &AtomicU32,
    held: &AtomicU32,
    until: *const libc::timespec,
) -> c_int {
    let now = turn.load(Ordering::Relaxed);
    unlock(held);
    let answer = wait(turn, now, until);
    lock(held);
    if answer == -raw::Answer::from(libc::ETIMEDOUT) {
        libc::ETIMEDOUT
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::{await_signal, await_signal_until, lock, signal, trylock, unlock};
    use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
    use std::thread;

    #[test]
    fn a_lock_is_held_by_one_thread() {
        let (word, sum) = (AtomicU32::new(0), AtomicU64::new(0));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        lock(&word);
                        let seen = sum.load(Ordering::Relaxed);
                        sum.store(seen + 1, Ordering::Relaxed);
                        unlock(&word);
                    }
                });
            }
        });
        assert_eq!(sum.load(Ordering::Relaxed), 40_000);
        lock(&word);
        assert_eq!(trylock(&word), libc::EBUSY);
        unlock(&word);
        assert_eq!(trylock(&word), 0);
    }

    #[test]
    fn a_signal_ends_a_wait_and_so_does_time() {
        let (turn, held, told) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
        thread::scope(|scope| {
            scope.spawn(|| {
                lock(&held);
                while told.load(Ordering::Relaxed) == 0 {
                    await_signal(&turn, &held);
                }
                unlock(&held);
            });
            lock(&held);
            told.store(1, Ordering::Relaxed);
            signal(&turn);
            unlock(&held);
        });
        lock(&held);
        let past = libc::timespec {
            tv_sec: 1,
            tv_nsec: 0,
        };
        assert_eq!(
            await_signal_until(&turn, &held, &raw const past),
            libc::ETIMEDOUT
        );
        assert_eq!(trylock(&held), libc::EBUSY);
    }
}
