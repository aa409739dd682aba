//! Moving blocks out of slabs that are nearly empty.

use core::ptr;

use super::{checks, detect};
use crate::heap::{self, Heap, je, page_map, tbb};
use crate::log;

/// Moves the block at `ptr` if that helps to empty its slab. `None` leaves it where it is.
///
/// # Safety
/// `ptr` is null, a live block of any kind, or not a block of the library at all.
pub unsafe fn reallocate(ptr: *mut u8) -> Option<*mut u8> {
    // SAFETY: the block is live, and both blocks have at least its usable size. Caches are
    // bypassed: they would hand the emptied places out again.
    unsafe {
        let old = heap_block(ptr)?;
        let heap = heap_to_move_in(old)?;
        let size = heap::blocks::usable_size(old);
        let fresh = heap.allocate_compact(size)?;
        ptr::copy_nonoverlapping(old, fresh, size);
        let moved = if checks::on() {
            checks::moved(ptr, fresh)
        } else {
            fresh
        };
        heap::blocks::free_uncached(old);
        Some(moved)
    }
}

/// Whether moving the block at `ptr` would help to empty its slab.
///
/// # Safety
/// `ptr` is null, a live block of any kind, or not a block of the library at all.
pub unsafe fn is_worthwhile(ptr: *const u8) -> bool {
    // SAFETY: `ptr` is null, a live block or not the library's.
    heap_block(ptr.cast_mut()).is_some_and(|block| unsafe { heap_to_move_in(block) }.is_some())
}

/// What the heap gave for a block, if that may move.
fn heap_block(block: *mut u8) -> Option<*mut u8> {
    if checks::on() {
        checks::base(block)
    } else {
        Some(block)
    }
}

/// The heap of the block at `ptr` if it should move: its slab is not the one that is being
/// filled, and is less full than the average of its class.
///
/// # Safety
/// `ptr` is null, a live block of any kind, or not a block of the library at all.
unsafe fn heap_to_move_in(ptr: *const u8) -> Option<&'static Heap> {
    let kind = detect(ptr).filter(|_| page_map::has_blocks(ptr as usize))?;
    if tbb::has(ptr as usize) {
        log::error!("Defrag reallocate method is not supported by TBB");
        return None;
    }
    let heap = kind
        .heaps()
        .find(|heap| heap.id() == heap::blocks::owner(ptr as usize) && !heap.wipes())?;
    // Larger blocks are in no slab, and the largest not even in memory that jemalloc knows.
    // SAFETY: the page map says that blocks of a live kind are there.
    if unsafe { heap::blocks::usable_size(ptr) } > heap::SLAB_MAX {
        return None;
    }
    // jemalloc takes free blocks in the depot for live ones.
    heap.empty_depot();
    // SAFETY: the page map says that blocks of a live kind are there.
    let slab = unsafe { je::utilization(ptr) }?;
    if slab.blocks <= 1 || slab.free == 0 || slab.class_blocks == 0 {
        return None;
    }
    let current = slab.current_slab..slab.current_slab.saturating_add(slab.size);
    if current.contains(&(ptr as usize)) {
        return None;
    }
    // A block in a slab up to an eighth fuller than the average moves too, or slabs that are
    // equally full would never be emptied.
    let used = (slab.blocks - slab.free) as u128;
    let class_used = slab.class_blocks.saturating_sub(slab.class_free) as u128;
    let is_full =
        used * slab.class_blocks as u128 > (class_used + class_used / 8) * slab.blocks as u128;
    (!is_full).then_some(heap)
}
