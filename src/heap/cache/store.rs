//! What a heap has: arenas, and before them a depot and the caches of threads; and the table of
//! all heaps.

use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use super::bin::Cache;
use super::depot::Depot;
use super::full::Full;
use super::magazine::Magazine;
use crate::backing::Backing;
use crate::heap::arena::Arenas;
use crate::heap::base::je::{self, Stat};
use crate::heap::base::lock::Guard;
use crate::heap::base::{HEAPS, class};
use crate::heap::thread::{self, Thread, tops};

/// What a heap has. It must not move once it is open: jemalloc and the caches hold its address.
#[repr(C)]
pub(crate) struct Store {
    pub(crate) arenas: Arenas,
    pub(crate) depot: Depot,
    pub(crate) full: Full,
    /// Bytes that caches held at the last snapshot of statistics.
    cached: AtomicUsize,
    /// Bytes of blocks in the first memory at the last snapshot, and of the pages that hold them.
    first: [AtomicUsize; 2],
}

/// The store of each open heap, by the heap's id.
static BY_ID: [AtomicPtr<Store>; HEAPS] = [const { AtomicPtr::new(ptr::null_mut()) }; HEAPS];

/// The highest id of a heap that has been opened.
static HIGHEST: AtomicUsize = AtomicUsize::new(0);

impl Store {
    /// See [`Arenas::new`].
    pub(crate) const fn new(backing: Backing, id: u32, decay_ms: Option<isize>) -> Self {
        Self {
            arenas: Arenas::new(backing, id, decay_ms),
            depot: Depot::new(),
            full: Full::new(),
            cached: AtomicUsize::new(0),
            first: [const { AtomicUsize::new(0) }; 2],
        }
    }

    /// Allows `count` arenas, a power of two; before that every allocation fails. `bound` is the
    /// most bytes that the heap can hold, if it is bounded. `store` is what [`Store::at`] gives
    /// from now on.
    ///
    /// # Safety
    /// `store` is live and stays so until [`Store::forget`].
    pub(crate) unsafe fn open(store: *mut Store, count: u32, bound: Option<usize>) {
        // SAFETY: the store is live until `forget`.
        let this = unsafe { &*store };
        this.depot.open(bound);
        this.arenas.turn.open();
        // Without memory for the note there is none for arenas: the heap stays closed.
        if thread::at_end(0, end_of_thread).is_ok() {
            HIGHEST.fetch_max(this.arenas.id(), Ordering::Release);
            BY_ID[this.arenas.id()].store(store, Ordering::Release);
            this.arenas.open(count);
        }
    }

    /// The store of the heap with this id, if it is open; null if not.
    pub(crate) fn at(id: usize) -> *mut Store {
        let place = BY_ID.get(id);
        place.map_or(ptr::null_mut(), |place| place.load(Ordering::Acquire))
    }

    /// The store of the heap with this id, if it is open.
    pub(crate) fn by_id(id: usize) -> Option<&'static Store> {
        // SAFETY: null or a store that has been opened; it is taken out before it goes.
        unsafe { Self::at(id).as_ref() }
    }

    /// The stores of all open heaps. While the lock of caches is held none of them goes away.
    pub(crate) fn all() -> impl Iterator<Item = &'static Store> {
        (1..=HIGHEST.load(Ordering::Acquire)).filter_map(Store::by_id)
    }

    /// Whether any thread has a cache of the heap.
    fn has_caches(&self) -> bool {
        let id = self.arenas.id();
        Thread::all().any(|thread| thread.cache(id) != tops::none())
    }

    /// Whether there is anything in caches, in the depot or in unused mappings of freed blocks, that
    /// could go back.
    pub(crate) fn is_cached(&self) -> bool {
        self.has_caches() || self.depot.bytes() > 0 || self.arenas.keeps_mappings()
    }

    /// Bytes that caches and the depot hold; a guess while threads are at work. The lock of
    /// caches is held.
    pub(crate) fn cached_now(&self) -> usize {
        let id = self.arenas.id();
        let in_caches: usize = Thread::all()
            .map(|thread| thread.cache(id))
            .filter(|cache| *cache != tops::none())
            // SAFETY: a cache in its place is live; one that is taken away meanwhile is
            // freed only under the lock that the caller holds.
            .map(|cache| unsafe { Cache::bytes(cache.cast(), self.arenas.align_bits) })
            .sum();
        in_caches + self.depot.bytes()
    }

    /// Bytes of free blocks that caches held at the last snapshot of statistics.
    pub(crate) fn cached_bytes(&self) -> usize {
        self.cached.load(Ordering::Relaxed)
    }

    /// A statistic of its blocks in the first memory, in bytes, from the last snapshot.
    pub(crate) fn first_bytes(&self, stat: Stat) -> usize {
        let place = usize::from(stat != Stat::Allocated);
        self.first[place].load(Ordering::Relaxed)
    }

    /// Takes a snapshot of the statistics of all heaps as they are; `false` when jemalloc cannot.
    /// With the lock no thread that ends moves blocks from caches to arenas meanwhile.
    pub(crate) fn refresh_all(_lock: &Guard) -> bool {
        for store in Store::all() {
            store.cached.store(store.cached_now(), Ordering::Relaxed);
            if store.arenas.is_first {
                let [allocated, active] = [Stat::Allocated, Stat::Active].map(je::first_stat);
                store.first[0].store(allocated, Ordering::Relaxed);
                store.first[1].store(active, Ordering::Relaxed);
            }
            store.arenas.mappings.take_snapshot();
        }
        je::refresh_stats()
    }

    /// Gives back what the depot holds.
    pub(crate) fn empty_depot(&self) {
        if self.depot.bytes() > 0 {
            self.depot.drain();
            self.arenas.turn.next();
        }
    }

    /// Gives all that caches hold to the arenas. The lock of caches is held.
    pub(crate) fn drain(&self) {
        self.discard(true);
        self.depot.drain();
        self.arenas.turn.next();
    }

    /// Forgets everything that is cached for a heap whose arenas are about to go, and the
    /// heap itself: other threads look at all heaps under the lock only.
    ///
    /// # Safety
    /// No thread uses the heap or its blocks any more.
    pub(crate) unsafe fn forget(&self) {
        let _still = thread::hold_caches();
        BY_ID[self.arenas.id()].store(ptr::null_mut(), Ordering::Release);
        self.discard(false);
        self.depot.forget();
    }

    /// Takes the caches from all threads and frees them. `drain` says that the heap lives on, and
    /// others use it: then their blocks go to the arenas.
    fn discard(&self, drain: bool) {
        let mut next = self.take_caches(!drain);
        while !next.is_null() {
            let cache = next;
            // SAFETY: `take_caches` made the list ours.
            unsafe {
                next = Cache::unlink(cache);
                Cache::discard(cache, self.arenas.align_bits, drain);
            }
        }
    }

    /// Takes the caches from all threads; they are the caller's afterwards, linked through their
    /// `next`. `unused` says that no other thread uses the heap or its blocks any more. If one may,
    /// none are taken where the kernel has no membarrier(2), for an owner might still be at work; the
    /// caches without an owner go to the depots.
    fn take_caches(&self, unused: bool) -> *mut Cache {
        let able = thread::has_barrier();
        if !able && !unused {
            give_up_left();
            return ptr::null_mut();
        }
        let id = self.arenas.id();
        let mut taken: *mut Cache = ptr::null_mut();
        for thread in Thread::all() {
            if thread.cache(id) == tops::none() {
                continue;
            }
            let cache = thread.swap_cache(id, tops::none());
            if cache != tops::none() {
                let cache: *mut Cache = cache.cast();
                // SAFETY: the thread that swaps a cache out owns it; its user does not read `next`.
                unsafe { Cache::link(cache, taken) };
                taken = cache;
            }
        }
        if !taken.is_null() && able && !thread::quiesce() && !unused {
            // The kernel has the barrier, but not the memory for it: the blocks are lost.
            return ptr::null_mut();
        }
        taken
    }

    /// Keeps a magazine in the depot, where that makes room for it if it can, and gives an empty one,
    /// or null, for it; `None` if the depot is full or in use.
    ///
    /// # Safety
    /// The magazine is the caller's, and the depot's if it is kept; it has blocks of the heap.
    pub(super) unsafe fn keep(
        &self,
        magazine: *mut Magazine,
        offset: usize,
    ) -> Option<*mut Magazine> {
        // SAFETY: the magazine is the caller's, and still so when the depot has not kept it.
        unsafe {
            self.depot.exchange(magazine, offset).or_else(|| {
                let bytes = (*magazine).count * class::size_of(offset);
                if !self.depot.make_room(offset, bytes) {
                    return None;
                }
                self.arenas.turn.next();
                self.depot.exchange(magazine, offset)
            })
        }
    }

    /// Gives the blocks of a cache to the depot and frees the cache.
    ///
    /// # Safety
    /// The cache is the caller's, and one of this heap.
    unsafe fn retire(&self, cache: *mut Cache) {
        // SAFETY: no thread reaches the cache, whose magazines hold free blocks of this heap.
        unsafe {
            Cache::take_apart(cache, self.arenas.align_bits, |magazine, offset| {
                // A depot of nearly empty ones would give others one block at a time.
                let least = (class::magazine_capacity(offset) / 2).max(1);
                let kept = if (*magazine).count >= least {
                    self.depot.exchange(magazine, offset)
                } else {
                    None
                };
                // What is left is this magazine, or an empty one for it, or none.
                let left = kept.unwrap_or(magazine);
                if !left.is_null() {
                    let bytes = Magazine::drain(left, offset);
                    Magazine::free(left);
                    if bytes > 0 {
                        self.arenas.turn.next();
                    }
                }
            });
        }
    }

    /// Gives up, in a child just forked, the parts of the depot that were held by threads that are gone.
    pub(crate) fn after_fork_in_child(&self) {
        self.depot.after_fork_in_child();
        // A thread that is gone may have given something back and not counted it.
        self.arenas.turn.next();
    }
}

/// Gives the blocks in the caches of a record, which is the calling thread's own or taken by it, to
/// the depots and frees the caches. The caller holds the lock of caches and is in no operation on
/// its own.
pub(crate) fn hand_over(thread: &Thread) {
    for id in 1..=HIGHEST.load(Ordering::Acquire) {
        if thread.cache(id) == tops::none() {
            continue;
        }
        // Under the lock a heap takes its caches from threads before it goes.
        let Some(store) = Store::by_id(id) else {
            continue;
        };
        let cache = thread.swap_cache(id, tops::none());
        if cache != tops::none() {
            // SAFETY: the thread that swaps a cache out owns it; caches at `id` are that heap's.
            unsafe { store.retire(cache.cast()) };
        }
    }
}

/// Gives up the caches that the last thread to end has left, unless another thread has taken them
/// over. The caller holds the lock of caches.
pub(crate) fn give_up_left() {
    if let Some(left) = Thread::take_left() {
        hand_over(left);
        left.abandon();
    }
}

/// Gives up the caches of a thread that has ended.
fn end_of_thread(thread: &Thread) {
    let _still = thread::hold_caches();
    hand_over(thread);
}
