//! The one clock tick: what no thread has used for a while goes back, although no code asks for it.
//!
//! jemalloc returns pages when their time has come, which it notices when it is called.
//! Behind caches that may be seldom, and never for an arena whose kind is not used any
//! more. So a thread that leaves the fast path, which it does now and then whatever it does
//! (`thread/beat.rs`), looks at a clock. Once a second it hands its magazines to the depots, from
//! where they come back if they are needed; and once a second one thread looks through all heaps.

pub(crate) mod grown;
pub(crate) mod large;

use core::sync::atomic::{AtomicU32, Ordering};

use super::base::{je, lock};
use super::cache::{self, Store};
use super::thread::Thread;
use crate::clock::seconds as now;

/// When the heaps were last looked through, in seconds.
static LOOKED: AtomicU32 = AtomicU32::new(0);

/// Notes the time, so that nothing is due in the first second. Called once, at load.
pub(crate) fn prepare() {
    LOOKED.store(now(), Ordering::Relaxed);
}

/// Does what is due. The caller is in no operation on its caches.
#[inline]
pub(crate) fn tick() {
    look(Thread::attached(), now());
}

/// Does what is due when a thread's countdown has ended.
#[cold]
pub(crate) fn beat(thread: &Thread) {
    let now = now();
    thread.beat.restart(now);
    look(Some(thread), now);
}

#[inline]
fn look(thread: Option<&Thread>, now: u32) {
    if thread.is_none_or(|thread| thread.beat.is_new(now)) {
        begin_second(thread, now);
    }
}

#[cold]
fn begin_second(thread: Option<&Thread>, now: u32) {
    // While the lock is held no heap goes away.
    let Some(_still) = lock::CACHES.try_hold() else {
        return;
    };
    if let Some(thread) = thread {
        thread.beat.note(now);
        cache::hand_over(thread);
    }
    let last = LOOKED.load(Ordering::Relaxed);
    if is_later(now, last) {
        LOOKED.store(now, Ordering::Relaxed);
        look_through(now);
    }
}

/// Whether `now` is after `last`. It may be before it: another thread has asked the clock
/// since.
#[inline]
fn is_later(now: u32, last: u32) -> bool {
    (now.wrapping_sub(last) as i32) > 0
}

#[cold]
fn look_through(now: u32) {
    cache::give_up_left();
    for store in Store::all() {
        if store.depot.age(now) {
            store.arenas.turn.next();
        }
        for arena in store.arenas.existing() {
            je::decay(arena);
        }
        store.arenas.give_old_mappings_back(now);
    }
    if je::is_started() {
        je::decay(je::RECORDS);
    }
}

#[cfg(test)]
mod tests {
    use super::is_later;

    #[test]
    fn a_moment_ago_is_not_long_after() {
        assert!(is_later(6, 5));
        assert!(!is_later(5, 5));
        assert!(!is_later(4, 5));
        assert!(is_later(0, u32::MAX));
    }
}
