//! Arenas that have grown although they have free memory.
//!
//! When an arena takes more addresses for a block of moderate size, what it has free is in pieces
//! too small for that: jemalloc joins free extents of a few pages only when it gives them back.
//! So then they go back at once, and the next requests have what they were.
#![forbid(unsafe_code)]

use core::sync::atomic::Ordering;

use crate::heap::arena::Arenas;
use crate::heap::base::je;

/// Bytes of a block above which it tells nothing that there was no room for it: what is free may be worth
/// keeping although it is smaller.
const MODERATE: usize = 1 << 20;

/// Gives pieces back if the calling thread's arena has grown. To be called after that arena was
/// asked for a block of `size` bytes. A `demanding` block is aligned beyond its class or has room
/// behind it: that there was no place for it does not tell what is free.
#[inline]
pub(crate) fn after_growth(arenas: &Arenas, size: usize, demanding: bool) {
    if arenas.grown.load(Ordering::Relaxed) != 0 {
        give_pieces_back(arenas, size, demanding);
    }
}

#[cold]
fn give_pieces_back(arenas: &Arenas, size: usize, demanding: bool) {
    let arena = arenas.grown.load(Ordering::Relaxed);
    // The thread whose arena it is will look at it.
    if !arenas.is_current(arena) {
        return;
    }
    arenas.grown.store(0, Ordering::Relaxed);
    if size <= MODERATE && !demanding {
        je::purge(arena);
    }
}
