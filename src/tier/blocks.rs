//! Allocation from a given kind, with its bytes counted.

use core::ptr::NonNull;

use super::counters;
use crate::error::Error;
use crate::heap::fast;
use crate::heap::tally::Tally;
use crate::kind::{self, Kind};

/// Counts the block of an allocation from `kind`, for the heap that owns it. A failed allocation,
/// and a block that the library does not own, counts for the kind's own heap.
#[inline]
fn counted(kind: &'static Kind, result: Result<*mut u8, Error>) -> Result<*mut u8, Error> {
    let block = result.unwrap_or(core::ptr::null_mut());
    // SAFETY: the block is null, or live and known to no other code yet.
    let size = unsafe { kind::usable_size(block) };
    counters::add(heap_of(block).unwrap_or(kind.heap_id()), size);
    result
}

fn heap_of(block: *const u8) -> Option<usize> {
    Some(kind::heap_id(block)).filter(|id| *id != 0)
}

/// [`Kind::malloc`], counted.
///
/// # Errors
/// Those of [`Kind::malloc`].
pub fn kind_malloc(kind: &'static Kind, size: usize) -> Result<*mut u8, Error> {
    counted(kind, kind.malloc(size))
}

/// A block of `size` bytes, up to 64 KiB, from the calling thread's cache of a kind, counted;
/// `None` if the cache has none.
#[inline]
pub(super) fn small_malloc(
    size: usize,
    choose: impl FnOnce(&Tally) -> Option<usize>,
) -> Option<NonNull<u8>> {
    if fast::is_on() {
        fast::allocate_small_counted(size, choose, counters::added)
    } else {
        None
    }
}

/// [`Kind::calloc`], counted.
///
/// # Errors
/// Those of [`Kind::calloc`].
pub fn kind_calloc(kind: &'static Kind, num: usize, size: usize) -> Result<*mut u8, Error> {
    counted(kind, kind.calloc(num, size))
}

/// [`Kind::memalign`], counted.
///
/// # Errors
/// Those of [`Kind::memalign`].
pub fn kind_memalign(kind: &'static Kind, align: usize, size: usize) -> Result<*mut u8, Error> {
    counted(kind, kind.memalign(align, size))
}

/// [`Kind::realloc`], counted; without a kind the block stays in its own.
/// A null block is allocated, size 0 frees.
///
/// # Errors
/// Those of [`Kind::realloc`], and `InvalidArgument` if no kind is given and none
/// can be detected. The block and the counters stay as they were.
///
/// # Safety
/// `ptr` is null or a live block; it is dead after success.
pub unsafe fn kind_realloc(
    kind: Option<&'static Kind>,
    ptr: *mut u8,
    size: usize,
) -> Result<*mut u8, Error> {
    if !ptr.is_null() && size == 0 {
        // SAFETY: `ptr` is a live block, which the caller does not use again.
        unsafe { kind_free(kind, ptr) };
        return Ok(core::ptr::null_mut());
    }
    let target = kind
        .or_else(|| kind::detect(ptr))
        .ok_or(Error::InvalidArgument)?;
    if ptr.is_null() {
        return kind_malloc(target, size);
    }
    let owner = heap_of(ptr).unwrap_or(target.heap_id());
    // SAFETY: `ptr` is a live block.
    let before = unsafe { kind::usable_size(ptr) };
    // SAFETY: `ptr` is a live block, which the caller does not use again after success.
    let block = unsafe { target.realloc(ptr, size) }?;
    counters::sub(owner, before);
    counted(target, Ok(block))
}

/// Frees the block at `ptr` of any kind, counted for its own kind, or for `kind` if its own is
/// unknown. Null is a no-op.
///
/// # Safety
/// `ptr` is null or a live block, dead afterwards.
pub unsafe fn kind_free(kind: Option<&'static Kind>, ptr: *mut u8) {
    if ptr.is_null() {
        // Counted like a block of 0 bytes, which may move a mark.
        if let Some(kind) = kind {
            counters::sub(kind.heap_id(), 0);
        }
        return;
    }
    if let Some(owner) = heap_of(ptr).or(kind.map(Kind::heap_id)) {
        // SAFETY: `ptr` is a live block.
        let size = unsafe { kind::usable_size(ptr) };
        counters::sub(owner, size);
    }
    // SAFETY: `ptr` is a live block, which the caller does not use again.
    unsafe { kind::free(ptr) };
}

/// Frees the block at `ptr` into the calling thread's cache, counted; `false` if only
/// [`kind_free`] can free it.
///
/// # Safety
/// `ptr` is null, a live block of any kind that is not used again, or not the library's.
#[inline(always)]
pub(crate) unsafe fn free_fast(ptr: *mut u8) -> bool {
    // SAFETY: null, a live block that is not used again, or not the library's: the page map tells
    // which.
    unsafe { fast::free_counted(ptr, counters::subtracted) }
}

/// Usable bytes in live memtier blocks of the kind. Later decisions of all threads use this sum.
pub fn allocated_size(kind: &'static Kind) -> usize {
    counters::allocated(kind.heap_ids())
}

/// Forgets the blocks of a kind that is being destroyed, so that the next kind with its number
/// starts at 0 bytes.
pub fn forget_kind(kind: &'static Kind) {
    kind.heap_ids().for_each(counters::forget);
}
