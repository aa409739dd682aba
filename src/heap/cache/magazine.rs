//! A magazine: an array of pointers to free blocks of one class (J. Bonwick and J. Adams,
//! "Magazines and Vmem", USENIX 2001). It goes from thread to thread as a whole.

use super::order;
use crate::heap::base::{class, je};
use crate::heap::thread::tops::{END, Place};

/// An array of pointers to free blocks, behind this header, with [`END`] behind them.
#[repr(C)]
pub(crate) struct Magazine {
    /// The next one in a depot.
    pub(crate) next: *mut Magazine,
    /// Blocks in it, while it is not a bin's current one.
    pub(crate) count: usize,
    /// Number of its places.
    pub(crate) capacity: u32,
    /// Whether the blocks are in order, see [`Magazine::arrange`].
    pub(crate) ordered: bool,
    /// Always 0: below the first pointer.
    below: Place,
}

impl Magazine {
    /// Makes an empty magazine with `capacity` places; null when memory is short.
    pub(crate) fn with_places(capacity: usize) -> *mut Magazine {
        let bytes = size_of::<Magazine>() + (capacity + 1) * size_of::<Place>();
        // Zeroed, for a place that holds END by chance would be taken for the end.
        let magazine: *mut Magazine = je::new_record(bytes).cast();
        if !magazine.is_null() {
            // SAFETY: fresh memory of that size, aligned; zeroes are an empty magazine.
            unsafe {
                (*magazine).capacity = capacity as u32;
                Magazine::base(magazine).add(capacity).write(END);
            }
        }
        magazine
    }

    /// Its first place.
    pub(crate) fn base(magazine: *mut Magazine) -> *mut Place {
        magazine.wrapping_add(1).cast()
    }

    /// Makes one full of blocks, which belong to no heap.
    #[cfg(test)]
    pub(crate) fn full(offset: usize) -> *mut Magazine {
        let capacity = class::magazine_capacity(offset);
        let magazine = Magazine::with_places(capacity);
        for index in 0..capacity {
            let block = je::mallocx(class::size_of(offset), je::TCACHE_NONE);
            // SAFETY: the magazine is ours and has `capacity` places.
            unsafe {
                Magazine::base(magazine).add(index).write(block as Place);
                (*magazine).count = capacity;
            }
        }
        magazine
    }

    /// Puts the blocks of two magazines into order, the first of which has just been
    /// filled; gives first the one with the lower addresses.
    ///
    /// # Safety
    /// They are the caller's, different, not empty, and no bin's current ones.
    pub(crate) unsafe fn arrange(
        filled: *mut Magazine,
        other: *mut Magazine,
        offset: usize,
    ) -> (*mut Magazine, *mut Magazine) {
        let size = class::size_of(offset);
        // SAFETY: `count` pointers behind each header, by the caller's promise.
        let places = |magazine: *mut Magazine| unsafe {
            core::slice::from_raw_parts_mut(Magazine::base(magazine), (*magazine).count)
        };
        // SAFETY: both are the caller's.
        if !unsafe { (*other).ordered } {
            order::part(places(filled), places(other), size);
        } else {
            order::part(places(filled), &mut [], size);
        }
        // SAFETY: both are the caller's.
        unsafe {
            (*filled).ordered = true;
            (*other).ordered = true;
        }
        // The lowest is the last.
        if places(other).last() < places(filled).last() {
            (other, filled)
        } else {
            (filled, other)
        }
    }

    /// Frees the magazine itself.
    ///
    /// # Safety
    /// It is the caller's and holds no blocks that matter.
    pub(crate) unsafe fn free(magazine: *mut Magazine) {
        // SAFETY: it comes from `with_places`.
        unsafe { je::free_record(magazine.cast()) }
    }

    /// Gives its blocks to jemalloc; how many bytes they were.
    ///
    /// # Safety
    /// It is the caller's, and its blocks are free blocks of that class of live arenas.
    pub(crate) unsafe fn drain(magazine: *mut Magazine, offset: usize) -> usize {
        // SAFETY: `count` pointers behind the header, by the caller's promise.
        unsafe {
            let first = Magazine::base(magazine).cast::<*mut u8>();
            for index in 0..(*magazine).count {
                je::dallocx(*first.add(index), je::TCACHE_NONE);
            }
            core::mem::take(&mut (*magazine).count) * class::size_of(offset)
        }
    }
}
