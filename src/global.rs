//! Rust's allocator: jemalloc itself, never libc.
//!
//! A preloaded malloc may be built on this library, and would be entered again if the library
//! took its own records from libc.

use core::alloc::{GlobalAlloc, Layout};

use crate::heap::je;

/// jemalloc's own arenas as Rust's allocator.
struct Jemalloc;

// SAFETY: jemalloc returns blocks of at least `size` bytes with the requested
// alignment or NULL, and takes back exactly what it returned.
unsafe impl GlobalAlloc for Jemalloc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        je::mallocx(layout.size(), je::align(layout.align()))
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        je::mallocx(layout.size(), je::align(layout.align()) | je::ZERO)
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller passes a block of this allocator.
        unsafe { je::dallocx(ptr, je::align(layout.align())) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller passes a block of this allocator and a size above 0.
        unsafe { je::rallocx(ptr, new_size, je::align(layout.align())) }
    }
}

#[global_allocator]
static GLOBAL: Jemalloc = Jemalloc;
