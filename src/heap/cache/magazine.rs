//! What a heap does with magazines of blocks: ordering them, and giving the blocks back.

use super::order;
use crate::heap::base::{class, je};
pub(crate) use crate::heap::thread::magazine::Magazine;
#[cfg(test)]
use crate::heap::thread::tops::Place;

impl Magazine {
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

    /// Gives its blocks to jemalloc; how many bytes they were.
    ///
    /// # Safety
    /// It is the caller's, and its blocks are free blocks of that class of live arenas.
    pub(crate) unsafe fn drain(magazine: *mut Magazine, offset: usize) -> usize {
        // SAFETY: `count` pointers behind the header, by the caller's promise.
        unsafe {
            let count = core::mem::take(&mut (*magazine).count);
            let first = Magazine::base(magazine).cast::<*mut u8>();
            je::give_back(offset, core::slice::from_raw_parts_mut(first, count));
            count * class::size_of(offset)
        }
    }
}
