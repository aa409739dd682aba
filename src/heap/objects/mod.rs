//! The free objects of a pool: a cache in each thread, without registration, and a depot behind
//! one lock. Where objects come from is not known here.
//!
//! A thread takes from and puts into its cache between two stores (`busy.rs`). All else
//! happens under the pool's lock: a thread changes its magazines there, and takes the caches of other
//! threads away when there is nothing else. No thread waits for that lock in the middle of an
//! operation on its caches, and no memory of a kind is asked for under it.

pub(crate) mod cache;

use core::cell::UnsafeCell;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use crate::error::Error;
use crate::heap::lock::{Guard, Lock};
use crate::heap::thread::{self, Thread};
use crate::heap::tls;
pub(crate) use cache::POOLS;
use cache::{Cache, Magazine, Place, Table};

/// All that have a number, by it. Records of pools are never freed.
static ALL: [AtomicPtr<Objects>; POOLS] = [const { AtomicPtr::new(ptr::null_mut()) }; POOLS];
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// Held while a pool is made or destroyed, and over fork(2).
static MAKING: Lock = Lock::new();

/// What threads have left or not taken yet.
struct Depot {
    /// Magazines with objects, and without.
    full: *mut Magazine,
    empty: *mut Magazine,
    /// Objects for which there was no magazine, linked through their first bytes.
    loose: *mut u8,
    /// Objects in all of these.
    count: usize,
}

/// The free objects of a pool.
#[repr(C)]
pub(crate) struct Objects {
    /// Where a thread's table has its cache, in bytes.
    offset: AtomicUsize,
    /// Places of a magazine.
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
    /// Without a number.
    pub(crate) const fn new() -> Self {
        Self {
            offset: AtomicUsize::new(0),
            capacity: AtomicUsize::new(0),
            lock: Lock::new(),
            depot: UnsafeCell::new(Depot {
                full: ptr::null_mut(),
                empty: ptr::null_mut(),
                loose: ptr::null_mut(),
                count: 0,
            }),
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
            Table::prepare();
            thread::at_end(leave)?;
        }
        let offset = number * size_of::<AtomicPtr<Cache>>();
        self.offset.store(offset, Ordering::Relaxed);
        place.store(ptr::from_ref(self).cast_mut(), Ordering::Release);
        COUNT.store(number + 1, Ordering::Release);
        Ok(())
    }

    fn number(&self) -> usize {
        self.offset.load(Ordering::Relaxed) / size_of::<AtomicPtr<Cache>>()
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
            let result = work(&*(*place).load(Ordering::Relaxed));
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
        // SAFETY: the caller's promise.
        unsafe { self.at_cache(Cache::pop) }
    }

    /// Puts an object into the thread's cache; `false` if it has no room.
    ///
    /// # Safety
    /// [`is_fast`] has answered true.
    #[inline(always)]
    pub(crate) unsafe fn put(&self, object: NonNull<u8>) -> bool {
        // SAFETY: the caller's promise.
        unsafe { self.at_cache(|cache| cache.push(object)) }
    }

    /// `n` objects from the thread's cache; `false`, and none, if it has fewer.
    ///
    /// # Safety
    /// `objects` has room for `n`, and [`is_fast`] has answered true.
    #[inline(always)]
    pub(crate) unsafe fn get_many(&self, objects: *mut *mut u8, n: usize) -> bool {
        // SAFETY: the caller's promise.
        unsafe { self.at_cache(|cache| cache.pop_many(objects, n)) }
    }

    /// Puts `n` objects into the thread's cache; `false`, and none, if it has no room.
    ///
    /// # Safety
    /// `objects` holds `n`, none of them null, and [`is_fast`] has answered true.
    #[inline(always)]
    pub(crate) unsafe fn put_many(&self, objects: *const *mut u8, n: usize) -> bool {
        // SAFETY: the caller's promise.
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
            table = Table::make();
            if table.is_null() {
                return None;
            }
            thread.pools().store(table, Ordering::Release);
        }
        // SAFETY: tables are never freed.
        let place = unsafe { &*table }.place(self.objects.number());
        let mut cache = place.load(Ordering::Relaxed);
        if cache == Cache::none() {
            cache = Cache::make();
            if cache.is_null() {
                return None;
            }
            place.store(cache, Ordering::Release);
        }
        // SAFETY: live while the lock is held.
        Some(unsafe { &*cache })
    }

    /// Takes an object: from the thread's cache, the depot or from `fresh`, which fills places
    /// and says how many. `None` if none of them has any.
    pub(crate) fn take(&self, mut fresh: impl FnMut(&mut [Place]) -> usize) -> Option<NonNull<u8>> {
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
        let chosen = if has {
            previous
        } else {
            let full = depot.take_full();
            if full.is_null() {
                let empty = if previous.is_null() {
                    depot.take_empty(self.objects.capacity.load(Ordering::Relaxed))
                } else {
                    previous
                };
                if empty.is_null() {
                    return depot.take_one(&mut fresh);
                }
                // SAFETY: the magazine is in no list.
                unsafe { depot.fill(empty, &mut fresh) };
                empty
            } else {
                // SAFETY: null, or an empty magazine that is in no list.
                unsafe { depot.keep(previous) };
                full
            }
        };
        let emptied = cache.unload();
        // SAFETY: both are this thread's, and in no list.
        unsafe {
            cache.load(chosen);
            cache.set_previous(emptied);
        }
        cache.pop()
    }

    /// Puts an object back.
    pub(crate) fn give(&self, object: NonNull<u8>) {
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
        unsafe {
            cache.load(room);
            cache.set_previous(full);
        }
        cache.push(object);
    }

    /// Free objects, in the depot and in all caches.
    pub(crate) fn count(&self) -> usize {
        self.depot().count + self.caches().map(|(_, cache)| cache.count()).sum::<usize>()
    }

    /// The places of all caches, with them.
    fn caches(&self) -> impl Iterator<Item = (&'static AtomicPtr<Cache>, &'static Cache)> {
        let number = self.objects.number();
        Thread::all().filter_map(move |thread| {
            let table = thread.pools().load(Ordering::Acquire);
            // SAFETY: tables are never freed.
            let place = unsafe { &*table }.place(number);
            let cache = place.load(Ordering::Acquire);
            // SAFETY: a cache is freed under the lock only.
            (cache != Cache::none()).then(|| (place, unsafe { &*cache }))
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
        // SAFETY: the caller's promise.
        unsafe { self.take_apart(taken) };
        let depot = self.depot();
        for list in [&mut depot.full, &mut depot.empty] {
            while !list.is_null() {
                let magazine = *list;
                // SAFETY: a list of the depot's.
                unsafe {
                    *list = (*magazine).next;
                    Magazine::free(magazine);
                }
            }
        }
        depot.loose = ptr::null_mut();
        depot.count = 0;
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
        // SAFETY: the caller's promise.
        while let Some(cache) = unsafe { taken.as_ref() } {
            for magazine in [cache.unload(), cache.take_previous()] {
                // SAFETY: null, or a magazine that nobody else has.
                unsafe { depot.keep(magazine) };
            }
            let next = cache.next();
            // SAFETY: its magazines are gone, and nobody reaches it.
            unsafe { Cache::free(taken) };
            taken = next;
        }
    }
}

impl Depot {
    /// Keeps a magazine, with objects or without; null is a no-op.
    ///
    /// # Safety
    /// The magazine is the caller's.
    unsafe fn keep(&mut self, magazine: *mut Magazine) {
        if magazine.is_null() {
            return;
        }
        // SAFETY: the caller's promise.
        unsafe {
            let list = if (*magazine).count > 0 {
                &mut self.full
            } else {
                &mut self.empty
            };
            self.count += (*magazine).count;
            (*magazine).next = *list;
            *list = magazine;
        }
    }

    /// A magazine with objects; null for none.
    fn take_full(&mut self) -> *mut Magazine {
        let magazine = self.full;
        // SAFETY: null, or one of the depot's.
        if let Some(first) = unsafe { magazine.as_ref() } {
            self.full = first.next;
            self.count -= first.count;
        }
        magazine
    }

    /// A magazine without objects; null when memory is short.
    fn take_empty(&mut self, capacity: usize) -> *mut Magazine {
        let magazine = self.empty;
        // SAFETY: null, or one of the depot's.
        match unsafe { magazine.as_ref() } {
            Some(first) => {
                self.empty = first.next;
                magazine
            }
            None => Magazine::make(capacity),
        }
    }

    /// Fills a magazine with loose objects, or else with fresh ones.
    ///
    /// # Safety
    /// The magazine is the caller's.
    unsafe fn fill(
        &mut self,
        magazine: *mut Magazine,
        fresh: &mut impl FnMut(&mut [Place]) -> usize,
    ) {
        // SAFETY: the caller's promise.
        let room = unsafe { Magazine::room(magazine) };
        let mut n = 0;
        while n < room.len() {
            let Some(object) = self.take_loose() else {
                break;
            };
            room[n] = object.as_ptr() as Place;
            n += 1;
        }
        if n == 0 {
            n = fresh(room);
        }
        // SAFETY: the caller's promise.
        unsafe { (*magazine).count += n };
    }

    /// An object without any magazine: for threads that have no cache.
    fn take_one(&mut self, fresh: &mut impl FnMut(&mut [Place]) -> usize) -> Option<NonNull<u8>> {
        if let Some(object) = self.take_loose() {
            return Some(object);
        }
        let full = self.full;
        // SAFETY: null, or one of the depot's.
        if let Some(first) = unsafe { full.as_mut() } {
            self.count -= 1;
            first.count -= 1;
            // SAFETY: the places of a magazine; the first without an object is that of the last one.
            let object = unsafe { Magazine::room(full)[0] };
            if first.count == 0 {
                self.full = first.next;
                first.next = self.empty;
                self.empty = full;
            }
            return NonNull::new(object as *mut u8);
        }
        let mut place = [0];
        fresh(&mut place);
        NonNull::new(place[0] as *mut u8)
    }

    /// Keeps an object without a magazine: that cannot fail.
    fn keep_loose(&mut self, object: NonNull<u8>) {
        // SAFETY: a free object of at least 8 bytes, aligned to 8.
        unsafe { object.cast::<*mut u8>().write(self.loose) };
        self.loose = object.as_ptr();
        self.count += 1;
    }

    fn take_loose(&mut self) -> Option<NonNull<u8>> {
        let object = NonNull::new(self.loose)?;
        // SAFETY: a free object, which `keep_loose` linked.
        self.loose = unsafe { object.cast::<*mut u8>().read() };
        self.count -= 1;
        Some(object)
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
        let place = table.place(objects.number());
        if place.load(Ordering::Relaxed) == Cache::none() {
            continue;
        }
        let held = objects.hold();
        let cache = place.swap(Cache::none(), Ordering::AcqRel);
        if cache != Cache::none() {
            // SAFETY: out of reach for all others, and its owner is gone.
            unsafe {
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
