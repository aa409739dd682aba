//! A thread's cache of free objects of a pool: two magazines, as a heap's cache has them for each
//! class of blocks, but of any capacity.

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::heap::base::je;
pub(super) use crate::heap::thread::magazine::Magazine;
use crate::heap::thread::magazine::{Bin, Magazines};
use crate::heap::thread::table::{Opaque, Slot};
use crate::heap::thread::tops::{self, Place, Top, no_place};

impl Magazine {
    /// The places without objects.
    ///
    /// # Safety
    /// The magazine is the caller's, and in no cache.
    pub(super) unsafe fn room<'a>(magazine: *mut Magazine) -> &'a mut [Place] {
        // SAFETY: `capacity` places behind the header, of which `count` are taken.
        unsafe {
            let (count, capacity) = ((*magazine).count, (*magazine).capacity as usize);
            let first = Magazine::base(magazine).add(count);
            core::slice::from_raw_parts_mut(first, capacity - count)
        }
    }
}

/// A cache. Its owner changes it while it is in an operation (`busy.rs`) or holds the pool's lock;
/// others take it away under that lock, and may look at it then.
#[repr(C)]
pub(crate) struct Cache {
    /// Behind the last object of the current magazine.
    top: Top,
    magazines: Magazines,
    /// The last place of the current magazine.
    end: AtomicPtr<Place>,
    /// The next cache in a list of caches that have been taken from threads.
    next: AtomicPtr<Cache>,
    /// Where the cache was before it was taken.
    place: AtomicPtr<Slot>,
}

static NONE: Cache = Cache {
    top: AtomicPtr::new(no_place()),
    magazines: Magazines::none(),
    end: AtomicPtr::new(no_place()),
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
        let cache: *mut Cache = je::new_record(size_of::<Cache>()).cast();
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
        unsafe { je::free_record(cache.cast()) }
    }

    fn bin(&self) -> Bin<'_> {
        Bin {
            top: &self.top,
            magazines: &self.magazines,
        }
    }

    fn clear(&self) {
        self.bin().clear();
        self.end.store(no_place(), Ordering::Relaxed);
    }

    /// Objects in it; a guess while its thread is at work.
    pub(crate) fn count(&self) -> usize {
        self.bin().count() + self.magazines.n_previous.load(Ordering::Relaxed)
    }

    /// Takes an object; `None` when the current magazine is empty.
    #[inline(always)]
    pub(crate) fn pop(&self) -> Option<NonNull<u8>> {
        // SAFETY: the cache is the calling thread's.
        unsafe { tops::pop(&self.top) }
    }

    /// Puts an object back; `false` when the current magazine is full.
    #[inline(always)]
    pub(crate) fn push(&self, object: NonNull<u8>) -> bool {
        // SAFETY: the cache is the calling thread's, and the object free.
        unsafe { tops::push(&self.top, object.as_ptr(), || true) }
    }

    /// Takes `n` objects; `false`, and none, if the current magazine has fewer.
    ///
    /// # Safety
    /// `objects` has room for `n`.
    #[inline(always)]
    pub(crate) unsafe fn pop_many(&self, objects: *mut *mut u8, n: usize) -> bool {
        if self.bin().count() < n {
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
        self.end.store(no_place(), Ordering::Relaxed);
        self.bin().unload()
    }

    /// Makes a magazine the current one, and another one, or null, the previous one.
    ///
    /// # Safety
    /// Both are the caller's, and the cache has neither.
    pub(crate) unsafe fn load(&self, magazine: *mut Magazine, previous: *mut Magazine) {
        // SAFETY: both are the caller's, and the first is live.
        unsafe {
            let capacity = (*magazine).capacity as usize;
            let end = Magazine::base(magazine).wrapping_add(capacity);
            self.end.store(end, Ordering::Relaxed);
            self.bin().load(magazine);
            self.bin().set_previous(previous);
        }
    }

    /// Takes the other magazine out; null for none.
    pub(crate) fn take_previous(&self) -> *mut Magazine {
        self.bin().take_previous()
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
}
