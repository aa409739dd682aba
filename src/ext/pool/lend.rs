//! Getting objects of a pool and putting them back; the handles by which C programs do so.

use core::ptr::{self, NonNull};
use core::sync::atomic::Ordering;

use super::Pool;
use crate::error::Error;
use crate::ext::buffer::Buffer;
use crate::heap::objects;
use crate::heap::pause::Pause;
use crate::kind::checks::{self, objects::are_checked};

impl Pool {
    /// The handle for C programs: the pool's address, plus 1 if threads reach their caches without
    /// the lock and objects are not checked. So one test of a handle tells both that, and that it
    /// is not NULL.
    pub fn handle(&'static self) -> usize {
        let is_fast = objects::is_fast() && !are_checked();
        ptr::from_ref(self) as usize | usize::from(is_fast)
    }

    /// The pool of a handle; `None` for 0.
    ///
    /// # Safety
    /// 0, or from [`Pool::handle`].
    pub unsafe fn of_handle(handle: usize) -> Option<&'static Pool> {
        // SAFETY: 0, or the address of a record, which is never freed.
        unsafe { ((handle & !1) as *const Pool).as_ref() }
    }

    /// The pool of a handle, if threads may take its objects without the lock; else `None`.
    ///
    /// # Safety
    /// 0, or from [`Pool::handle`].
    #[inline(always)]
    unsafe fn of_fast_handle(handle: usize) -> Option<&'static Pool> {
        if handle & 1 == 0 {
            return None;
        }
        // SAFETY: odd handles are addresses plus 1.
        Some(unsafe { &*(handle.wrapping_sub(1) as *const Pool) })
    }

    /// An object from the thread's cache.
    ///
    /// # Safety
    /// 0, or from [`Pool::handle`].
    #[inline(always)]
    pub(crate) unsafe fn get_fast(handle: usize) -> Option<NonNull<u8>> {
        // SAFETY: 0, or the handle of a pool; an odd one says that the fast way may be taken.
        unsafe { Self::of_fast_handle(handle)?.objects.get() }
    }

    /// Puts an object into the thread's cache; `false` if it has no room.
    ///
    /// # Safety
    /// 0, or from [`Pool::handle`].
    #[inline(always)]
    pub(crate) unsafe fn put_fast(handle: usize, object: NonNull<u8>) -> bool {
        // SAFETY: 0, or the handle of a pool; an odd one says that the fast way may be taken.
        unsafe { Self::of_fast_handle(handle).is_some_and(|pool| pool.objects.put(object)) }
    }

    /// `n` objects from the thread's cache; `false`, and none, if it has fewer.
    ///
    /// # Safety
    /// 0, or from [`Pool::handle`]; `objects` has room for `n`.
    #[inline(always)]
    pub(crate) unsafe fn get_many_fast(handle: usize, objects: *mut *mut u8, n: usize) -> bool {
        // SAFETY: 0, or the handle of a pool, whose fast way an odd one allows; room for `n`
        // objects.
        unsafe {
            Self::of_fast_handle(handle).is_some_and(|pool| pool.objects.get_many(objects, n))
        }
    }

    /// Puts `n` objects into the thread's cache; `false`, and none, if it has no room for them or one
    /// is null.
    ///
    /// # Safety
    /// 0, or from [`Pool::handle`]; `objects` holds `n`.
    #[inline(always)]
    pub(crate) unsafe fn put_many_fast(handle: usize, objects: *const *mut u8, n: usize) -> bool {
        // SAFETY: 0, or the handle of a pool, whose fast way an odd one allows; `n` objects are
        // there.
        unsafe {
            let all = core::slice::from_raw_parts(objects, n);
            // No address less 1 has the highest bit, but 0 less 1 does.
            let bits = all
                .iter()
                .fold(0, |bits, object| bits | (*object as usize).wrapping_sub(1));
            let some_null = (bits as isize) < 0;
            !some_null
                && Self::of_fast_handle(handle)
                    .is_some_and(|pool| pool.objects.put_many(objects, n))
        }
    }

    /// Takes an object out of the pool.
    ///
    /// # Errors
    /// `NoMemory`: all are in use, or the kind has no memory; `InvalidArgument` for a pool that does
    /// not live.
    #[cold]
    pub fn get(&'static self) -> Result<NonNull<u8>, Error> {
        self.lend(false)
    }

    /// An object for the program or, with `in_vectors`, for vectors.
    ///
    /// # Errors
    /// Those of [`Pool::get`].
    pub(in crate::ext) fn lend(&'static self, in_vectors: bool) -> Result<NonNull<u8>, Error> {
        if !self.is_live() {
            return Err(Error::InvalidArgument);
        }
        let object = self.fetch()?;
        let place = object.as_ptr();
        if are_checked()
            && !checks::objects::lent(self, place, self.size(), self.stride(), in_vectors)
        {
            self.objects.hold().give(object);
            return Err(Error::NoMemory);
        }
        Ok(object)
    }

    fn fetch(&'static self) -> Result<NonNull<u8>, Error> {
        if self.is_lost() {
            return Err(Error::NoMemory);
        }
        let mut pause = Pause::new();
        loop {
            let held = self.objects.hold();
            let cut = |places: &mut [usize]| self.slabs.cut(places, self.stride());
            if let Some(object) = held.take(cut) {
                return Ok(object);
            }
            let refused = match self.grow(held, self.next_slab(), &mut pause) {
                Ok(()) => continue,
                Err(error) => error,
            };
            // What other threads have in their caches, before it is refused.
            let found = self.objects.hold().collect();
            let found = found || (are_checked() && checks::release_all());
            if !found {
                self.n_refused.fetch_add(1, Ordering::Relaxed);
                return Err(refused);
            }
        }
    }

    /// Puts an object back.
    #[cold]
    pub fn put(&'static self, object: NonNull<u8>) {
        self.take_from(object, false);
    }

    /// Puts back an object that the program had or, with `vectors`, vectors had.
    pub(in crate::ext) fn take_from(&'static self, object: NonNull<u8>, vectors: bool) {
        if self.is_lost() {
            return;
        }
        if are_checked() {
            // Of a pool that was destroyed, no object is known.
            checks::objects::returned(self, object.as_ptr(), vectors);
        } else if self.is_live() {
            self.objects.hold().give(object);
        }
    }

    /// Gets `n` objects, or none.
    ///
    /// # Errors
    /// Those of [`Pool::get`].
    ///
    /// # Safety
    /// `objects` has room for `n`.
    #[cold]
    pub unsafe fn get_many(&'static self, objects: *mut *mut u8, n: usize) -> Result<(), Error> {
        if n > self.limit() {
            self.n_refused.fetch_add(1, Ordering::Relaxed);
            return Err(Error::NoMemory);
        }
        for index in 0..n {
            match self.get() {
                // SAFETY: the place is one of the `n` that the caller may write.
                Ok(object) => unsafe { *objects.add(index) = object.as_ptr() },
                Err(error) => {
                    // SAFETY: the first `index` objects have been taken out of this pool.
                    unsafe { self.put_many(objects, index) };
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Puts `n` objects back; null ones are left out.
    ///
    /// # Safety
    /// `objects` holds `n`, each null or an object that the caller has.
    #[cold]
    pub unsafe fn put_many(&'static self, objects: *const *mut u8, n: usize) {
        for index in 0..n {
            // SAFETY: one of the `n` objects that the caller has.
            if let Some(object) = NonNull::new(unsafe { *objects.add(index) }) {
                self.put(object);
            }
        }
    }

    /// The record of an object that is to be a buffer.
    ///
    /// # Errors
    /// `NoMemory`: there is none for the records.
    pub(in crate::ext) fn buffer(
        &'static self,
        object: NonNull<u8>,
    ) -> Result<&'static Buffer, Error> {
        let make = |data| Buffer::new(data, self.size(), self.handle());
        self.slabs
            .buffer(object.as_ptr(), self.stride(), make)
            .ok_or(Error::NoMemory)
    }
}
