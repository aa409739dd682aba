//! Resizing: in place where possible, and with room for a block that keeps growing.

use core::ffi::c_int;
use core::ptr;

use super::growing;
use super::thread::Thread;
use super::{Heap, class, free, je, page_map, uncached, usable_size};
use crate::error::Error;

impl Heap {
    /// Resizes a block of this heap, in place where possible. One that is to shrink stays as
    /// it is when there is no smaller one.
    ///
    /// # Safety
    /// `block` is a live block of this heap.
    pub unsafe fn resize(&'static self, block: *mut u8, size: usize) -> Result<*mut u8, Error> {
        let offset = (page_map::entry(block as usize) & 0xffff) as usize;
        if offset != 0 && class::offset(size) == offset {
            return Ok(block);
        }
        if offset == 0 || size > class::SLAB_MAX {
            let arena = self.arenas.current(self)?;
            // SAFETY: the caller's promise. What is resized here is not cached later:
            // its page may have stood for another class.
            let moved = unsafe { self.resize_large(block, size, arena) };
            if !moved.is_null() {
                self.note(moved, true);
                return Ok(moved);
            }
        }
        let fresh = match self.allocate(size) {
            Ok(fresh) => fresh,
            // SAFETY: the block is live.
            Err(_) if size <= unsafe { usable_size(block) } => return Ok(block),
            Err(error) => return Err(error),
        };
        // SAFETY: both blocks are live; the shorter length fits both. The old one is
        // given up only after its contents are safe.
        unsafe {
            ptr::copy_nonoverlapping(block, fresh, size.min(usable_size(block)));
            free(block);
        }
        Ok(fresh)
    }

    /// Resizes a block without caches; null when the arena has no other one.
    ///
    /// # Safety
    /// `block` is a live block of this heap.
    unsafe fn resize_large(&self, block: *mut u8, size: usize, arena: u32) -> *mut u8 {
        let flags = je::arena(arena) | je::TCACHE_NONE;
        // SAFETY: the block is live, by the caller's promise, and given up only when
        // its contents are elsewhere.
        unsafe {
            let old = usable_size(block);
            if size <= old || size <= class::MAX {
                let moved = je::rallocx(block, size, flags);
                if moved != block && !moved.is_null() && size > old {
                    note_growth(block, moved, size, false);
                }
                return moved;
            }
            if je::resize_in_place(block, size, je::TCACHE_NONE) {
                return block;
            }
            let growing = Thread::current().map(|thread| &thread.growing);
            if growing.is_some_and(|growing| growing.wants_room(block as usize)) {
                if let Some(moved) = self.block_with_room(size, flags) {
                    ptr::copy_nonoverlapping(block, moved, old);
                    je::dallocx(block, je::TCACHE_NONE);
                    note_growth(block, moved, size, true);
                    return moved;
                }
            }
            let moved = je::rallocx(block, size, flags);
            if !moved.is_null() {
                note_growth(block, moved, size, false);
            }
            moved
        }
    }

    /// A block behind which others are free, to be resized into; `None` when none can be spared.
    fn block_with_room(&self, size: usize, flags: c_int) -> Option<*mut u8> {
        let room = growing::room(size, self.spare());
        // Where unused memory goes back at once, or when it is much, room would go as well.
        if !self.caches() || room < size / 4 || size.saturating_add(room) >= uncached::LARGE_KEPT {
            return None;
        }
        let block = je::mallocx(size + room, flags);
        if block.is_null() {
            return None;
        }
        // SAFETY: a live block that nobody has seen.
        unsafe {
            if !je::resize_in_place(block, size, je::TCACHE_NONE) {
                je::dallocx(block, je::TCACHE_NONE);
                return None;
            }
        }
        Some(block)
    }

    /// How many bytes may lie idle behind a single block: a small part of what the heap takes
    /// at a time, or else of all that it can hold.
    fn spare(&self) -> usize {
        self.backing.growth().map_or_else(
            || {
                let held = self.backing.held().unwrap_or(0);
                held.saturating_add(self.backing.left()) / 64
            },
            |step| step / 16,
        )
    }

    /// Resizes a block of this heap where it is, if it is to be near to another CPU when
    /// it moves; whether that was possible.
    ///
    /// # Safety
    /// `block` is a live block of this heap.
    pub unsafe fn resize_in_place(&self, block: *mut u8, size: usize) -> bool {
        let offset = (page_map::entry(block as usize) & 0xffff) as usize;
        if offset != 0 {
            return class::offset(size) == offset;
        }
        // SAFETY: the caller's promise.
        let done = unsafe { je::resize_in_place(block, size, je::TCACHE_NONE) };
        if done {
            self.note(block, true);
        }
        done
    }
}

fn note_growth(from: *mut u8, to: *mut u8, size: usize, room: bool) {
    if let Some(thread) = Thread::current() {
        thread.growing.note(from as usize, to as usize, size, room);
    }
}
