//! The caches before a heap's arenas. A thread pops and pushes free blocks at the current magazine
//! of their class, exchanges it with the previous one when it runs empty or full, and goes to the
//! heap's depot only every second time.

mod bin;
mod depot;
pub(crate) mod front;
mod full;
pub(crate) mod gate;
mod large;
mod magazine;
pub mod order;
pub mod stats;
mod store;

pub(crate) use store::{Store, give_up_left, hand_over};

use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};
use core::slice;
use core::sync::atomic::Ordering;

use super::arena::{Arenas, Source};
use super::base::{class, je};
use super::thread::Thread;
use super::thread::tops::{self, Top};
use bin::{Bin, Cache, patience};
use magazine::Magazine;

/// Takes a block of the class at `offset` from a thread's cache of heap `id`; `None` when the bin
/// is empty.
///
/// # Safety
/// `thread` is the calling thread's record and has entered. `id` is below `HEAPS`, and `offset`
/// that of a class or `class::NO_BLOCKS`.
#[inline(always)]
pub(crate) unsafe fn pop(thread: &Thread, id: usize, offset: usize) -> Option<NonNull<u8>> {
    // SAFETY: the thread has entered, and `id` and `offset` are in range.
    unsafe { tops::pop(top(thread, id, offset)) }
}

/// The top of the class at `offset` in a thread's cache of heap `id`.
///
/// # Safety
/// As for [`pop`].
#[inline(always)]
unsafe fn top(thread: &Thread, id: usize, offset: usize) -> &Top {
    // SAFETY: a cache is live, or the tops that stand for none; by the caller's promise the offset
    // is within them.
    unsafe { &*thread.cache(id).cast::<u8>().add(offset).cast::<Top>() }
}

/// Puts a block into a thread's cache of heap `id`; `false` when the bin is full.
///
/// # Safety
/// As for [`pop`]; `block` is a block of that heap and class that is not used any more.
#[inline(always)]
pub(crate) unsafe fn push(thread: &Thread, id: usize, offset: usize, block: *mut u8) -> bool {
    // SAFETY: the thread has entered, `id` and `offset` are in range, and the block is free.
    unsafe { tops::push(top(thread, id, offset), block, || true) }
}

/// [`push`] that counts down to the thread's next look at the clock; `false` also when it is time
/// for that: the block is still the caller's then, and the countdown says that a look is due.
///
/// # Safety
/// As for [`push`].
#[inline(always)]
pub(crate) unsafe fn push_counted(
    thread: &Thread,
    id: usize,
    offset: usize,
    block: *mut u8,
) -> bool {
    // SAFETY: the thread has entered, `id` and `offset` are in range, and the block is free.
    unsafe { tops::push(top(thread, id, offset), block, || thread.beat.count_down()) }
}

/// The thread's cache of a heap, made if there is none; null when memory is short, or while the
/// heap is full.
fn own(thread: &Thread, store: &Store) -> *mut Cache {
    let id = store.arenas.id();
    let cache = thread.cache(id);
    if cache != tops::none() {
        return cache.cast();
    }
    if store.full.goes_without() {
        return ptr::null_mut();
    }
    let fresh = Cache::make();
    if !fresh.is_null() {
        thread.swap_cache(id, fresh.cast());
    }
    fresh
}

/// Takes a block when the bin is empty: from the other magazine, the depot or
/// the thread's arena. Null when none of them has any. The caller has entered the thread.
#[cold]
pub(crate) fn refill(thread: &Thread, store: &'static Store, offset: usize) -> *mut u8 {
    let cache = own(thread, store);
    let class = offset >> class::BIN_BITS;
    if cache.is_null() {
        return fetch_one(&store.arenas, offset);
    }
    // SAFETY: the cache is this thread's, which has entered.
    let cache = unsafe { &*cache };
    if !cache.has_bins() && !store.depot.has(class) {
        return fetch(&store.arenas, cache, offset);
    }
    if !cache.make_bins() {
        return fetch_one(&store.arenas, offset);
    }
    let bin = cache.bin(class);
    debug_assert!(bin.count() == 0, "not asked for a block before");
    if class::is_large(offset) && !bin.has_magazine() && store.depot.has(class) {
        large::limit(store, cache, offset);
    }
    if !reload(store, bin, offset) {
        return fetch(&store.arenas, cache, offset);
    }
    // SAFETY: the thread is the calling one and has entered; the offset is a class's.
    unsafe { pop(thread, store.arenas.id(), offset) }.map_or(ptr::null_mut(), NonNull::as_ptr)
}

/// Takes a block when the bin is empty, if the thread's other magazine or the depot has one. The
/// caller has entered the thread.
pub(crate) fn take_again(
    thread: &Thread,
    store: &'static Store,
    offset: usize,
) -> Option<NonNull<u8>> {
    let id = store.arenas.id();
    let cache = thread.cache(id);
    if cache == tops::none() || class::is_large(offset) {
        return None;
    }
    if thread.detour.load(Ordering::Relaxed) {
        thread.detour.store(false, Ordering::Relaxed);
        return None;
    }
    // SAFETY: the cache is this thread's, which has entered.
    let cache = unsafe { &*cache.cast::<Cache>() };
    let bin = cache.bin(offset >> class::BIN_BITS);
    if !cache.has_bins() || bin.count() != 0 || !reload(store, bin, offset) {
        return None;
    }
    // SAFETY: the thread is the calling one and has entered; the offset is a class's.
    unsafe { pop(thread, id, offset) }
}

/// Makes the other magazine of an empty bin, or one of the depot's, the current one; `false` if
/// neither has blocks. The bin is the calling thread's, which has entered.
fn reload(store: &Store, bin: Bin<'_>, offset: usize) -> bool {
    let previous = bin.take_previous();
    // SAFETY: each is null or this bin's own, or the depot's, which gives it up.
    unsafe {
        let full = if previous.as_ref().is_some_and(|magazine| magazine.count > 0) {
            Some(previous)
        } else {
            // Of two empty ones only one is of use; the depot gets the other.
            store.depot.pop(offset, previous)
        };
        let Some(full) = full else {
            bin.set_previous(previous);
            return false;
        };
        let empty = bin.unload();
        bin.load(full);
        bin.set_previous(empty);
    }
    true
}

/// Fetches blocks from jemalloc: for a class that is in use, as many as it has missed lately.
fn fetch(arenas: &'static Arenas, cache: &Cache, offset: usize) -> *mut u8 {
    let mut source = arenas.source(offset, class::size_of(offset));
    let first = match source.block() {
        Some((block, true)) => block,
        other => return other.map_or(ptr::null_mut(), |(block, _)| block),
    };
    // Large blocks do not come in advance.
    if !cache.count_miss(offset) || class::is_large(offset) {
        return first;
    }
    let misses = &cache.misses[offset >> class::BIN_BITS];
    let more = misses.load(Ordering::Relaxed) - patience(offset);
    let count = class::magazine_capacity(offset).min(more.into());
    if !cache.make_bins() {
        return first;
    }
    let bin = cache.bin(offset >> class::BIN_BITS);
    if !bin.has_or_makes_magazine(offset) {
        return first;
    }
    // SAFETY: the bin's magazine was empty, with room for that many.
    unsafe { stock(&mut source, bin, count) };
    let more = (count as u8).saturating_add(misses.load(Ordering::Relaxed));
    misses.store(more, Ordering::Relaxed);
    first
}

/// Puts up to `count` blocks from jemalloc into a bin whose magazine is empty, so that they are handed
/// out in the order in which they came: neighbours in time are neighbours in memory.
///
/// # Safety
/// The bin is the calling thread's, and its magazine has room for them.
unsafe fn stock(source: &mut Source, bin: Bin<'_>, count: usize) {
    let base = bin.top();
    // SAFETY: the magazine has room for `count` pointers, by the caller's promise.
    let places = unsafe { slice::from_raw_parts_mut(base.cast::<MaybeUninit<*mut u8>>(), count) };
    let mut n = 0;
    while n < count {
        let filled = source.blocks(&mut places[n..]);
        if filled > 0 {
            n += filled;
            break;
        }
        match source.block() {
            Some((block, true)) => places[n].write(block),
            Some((block, false)) => {
                // SAFETY: a live block that no other code has seen.
                unsafe { je::dallocx(block, je::TCACHE_NONE) };
                break;
            }
            None => break,
        };
        n += 1;
    }
    places[..n].reverse();
    // Last: a child that another thread forks meanwhile has each of them once, or not at all.
    bin.top.store(base.wrapping_add(n), Ordering::Release);
}

/// Fetches a block from jemalloc; null when there is no memory.
fn fetch_one(arenas: &'static Arenas, offset: usize) -> *mut u8 {
    let block = arenas.source(offset, class::size_of(offset)).block();
    block.map_or(ptr::null_mut(), |(block, _)| block)
}

/// Sets the thread's blocks of a class aside, so that its next request for one takes the slow path,
/// as far as they have room there. The caller has entered the thread.
#[cold]
pub(crate) fn set_aside(thread: &Thread, id: usize, offset: usize) {
    let cache = thread.cache(id);
    if cache == tops::none() || class::is_large(offset) {
        return;
    }
    // SAFETY: the cache is this thread's, which has entered.
    let cache = unsafe { &*cache.cast::<Cache>() };
    if !cache.has_bins() {
        return;
    }
    thread.detour.store(true, Ordering::Relaxed);
    let bin = cache.bin(offset >> class::BIN_BITS);
    let previous = bin.take_previous();
    // SAFETY: each is null or this bin's own.
    unsafe {
        if previous.as_ref().is_some_and(|magazine| magazine.count > 0) {
            return bin.set_previous(previous);
        }
        bin.set_previous(bin.unload());
        if !previous.is_null() {
            bin.load(previous);
        }
    }
}

/// Puts a block away when the bin is full: into the other magazine, with a full one
/// going to the depot or to jemalloc. Whether blocks have left the thread.
///
/// # Safety
/// As for [`push`].
#[cold]
pub(crate) unsafe fn spill(
    thread: &Thread,
    store: &'static Store,
    offset: usize,
    block: *mut u8,
) -> bool {
    let cache = own(thread, store);
    let class = offset >> class::BIN_BITS;
    if !cache.is_null() {
        // SAFETY: the cache is this thread's, which has entered.
        let cache = unsafe { &*cache };
        let is_in_use = cache.bin(class).has_magazine() || cache.count_miss(offset);
        if is_in_use && cache.make_bins() {
            let bin = cache.bin(class);
            let left = if class::is_large(offset) {
                large::make_room(store, cache, offset);
                true
            } else {
                exchange(store, bin, offset)
            };
            // SAFETY: the thread has entered; the block is one of this heap and class, and free.
            if unsafe { push(thread, store.arenas.id(), offset, block) } {
                return left;
            }
        }
    }
    // SAFETY: the block is one of these arenas and of this class, and free.
    unsafe { give_up(&store.arenas, offset, block) };
    true
}

/// Makes a magazine with room the current one of a bin whose current one is full or missing.
/// None is there afterwards when memory is short. Whether blocks have left the thread.
fn exchange(store: &'static Store, bin: Bin<'_>, offset: usize) -> bool {
    let mut full = bin.unload();
    let mut other = bin.take_previous();
    // SAFETY: each is null or this bin's own, and not its current one.
    unsafe {
        let leaves = other.as_ref().is_some_and(|magazine| magazine.count > 0);
        if leaves {
            // There is no current one after memory was short.
            if !full.is_null() && order::is_wanted(class::size_of(offset)) {
                (full, other) = Magazine::arrange(full, other, offset);
            }
            match store.keep(other, offset) {
                Some(empty) => other = empty,
                None => {
                    Magazine::drain(other, offset);
                    store.arenas.turn.next();
                }
            }
        }
        // Both are null or this thread's, and the bin has no current one.
        bin.set_previous(full);
        if other.is_null() {
            bin.has_or_makes_magazine(offset);
        } else {
            bin.load(other);
        }
        leaves
    }
}

/// Gives a block back to jemalloc, and counts what may be had for it.
///
/// # Safety
/// `block` is a block of these arenas and of that class, and not used any more.
unsafe fn give_up(arenas: &Arenas, offset: usize, block: *mut u8) {
    // With pages of 64 KiB there are slabs of blocks that are counted in no class.
    let size = class::size_of(offset);
    let counts = arenas.backing.room().held().is_some() && size <= class::SLAB_MAX.min(class::MAX);
    // SAFETY: the block is jemalloc's, live for it, and in no cache.
    let free = || unsafe { je::dallocx(block, je::TCACHE_NONE) };
    // An arena from which another thread has taken as many pages meanwhile as it has got back has
    // no more than before.
    let slab_stays = if counts {
        arenas.keep_pages_over(free)
    } else {
        free();
        false
    };
    if slab_stays {
        arenas.turn.count_freed(offset >> class::BIN_BITS);
    } else {
        arenas.turn.next();
    }
}
