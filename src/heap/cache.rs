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

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use super::class;
use super::depot;
use super::magazine::{END, Magazine, Place};
use super::thread::Thread;
use super::{Heap, je, order, page_map};

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
    magazines: [Magazines; class::COUNT],
    /// The heap whose blocks these are.
    heap: *const Heap,
    /// In a list of caches taken away.
    next: *mut Cache,
    /// How many blocks of a class to fetch next time.
    wanted: [u8; class::COUNT],
}

// SAFETY: shared only as the cache that stands for none, which is never written.
unsafe impl Sync for Cache {}

static NONE: Cache = Cache {
    tops: [const { AtomicPtr::new(no_place()) }; class::COUNT + 1],
    magazines: [const {
        Magazines {
            base: AtomicPtr::new(no_place()),
            previous: AtomicPtr::new(ptr::null_mut()),
            n_previous: AtomicUsize::new(0),
        }
    }; class::COUNT],
    heap: ptr::null(),
    next: ptr::null_mut(),
    wanted: [0; class::COUNT],
};

impl Cache {
    /// The cache that stands for none: every operation takes the slow path.
    #[inline(always)]
    pub(super) fn none() -> *mut Cache {
        ptr::from_ref(&NONE).cast_mut()
    }

    fn bin(&self, class: usize) -> Bin<'_> {
        Bin {
            top: &self.tops[class],
            magazines: &self.magazines[class],
        }
    }

    /// Bytes of free blocks in it; a guess while its thread is at work.
    ///
    /// # Safety
    /// The cache is live.
    pub(super) unsafe fn bytes(cache: *const Cache) -> usize {
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
    pub(super) unsafe fn link(cache: *mut Cache, next: *mut Cache) {
        // SAFETY: the caller's promise.
        unsafe { (*cache).next = next }
    }

    /// The rest of a list.
    ///
    /// # Safety
    /// The cache is the caller's.
    pub(super) unsafe fn unlink(cache: *mut Cache) -> *mut Cache {
        // SAFETY: the caller's promise.
        unsafe { ptr::replace(&raw mut (*cache).next, ptr::null_mut()) }
    }

    /// Gives all blocks to the depot and frees the cache.
    ///
    /// # Safety
    /// The cache is the caller's and its kind lives.
    pub(super) unsafe fn retire(cache: *mut Cache) {
        // SAFETY: the caller's promise.
        unsafe {
            let heap = &*(*cache).heap;
            Self::take_apart(cache, |magazine, offset| {
                let kept = if (*magazine).count > 0 {
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
                        heap.count_drained(bytes);
                    }
                }
            });
        }
    }

    /// Frees the cache; its blocks go to jemalloc, or nowhere if their arenas go too.
    ///
    /// # Safety
    /// The cache is the caller's.
    pub(super) unsafe fn discard(cache: *mut Cache, drain: bool) {
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
            je::dallocx(cache.cast(), 0);
        }
    }
}

/// Takes a block of a class from a thread's cache; `None` when the bin is empty.
#[inline(always)]
pub(super) fn pop(thread: &Thread, id: usize, offset: usize) -> Option<NonNull<u8>> {
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
pub(super) fn push(thread: &Thread, id: usize, offset: usize, block: *mut u8) -> bool {
    // SAFETY: as in `pop`; at `top` is room, or END in a full bin.
    unsafe {
        let bin = &*thread.cache(id).cast::<u8>().add(offset).cast::<Top>();
        let top = bin.load(Ordering::Relaxed);
        if *top == END {
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
    let fresh: *mut Cache = je::mallocx(size_of::<Cache>(), je::ZERO).cast();
    if fresh.is_null() {
        return fresh;
    }
    // SAFETY: zeroes are valid for every field, and nobody has seen it.
    unsafe {
        (*fresh).heap = heap;
        for class in 0..class::COUNT {
            (*fresh).bin(class).clear();
        }
        // The place of class::NO_BLOCKS.
        (*fresh).tops[class::COUNT].store(no_place(), Ordering::Relaxed);
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
pub(super) fn refill(thread: &Thread, heap: &'static Heap, offset: usize) -> *mut u8 {
    let cache = own_unless_full(thread, heap);
    let class = offset >> class::BIN_BITS;
    if cache.is_null() {
        return fetch_when_full(thread, heap, class);
    }
    // SAFETY: the cache is this thread's, which has entered.
    let bin = unsafe { (*cache).bin(class) };
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
            // SAFETY: the cache is this thread's.
            let wanted = unsafe { &mut (*cache).wanted[class] };
            return fetch(heap, bin, offset, wanted);
        }
    }
    pop(thread, heap.id(), offset).map_or(ptr::null_mut(), NonNull::as_ptr)
}

/// Fetches a block for a thread that has no cache.
fn fetch_when_full(thread: &Thread, heap: &'static Heap, class: usize) -> *mut u8 {
    let size = class::size_of(class << class::BIN_BITS);
    let is_at_its_limit = || heap.is_at_its_limit(class::least_pages(size));
    let counts = Some(&heap.full).filter(|_| heap.backing.held().is_some());
    let counts = counts.and_then(|full| full.counts(class));
    if counts.is_some_and(|counts| thread.exhausted.is_known(class, counts)) && is_at_its_limit() {
        return ptr::null_mut();
    }
    let fetched = fetch_one(heap, class << class::BIN_BITS);
    let block = fetched.map_or(ptr::null_mut(), |(block, _)| block);
    if let Some(counts) = counts {
        if !block.is_null() {
            thread.exhausted.took(class, counts);
        } else if is_at_its_limit() {
            thread.exhausted.note(class, counts);
        }
    }
    block
}

/// Fetches blocks from jemalloc: one at first, twice as many each time.
fn fetch(heap: &'static Heap, bin: Bin<'_>, offset: usize, wanted: &mut u8) -> *mut u8 {
    let first = match fetch_one(heap, offset) {
        Some((block, true)) => block,
        other => return other.map_or(ptr::null_mut(), |(block, _)| block),
    };
    let capacity = class::magazine_capacity(offset);
    if *wanted > 0 {
        if !bin.has_magazine() {
            let magazine = Magazine::make(offset);
            if magazine.is_null() {
                return first;
            }
            bin.load(magazine);
        }
        for _ in 0..usize::from(*wanted).min(capacity) {
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
            // SAFETY: the magazine was empty and has room for `capacity` pointers.
            unsafe {
                *top.cast::<*mut u8>() = block;
                bin.top.store(top.add(1), Ordering::Relaxed);
            }
        }
        sort(bin);
        heap.depot_missed(offset, bin.count() * class::size_of(offset));
    }
    *wanted = wanted.saturating_mul(2).clamp(1, 127);
    first
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
pub(super) fn spill(thread: &Thread, heap: &'static Heap, offset: usize, block: *mut u8) {
    let cache = own_unless_full(thread, heap);
    let class = offset >> class::BIN_BITS;
    if !cache.is_null() {
        // SAFETY: the cache is this thread's, which has entered.
        let bin = unsafe { (*cache).bin(class) };
        if bin.is_full() {
            let mut full = bin.unload();
            let mut other = bin.take_previous();
            // SAFETY: null or this bin's magazine.
            if unsafe { other.as_ref() }.is_some_and(|magazine| magazine.count > 0) {
                if order::is_wanted(class::size_of(offset)) {
                    // SAFETY: both are this bin's, and neither is its current one.
                    (full, other) = unsafe { Magazine::arrange(full, other, offset) };
                }
                // SAFETY: ours; its blocks are free blocks of the heap.
                unsafe {
                    match heap.depot_exchange(other, offset) {
                        Some(empty) => other = empty,
                        None => heap.count_drained(Magazine::drain(other, offset)),
                    }
                }
            }
            if other.is_null() {
                other = Magazine::make(offset);
            }
            bin.set_previous(full);
            if !other.is_null() {
                bin.load(other);
            }
        }
        if push(thread, heap.id(), offset, block) {
            return;
        }
    }
    give_up(heap, offset, block);
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
pub(super) fn cached_bytes(heap: &Heap) -> usize {
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
        let cache: *mut Cache = je::mallocx(size_of::<Cache>(), je::ZERO).cast();
        let magazine = Magazine::make(offset);
        assert!(!cache.is_null() && !magazine.is_null());
        // SAFETY: both are ours; zeroes are valid for every field of a cache.
        unsafe {
            (0..class::COUNT).for_each(|class| (*cache).bin(class).clear());
            let bin = (*cache).bin(offset >> class::BIN_BITS);
            (*magazine).count = 5;
            bin.set_previous(magazine);
            // The owner may have passed it on, and the next one changed it.
            (*magazine).count = 7;
            assert_eq!(Cache::bytes(cache), 5 * 64);
            assert_eq!(bin.take_previous(), magazine);
            assert_eq!(Cache::bytes(cache), 0);
            Magazine::free(magazine);
            je::dallocx(cache.cast(), 0);
        }
    }
}
