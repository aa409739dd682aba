//! A thread's cache of free blocks of one heap: two magazines for each size class.
//!
//! A magazine is an array of pointers to free blocks (J. Bonwick and J. Adams,
//! "Magazines and Vmem", USENIX 2001). A thread pops and pushes at the current one,
//! exchanges it with the previous one when it runs empty or full, and goes to the
//! heap's depot only every second time. Zeroed bins are always empty and always full,
//! so the fast paths need no test for a missing magazine, and the cache that stands
//! for "none" is all zeroes.

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicUsize, Ordering};

use super::class;
use super::depot;
use super::thread::Thread;
use super::{Heap, je, page_map};

/// An array of pointers to free blocks, behind this header.
#[repr(C)]
pub(super) struct Magazine {
    /// The next one in a depot.
    pub(super) next: *mut Magazine,
    /// Blocks in it, while it is not a bin's current one.
    pub(super) count: usize,
}

impl Magazine {
    /// Makes an empty one; null when memory is short.
    fn make(offset: usize) -> *mut Magazine {
        let bytes = size_of::<Magazine>() + class::magazine_capacity(offset) * size_of::<usize>();
        let magazine: *mut Magazine = je::mallocx(bytes, 0).cast();
        if !magazine.is_null() {
            // SAFETY: fresh memory of sufficient size and alignment.
            unsafe {
                magazine.write(Magazine {
                    next: ptr::null_mut(),
                    count: 0,
                })
            };
        }
        magazine
    }

    /// Address of the first pointer.
    fn base(magazine: *mut Magazine) -> usize {
        magazine as usize + size_of::<Magazine>()
    }

    /// Frees the magazine itself.
    ///
    /// # Safety
    /// It is the caller's and holds no blocks that matter.
    pub(super) unsafe fn free(magazine: *mut Magazine) {
        // SAFETY: it comes from `make`.
        unsafe { je::dallocx(magazine.cast(), 0) }
    }

    /// Gives its blocks to jemalloc.
    ///
    /// # Safety
    /// It is the caller's, and its blocks are free blocks of live arenas.
    pub(super) unsafe fn drain(magazine: *mut Magazine) {
        // SAFETY: `count` pointers behind the header, by the caller's promise.
        unsafe {
            let first = Magazine::base(magazine) as *const *mut u8;
            for index in 0..(*magazine).count {
                je::dallocx(*first.add(index), je::TCACHE_NONE);
            }
            (*magazine).count = 0;
        }
    }
}

/// The two magazines of a class. Addresses are numbers: other threads may read them
/// for statistics.
#[repr(C, align(32))]
struct Bin {
    /// Behind the last pointer of the current magazine.
    top: AtomicUsize,
    /// Its first pointer.
    base: AtomicUsize,
    /// Behind its last place.
    limit: AtomicUsize,
    /// The previous magazine: empty or full, or null.
    previous: AtomicUsize,
}

const _: () = assert!(size_of::<Bin>() == 1 << class::BIN_BITS);

impl Bin {
    fn count(&self) -> usize {
        let top = self.top.load(Ordering::Relaxed);
        top.saturating_sub(self.base.load(Ordering::Relaxed)) / size_of::<usize>()
    }

    /// Puts the current magazine away: it, or null, with its count set.
    fn unload(&self) -> *mut Magazine {
        let base = self.base.load(Ordering::Relaxed);
        if base == 0 {
            return ptr::null_mut();
        }
        let magazine = (base - size_of::<Magazine>()) as *mut Magazine;
        // SAFETY: the current magazine is live and this bin's.
        unsafe { (*magazine).count = self.count() };
        self.top.store(0, Ordering::Relaxed);
        self.base.store(0, Ordering::Relaxed);
        self.limit.store(0, Ordering::Relaxed);
        magazine
    }

    /// Makes a magazine the current one.
    fn load(&self, magazine: *mut Magazine, offset: usize) {
        let base = Magazine::base(magazine);
        // SAFETY: the magazine is live and nobody else's.
        let count = unsafe { (*magazine).count };
        let places = class::magazine_capacity(offset);
        self.base.store(base, Ordering::Relaxed);
        self.limit
            .store(base + places * size_of::<usize>(), Ordering::Relaxed);
        self.top
            .store(base + count * size_of::<usize>(), Ordering::Relaxed);
    }

    fn take_previous(&self) -> *mut Magazine {
        self.previous.swap(0, Ordering::Relaxed) as *mut Magazine
    }

    fn set_previous(&self, magazine: *mut Magazine) {
        self.previous.store(magazine as usize, Ordering::Relaxed);
    }
}

/// A cache.
#[repr(C)]
pub(crate) struct Cache {
    bins: [Bin; class::COUNT],
    /// The heap whose blocks these are.
    heap: *const Heap,
    /// In a list of caches taken away.
    next: *mut Cache,
    /// How many blocks of a class to fetch next time.
    wanted: [u8; class::COUNT],
}

// SAFETY: shared only as the cache that stands for none, which is never written.
unsafe impl Sync for Cache {}

// SAFETY: zeroes are a cache without magazines.
static NONE: Cache = unsafe { core::mem::zeroed() };

impl Cache {
    /// The cache that stands for none: every operation takes the slow path.
    #[inline(always)]
    pub(super) fn none() -> *mut Cache {
        ptr::from_ref(&NONE).cast_mut()
    }

    /// Bytes of free blocks in it; a guess while its thread is at work.
    ///
    /// # Safety
    /// The cache is live.
    pub(super) unsafe fn bytes(cache: *const Cache) -> usize {
        // SAFETY: the caller's promise; the bins are atomics. A previous magazine may be
        // exchanged meanwhile but is not freed while its cache lives.
        unsafe {
            (*cache)
                .bins
                .iter()
                .enumerate()
                .map(|(class, bin)| {
                    let previous = bin.previous.load(Ordering::Relaxed) as *const Magazine;
                    let more = previous.as_ref().map_or(0, |magazine| magazine.count);
                    (bin.count() + more) * class::size_of(class << class::BIN_BITS)
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
                if (*magazine).count == 0 || !heap.depot_push(magazine, offset) {
                    Magazine::drain(magazine);
                    Magazine::free(magazine);
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
            Self::take_apart(cache, |magazine, _| {
                if drain {
                    Magazine::drain(magazine);
                }
                Magazine::free(magazine);
            });
        }
    }

    unsafe fn take_apart(cache: *mut Cache, mut each: impl FnMut(*mut Magazine, usize)) {
        // SAFETY: the cache is the caller's, and not used after it is freed.
        unsafe {
            for (class, bin) in (*cache).bins.iter().enumerate() {
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
    // bins. What lies between base and top are pointers to free blocks.
    unsafe {
        let bin = &*thread.cache(id).cast::<u8>().add(offset).cast::<Bin>();
        let top = bin.top.load(Ordering::Relaxed);
        if top == bin.base.load(Ordering::Relaxed) {
            return None;
        }
        let top = top - size_of::<usize>();
        let block = *(top as *const NonNull<u8>);
        bin.top.store(top, Ordering::Relaxed);
        Some(block)
    }
}

/// Puts a block into a thread's cache; `false` when the bin is full.
#[inline(always)]
pub(super) fn push(thread: &Thread, id: usize, offset: usize, block: *mut u8) -> bool {
    // SAFETY: as in `pop`; between top and limit is room.
    unsafe {
        let bin = &*thread.cache(id).cast::<u8>().add(offset).cast::<Bin>();
        let top = bin.top.load(Ordering::Relaxed);
        if top == bin.limit.load(Ordering::Relaxed) {
            return false;
        }
        *(top as *mut *mut u8) = block;
        bin.top.store(top + size_of::<usize>(), Ordering::Relaxed);
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
    // SAFETY: zeroes are a cache without magazines, and nobody has seen it.
    unsafe { (*fresh).heap = heap };
    thread.swap_cache(id, fresh);
    fresh
}

/// Takes a block when the bin is empty: from the other magazine, the depot or
/// jemalloc. Null when none of them has any. The caller has entered the thread.
#[cold]
pub(super) fn refill(thread: &Thread, heap: &'static Heap, offset: usize) -> *mut u8 {
    let cache = own(thread, heap);
    if cache.is_null() {
        return ptr::null_mut();
    }
    let class = offset >> class::BIN_BITS;
    // SAFETY: the cache is this thread's, which has entered.
    let bin = unsafe { &(*cache).bins[class] };
    if bin.count() == 0 {
        let previous = bin.take_previous();
        // SAFETY: null or this bin's magazine.
        if unsafe { previous.as_ref() }.is_some_and(|magazine| magazine.count > 0) {
            let empty = bin.unload();
            bin.load(previous, offset);
            bin.set_previous(empty);
        } else if let Some(full) = heap.depot_pop(offset) {
            let empty = bin.unload();
            bin.load(full, offset);
            // Of two empty ones only one is of use.
            let spare = if previous.is_null() { empty } else { previous };
            bin.set_previous(spare);
            if !ptr::eq(spare, empty) && !empty.is_null() {
                // SAFETY: ours, and empty.
                unsafe { Magazine::free(empty) };
            }
        } else {
            bin.set_previous(previous);
            // SAFETY: the cache is this thread's.
            let wanted = unsafe { &mut (*cache).wanted[class] };
            return fetch(heap, bin, offset, wanted);
        }
    }
    pop(thread, heap.id(), offset).map_or(ptr::null_mut(), NonNull::as_ptr)
}

/// Fetches blocks from jemalloc: one at first, twice as many each time.
fn fetch(heap: &'static Heap, bin: &Bin, offset: usize, wanted: &mut u8) -> *mut u8 {
    let size = class::size_of(offset);
    let first = heap.block_for_cache(size);
    if first.is_null() {
        return first;
    }
    if !heap.owns(first) {
        return first;
    }
    page_map::set_class(first, heap.id(), offset);
    let capacity = class::magazine_capacity(offset);
    if *wanted > 0 {
        if bin.base.load(Ordering::Relaxed) == 0 {
            let magazine = Magazine::make(offset);
            if magazine.is_null() {
                return first;
            }
            bin.load(magazine, offset);
        }
        for _ in 0..usize::from(*wanted).min(capacity) {
            let block = heap.block_for_cache(size);
            if block.is_null() {
                break;
            }
            if !heap.owns(block) {
                // SAFETY: a live block that nobody has seen.
                unsafe { je::dallocx(block, je::TCACHE_NONE) };
                break;
            }
            page_map::set_class(block, heap.id(), offset);
            let top = bin.top.load(Ordering::Relaxed);
            // SAFETY: the magazine is empty and has room for `capacity` pointers.
            unsafe { *(top as *mut *mut u8) = block };
            bin.top.store(top + size_of::<usize>(), Ordering::Relaxed);
        }
        sort(bin);
    }
    *wanted = wanted.saturating_mul(2).clamp(1, 127);
    first
}

/// Turns the pointers round, so that blocks are handed out in ascending order, as they
/// came: neighbours in time are neighbours in memory.
fn sort(bin: &Bin) {
    let base = bin.base.load(Ordering::Relaxed) as *mut *mut u8;
    // SAFETY: `count` pointers of the current magazine.
    unsafe { core::slice::from_raw_parts_mut(base, bin.count()) }.reverse();
}

/// Puts a block away when the bin is full: into the other magazine, with a full one
/// going to the depot or to jemalloc. The caller has entered the thread.
#[cold]
pub(super) fn spill(thread: &Thread, heap: &'static Heap, offset: usize, block: *mut u8) {
    let cache = own(thread, heap);
    let class = offset >> class::BIN_BITS;
    if !cache.is_null() {
        // SAFETY: the cache is this thread's, which has entered.
        let bin = unsafe { &(*cache).bins[class] };
        if bin.top.load(Ordering::Relaxed) == bin.limit.load(Ordering::Relaxed) {
            let full = bin.unload();
            let mut other = bin.take_previous();
            // SAFETY: null or this bin's magazine.
            if unsafe { other.as_ref() }.is_some_and(|magazine| magazine.count > 0) {
                // SAFETY: ours; its blocks are free blocks of the heap.
                unsafe {
                    if heap.depot_push(other, offset) {
                        other = ptr::null_mut();
                    } else {
                        let bytes = (*other).count * class::size_of(offset);
                        Magazine::drain(other);
                        heap.count_drained(bytes);
                    }
                }
            }
            if other.is_null() {
                other = Magazine::make(offset);
            }
            bin.set_previous(full);
            if !other.is_null() {
                bin.load(other, offset);
            }
        }
        if push(thread, heap.id(), offset, block) {
            return;
        }
    }
    // SAFETY: the caller gives up a block of the heap.
    unsafe { je::dallocx(block, je::TCACHE_NONE) };
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
