//! Taking back what caches hold and arenas do not use, when a heap runs full.

use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering, fence};

use super::throttle::Throttle;
use crate::backing::{Backing, Room};
use crate::heap::base::{je, lock};
use crate::heap::cache::Store;
use crate::heap::thread::hold_caches;

/// Makes room for a request that a heap could not meet, of at least `least` bytes in pages:
/// what is cached for it goes back to its arenas, and their unused pages back to the system;
/// so does that of heaps that draw on the same memory. `false` if nothing has changed by
/// that, nor by others since `turn`. `active_beside` is where the heap keeps the bytes in use in
/// those other heaps. The caller is in no operation on its caches.
pub(super) fn for_request(
    store: &Store,
    active_beside: &AtomicUsize,
    least: usize,
    turn: u64,
) -> bool {
    let arenas = &store.arenas;
    let Room::Own { .. } = arenas.backing.room() else {
        all(store, active_beside);
        return true;
    };
    arenas.learn_active(|| Store::refresh_all(&hold_caches()));
    let left = || arenas.backing.room().left();
    let is_enough = |idle: usize| idle > 0 && idle.saturating_add(left()) >= least;
    let helps = || arenas.backing.gives_back() && arenas.idle_bytes().is_none_or(is_enough);
    let nothing = !store.is_cached() && !helps();
    // The holder of the lock may be giving something back that is in no cache any more.
    fence(Ordering::Acquire);
    if nothing && !lock::CACHES.is_held() {
        return arenas.turn.get() != turn;
    }
    let _still = hold_caches();
    let others = arenas.turn.get() != turn;
    let cached = store.is_cached();
    if cached {
        store.drain();
    }
    let before = arenas.turn.get();
    if helps() {
        arenas.purge();
    }
    others || cached || arenas.turn.get() != before
}

/// Gives back what this heap and others on the same memory do not use; stores the bytes that the
/// others use in `active_beside`.
fn all(store: &Store, active_beside: &AtomicUsize) {
    let still = hold_caches();
    let active = |store: &Store| {
        store.arenas.learn_active(|| Store::refresh_all(&still));
        store.arenas.active_pages().unwrap_or(0)
    };
    one(store);
    active(store);
    let mut beside: usize = 0;
    for other in others(store) {
        one(other);
        beside = beside.saturating_add(active(other) * je::PAGE);
    }
    active_beside.store(beside, Ordering::Relaxed);
}

/// The other heaps that draw on the memory of one.
fn others(store: &Store) -> impl Iterator<Item = &'static Store> {
    Store::all().filter(move |other| {
        !ptr::eq(*other, store) && other.arenas.backing.shares(&store.arenas.backing)
    })
}

/// Limits the CPU time that goes into counting what caches of other heaps hold, for all heaps
/// together: a heap that has no room must not keep the others from their work.
static BESIDE: Throttle = Throttle::new();
/// Less than one in this many of the bytes that a heap holds is not taken from it: a program may be
/// freeing and taking it again.
const SPARE_PART: usize = 8;

/// Makes other heaps on the file system of `store`'s file give back what they do not use, if that
/// file system has refused a request of `least` bytes in pages and they have enough for it.
/// Whether any has given something back. The caller is in no operation on its caches.
pub(super) fn beside(store: &Store, least: usize) -> bool {
    let Backing::File(file) = &store.arenas.backing else {
        return false;
    };
    if store.arenas.is_at_its_limit(least) {
        return false;
    }
    let still = hold_caches();
    let held = |store: &Store| store.arenas.backing.room().held().unwrap_or(0);
    // What another heap can spare, when `cached` tells how much of what it uses is in caches.
    let spare = |other: &Store, cached: fn(&Store) -> usize| {
        other.arenas.learn_active(|| Store::refresh_all(&still));
        let idle = other.arenas.idle_bytes().unwrap_or(0);
        let spare = idle.saturating_add(cached(other));
        Some(spare).filter(|spare| *spare > held(other) / SPARE_PART)
    };
    let is_enough = |cached| {
        let all = others(store).filter_map(|other| spare(other, cached));
        let all = all.fold(0, usize::saturating_add);
        all > 0 && all.saturating_add(file.left_beside()) >= least
    };
    let in_depot: fn(&Store) -> usize = |store| store.depot.bytes();
    let cached = if is_enough(in_depot) {
        in_depot
    } else if BESIDE.is_due() && BESIDE.spend(false, || is_enough(Store::cached_now)) {
        Store::cached_now
    } else {
        return false;
    };
    let mut given: usize = 0;
    for other in others(store) {
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

fn one(store: &Store) {
    store.drain();
    store.arenas.purge();
}

/// Takes back what is cached, and gives all unused pages back, for every heap. The caller is
/// in no operation on its caches.
pub fn trim() {
    let _still = hold_caches();
    Store::all().for_each(one);
}

/// Takes back what is cached of one heap, and gives its unused pages back. The caller is in no
/// operation on its caches.
pub(in crate::heap) fn trim_one(store: &Store) {
    let _still = hold_caches();
    one(store);
}
