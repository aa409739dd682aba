//! Constants, types and functions that all sources of extents use.

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

pub use crate::sys::page_size;

/// Bytes of a transparent huge page, in which memory of nodes is counted.
pub const UNIT: usize = 2 << 20;

/// The first address that is not the program's.
pub const END: usize = 1 << if cfg!(target_arch = "x86_64") { 47 } else { 48 };

/// Whether freed memory is kept.
static KEEP: AtomicBool = AtomicBool::new(false);

/// Keeps freed memory for reuse from now on, instead of giving it back (MEMKIND_HOG_MEMORY).
pub fn keep_freed_memory() {
    KEEP.store(true, Ordering::Relaxed);
}

/// Whether freed memory is kept for reuse instead of given back.
pub fn keeps_freed_memory() -> bool {
    KEEP.load(Ordering::Relaxed)
}

/// Rounds `value` up to a multiple of `unit`, a power of two; `None` on overflow.
pub const fn round_up(value: usize, unit: usize) -> Option<usize> {
    match value.checked_add(unit - 1) {
        Some(sum) => Some(sum & !(unit - 1)),
        None => None,
    }
}

/// Populates the pages of a range without changing their contents. `false` when the kernel cannot
/// for some of them, or does not know how (before Linux 5.14).
pub(super) fn populate(address: usize, size: usize) -> bool {
    // SAFETY: MADV_POPULATE_WRITE changes no contents, wherever the range is.
    unsafe { libc::madvise(address as *mut _, size, libc::MADV_POPULATE_WRITE) == 0 }
}

/// Whether the kernel can [`populate`]; `address` is that of any page.
pub(super) fn can_populate(address: usize) -> bool {
    populate(address, 0)
}

/// The most bytes by which a heap grows at a time beyond what it needs, from a source that can hold
/// `capacity` bytes. Growth takes addresses only, but jemalloc asks for more each time and never for
/// less: once a source refuses, each slab would become an extent of its own.
pub(super) fn growth(capacity: usize) -> usize {
    (capacity / 4).clamp(UNIT, GROWTH)
}

/// The most bytes by which a heap grows at a time.
const GROWTH: usize = 1 << 30;

/// What [`cut`] has cut off an area.
pub(super) struct Cut {
    /// The first address.
    pub(super) address: usize,
    /// Bytes of the area that were used before.
    pub(super) before: usize,
    /// Bytes of the area that are used now.
    pub(super) after: usize,
}

/// Cuts `size` bytes at a multiple of `align` off an area of `length` bytes from `start` on, of
/// which the first `used` bytes have been cut off before; `None` when there is no room.
pub(super) fn cut(
    used: &AtomicUsize,
    (start, length): (usize, usize),
    size: usize,
    align: usize,
) -> Option<Cut> {
    let place = |before: usize| {
        let address = round_up(start.checked_add(before)?, align)?;
        let after = address.checked_add(size)? - start;
        (after <= length).then_some(Cut {
            address,
            before,
            after,
        })
    };
    let (done, seen) = (Ordering::AcqRel, Ordering::Relaxed);
    let after = |before| place(before).map(|cut| cut.after);
    used.fetch_update(done, seen, after).ok().and_then(place)
}

/// A range of addresses handed to the heap.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// First address, a multiple of the requested alignment.
    pub address: usize,
    /// Whether every byte reads as zero.
    pub zeroed: bool,
    /// Whether the range has memory; without, it must be taken again before use.
    pub memory: bool,
}

/// What a source has, in bytes.
#[derive(Clone, Copy)]
pub enum Room {
    /// As much as the system gives.
    Open,
    /// What the nodes have, for all that take memory there.
    Shared,
    /// What is for this source alone.
    Own {
        /// Bytes that the heap has taken and not given back.
        held: usize,
        /// Bytes that it may take besides.
        left: usize,
    },
}

impl Room {
    /// Bytes that the heap has taken and not given back; `None` where these are not counted.
    pub fn held(self) -> Option<usize> {
        match self {
            Self::Own { held, .. } => Some(held),
            Self::Open | Self::Shared => None,
        }
    }

    /// Bytes that are left for this source alone; 0 where these are not counted.
    pub fn left(self) -> usize {
        match self {
            Self::Own { left, .. } => left,
            Self::Open | Self::Shared => 0,
        }
    }
}
