//! Blocks of more than 64 KiB and up to 8 MiB in the caches of threads.
//!
//! They are in magazines as smaller ones are, with the same fast paths, and go to the depot, to
//! others and back in the same ways. Two things differ: what a thread keeps of them is limited
//! in bytes, and none is fetched before it is asked for.

use core::ptr;

use super::bin::Cache;
use super::magazine::Magazine;
use super::store::Store;
use crate::backing::page_size;
use crate::heap::base::class;

/// Number of classes of large blocks.
const CLASSES: usize = class::COUNT - class::SMALL_COUNT;

/// The most bytes of large blocks that a thread keeps of a heap: an eighth of what a bounded kind
/// can hold, and no more than a depot does. Of huge pages none: what one kind has mapped no other can
/// have, and blocks in caches make it map more.
fn most(store: &Store) -> usize {
    if store.arenas.backing.granule() > page_size() {
        return 0;
    }
    store.depot.most_for_thread()
}

/// How many blocks of a class a thread's magazine has places for.
fn places(store: &Store, offset: usize) -> usize {
    (most(store) / class::size_of(offset)).min(class::magazine_capacity(offset))
}

/// Makes room for a large block in its bin, which is full or has no magazine; there is none
/// afterwards when neither the thread nor the depot may keep more, or memory is short. The cache
/// is the calling thread's, which has entered.
pub(super) fn make_room(store: &Store, cache: &Cache, offset: usize) {
    let bin = cache.bin(offset >> class::BIN_BITS);
    let mut n_places = bin.places();
    let mut magazine = ptr::null_mut();
    if n_places > 0 {
        let full = bin.unload();
        // SAFETY: the bin's own magazine, full of free blocks of the heap.
        unsafe {
            match store.keep(full, offset) {
                None => return bin.load(full),
                Some(empty) => magazine = empty,
            }
        }
    } else {
        n_places = places(store, offset);
        limit(store, cache, offset);
    }
    if magazine.is_null() {
        magazine = bin.take_previous();
    }
    if magazine.is_null() && n_places > 0 {
        magazine = Magazine::with_places(n_places);
    }
    if !magazine.is_null() {
        // SAFETY: fresh, or the bin's own, which has no current one.
        unsafe { bin.load(magazine) };
    }
}

/// Gives back what the thread keeps of other classes if a magazine of the class at `offset` would
/// be too much beside it. The cache is the calling thread's, which has entered.
pub(super) fn limit(store: &Store, cache: &Cache, offset: usize) {
    let first = (offset >> class::BIN_BITS) - class::SMALL_COUNT;
    let others = (1..CLASSES).map(|n| class::SMALL_COUNT + (first + n) % CLASSES);
    let bytes = |class: usize| cache.bin(class).places() * class::size_of(class << class::BIN_BITS);
    let most = most(store);
    let more = places(store, offset) * class::size_of(offset);
    let mut kept = more + others.clone().map(bytes).sum::<usize>();
    for class in others {
        if kept <= most {
            return;
        }
        kept -= bytes(class);
        let bin = cache.bin(class);
        for magazine in [bin.unload(), bin.take_previous()] {
            if !magazine.is_null() {
                // SAFETY: the bin's own, with free blocks of the heap.
                unsafe {
                    Magazine::drain(magazine, class << class::BIN_BITS);
                    Magazine::free(magazine);
                }
                store.arenas.turn.next();
            }
        }
    }
}
