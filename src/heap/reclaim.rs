//! Taking back what caches hold: when a kind runs full, and when it is destroyed.

use core::sync::atomic::{AtomicBool, Ordering};

use super::cache::Cache;
use super::{Heap, je, thread};

/// Held while caches are taken from threads, looked at from outside, or given up by a
/// thread that ends. A spin lock: the child of a fork can simply let go of it.
static HELD: AtomicBool = AtomicBool::new(false);

/// Lets go of the lock when dropped.
pub(super) struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        HELD.store(false, Ordering::Release);
    }
}

/// Takes the lock. No thread waits for it in the middle of an operation on its caches.
pub(super) fn lock() -> Guard {
    while HELD.swap(true, Ordering::Acquire) {
        // SAFETY: no preconditions.
        unsafe { libc::sched_yield() };
    }
    Guard
}

/// Before fork(2): no cache is between two owners.
pub fn prepare_fork() {
    core::mem::forget(lock());
}

/// After fork(2), in parent and child.
pub fn release_after_fork() {
    HELD.store(false, Ordering::Release);
}

/// Gives everything that is cached for a heap back to its arenas, and their unused
/// pages back to a bounded kind.
pub(super) fn all(heap: &Heap) {
    let _still = lock();
    discard(heap, true);
    if let Some(depot) = heap.depot() {
        depot.drain();
    }
    // jemalloc does not split what was used lately for a much smaller request. Once its
    // pages are given back, or would be if they could, it does.
    for arena in heap.arenas() {
        je::purge(arena);
    }
}

/// Forgets everything that is cached for a heap whose arenas are about to go.
pub(super) fn forget(heap: &Heap) {
    let _still = lock();
    discard(heap, false);
    if let Some(depot) = heap.depot() {
        depot.forget();
    }
}

fn discard(heap: &Heap, drain: bool) {
    let mut next = thread::take_caches(heap);
    while !next.is_null() {
        let cache = next;
        // SAFETY: the list is ours.
        unsafe {
            next = Cache::unlink(cache);
            Cache::discard(cache, drain);
        }
    }
}
