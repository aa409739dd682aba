//! The only user of jemalloc: allocation by flags, typed control names, arenas.

use core::ffi::{c_int, c_void};
use tikv_jemalloc_sys as sys;

/// Flag: the block must be zeroed.
pub const ZERO: c_int = sys::MALLOCX_ZERO;
/// Flag: bypass jemalloc's per-thread cache.
pub const TCACHE_NONE: c_int = sys::MALLOCX_TCACHE_NONE;

/// Flag for an alignment; `align` is a power of two.
pub const fn align(align: usize) -> c_int {
    align.trailing_zeros() as c_int
}

/// Flag for an arena.
pub const fn arena(index: u32) -> c_int {
    sys::MALLOCX_ARENA(index as usize)
}

/// A block of at least `size` bytes (more than 0), or null.
pub fn mallocx(size: usize, flags: c_int) -> *mut u8 {
    // SAFETY: size is not 0 (jemalloc's only precondition; 0 is raised to 1).
    unsafe { sys::mallocx(size.max(1), flags).cast() }
}

/// Frees a block.
///
/// # Safety
/// `ptr` is a live block of this jemalloc.
pub unsafe fn dallocx(ptr: *mut u8, flags: c_int) {
    // SAFETY: the caller's promise.
    unsafe { sys::dallocx(ptr.cast::<c_void>(), flags) }
}

/// Resizes a block, moving it if needed; null leaves the old block alone.
///
/// # Safety
/// `ptr` is a live block of this jemalloc.
pub unsafe fn rallocx(ptr: *mut u8, size: usize, flags: c_int) -> *mut u8 {
    // SAFETY: the caller's promise; size 0 is raised to 1.
    unsafe { sys::rallocx(ptr.cast::<c_void>(), size.max(1), flags).cast() }
}

/// The usable size of a block, in bytes.
///
/// # Safety
/// `ptr` is a live block of this jemalloc.
pub unsafe fn sallocx(ptr: *const u8) -> usize {
    // SAFETY: the caller's promise.
    unsafe { sys::sallocx(ptr.cast::<c_void>(), 0) }
}
