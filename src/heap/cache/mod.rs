//! A thread's cache of free blocks of one heap: two magazines for each size class.
//!
//! A thread pops and pushes at the current one, exchanges it with the previous one when it
//! runs empty or full, and goes to the heap's depot only every second time.
//!
//! The place below a magazine's first pointer holds 0, the one behind its last place
//! [`END`]: one look at where it pops or pushes tells a thread that it is empty or full. A
//! bin without a magazine points between two such places, so the fast paths need no test
//! for a missing one, and neither for a missing cache: all bins of the cache that stands
//! for "none" are like that.

pub(crate) mod depot;
pub(crate) mod gate;
pub(crate) mod magazine;
pub mod order;
pub mod stats;

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, AtomicU8, AtomicUsize, Ordering};

use crate::heap::class;
use crate::heap::thread::Thread;
use crate::heap::{Heap, je, page_map};
use magazine::{END, Magazine, Place};

/// Where a bin without a magazine points: to the second.
static NO_PLACES: [Place; 2] = [0, END];

const fn no_place() -> *mut Place {
    // SAFETY: inside the array. Nobody writes there: it is empty and full.
    unsafe { (&raw const NO_PLACES).cast::<Place>().add(1).cast_mut() }
}

/// Where the current magazine of a class is popped and pushed: behind its last pointer.
/// Atomic because other threads may read it for statistics.
type Top = AtomicPtr<Place>;

const _: () = assert!(size_of::<Top>() == 1 << class::BIN_BITS);

/// The magazines of a class.
struct Magazines {
    /// The first place of the current one.
    base: AtomicPtr<Place>,
    /// The previous one: empty or full, or null.
    previous: AtomicPtr<Magazine>,
    /// Blocks in the previous one, for statistics: who looks from outside may find a magazine
    /// that has gone to the depot meanwhile, and been freed.
    n_previous: AtomicUsize,
}

/// The magazines of all classes.
type Bins = [Magazines; class::COUNT];

/// No magazines. Nothing else is ever written there than what is there.
static NO_BINS: Bins = [const {
    Magazines {
        base: AtomicPtr::new(no_place()),
        previous: AtomicPtr::new(ptr::null_mut()),
        n_previous: AtomicUsize::new(0),
    }
}; class::COUNT];

/// All that a cache has of one class.
#[derive(Clone, Copy)]
struct Bin<'a> {
    top: &'a Top,
    magazines: &'a Magazines,
}

impl Bin<'_> {
    fn top(self) -> *mut Place {
        self.top.load(Ordering::Relaxed)
    }

    fn count(self) -> usize {
        let base = self.magazines.base.load(Ordering::Relaxed) as usize;
        (self.top() as usize).saturating_sub(base) / size_of::<Place>()
    }

    fn has_magazine(self) -> bool {
        self.top() != no_place()
    }

    fn is_full(self) -> bool {
        // SAFETY: `top` is at a place of the current magazine, at its end or at the
        // place that stands for none.
        unsafe { *self.top() == END }
    }

    /// Puts the current magazine away: it, or null, with its count set.
    fn unload(self) -> *mut Magazine {
        if !self.has_magazine() {
            return ptr::null_mut();
        }
        let base = self.magazines.base.load(Ordering::Relaxed);
        let magazine = base.cast::<Magazine>().wrapping_sub(1);
        // SAFETY: the current magazine is live and this bin's.
        unsafe { (*magazine).count = self.count() };
        self.clear();
        magazine
    }

    fn clear(self) {
        self.top.store(no_place(), Ordering::Relaxed);
        self.magazines.base.store(no_place(), Ordering::Relaxed);
    }

    /// Makes a magazine the current one.
    fn load(self, magazine: *mut Magazine) {
        let base = Magazine::base(magazine);
        // SAFETY: the magazine is live and nobody else's.
        let top = unsafe {
            (*magazine).ordered = false;
            base.add((*magazine).count)
        };
        self.magazines.base.store(base, Ordering::Relaxed);
        self.top.store(top, Ordering::Relaxed);
    }

    /// Makes the current magazine, which is empty or missing, one with room for `count`
    /// blocks; `false` when memory is short.
    fn make_room_for(self, offset: usize, count: usize) -> bool {
        let magazine = self.unload();
        // SAFETY: null or this bin's own, and empty.
        unsafe {
            if magazine
                .as_ref()
                .is_some_and(|magazine| magazine.capacity as usize >= count)
            {
                self.load(magazine);
                return true;
            }
            let places = count.max(FIRST_PLACES.min(class::magazine_capacity(offset)));
            let larger = Magazine::with_places(places);
            if !larger.is_null() {
                self.load(larger);
            }
            if !magazine.is_null() {
                Magazine::free(magazine);
            }
            !larger.is_null()
        }
    }

    fn take_previous(self) -> *mut Magazine {
        self.magazines.n_previous.store(0, Ordering::Relaxed);
        self.magazines
            .previous
            .swap(ptr::null_mut(), Ordering::Relaxed)
    }

    fn set_previous(self, magazine: *mut Magazine) {
        // SAFETY: null, or live and this bin's.
        let count = unsafe { magazine.as_ref() }.map_or(0, |magazine| magazine.count);
        self.magazines.n_previous.store(count, Ordering::Relaxed);
        self.magazines.previous.store(magazine, Ordering::Relaxed);
    }
}

/// A cache.
#[repr(C)]
pub(crate) struct Cache {
    /// First: the fast paths know no more of a cache.
    tops: [Top; class::COUNT + 1],
    /// Its own, once it has magazines: many threads use a heap a few times.
    bins: AtomicPtr<Bins>,
    /// The heap whose blocks these are.
    heap: *const Heap,
    /// In a list of caches taken away.
    next: *mut Cache,
    /// How often the thread has found a class without blocks, or without room for one.
    misses: [AtomicU8; class::COUNT],
}

// SAFETY: shared only as the cache that stands for none, which is never written.
unsafe impl Sync for Cache {}

static NONE: Cache = Cache {
    tops: [const { AtomicPtr::new(no_place()) }; class::COUNT + 1],
    bins: AtomicPtr::new((&raw const NO_BINS).cast_mut()),
    heap: ptr::null(),
    next: ptr::null_mut(),
    misses: [const { AtomicU8::new(0) }; class::COUNT],
};

impl Cache {
    /// The cache that stands for none: every operation takes the slow path.
    #[inline(always)]
    pub(crate) fn none() -> *mut Cache {
        ptr::from_ref(&NONE).cast_mut()
    }

    fn bin(&self, class: usize) -> Bin<'_> {
        // SAFETY: those that stand for none, or the cache's own, which go with it.
        let bins = unsafe { &*self.bins.load(Ordering::Acquire) };
        Bin {
            top: &self.tops[class],
            magazines: &bins[class],
        }
    }

    /// Makes zeroes a cache without magazines.
    fn clear(&self) {
        let none = (&raw const NO_BINS).cast_mut();
        self.bins.store(none, Ordering::Relaxed);
        // That of class::NO_BLOCKS is among them.
        for top in &self.tops {
            top.store(no_place(), Ordering::Relaxed);
        }
    }

    fn has_bins(&self) -> bool {
        !ptr::eq(self.bins.load(Ordering::Relaxed), &NO_BINS)
    }

    /// Makes what magazines take beside the tops, if there is none yet; `false` when memory is
    /// short. In the cache's own thread.
    fn make_bins(&self) -> bool {
        if self.has_bins() {
            return true;
        }
        let bins: *mut Bins = je::new_record(size_of::<Bins>()).cast();
        // SAFETY: null, or memory of that size; zeroes are valid for every field.
        let Some(fresh) = (unsafe { bins.as_ref() }) else {
            return false;
        };
        for magazines in fresh {
            magazines.base.store(no_place(), Ordering::Relaxed);
        }
        self.bins.store(bins, Ordering::Release);
        true
    }

    /// Counts a miss of a class, in the cache's own thread; whether the thread uses the class
    /// enough to cache its blocks.
    fn count_miss(&self, offset: usize) -> bool {
        let misses = &self.misses[offset >> class::BIN_BITS];
        let count = misses.load(Ordering::Relaxed).saturating_add(1);
        misses.store(count, Ordering::Relaxed);
        count > patience(offset)
    }

    /// Bytes of free blocks in it; a guess while its thread is at work.
    ///
    /// # Safety
    /// The cache is live.
    pub(crate) unsafe fn bytes(cache: *const Cache) -> usize {
        // SAFETY: the caller's promise; the bins are atomics.
        unsafe {
            (1..class::COUNT)
                .map(|class| {
                    let offset = class << class::BIN_BITS;
                    let bin = (*cache).bin(class);
                    // Top and base may be those of two magazines.
                    let count = bin.count().min(class::magazine_capacity(offset));
                    let more = bin.magazines.n_previous.load(Ordering::Relaxed);
                    (count + more) * class::size_of(offset)
                })
                .sum()
        }
    }

    /// Links a cache before a list.
    ///
    /// # Safety
    /// The cache is the caller's.
    pub(crate) unsafe fn link(cache: *mut Cache, next: *mut Cache) {
        // SAFETY: the caller's promise.
        unsafe { (*cache).next = next }
    }

    /// The rest of a list.
    ///
    /// # Safety
    /// The cache is the caller's.
    pub(crate) unsafe fn unlink(cache: *mut Cache) -> *mut Cache {
        // SAFETY: the caller's promise.
        unsafe { ptr::replace(&raw mut (*cache).next, ptr::null_mut()) }
    }

    /// Gives all blocks to the depot and frees the cache.
    ///
    /// # Safety
    /// The cache is the caller's and its kind lives.
    pub(crate) unsafe fn retire(cache: *mut Cache) {
        // SAFETY: the caller's promise.
        unsafe {
            let heap = &*(*cache).heap;
            Self::take_apart(cache, |magazine, offset| {
                // A depot of nearly empty ones would serve others one block at a time.
                let kept = if (*magazine).count >= class::magazine_capacity(offset) / 2 {
                    heap.depot_exchange(magazine, offset)
                } else {
                    None
                };
                // What is left is this magazine, or an empty one for it, or none.
                let left = kept.unwrap_or(magazine);
                if !left.is_null() {
                    let bytes = Magazine::drain(left, offset);
                    Magazine::free(left);
                    if bytes > 0 {
                        heap.full.next_turn();
                    }
                }
            });
        }
    }

    /// Frees the cache; its blocks go to jemalloc, or nowhere if their arenas go too.
    ///
    /// # Safety
    /// The cache is the caller's.
    pub(crate) unsafe fn discard(cache: *mut Cache, drain: bool) {
        // SAFETY: the caller's promise.
        unsafe {
            Self::take_apart(cache, |magazine, offset| {
                if drain {
                    Magazine::drain(magazine, offset);
                }
                Magazine::free(magazine);
            });
        }
    }

    unsafe fn take_apart(cache: *mut Cache, mut each: impl FnMut(*mut Magazine, usize)) {
        // SAFETY: the cache is the caller's, and not used after it is freed.
        unsafe {
            for class in 1..class::COUNT {
                let bin = (*cache).bin(class);
                for magazine in [bin.unload(), bin.take_previous()] {
                    if !magazine.is_null() {
                        each(magazine, class << class::BIN_BITS);
                    }
                }
            }
            if (*cache).has_bins() {
                je::free_record((*cache).bins.load(Ordering::Relaxed).cast());
            }
            je::free_record(cache.cast());
        }
    }
}

/// Takes a block of a class from a thread's cache; `None` when the bin is empty.
#[inline(always)]
pub(crate) fn pop(thread: &Thread, id: usize, offset: usize) -> Option<NonNull<u8>> {
    // SAFETY: a cache is live or the one that stands for none; offsets are those of
    // bins. Below `top` is a pointer to a free block, or 0 in an empty bin.
    unsafe {
        let bin = &*thread.cache(id).cast::<u8>().add(offset).cast::<Top>();
        let top = bin.load(Ordering::Relaxed).sub(1);
        let block = NonNull::new(*top.cast::<*mut u8>())?;
        bin.store(top, Ordering::Relaxed);
        Some(block)
    }
}

/// Puts a block into a thread's cache; `false` when the bin is full.
#[inline(always)]
pub(crate) fn push(thread: &Thread, id: usize, offset: usize, block: *mut u8) -> bool {
    push_if(thread, id, offset, block, || true)
}

/// [`push`] that counts down to the thread's next look at the clock; `false` also when it is
/// time for that, and nothing has changed then.
#[inline(always)]
pub(crate) fn push_counted(thread: &Thread, id: usize, offset: usize, block: *mut u8) -> bool {
    push_if(thread, id, offset, block, || thread.beat.count_down())
}

#[inline(always)]
fn push_if(
    thread: &Thread,
    id: usize,
    offset: usize,
    block: *mut u8,
    goes_on: impl FnOnce() -> bool,
) -> bool {
    // SAFETY: as in `pop`; at `top` is room, or END in a full bin.
    unsafe {
        let bin = &*thread.cache(id).cast::<u8>().add(offset).cast::<Top>();
        let top = bin.load(Ordering::Relaxed);
        // In this order: the record that stands for none has only full bins, and is shared.
        if *top == END || !goes_on() {
            return false;
        }
        *top.cast::<*mut u8>() = block;
        bin.store(top.add(1), Ordering::Relaxed);
        true
    }
}

/// The thread's cache of a heap, made if there is none; null when memory is short.
fn own(thread: &Thread, heap: &Heap) -> *mut Cache {
    let id = heap.id();
    let cache = thread.cache(id);
    if cache != Cache::none() {
        return cache;
    }
    let fresh: *mut Cache = je::new_record(size_of::<Cache>()).cast();
    if fresh.is_null() {
        return fresh;
    }
    // SAFETY: zeroes are valid for every field, and nobody has seen it.
    unsafe {
        (*fresh).heap = heap;
        (*fresh).clear();
    }
    thread.swap_cache(id, fresh);
    fresh
}

/// The same, but none is made while the heap is full.
fn own_unless_full(thread: &Thread, heap: &Heap) -> *mut Cache {
    if thread.cache(heap.id()) == Cache::none() && heap.full.goes_without() {
        return ptr::null_mut();
    }
    own(thread, heap)
}

/// Takes a block when the bin is empty: from the other magazine, the depot or
/// the thread's arena. Null when none of them has any. The caller has entered the thread.
#[cold]
pub(crate) fn refill(thread: &Thread, heap: &'static Heap, offset: usize) -> *mut u8 {
    let cache = own_unless_full(thread, heap);
    let class = offset >> class::BIN_BITS;
    if cache.is_null() {
        return fetch_one(heap, offset).map_or(ptr::null_mut(), |(block, _)| block);
    }
    // SAFETY: the cache is this thread's, which has entered.
    let cache = unsafe { &*cache };
    if !cache.has_bins() && !heap.depot_has(class) {
        return fetch(heap, cache, offset);
    }
    if !cache.make_bins() {
        return fetch_one(heap, offset).map_or(ptr::null_mut(), |(block, _)| block);
    }
    let bin = cache.bin(class);
    if bin.count() == 0 {
        let previous = bin.take_previous();
        // SAFETY: null or this bin's magazine.
        if unsafe { previous.as_ref() }.is_some_and(|magazine| magazine.count > 0) {
            let empty = bin.unload();
            bin.load(previous);
            bin.set_previous(empty);
        // Of two empty ones only one is of use; the depot gets the other.
        // SAFETY: null, or ours and empty.
        } else if let Some(full) = unsafe { heap.depot_pop(offset, previous) } {
            let empty = bin.unload();
            bin.load(full);
            bin.set_previous(empty);
        } else {
            bin.set_previous(previous);
            return fetch(heap, cache, offset);
        }
    }
    pop(thread, heap.id(), offset).map_or(ptr::null_mut(), NonNull::as_ptr)
}

/// Fetches blocks from jemalloc: for a class that is in use, as many as it has missed lately.
fn fetch(heap: &'static Heap, cache: &Cache, offset: usize) -> *mut u8 {
    let first = match fetch_one(heap, offset) {
        Some((block, true)) => block,
        other => return other.map_or(ptr::null_mut(), |(block, _)| block),
    };
    if !cache.count_miss(offset) {
        return first;
    }
    let misses = &cache.misses[offset >> class::BIN_BITS];
    let more = misses.load(Ordering::Relaxed) - patience(offset);
    let count = class::magazine_capacity(offset).min(more.into());
    if !cache.make_bins() {
        return first;
    }
    let bin = cache.bin(offset >> class::BIN_BITS);
    if !bin.make_room_for(offset, count) {
        return first;
    }
    for _ in 0..count {
        let block = match fetch_one(heap, offset) {
            Some((block, true)) => block,
            Some((block, false)) => {
                // SAFETY: a live block that nobody has seen.
                unsafe { je::dallocx(block, je::TCACHE_NONE) };
                break;
            }
            None => break,
        };
        let top = bin.top();
        // SAFETY: the magazine was empty and has room for `count` pointers.
        unsafe {
            *top.cast::<*mut u8>() = block;
            bin.top.store(top.add(1), Ordering::Relaxed);
        }
    }
    sort(bin);
    let more = (count as u8).saturating_add(misses.load(Ordering::Relaxed));
    misses.store(more, Ordering::Relaxed);
    first
}

/// Places of the first magazine that a thread has for a class.
const FIRST_PLACES: usize = 8;

/// How often a thread misses a class before it caches its blocks: more often for larger ones.
/// A thread that uses many kinds and sizes a few times each would hold a magazine, and a block
/// that others could have, for each of them.
fn patience(offset: usize) -> u8 {
    (8 + class::size_of(offset) / 64).min(128) as u8
}

/// Fetches a block from jemalloc, and whether caches may have it.
fn fetch_one(heap: &'static Heap, offset: usize) -> Option<(*mut u8, bool)> {
    let block = heap.block_for_cache(class::size_of(offset));
    if block.is_null() {
        return None;
    }
    let owned = heap.owns(block);
    if owned {
        page_map::set_class(block, heap.id(), offset);
    }
    Some((block, owned))
}

/// Turns the pointers round, so that blocks are handed out in ascending order, as they
/// came: neighbours in time are neighbours in memory.
fn sort(bin: Bin<'_>) {
    let base = bin.magazines.base.load(Ordering::Relaxed);
    // SAFETY: `count` pointers of the current magazine.
    unsafe { core::slice::from_raw_parts_mut(base, bin.count()) }.reverse();
}

/// Puts a block away when the bin is full: into the other magazine, with a full one
/// going to the depot or to jemalloc. The caller has entered the thread.
#[cold]
pub(crate) fn spill(thread: &Thread, heap: &'static Heap, offset: usize, block: *mut u8) {
    let cache = own_unless_full(thread, heap);
    let class = offset >> class::BIN_BITS;
    if !cache.is_null() {
        // SAFETY: the cache is this thread's, which has entered.
        let cache = unsafe { &*cache };
        let is_in_use = cache.bin(class).has_magazine() || cache.count_miss(offset);
        if is_in_use && cache.make_bins() {
            let bin = cache.bin(class);
            if bin.is_full() {
                exchange(heap, bin, offset);
            }
            if push(thread, heap.id(), offset, block) {
                return;
            }
        }
    }
    give_up(heap, offset, block);
}

/// Makes a magazine with room the current one of a bin whose current one is full or missing.
/// None is there afterwards when memory is short.
fn exchange(heap: &'static Heap, bin: Bin<'_>, offset: usize) {
    let most = class::magazine_capacity(offset);
    let mut full = bin.unload();
    let mut other = bin.take_previous();
    // SAFETY: each is null or this bin's own, and not its current one.
    unsafe {
        // What a thread holds grows with what it uses.
        let twice =
            |magazine: *mut Magazine| magazine.as_ref().map_or(0, |m| 2 * m.capacity as usize);
        let places = twice(full)
            .max(twice(other))
            .clamp(FIRST_PLACES.min(most), most);
        if other.as_ref().is_some_and(|magazine| magazine.count > 0) {
            if ((*other).capacity as usize) < most {
                let larger = Magazine::enlarge(other, places);
                if !larger.is_null() {
                    other = larger;
                }
            }
            if (*other).count == (*other).capacity as usize {
                if order::is_wanted(class::size_of(offset)) {
                    (full, other) = Magazine::arrange(full, other, offset);
                }
                match heap.depot_exchange(other, offset) {
                    Some(empty) => other = empty,
                    None => {
                        Magazine::drain(other, offset);
                        heap.full.next_turn();
                    }
                }
            }
        }
        if other.is_null() {
            other = Magazine::with_places(places);
        }
        bin.set_previous(full);
        if !other.is_null() {
            bin.load(other);
        }
    }
}

/// Gives a block back to jemalloc, and counts what may be had for it.
fn give_up(heap: &Heap, offset: usize, block: *mut u8) {
    let counts = heap.backing.held().is_some() && class::size_of(offset) <= class::SLAB_MAX;
    let active = || heap.arenas.active_each().filter(|_| counts);
    let before = active();
    // SAFETY: the caller gives up a block of the heap.
    unsafe { je::dallocx(block, je::TCACHE_NONE) };
    let slab_stays = match (before, active()) {
        // An arena from which another thread has taken as many pages meanwhile as it has got
        // back has no more than before.
        (Some(before), Some(after)) => before.iter().zip(&after).all(|(b, a)| a >= b),
        _ => false,
    };
    if slab_stays {
        heap.full.count_freed(offset >> class::BIN_BITS);
    } else {
        heap.full.next_turn();
    }
}

/// Bytes that caches and the depot of a heap hold.
pub(crate) fn cached_bytes(heap: &Heap) -> usize {
    let id = heap.id();
    let in_caches: usize = Thread::all()
        .map(|thread| thread.cache(id))
        .filter(|cache| *cache != Cache::none())
        // SAFETY: a cache in its place is live; one that is taken away meanwhile is
        // freed only under the lock that the caller holds.
        .map(|cache| unsafe { Cache::bytes(cache) })
        .sum();
    in_caches + depot::bytes(heap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_do_not_look_into_the_previous_magazine() {
        let offset = class::offset(64);
        let cache: *mut Cache = je::new_record(size_of::<Cache>()).cast();
        let magazine = Magazine::with_places(class::magazine_capacity(offset));
        assert!(!cache.is_null() && !magazine.is_null());
        // SAFETY: both are ours; zeroes are valid for every field of a cache.
        unsafe {
            (*cache).clear();
            assert!((*cache).make_bins());
            let bin = (*cache).bin(offset >> class::BIN_BITS);
            (*magazine).count = 5;
            bin.set_previous(magazine);
            // The owner may have passed it on, and the next one changed it.
            (*magazine).count = 7;
            assert_eq!(Cache::bytes(cache), 5 * 64);
            assert_eq!(bin.take_previous(), magazine);
            assert_eq!(Cache::bytes(cache), 0);
            Magazine::free(magazine);
            je::free_record(cache.cast());
        }
    }
}
