//! A thread's cache of free objects of a pool: two magazines, as `cache.rs` has them for each
//! class of blocks, but of any capacity.
//!
//! The place below a magazine's first pointer holds 0, the one behind its last [`END`]. A cache
//! without a magazine points between two such places, and so does the one that stands for none.

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use crate::heap::base::je;
use crate::heap::thread::table::{Opaque, Slot};
use crate::heap::thread::tops::{END, Place, no_place};

/// An array of pointers to free objects, behind this header.
#[repr(C)]
pub(crate) struct Magazine {
    /// The next one in a list.
    pub(crate) next: *mut Magazine,
    /// Objects in it, while it is not a cache's current one.
    pub(crate) count: usize,
    /// The number of places.
    capacity: usize,
    /// Always 0: below the first pointer.
    below: Place,
}

impl Magazine {
    /// Makes an empty magazine of `capacity` places; null when memory is short.
    pub(crate) fn make(capacity: usize) -> *mut Magazine {
        let bytes = size_of::<Magazine>() + (capacity + 1) * size_of::<Place>();
        // Zeroed: a place that holds END by chance would be taken for the end.
        let magazine: *mut Magazine = je::mallocx(bytes, je::ZERO).cast();
        if !magazine.is_null() {
            // SAFETY: fresh memory of that size, aligned; zeroes are an empty magazine.
            unsafe {
                (*magazine).capacity = capacity;
                Magazine::base(magazine).add(capacity).write(END);
            }
        }
        magazine
    }

    /// The first place of a magazine.
    fn base(magazine: *mut Magazine) -> *mut Place {
        magazine.wrapping_add(1).cast()
    }

    /// The places without objects.
    ///
    /// # Safety
    /// The magazine is the caller's, and in no cache.
    pub(crate) unsafe fn room<'a>(magazine: *mut Magazine) -> &'a mut [Place] {
        // SAFETY: `capacity` places behind the header, of which `count` are taken.
        unsafe {
            let (count, capacity) = ((*magazine).count, (*magazine).capacity);
            let first = Magazine::base(magazine).add(count);
            core::slice::from_raw_parts_mut(first, capacity - count)
        }
    }

    /// Frees the magazine itself.
    ///
    /// # Safety
    /// It is the caller's.
    pub(crate) unsafe fn free(magazine: *mut Magazine) {
        // SAFETY: it comes from `make`.
        unsafe { je::dallocx(magazine.cast(), 0) }
    }
}

/// A cache. Its owner changes it while it is in an operation (`busy.rs`) or holds the pool's lock;
/// others take it away under that lock, and may look at it then.
#[repr(C)]
pub(crate) struct Cache {
    /// Behind the last object of the current magazine.
    top: AtomicPtr<Place>,
    /// The first place of the current magazine.
    base: AtomicPtr<Place>,
    /// The last place of the current magazine.
    end: AtomicPtr<Place>,
    /// The other magazine: empty or full, or null.
    previous: AtomicPtr<Magazine>,
    /// The number of objects in `previous`.
    n_previous: AtomicUsize,
    /// In a list of caches taken away: the next one, and where this one was.
    next: AtomicPtr<Cache>,
    place: AtomicPtr<Slot>,
}

static NONE: Cache = Cache {
    top: AtomicPtr::new(no_place()),
    base: AtomicPtr::new(no_place()),
    end: AtomicPtr::new(no_place()),
    previous: AtomicPtr::new(ptr::null_mut()),
    n_previous: AtomicUsize::new(0),
    next: AtomicPtr::new(ptr::null_mut()),
    place: AtomicPtr::new(ptr::null_mut()),
};

impl Cache {
    /// The cache that stands for none: every operation takes the slow path.
    pub(crate) fn none() -> *mut Opaque {
        ptr::from_ref(&NONE).cast_mut().cast()
    }

    /// Makes one without magazines; null when memory is short.
    pub(crate) fn make() -> *mut Cache {
        let cache: *mut Cache = je::mallocx(size_of::<Cache>(), je::ZERO).cast();
        // SAFETY: null, or fresh memory for which zeroes are valid.
        if let Some(cache) = unsafe { cache.as_ref() } {
            cache.clear();
        }
        cache
    }

    /// Frees the cache itself.
    ///
    /// # Safety
    /// It is the caller's, and has no magazines.
    pub(crate) unsafe fn free(cache: *mut Cache) {
        // SAFETY: it comes from `make`.
        unsafe { je::dallocx(cache.cast(), 0) }
    }

    fn clear(&self) {
        self.top.store(no_place(), Ordering::Relaxed);
        self.base.store(no_place(), Ordering::Relaxed);
        self.end.store(no_place(), Ordering::Relaxed);
    }

    fn count_here(&self) -> usize {
        let top = self.top.load(Ordering::Relaxed) as usize;
        top.saturating_sub(self.base.load(Ordering::Relaxed) as usize) / size_of::<Place>()
    }

    /// Objects in it; a guess while its thread is at work.
    pub(crate) fn count(&self) -> usize {
        self.count_here() + self.n_previous.load(Ordering::Relaxed)
    }

    /// Takes an object; `None` when the current magazine is empty.
    #[inline(always)]
    pub(crate) fn pop(&self) -> Option<NonNull<u8>> {
        // SAFETY: below `top` is an object or 0, by the making of magazines.
        unsafe {
            let top = self.top.load(Ordering::Relaxed).sub(1);
            let object = NonNull::new(*top.cast::<*mut u8>())?;
            self.top.store(top, Ordering::Relaxed);
            Some(object)
        }
    }

    /// Puts an object back; `false` when the current magazine is full.
    #[inline(always)]
    pub(crate) fn push(&self, object: NonNull<u8>) -> bool {
        // SAFETY: at `top` is room, or END.
        unsafe {
            let top = self.top.load(Ordering::Relaxed);
            if *top == END {
                return false;
            }
            *top = object.as_ptr() as Place;
            self.top.store(top.add(1), Ordering::Relaxed);
            true
        }
    }

    /// Takes `n` objects; `false`, and none, if the current magazine has fewer.
    ///
    /// # Safety
    /// `objects` has room for `n`.
    #[inline(always)]
    pub(crate) unsafe fn pop_many(&self, objects: *mut *mut u8, n: usize) -> bool {
        if self.count_here() < n {
            return false;
        }
        // SAFETY: `n` objects are below `top`.
        unsafe {
            let first = self.top.load(Ordering::Relaxed).sub(n);
            ptr::copy_nonoverlapping(first.cast::<*mut u8>(), objects, n);
            self.top.store(first, Ordering::Relaxed);
        }
        true
    }

    /// Puts `n` objects back; `false`, and none, if the current magazine has no room.
    ///
    /// # Safety
    /// `objects` holds `n`, none of them null.
    #[inline(always)]
    pub(crate) unsafe fn push_many(&self, objects: *const *mut u8, n: usize) -> bool {
        let top = self.top.load(Ordering::Relaxed);
        let room = (self.end.load(Ordering::Relaxed) as usize - top as usize) / size_of::<Place>();
        if room < n {
            return false;
        }
        // SAFETY: there is room for `n` objects at `top`.
        unsafe {
            ptr::copy_nonoverlapping(objects, top.cast::<*mut u8>(), n);
            self.top.store(top.add(n), Ordering::Relaxed);
        }
        true
    }

    /// Puts the current magazine away: it, or null, with its count set.
    pub(crate) fn unload(&self) -> *mut Magazine {
        let base = self.base.load(Ordering::Relaxed);
        if base == no_place() {
            return ptr::null_mut();
        }
        let magazine = base.cast::<Magazine>().wrapping_sub(1);
        // SAFETY: the current magazine is live and this cache's.
        unsafe { (*magazine).count = self.count_here() };
        self.clear();
        magazine
    }

    /// Makes a magazine the current one.
    ///
    /// # Safety
    /// The magazine is the caller's, and the cache has no current one.
    pub(crate) unsafe fn load(&self, magazine: *mut Magazine) {
        let base = Magazine::base(magazine);
        // SAFETY: the magazine is live.
        let (count, capacity) = unsafe { ((*magazine).count, (*magazine).capacity) };
        self.base.store(base, Ordering::Relaxed);
        self.end
            .store(base.wrapping_add(capacity), Ordering::Relaxed);
        self.top.store(base.wrapping_add(count), Ordering::Relaxed);
    }

    /// Takes the other magazine out; null for none.
    pub(crate) fn take_previous(&self) -> *mut Magazine {
        self.n_previous.store(0, Ordering::Relaxed);
        let previous = self.previous.load(Ordering::Relaxed);
        self.previous.store(ptr::null_mut(), Ordering::Relaxed);
        previous
    }

    /// Notes where the cache was, and which one is next in a list.
    pub(crate) fn link(&self, next: *mut Cache, place: &'static Slot) {
        self.next.store(next, Ordering::Relaxed);
        self.place
            .store(ptr::from_ref(place).cast_mut(), Ordering::Relaxed);
    }

    /// The next one in that list.
    pub(crate) fn next(&self) -> *mut Cache {
        self.next.load(Ordering::Relaxed)
    }

    /// Puts the caches of a list back to where they were.
    ///
    /// # Safety
    /// They are live, and were linked under the lock that is still held.
    pub(crate) unsafe fn put_back(mut list: *mut Cache) {
        // SAFETY: the caches are live while the lock is held; places are in tables, which are never
        // freed.
        unsafe {
            while let Some(cache) = list.as_ref() {
                (*cache.place.load(Ordering::Relaxed)).store(list.cast(), Ordering::Release);
                list = cache.next();
            }
        }
    }

    /// Sets the other magazine, or null.
    ///
    /// # Safety
    /// The magazine is the caller's.
    pub(crate) unsafe fn set_previous(&self, magazine: *mut Magazine) {
        // SAFETY: null, or live.
        let count = unsafe { magazine.as_ref() }.map_or(0, |magazine| magazine.count);
        self.n_previous.store(count, Ordering::Relaxed);
        self.previous.store(magazine, Ordering::Relaxed);
    }
}
