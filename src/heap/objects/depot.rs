//! The free objects of a pool that are in no thread's cache. Used under the pool's lock.

use core::ptr::{self, NonNull};

use super::cache::Magazine;
use crate::heap::thread::tops::Place;

/// What threads have left or not taken yet.
pub(super) struct Depot {
    /// Magazines with objects, and without.
    full: *mut Magazine,
    empty: *mut Magazine,
    /// Objects for which there was no magazine, linked through their first bytes.
    loose: *mut u8,
    /// Objects in all of these.
    pub(super) count: usize,
}

impl Depot {
    pub(super) const fn new() -> Self {
        Self {
            full: ptr::null_mut(),
            empty: ptr::null_mut(),
            loose: ptr::null_mut(),
            count: 0,
        }
    }

    /// Forgets all objects and frees all magazines.
    pub(super) fn forget(&mut self) {
        for list in [&mut self.full, &mut self.empty] {
            // SAFETY: a list of the depot's.
            unsafe { Magazine::free_list(core::mem::replace(list, ptr::null_mut())) };
        }
        self.loose = ptr::null_mut();
        self.count = 0;
    }

    /// Keeps a magazine, with objects or without; null is a no-op.
    ///
    /// # Safety
    /// The magazine is the caller's.
    pub(super) unsafe fn keep(&mut self, magazine: *mut Magazine) {
        if magazine.is_null() {
            return;
        }
        // SAFETY: no other code has the magazine, so it is the depot's now.
        unsafe {
            let list = if (*magazine).count > 0 {
                &mut self.full
            } else {
                &mut self.empty
            };
            self.count += (*magazine).count;
            Magazine::push(list, magazine);
        }
    }

    /// A magazine with objects; null for none.
    pub(super) fn take_full(&mut self) -> *mut Magazine {
        // SAFETY: a list of the depot's: null, or one of its magazines.
        unsafe {
            let magazine = Magazine::pop(&mut self.full);
            self.count -= magazine.as_ref().map_or(0, |magazine| magazine.count);
            magazine
        }
    }

    /// A magazine without objects; null when memory is short.
    pub(super) fn take_empty(&mut self, capacity: usize) -> *mut Magazine {
        // SAFETY: a list of the depot's.
        match unsafe { Magazine::pop(&mut self.empty) } {
            none if none.is_null() => Magazine::with_places(capacity),
            magazine => magazine,
        }
    }

    /// Fills a magazine with loose objects, or else with fresh ones.
    ///
    /// # Safety
    /// The magazine is the caller's.
    pub(super) unsafe fn fill(
        &mut self,
        magazine: *mut Magazine,
        fresh: &mut impl FnMut(&mut [Place]) -> usize,
    ) {
        // SAFETY: the magazine is the caller's, and in no cache.
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
        // SAFETY: the magazine is the caller's; `n` more places hold objects.
        unsafe { (*magazine).count += n };
    }

    /// An object without any magazine: for threads that have no cache.
    pub(super) fn take_one(
        &mut self,
        fresh: &mut impl FnMut(&mut [Place]) -> usize,
    ) -> Option<NonNull<u8>> {
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
                // SAFETY: lists of the depot's.
                unsafe { Magazine::push(&mut self.empty, Magazine::pop(&mut self.full)) };
            }
            return NonNull::new(object as *mut u8);
        }
        let mut place = [0];
        fresh(&mut place);
        NonNull::new(place[0] as *mut u8)
    }

    /// Keeps an object without a magazine: that cannot fail.
    pub(super) fn keep_loose(&mut self, object: NonNull<u8>) {
        // SAFETY: a free object of at least 8 bytes, aligned to 8.
        unsafe { object.cast::<*mut u8>().write(self.loose) };
        self.loose = object.as_ptr();
        self.count += 1;
    }

    pub(super) fn take_loose(&mut self) -> Option<NonNull<u8>> {
        let object = NonNull::new(self.loose)?;
        // SAFETY: a free object, which `keep_loose` linked.
        self.loose = unsafe { object.cast::<*mut u8>().read() };
        self.count -= 1;
        Some(object)
    }
}
