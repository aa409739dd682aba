//! The free objects of a pool: a cache in each thread, without registration, and a depot behind
//! one lock. Where objects come from is not known here.
//!
//! A thread takes from and puts into its cache between two stores (`busy.rs`). All else
//! happens under the pool's lock: a thread changes its magazines there, and takes the caches of other
//! threads away when there is nothing else. No thread waits for that lock in the middle of an
//! operation on its caches, and no memory of a kind is asked for under it.

mod cache;
mod depot;

use core::cell::UnsafeCell;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use super::base::lock::{Guard, Lock};
pub(crate) use super::thread::table::POOLS;
use super::thread::table::{Slot, Table};
use super::thread::tops::Place;
use super::thread::{self, Thread, tls};
use crate::error::Error;
use crate::sys::tools;
use cache::Cache;
use depot::Depot;

/// The registered pools' objects, by number. Records of pools are never freed.
static ALL: [AtomicPtr<Objects>; POOLS] = [const { AtomicPtr::new(ptr::null_mut()) }; POOLS];
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// Held while a pool is made or destroyed, and over fork(2).
static MAKING: Lock = Lock::new();

/// The free objects of a pool.
#[repr(C)]
pub(crate) struct Objects {
    /// Where a thread's table has its cache, in bytes.
    offset: AtomicUsize,
    /// The number of places of a magazine.
    capacity: AtomicUsize,
    lock: Lock,
    depot: UnsafeCell<Depot>,
}

// SAFETY: the depot is used under the lock only.
unsafe impl Sync for Objects {}
// SAFETY: what it points to is its own.
unsafe impl Send for Objects {}

/// Whether threads reach their caches without the lock: always the same answer.
pub(crate) fn is_fast() -> bool {
    tls::current_if_fast().is_some()
}

/// Keeps other threads from making and destroying pools, and fork(2) from happening, while it lives.
pub(crate) fn making() -> impl Drop {
    MAKING.hold()
}

impl Objects {
    /// The objects of a pool that has no place in the tables of threads yet.
    pub(crate) const fn new() -> Self {
        Self {
            offset: AtomicUsize::new(0),
            capacity: AtomicUsize::new(0),
            lock: Lock::new(),
            depot: UnsafeCell::new(Depot::new()),
        }
    }

    /// Gives them a number, for good. Called in [`making`].
    ///
    /// # Errors
    /// `TooMany` when all numbers are taken; `Malloc`.
    pub(crate) fn register(&'static self) -> Result<(), Error> {
        let number = COUNT.load(Ordering::Relaxed);
        let place = ALL.get(number).ok_or(Error::TooMany)?;
        if number == 0 {
            Table::prepare(Cache::none());
            thread::at_end(1, leave)?;
        }
        let offset = number * size_of::<Slot>();
        self.offset.store(offset, Ordering::Relaxed);
        place.store(ptr::from_ref(self).cast_mut(), Ordering::Release);
        COUNT.store(number + 1, Ordering::Release);
        Ok(())
    }

    fn number(&self) -> usize {
        self.offset.load(Ordering::Relaxed) / size_of::<Slot>()
    }

    /// Sets how many places a magazine has: while no thread uses the pool.
    pub(crate) fn set_capacity(&self, capacity: usize) {
        self.capacity.store(capacity, Ordering::Relaxed);
    }

    /// Runs `work` on the thread's cache in an operation.
    ///
    /// # Safety
    /// [`is_fast`] has answered true.
    #[inline(always)]
    unsafe fn at_cache<T>(&self, work: impl FnOnce(&Cache) -> T) -> T {
        // SAFETY: a record is within reach by the caller's promise, and none is ever unmapped;
        // tables neither, nor caches while their thread is in an operation.
        unsafe {
            let thread = tls::current_fast();
            (*thread).enter();
            let table = (*thread).pools().load(Ordering::Relaxed);
            let place = Table::at(table, self.offset.load(Ordering::Relaxed));
            let result = work(&*(*place).load(Ordering::Relaxed).cast::<Cache>());
            (*thread).leave();
            result
        }
    }

    /// An object from the thread's cache, if it has one.
    ///
    /// # Safety
    /// [`is_fast`] has answered true.
    #[inline(always)]
    pub(crate) unsafe fn get(&self) -> Option<NonNull<u8>> {
        // SAFETY: the thread's record is within reach, since `is_fast` has answered true.
        unsafe { self.at_cache(Cache::pop) }
    }

    /// Puts an object into the thread's cache; `false` if it has no room.
    ///
    /// # Safety
    /// [`is_fast`] has answered true.
    #[inline(always)]
    pub(crate) unsafe fn put(&self, object: NonNull<u8>) -> bool {
        // SAFETY: the thread's record is within reach, since `is_fast` has answered true.
        unsafe { self.at_cache(|cache| cache.push(object)) }
    }

    /// `n` objects from the thread's cache; `false`, and none, if it has fewer.
    ///
    /// # Safety
    /// `objects` has room for `n`, and [`is_fast`] has answered true.
    #[inline(always)]
    pub(crate) unsafe fn get_many(&self, objects: *mut *mut u8, n: usize) -> bool {
        // SAFETY: the thread's record is within reach, and `objects` has room for `n`.
        unsafe { self.at_cache(|cache| cache.pop_many(objects, n)) }
    }

    /// Puts `n` objects into the thread's cache; `false`, and none, if it has no room.
    ///
    /// # Safety
    /// `objects` holds `n`, none of them null, and [`is_fast`] has answered true.
    #[inline(always)]
    pub(crate) unsafe fn put_many(&self, objects: *const *mut u8, n: usize) -> bool {
        // SAFETY: the thread's record is within reach, and `objects` holds `n`.
        unsafe { self.at_cache(|cache| cache.push_many(objects, n)) }
    }

    /// Takes the lock.
    pub(crate) fn hold(&'static self) -> Held {
        debug_assert!(!thread::is_at_work(), "others would wait for this thread");
        Held {
            objects: self,
            _lock: self.lock.hold(),
        }
    }
}

/// The lock of a pool's objects, held.
pub(crate) struct Held {
    objects: &'static Objects,
    _lock: Guard,
}

impl Held {
    #[allow(
        clippy::mut_from_ref,
        reason = "guarded by the lock, used for a moment"
    )]
    fn depot(&self) -> &mut Depot {
        // SAFETY: the lock is held, and no two references live at a time.
        unsafe { &mut *self.objects.depot.get() }
    }

    /// The calling thread's cache, made if there is none; `None` without memory or record. No other
    /// thread takes it away while the lock is held.
    fn cache(&self) -> Option<&'static Cache> {
        let thread = Thread::current()?;
        let mut table = thread.pools().load(Ordering::Relaxed);
        if table == Table::none() {
            table = Table::make(Cache::none());
            if table.is_null() {
                return None;
            }
            thread.pools().store(table, Ordering::Release);
        }
        // SAFETY: tables are never freed.
        let place = unsafe { &*table }.slot(self.objects.number());
        let mut cache = place.load(Ordering::Relaxed);
        if cache == Cache::none() {
            cache = Cache::make().cast();
            if cache.is_null() {
                return None;
            }
            place.store(cache.cast(), Ordering::Release);
        }
        // SAFETY: live while the lock is held.
        Some(unsafe { &*cache.cast::<Cache>() })
    }

    /// Takes an object: from the thread's cache, the depot or from `fresh`, which fills places
    /// and says how many. `None` if none of them has any.
    pub(crate) fn take(&self, mut fresh: impl FnMut(&mut [Place]) -> usize) -> Option<NonNull<u8>> {
        let _inside = tools::Inside::new();
        let depot = self.depot();
        let Some(cache) = self.cache() else {
            return depot.take_one(&mut fresh);
        };
        if let Some(object) = cache.pop() {
            return Some(object);
        }
        let previous = cache.take_previous();
        // SAFETY: null, or a magazine that is this cache's.
        let has = unsafe { previous.as_ref() }.is_some_and(|magazine| magazine.count > 0);
        let mut chosen = previous;
        if !has {
            let full = depot.take_full();
            if full.is_null() {
                if chosen.is_null() {
                    chosen = depot.take_empty(self.objects.capacity.load(Ordering::Relaxed));
                }
                if chosen.is_null() {
                    return depot.take_one(&mut fresh);
                }
                // SAFETY: the magazine is in no list.
                unsafe { depot.fill(chosen, &mut fresh) };
            } else {
                // SAFETY: null, or an empty magazine that is in no list.
                unsafe { depot.keep(previous) };
                chosen = full;
            }
        }
        let emptied = cache.unload();
        // SAFETY: both are this thread's, and in no list.
        unsafe { cache.load(chosen, emptied) };
        cache.pop()
    }

    /// Puts an object back.
    pub(crate) fn give(&self, object: NonNull<u8>) {
        let _inside = tools::Inside::new();
        let depot = self.depot();
        let Some(cache) = self.cache() else {
            return depot.keep_loose(object);
        };
        if cache.push(object) {
            return;
        }
        let previous = cache.take_previous();
        // SAFETY: null, or a magazine that is this cache's.
        let is_empty = unsafe { previous.as_ref() }.is_some_and(|magazine| magazine.count == 0);
        let room = if is_empty {
            previous
        } else {
            // SAFETY: null, or a magazine that is in no list.
            unsafe { depot.keep(previous) };
            depot.take_empty(self.objects.capacity.load(Ordering::Relaxed))
        };
        if room.is_null() {
            return depot.keep_loose(object);
        }
        let full = cache.unload();
        // SAFETY: both are this thread's, and in no list.
        unsafe { cache.load(room, full) };
        cache.push(object);
    }

    /// Free objects, in the depot and in all caches.
    pub(crate) fn count(&self) -> usize {
        self.depot().count + self.caches().map(|(_, cache)| cache.count()).sum::<usize>()
    }

    /// The places of all caches, with them.
    fn caches(&self) -> impl Iterator<Item = (&'static Slot, &'static Cache)> {
        let number = self.objects.number();
        Thread::all().filter_map(move |thread| {
            let table = thread.pools().load(Ordering::Acquire);
            // SAFETY: tables are never freed.
            let place = unsafe { &*table }.slot(number);
            let cache = place.load(Ordering::Acquire);
            // SAFETY: a cache is freed under the lock only.
            (cache != Cache::none()).then(|| (place, unsafe { &*cache.cast::<Cache>() }))
        })
    }

    /// Takes the caches of all threads away, and leaves what they held to the depot; whether that was
    /// anything. Nothing where the kernel has no membarrier(2).
    pub(crate) fn collect(&self) -> bool {
        if !self.caches().any(|(_, cache)| cache.count() > 0) || !thread::has_barrier() {
            return false;
        }
        let taken = self.take_out();
        if !thread::quiesce() {
            // An owner may still be at work. It finds its cache where it was.
            // SAFETY: the list is ours.
            unsafe { Cache::put_back(taken) };
            return false;
        }
        let before = self.depot().count;
        // SAFETY: no owner reaches them any more.
        unsafe { self.take_apart(taken) };
        self.depot().count > before
    }

    /// Forgets all objects: their memory goes elsewhere.
    ///
    /// # Safety
    /// No other thread uses the pool any more.
    pub(crate) unsafe fn forget(&self) {
        let taken = self.take_out();
        // SAFETY: no other thread uses the pool, so no owner is at work on a cache.
        unsafe { self.take_apart(taken) };
        self.depot().forget();
    }

    /// Makes all caches unreachable: a list of them.
    fn take_out(&self) -> *mut Cache {
        let mut taken = ptr::null_mut();
        for (place, cache) in self.caches() {
            place.store(Cache::none(), Ordering::Release);
            cache.link(taken, place);
            taken = ptr::from_ref(cache).cast_mut();
        }
        taken
    }

    /// Frees caches; their magazines go to the depot.
    ///
    /// # Safety
    /// The list is the caller's, and no owner is at work on them.
    unsafe fn take_apart(&self, mut taken: *mut Cache) {
        let depot = self.depot();
        // SAFETY: null, or a cache of the list, which no owner reaches.
        while let Some(cache) = unsafe { taken.as_ref() } {
            for magazine in [cache.unload(), cache.take_previous()] {
                // SAFETY: null, or a magazine that no other thread has.
                unsafe { depot.keep(magazine) };
            }
            let next = cache.next();
            // SAFETY: its magazines are gone, and no thread reaches it.
            unsafe { Cache::free(taken) };
            taken = next;
        }
    }
}

/// A thread ends: what its caches hold goes to the depots.
fn leave(thread: &Thread) {
    let table = thread.pools().load(Ordering::Relaxed);
    if table == Table::none() {
        return;
    }
    // SAFETY: tables are never freed.
    let table = unsafe { &*table };
    for objects in all() {
        let place = table.slot(objects.number());
        if place.load(Ordering::Relaxed) == Cache::none() {
            continue;
        }
        let held = objects.hold();
        let cache = place.swap(Cache::none(), Ordering::AcqRel);
        if cache != Cache::none() {
            // SAFETY: out of reach for all others, and its owner is gone.
            unsafe {
                let cache = cache.cast::<Cache>();
                (*cache).link(ptr::null_mut(), place);
                held.take_apart(cache);
            }
        }
    }
}

/// All that have a number.
fn all() -> impl Iterator<Item = &'static Objects> {
    let count = COUNT.load(Ordering::Acquire);
    ALL[..count].iter().filter_map(|place| {
        // SAFETY: null, or from `register`.
        unsafe { place.load(Ordering::Acquire).as_ref() }
    })
}

/// Before fork(2): no pool is half changed.
pub(crate) fn prepare_fork() {
    MAKING.hold_over_fork();
    all().for_each(|objects| objects.lock.hold_over_fork());
}

/// After fork(2), in parent and child.
pub(crate) fn release_after_fork() {
    all().for_each(|objects| objects.lock.release());
    MAKING.release();
}
