//! Resizing: in place where possible, and with room for a block that keeps growing.

use core::ffi::c_int;
use core::ptr;

use super::arena::LARGE_KEPT;
use super::base::{class, je, mapped};
use super::blocks::{free, usable_size};
use super::giveback::{self, grown::after_growth};
use super::thread::{Thread, growing};
use super::{Heap, tbb};
use crate::backing::{page_size, round_up};
use crate::error::Error;

impl Heap {
    /// Resizes a block of this heap, in place where possible. One that is to shrink stays as
    /// it is when there is no smaller one.
    ///
    /// # Safety
    /// `block` is a live block of this heap.
    pub unsafe fn resize(&'static self, block: *mut u8, size: usize) -> Result<*mut u8, Error> {
        // SAFETY: the block is live.
        if let Some(moved) = unsafe { tbb::resize(&self.store.arenas, block, size) } {
            return moved;
        }
        // SAFETY: the block is live.
        let old = unsafe { usable_size(block) };
        let shrinks = size <= old;
        let pooled = tbb::has(block as usize);
        if pooled && tbb::fits(old, size) || !pooled && is_same(old, size) {
            return Ok(block);
        }
        if size > class::REQUEST_MAX {
            return Err(Error::NoMemory);
        }
        if mapped::block(block as usize).is_some() {
            // SAFETY: the block is live, and a mapping of this heap's.
            if let Some(moved) = unsafe { self.remap(block, old, size) } {
                return moved;
            }
        } else if is_for_jemalloc(old, size)
            && !pooled
            && !je::is_first(block)
            && !self.store.arenas.maps(size)
        {
            // SAFETY: a live block of this heap, with `old` usable bytes.
            let moved = unsafe { self.resize_large(block, old, size)? };
            if !moved.is_null() {
                return Ok(moved);
            }
        }
        let fresh = match self.allocate(size) {
            Ok(fresh) => fresh,
            Err(_) if shrinks && (pooled || mapped::begins(block as usize)) => return Ok(block),
            Err(_) if shrinks => {
                // SAFETY: a live block of this heap, with `old` usable bytes.
                let moved = unsafe { self.resize_large(block, old, size) };
                let moved = moved.ok().filter(|moved| !moved.is_null());
                return Ok(moved.unwrap_or(block));
            }
            Err(error) => return Err(error),
        };
        // SAFETY: both blocks are live; the shorter length fits both. The old one is
        // given up only after its contents are safe.
        unsafe {
            ptr::copy_nonoverlapping(block, fresh, size.min(old));
            free(block);
        }
        Ok(fresh)
    }

    /// Resizes a block of `old` bytes that is a mapping of its own; `None` when it has to be copied,
    /// as for a size of caches or of arenas.
    ///
    /// # Safety
    /// `block` is a live block of this heap, and a mapping.
    unsafe fn remap(
        &'static self,
        block: *mut u8,
        old: usize,
        size: usize,
    ) -> Option<Result<*mut u8, Error>> {
        let arenas = &self.store.arenas;
        if !arenas.maps(size) {
            return None;
        }
        let size = round_up(size, page_size())?;
        // SAFETY: a live block of this heap, with `old` usable bytes.
        let resize = || unsafe { arenas.resize_mapped(block, old, size, true) };
        let mut moved = resize();
        let more = size.saturating_sub(old);
        if matches!(moved, Err(Error::NoMemory)) && self.pressure.make_room(&self.store, more) {
            moved = resize();
        }
        if size < old {
            arenas.turn.next();
        }
        giveback::tick();
        match moved {
            Err(Error::OperationFailed) => None,
            moved => Some(moved),
        }
    }

    /// Resizes a block of `old` usable bytes without caches; null when the arena has no other
    /// one. The result goes back to the arena when it is freed: caches would keep it from what
    /// is free beside it, and fill up with blocks that no request takes from them.
    ///
    /// # Safety
    /// `block` is a live block of this heap.
    unsafe fn resize_large(
        &'static self,
        block: *mut u8,
        old: usize,
        size: usize,
    ) -> Result<*mut u8, Error> {
        let flags = je::arena(self.store.arenas.current()?) | je::TCACHE_NONE;
        // SAFETY: a live block of this heap, which is not in a cache.
        let (moved, has_room) = unsafe {
            if size > class::MAX && size > old {
                self.enlarge(block, old, size, flags)
            } else {
                (je::rallocx(block, size, flags), false)
            }
        };
        after_growth(&self.store.arenas, size, has_room);
        if !moved.is_null() {
            self.store.arenas.turn.next();
            // SAFETY: a live block that jemalloc has just given.
            unsafe { self.store.arenas.note(moved, false) };
            if moved != block && size > old {
                if let Some(thread) = Thread::current() {
                    let (from, to) = (block as usize, moved as usize);
                    thread.growing.note(from, to, size, has_room);
                }
            }
        }
        Ok(moved)
    }

    /// Enlarges a block; null when the arena has no other one. And whether it has been given
    /// room.
    ///
    /// # Safety
    /// `block` is a live block of this heap, of `old` usable bytes.
    unsafe fn enlarge(
        &self,
        block: *mut u8,
        old: usize,
        size: usize,
        flags: c_int,
    ) -> (*mut u8, bool) {
        // SAFETY: the block is live, by the caller's promise, and given up only when
        // its contents are elsewhere.
        unsafe {
            if je::resize_in_place(block, size, je::TCACHE_NONE) {
                return (block, false);
            }
            let growing = Thread::current().map(|thread| &thread.growing);
            if growing.is_some_and(|growing| growing.wants_room(block as usize)) {
                if let Some(moved) = self.block_with_room(size, flags) {
                    ptr::copy_nonoverlapping(block, moved, old);
                    je::dallocx(block, je::TCACHE_NONE);
                    return (moved, true);
                }
            }
            (je::rallocx(block, size, flags), false)
        }
    }

    /// A block of `size` bytes with free memory behind it, into which it can grow; `None` when none can
    /// be spared.
    fn block_with_room(&self, size: usize, flags: c_int) -> Option<*mut u8> {
        // What a heap that has just run full has left is for others.
        if self.store.full.goes_without() {
            return None;
        }
        let room = growing::room(size, self.spare());
        // Where unused memory goes back at once, or when it is much, room would go as well.
        if !self.store.arenas.caches() || room < size / 4 || size.saturating_add(room) >= LARGE_KEPT
        {
            return None;
        }
        let block = je::mallocx(size + room, flags);
        if block.is_null() {
            return None;
        }
        // SAFETY: a live block that no other code has seen.
        unsafe {
            if !je::resize_in_place(block, size, je::TCACHE_NONE) {
                je::dallocx(block, je::TCACHE_NONE);
                return None;
            }
        }
        Some(block)
    }

    /// How many bytes may lie idle behind a single block: a small part of what the heap takes
    /// at a time. Where it has an area and no more, gaps come between what would fit there
    /// without them: a smaller part, and only of what has never been used.
    fn spare(&self) -> usize {
        self.backing()
            .growth()
            .map_or_else(|| self.backing().room().left() / 256, |step| step / 16)
    }

    /// Resizes a block of this heap where it is; whether that was possible. For a block that would
    /// come from another CPU's heap if it moved.
    ///
    /// # Safety
    /// `block` is a live block of this heap.
    pub unsafe fn resize_in_place(&self, block: *mut u8, size: usize) -> bool {
        // SAFETY: the block is live.
        let old = unsafe { usable_size(block) };
        if tbb::has(block as usize) {
            return tbb::fits(old, size);
        }
        if is_same(old, size) {
            return true;
        }
        // What is cut off is to be wiped, which a block that cannot be cut after all must not be.
        if size > class::REQUEST_MAX || (size < old && self.wipes()) {
            return false;
        }
        if mapped::block(block as usize).is_some() {
            let pages = round_up(size, page_size()).filter(|_| self.store.arenas.maps(size));
            // SAFETY: the block is live, and a mapping of this heap's.
            return pages.is_some_and(|pages| unsafe {
                let resized = self.store.arenas.resize_mapped(block, old, pages, false);
                resized.is_ok()
            });
        }
        if !is_for_jemalloc(old, size) || self.store.arenas.maps(size) {
            return false;
        }
        // SAFETY: a live block of this heap.
        let done = unsafe { je::resize_in_place(block, size, je::TCACHE_NONE) };
        if done {
            self.store.arenas.turn.next();
            // SAFETY: a live block of jemalloc's, which has just been resized.
            unsafe { self.store.arenas.note(block, false) };
        }
        done
    }
}

/// Whether a block of `old` usable bytes is of the class for `size`.
fn is_same(old: usize, size: usize) -> bool {
    class::offset(size) != 0 && class::offset(size) == class::offset(old)
}

/// Whether jemalloc resizes such a block. Small ones are copied.
fn is_for_jemalloc(old: usize, size: usize) -> bool {
    if size > old {
        size > class::SLAB_MAX
    } else {
        size > class::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::{is_for_jemalloc, is_same};

    const KIB: usize = 1024;

    #[test]
    fn who_resizes() {
        assert!(is_same(112, 100) && !is_same(112, 90) && is_same(128 * KIB, 127 * KIB));
        assert!(!is_same(9216 * KIB, 9216 * KIB));
        // Enlarged:
        assert!(!is_for_jemalloc(8 * KIB, 14 * KIB) && is_for_jemalloc(8 * KIB, 15 * KIB));
        // Cut:
        assert!(!is_for_jemalloc(256 * KIB, 64 * KIB) && is_for_jemalloc(256 * KIB, 65 * KIB));
    }
}
