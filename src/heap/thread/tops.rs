//! Where a thread pops and pushes free blocks: all that the fast paths know of a cache.
//!
//! A magazine is an array of pointers to free blocks. The place below its first pointer holds 0,
//! the one behind its last place [`END`]: one load at the top tells a thread that the magazine is
//! empty or full. A class without a magazine has its top between two such places, so the fast
//! paths need no test for a missing magazine; nor for a missing cache, whose tops are all like that.

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::heap::base::class;

/// The value behind the last place of a magazine; no block has this address.
pub(crate) const END: usize = 1;

/// A place of a magazine: a free block's address, 0 or [`END`].
pub(crate) type Place = usize;

/// Where the current magazine of a class is popped and pushed: behind its last pointer.
/// Atomic because other threads may read it for statistics.
pub(crate) type Top = AtomicPtr<Place>;

const _: () = assert!(size_of::<Top>() == 1 << class::BIN_BITS);

/// The top of each class, and of `class::NO_BLOCKS`: the first field of a cache.
pub(crate) type Tops = [Top; class::COUNT + 1];

static NO_PLACES: [Place; 2] = [0, END];

/// The top of a class without a magazine: the second place of [`NO_PLACES`].
pub(crate) const fn no_place() -> *mut Place {
    // SAFETY: inside the array. No thread writes there: the magazine is both empty and full.
    unsafe { (&raw const NO_PLACES).cast::<Place>().add(1).cast_mut() }
}

/// Takes the block or object below a top; `None` when the magazine is empty.
///
/// # Safety
/// The top is the calling thread's, or that of no magazine.
#[inline(always)]
pub(crate) unsafe fn pop(top: &Top) -> Option<NonNull<u8>> {
    // SAFETY: below a top is a pointer to a free block, or 0 in an empty magazine.
    unsafe {
        let place = top.load(Ordering::Relaxed).sub(1);
        let block = NonNull::new(*place.cast::<*mut u8>())?;
        top.store(place, Ordering::Relaxed);
        Some(block)
    }
}

/// Puts a block or an object at a top; `false` when the magazine is full, or `goes_on`, which is asked
/// only when there is room, says no.
///
/// # Safety
/// The top is the calling thread's, or that of no magazine; the block is free.
#[inline(always)]
pub(crate) unsafe fn push(top: &Top, block: *mut u8, goes_on: impl FnOnce() -> bool) -> bool {
    // SAFETY: at a top is room for a pointer, or END in a full magazine.
    unsafe {
        let place = top.load(Ordering::Relaxed);
        // In this order: the record that stands for none has only full bins, and is shared.
        if *place == END || !goes_on() {
            return false;
        }
        *place.cast::<*mut u8>() = block;
        top.store(place.add(1), Ordering::Relaxed);
        true
    }
}

static NONE: Tops = [const { AtomicPtr::new(no_place()) }; class::COUNT + 1];

/// The tops that stand for a missing cache: every operation takes the slow path.
#[inline(always)]
pub(crate) const fn none() -> *mut Tops {
    ptr::from_ref(&NONE).cast_mut()
}
