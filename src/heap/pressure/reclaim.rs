//! Taking back what caches hold: when a kind runs full, and when it is destroyed.

use core::ptr;
use core::sync::atomic::{Ordering, fence};

use crate::backing::Backing;
use crate::heap::cache::{self, Cache};
use crate::heap::effort::Effort;
use crate::heap::lock::{Guard, Lock};
use crate::heap::{BY_ID, HEAPS, Heap, arenas, depot, je, stats, thread};

/// Held while caches are taken from threads, looked at from outside, or given up by a
/// thread that ends. No thread waits for it in the middle of an operation on its caches.
static TAKING: Lock = Lock::new();

/// Takes the lock.
pub(crate) fn lock() -> Guard {
    debug_assert!(!thread::is_at_work(), "would wait for itself");
    TAKING.hold()
}

/// Takes the lock if nobody has it.
pub(crate) fn try_lock() -> Option<Guard> {
    TAKING.try_hold()
}

/// Before fork(2): no cache is between two owners, no arena half made.
pub fn prepare_fork() {
    TAKING.hold_over_fork();
    arenas::MAKING.hold_over_fork();
}

/// After fork(2), in parent and child.
pub fn release_after_fork() {
    arenas::MAKING.release();
    TAKING.release();
}

/// Whether there is anything in caches, or in the depot, that could go back to a heap.
pub(crate) fn is_cached(heap: &Heap) -> bool {
    thread::has_caches(heap) || depot::bytes(heap) > 0
}

/// Makes room for a request that a heap could not serve, of at least `least` bytes in pages:
/// what is cached for it goes back to its arenas, and their unused pages back to the system.
/// Likewise for heaps that draw on the same memory. `false` if nothing has changed by
/// that, nor by others since `turn`. The caller is in no operation on its caches.
pub(crate) fn for_request(heap: &Heap, least: usize, turn: u64) -> bool {
    if heap.backing.held().is_none() {
        all(heap);
        return true;
    }
    heap.arenas.learn_active(|| stats::refresh_under(&lock()));
    // What is a user's own stays where it is.
    if !heap.backing.gives_back() {
        decay_at_once(heap, least);
    }
    let helps = || {
        heap.backing.gives_back()
            && heap
                .idle_bytes()
                .is_none_or(|idle| idle > 0 && idle.saturating_add(heap.backing.left()) >= least)
    };
    let nothing = !is_cached(heap) && !helps();
    // Whoever holds the lock may be giving something back that is in no cache any more.
    fence(Ordering::Acquire);
    if nothing && !TAKING.is_held() {
        return heap.full.turn() != turn;
    }
    let _still = lock();
    let others = heap.full.turn() != turn;
    let cached = is_cached(heap);
    if cached {
        drain(heap);
    }
    let before = heap.full.turn();
    if helps() {
        purge(heap);
    }
    others || cached || heap.full.turn() != before
}

/// The CPU time that goes into counting what caches of other heaps hold, for all heaps
/// together: a heap that has no room must not keep the others from their work.
static BESIDE: Effort = Effort::new();
/// Less than this part of the bytes that a heap holds is not taken from it: a program may be
/// freeing and taking it again.
const SPARE_PART: usize = 8;

/// Makes other heaps on the file system of `heap`'s file give back what they do not use, if that
/// file system has refused a request of `least` bytes in pages and they have enough for it.
/// Whether any has given something back. The caller is in no operation on its caches.
pub(crate) fn beside(heap: &Heap, least: usize) -> bool {
    if heap.is_at_its_limit(least) || !matches!(heap.backing, Backing::File(_)) {
        return false;
    }
    let still = lock();
    let held = |heap: &Heap| heap.backing.held().unwrap_or(0);
    let others = || {
        let others = (1..HEAPS).filter_map(Heap::by_id);
        others.filter(|other| !ptr::eq(*other, heap) && other.backing.shares(&heap.backing))
    };
    // What another heap can spare, when `cached` tells how much of what it uses is in caches.
    let spare = |other: &Heap, cached: fn(&Heap) -> usize| {
        other.arenas.learn_active(|| stats::refresh_under(&still));
        let spare = other
            .idle_bytes()
            .unwrap_or(0)
            .saturating_add(cached(other));
        Some(spare).filter(|spare| *spare > held(other) / SPARE_PART)
    };
    let is_enough = |cached| {
        let all = others().filter_map(|other| spare(other, cached));
        let all = all.fold(0, usize::saturating_add);
        all > 0 && all.saturating_add(heap.backing.left_beside().unwrap_or(0)) >= least
    };
    let cached: fn(&Heap) -> usize = if is_enough(depot::bytes) {
        depot::bytes
    } else if BESIDE.is_due() && BESIDE.spend(false, || is_enough(cache::cached_bytes)) {
        cache::cached_bytes
    } else {
        return false;
    };
    let mut given: usize = 0;
    for other in others() {
        if given >= least {
            break;
        }
        if spare(other, cached).is_some() {
            let before = held(other);
            one(other);
            given += before.saturating_sub(held(other));
        }
    }
    given > 0
}

/// To wait for other use of what is freed has no point in a heap that gives nothing back, once
/// it has had no room for what it can hold.
fn decay_at_once(heap: &Heap, least: usize) {
    let held = heap.backing.held().unwrap_or(0);
    if !heap.arenas.decays_at_once() && least <= held.saturating_add(heap.backing.left()) {
        let _still = lock();
        heap.arenas.begin_decay_at_once();
    }
}

fn all(heap: &Heap) {
    let still = lock();
    let active = |heap: &Heap| {
        heap.arenas.learn_active(|| stats::refresh_under(&still));
        heap.arenas.active_pages().unwrap_or(0)
    };
    one(heap);
    active(heap);
    let mut beside: usize = 0;
    for other in (1..HEAPS).filter_map(Heap::by_id) {
        if !ptr::eq(other, heap) && other.backing.shares(&heap.backing) {
            one(other);
            beside = beside.saturating_add(active(other) * je::PAGE);
        }
    }
    heap.active_beside.store(beside, Ordering::Relaxed);
}

fn one(heap: &Heap) {
    drain(heap);
    purge(heap);
}

/// Gives all that caches hold for a heap to its arenas, under the lock.
pub(crate) fn drain(heap: &Heap) {
    discard(heap, true);
    if let Some(depot) = heap.depot() {
        depot.drain(heap);
    }
    heap.full.next_turn();
}

/// Takes back what is cached, and gives all unused pages back, for every heap. The caller is
/// in no operation on its caches.
pub fn trim() {
    let _still = lock();
    (1..HEAPS).filter_map(Heap::by_id).for_each(one);
}

/// Gives all unused pages of a heap back.
pub(crate) fn purge(heap: &Heap) {
    // jemalloc joins extents of a few pages once their pages are given back, or would be if
    // they could.
    for arena in heap.arenas() {
        je::purge(arena);
    }
}

/// Forgets everything that is cached for a heap whose arenas are about to go, and the
/// heap itself: who looks at all heaps does so under the lock.
pub(crate) fn forget(heap: &Heap) {
    let _still = lock();
    BY_ID[heap.id()].store(ptr::null_mut(), Ordering::Release);
    discard(heap, false);
    if let Some(depot) = heap.depot() {
        depot.forget();
    }
}

/// `drain` says that the heap lives on, and others use it.
fn discard(heap: &Heap, drain: bool) {
    let mut next = thread::take_caches(heap, !drain);
    while !next.is_null() {
        let cache = next;
        // SAFETY: the list is ours.
        unsafe {
            next = Cache::unlink(cache);
            Cache::discard(cache, drain);
        }
    }
}
