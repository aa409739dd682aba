//! Rust's allocator: jemalloc itself, never libc.
//!
//! A preloaded malloc may be built on this library, and would be entered again if the library
//! took its own records from libc.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr;

use crate::heap::je;
use crate::reserve;

/// jemalloc's own arenas as Rust's allocator, and the reserve for when they have no memory.
struct Jemalloc;

// SAFETY: jemalloc and the reserve return blocks of at least `size` bytes with the requested
// alignment or NULL, and take back exactly what they returned.
unsafe impl GlobalAlloc for Jemalloc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let block = je::mallocx(layout.size(), je::align(layout.align()));
        if block.is_null() {
            return reserve::alloc(layout);
        }
        block
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let block = je::mallocx(layout.size(), je::align(layout.align()) | je::ZERO);
        if block.is_null() {
            let block = reserve::alloc(layout);
            if !block.is_null() {
                // SAFETY: the block has that many bytes, which others may have used before.
                unsafe { ptr::write_bytes(block, 0, layout.size()) };
            }
            return block;
        }
        block
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        if reserve::owns(ptr) {
            // SAFETY: the caller passes a block of this allocator, which is the reserve's.
            return unsafe { reserve::dealloc() };
        }
        // SAFETY: the caller passes a block of this allocator, which is jemalloc's.
        unsafe { je::dallocx(ptr, je::align(layout.align())) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if !reserve::owns(ptr) {
            // SAFETY: the caller passes a block of jemalloc's and a size above 0.
            let block = unsafe { je::rallocx(ptr, new_size, je::align(layout.align())) };
            if !block.is_null() {
                return block;
            }
        }
        // SAFETY: the caller passes an alignment that it has, and a size that is valid with it.
        let wanted = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        // SAFETY: the size is above 0, as the caller promises.
        let block = unsafe { self.alloc(wanted) };
        if !block.is_null() {
            // SAFETY: both blocks live, and have the bytes that are copied.
            unsafe { ptr::copy_nonoverlapping(ptr, block, layout.size().min(new_size)) };
            // SAFETY: the caller gives the old block up when there is a new one.
            unsafe { self.dealloc(ptr, layout) };
        }
        block
    }
}

#[global_allocator]
static GLOBAL: Jemalloc = Jemalloc;
