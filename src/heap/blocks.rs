//! Blocks by their address alone: the page map tells whose they are.

use core::ptr;

use super::base::{class, mapped};
use super::thread::{self, Thread};
use super::{Heap, cache, giveback, je, page_map, spare, tbb};
use crate::log;

/// Frees a block of a heap. `false` if the address is not one of a heap. Keeps `errno`, also when
/// the kernel refuses jemalloc a call, as on locked memory.
///
/// # Safety
/// `block` is a live block of a heap or not on a heap's page at all.
pub unsafe fn free(block: *mut u8) -> bool {
    let entry = page_map::entry(block as usize) as usize;
    let (id, offset) = (entry >> 16, entry & 0xffff);
    if id == 0 {
        // SAFETY: a live block that is given up, or none.
        return unsafe { free_mapped(block as usize) };
    }
    if offset == class::NO_BLOCKS {
        return false;
    }
    if id == spare::ID {
        // SAFETY: the page map says whose the block is.
        unsafe { spare::free(block) };
        return true;
    }
    if !thread::may_enter() {
        // Of a heap that is in the middle of something: lost, as no code may touch it here.
        return true;
    }
    if offset != 0 {
        if let (Some(heap), Some(thread)) = (Heap::by_id(id), Thread::current()) {
            thread.enter();
            // SAFETY: the calling thread has entered; the page map says whose the block is and of
            // which class, and the caller gives it up.
            let done = unsafe { cache::push(thread, id, offset, block) };
            if done && !thread.beat.is_due() {
                // No fast path has: one that finds room has counted, and fails only when a look is due.
                thread.beat.count_down();
                thread.leave();
                return true;
            }
            let errno = log::errno();
            // SAFETY: the calling thread has entered, and gives up a block of this heap and class.
            let left = !done && unsafe { cache::spill(thread, &heap.store, offset, block) };
            thread.leave();
            if left {
                thread.beat.come_soon();
            }
            if done || !thread.beat.count_down() {
                giveback::beat(thread);
            }
            log::set_errno(errno);
            return true;
        }
    }
    // SAFETY: the block is live, by the caller's promise.
    if unsafe { tbb::free(id, block) } {
        return true;
    }
    let errno = log::errno();
    // SAFETY: the page map says that the block is a heap's.
    let size = unsafe {
        let size = je::sallocx(block);
        if Heap::by_id(id).is_some_and(Heap::wipes) {
            wipe(block, size);
        }
        je::dallocx(block, je::TCACHE_NONE);
        size
    };
    if let Some(thread) = Thread::attached() {
        thread.growing.freed(block as usize);
        thread.beat.come_soon();
    }
    if let Some(heap) = Heap::by_id(id) {
        heap.store.arenas.turn.next();
        heap.large.freed(&heap.store.arenas, size);
    }
    giveback::tick();
    log::set_errno(errno);
    true
}

/// Frees the block at an address if it is a mapping of its own; `false` if not.
///
/// # Safety
/// Such a block is not used any more.
#[cold]
unsafe fn free_mapped(block: usize) -> bool {
    let Some((id, size)) = mapped::take(block) else {
        return false;
    };
    if !thread::may_enter() {
        // Of a heap that is in the middle of something: lost, as no code may touch it here.
        return true;
    }
    let errno = log::errno();
    if let Some(heap) = Heap::by_id(id) {
        if heap.wipes() {
            // SAFETY: a block of this size, which no other caller has taken to free it.
            unsafe { wipe(block as *mut u8, size) };
        }
        // SAFETY: a block of this heap, which is given up, and which no other caller has taken.
        unsafe { heap.store.arenas.free_mapped(block, size) };
        heap.store.arenas.turn.next();
    }
    if let Some(thread) = Thread::attached() {
        thread.beat.come_soon();
    }
    giveback::tick();
    log::set_errno(errno);
    true
}

/// The id of the heap that has the block at an address, in an arena or in a pool of TBB; 0 when no heap
/// has.
#[inline]
pub fn owner(address: usize) -> usize {
    tbb::heap_id(page_map::owner(address))
}

/// Whether an address is memory of a heap that a forked child has no use of.
pub fn is_abandoned(address: usize) -> bool {
    let owner = page_map::owner(address);
    owner != 0 && !page_map::has_blocks(address) && Heap::by_id(owner).is_none()
}

/// Frees a block past all caches, for defragmentation.
///
/// # Safety
/// `block` is a live block of a heap.
pub unsafe fn free_uncached(block: *mut u8) {
    let heap = Heap::by_id(page_map::owner(block as usize));
    // SAFETY: a live block of a heap, which no code uses any more.
    unsafe { je::dallocx(block, je::TCACHE_NONE) }
    if let Some(heap) = heap {
        heap.store.arenas.turn.next();
    }
}

/// How often, at least, the calling thread has freed since it last looked at the clock, if it is to
/// look now.
pub(crate) fn frees_when_due() -> Option<usize> {
    let thread = Thread::attached().filter(|thread| thread.beat.is_due())?;
    Some(thread.beat.period() as usize)
}

/// [`free`], after which the calling thread's next request for such a block does not take the fast
/// path, as a rule.
///
/// # Safety
/// `block` is a live block of a heap or not on a heap's page at all.
#[cold]
pub(crate) unsafe fn free_and_set_aside(block: *mut u8) -> bool {
    let entry = page_map::entry(block as usize) as usize;
    let (id, offset) = (entry >> 16, entry & 0xffff);
    // SAFETY: a live block of a heap, which is not used again, or not on a heap's page.
    let done = unsafe { free(block) };
    if let Some(thread) = Thread::attached().filter(|_| offset != 0 && Heap::by_id(id).is_some()) {
        thread.enter();
        cache::set_aside(thread, id, offset);
        thread.leave();
    }
    done
}

/// Notes a block that a program took straight from an arena of jemalloc's, if it is a heap's.
///
/// # Safety
/// `block` is a live block of jemalloc's.
pub unsafe fn adopt(block: *mut u8) {
    if let Some(heap) = Heap::by_id(page_map::owner(block as usize)) {
        // SAFETY: a live block of jemalloc's.
        unsafe { heap.store.arenas.note(block, false) };
    }
}

/// The usable size of a block of a heap, in bytes; 0 for any other address.
///
/// # Safety
/// `block` is a live block of a heap or not on a heap's page at all.
pub unsafe fn usable_size(block: *const u8) -> usize {
    match page_map::entry(block as usize) as usize {
        0 => mapped::block(block as usize).map_or(0, |(_, size)| size),
        // SAFETY: the page map says whose the block is, which is live by the caller's promise.
        entry if entry >> 16 == spare::ID => unsafe { spare::usable_size(block) },
        // SAFETY: the page is a heap's, and the block live by the caller's promise.
        entry if entry & 0xffff == 0 => unsafe {
            tbb::usable_size(entry >> 16, block).unwrap_or_else(|| je::sallocx(block))
        },
        entry => class::size_of(entry & 0xffff),
    }
}

/// Overwrites a block that is about to be freed.
///
/// # Safety
/// The block is live, of `size` usable bytes.
unsafe fn wipe(block: *mut u8, size: usize) {
    // SAFETY: the block is live and of this size.
    unsafe { ptr::write_bytes(block, 0, size) };
    // Keeps the compiler from dropping writes that nothing reads.
    core::hint::black_box(block);
}
