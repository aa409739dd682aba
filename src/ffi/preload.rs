//! malloc, free and malloc_usable_size for libmemtier and libautohbw: no header declares these.
//!
//! They differ from the functions of the headers in two ways: size 0 gives a block, and blocks of
//! other allocators are handed to `foreign`. Neither adds a test to the fast path, so a
//! preloaded malloc costs hardly more than the function of the header.

use core::ffi::c_void;

use super::answer::handle_at;
use super::memkind::{memkind_free, memkind_malloc, memkind_t};
use super::memtier::{self, memtier_kind_free, memtier_kind_malloc, memtier_memory};
use crate::heap::fast;
use crate::kind;
use crate::tier::{self, Memory};

/// A function that frees a block of another allocator.
type Foreign = unsafe extern "C" fn(ptr: *mut c_void);

/// A function that tells the usable bytes of a block of any allocator; 0 for NULL.
type UsableSize = unsafe extern "C" fn(ptr: *mut c_void) -> usize;

/// A function that allocates `size` bytes from the memory that it was made for.
type MallocOf = unsafe extern "C" fn(size: usize, memory: *mut memtier_memory) -> *mut c_void;

/// memkind_malloc() of at least one byte; without a kind, of MEMKIND_DEFAULT.
#[unsafe(no_mangle)]
pub extern "C" fn memkind_preload_malloc(size: usize, kind: memkind_t) -> *mut c_void {
    match fast::allocate(kind as usize, size) {
        Some(block) => block.as_ptr().cast(),
        None => kind_malloc_slow(size, kind),
    }
}

#[cold]
#[inline(never)]
extern "C" fn kind_malloc_slow(size: usize, kind: memkind_t) -> *mut c_void {
    match fast::allocate_larger(kind as usize, size) {
        Some(block) => block.as_ptr().cast(),
        None if kind.is_null() => memkind_malloc(handle_at(0), size.max(1)),
        None => memkind_malloc(kind, size.max(1)),
    }
}

/// memkind_free(), or `foreign` for a block that is not of this library.
///
/// # Safety
/// `ptr` is NULL or a live block, of this library or one that `foreign` takes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_preload_free(ptr: *mut c_void, foreign: Foreign) {
    // SAFETY: null or a live block of this library's or of `foreign`'s, which is not used again.
    unsafe {
        if !fast::free(ptr.cast()) {
            free_slow(ptr, foreign);
        }
    }
}

/// # Safety
/// As memkind_preload_free().
#[cold]
#[inline(never)]
unsafe extern "C" fn free_slow(ptr: *mut c_void, foreign: Foreign) {
    // SAFETY: `ptr` is NULL or a live block, of this library or one that `foreign` takes.
    unsafe {
        if kind::heap_id(ptr.cast_const().cast()) != 0 {
            memkind_free(core::ptr::null_mut(), ptr);
        } else if !ptr.is_null() {
            foreign(ptr);
        }
    }
}

/// The usable bytes of a block, which `otherwise` is asked for unless the page map knows them.
///
/// # Safety
/// `ptr` is NULL or a live block, of this library or one that `otherwise` takes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_preload_usable_size(
    ptr: *mut c_void,
    otherwise: UsableSize,
) -> usize {
    match fast::usable_size(ptr as usize) {
        Some(size) => size,
        // SAFETY: null or a live block that the function takes.
        None => unsafe { otherwise(ptr) },
    }
}

/// memtier_malloc() of at least one byte; without a memory, of MEMKIND_DEFAULT.
///
/// # Safety
/// `memory` is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memtier_preload_malloc(
    size: usize,
    memory: *mut memtier_memory,
) -> *mut c_void {
    match Memory::malloc_fast(memory.cast(), size) {
        Some(block) => block.as_ptr().cast(),
        // SAFETY: `memory` is null or live.
        None => unsafe { tier_malloc_slow(size, memory) },
    }
}

/// # Safety
/// As memtier_preload_malloc().
#[cold]
#[inline(never)]
unsafe extern "C" fn tier_malloc_slow(size: usize, memory: *mut memtier_memory) -> *mut c_void {
    let size = size.max(1);
    if memory.is_null() {
        return memtier_kind_malloc(handle_at(0), size);
    }
    // SAFETY: `memory` is null or live.
    unsafe { memtier::malloc_slow(memory, size) }
}

/// memtier_preload_malloc() of a memory whose tiers are chosen by size.
///
/// # Safety
/// `memory` is live, and memtier_preload_malloc_of() has returned this function for it.
unsafe extern "C" fn malloc_by_size(size: usize, memory: *mut memtier_memory) -> *mut c_void {
    // SAFETY: `memory` is live.
    match unsafe { (*memory.cast::<Memory>()).malloc_by_size_fast(size) } {
        Some(block) => block.as_ptr().cast(),
        // SAFETY: `memory` is live.
        None => unsafe { tier_malloc_slow(size, memory) },
    }
}

/// The fastest function that allocates from `memory` as memtier_preload_malloc() does. It may be
/// called for this memory only.
///
/// # Safety
/// `memory` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memtier_preload_malloc_of(memory: *mut memtier_memory) -> MallocOf {
    // SAFETY: `memory` is live, and points to a `Memory` as memtier.rs makes it.
    if unsafe { (*memory.cast::<Memory>()).keep_sizes() } {
        malloc_by_size
    } else {
        memtier_preload_malloc
    }
}

/// memtier_free(), or `foreign` for a block that is not of this library.
///
/// # Safety
/// `ptr` is NULL or a live block, of this library or one that `foreign` takes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memtier_preload_free(ptr: *mut c_void, foreign: Foreign) {
    // SAFETY: `ptr` is null, a live block of any kind, or not the library's.
    if !unsafe { tier::free_fast(ptr.cast()) } {
        // SAFETY: null or a live block of this library's or of `foreign`'s, which is not used again.
        unsafe { tier_free_slow(ptr, foreign) }
    }
}

/// # Safety
/// As memtier_preload_free().
#[cold]
#[inline(never)]
unsafe extern "C" fn tier_free_slow(ptr: *mut c_void, foreign: Foreign) {
    // SAFETY: `ptr` is NULL or a live block, of this library or one that `foreign` takes.
    unsafe {
        if kind::heap_id(ptr.cast_const().cast()) != 0 {
            memtier_kind_free(core::ptr::null_mut(), ptr);
        } else if !ptr.is_null() {
            foreign(ptr);
        }
    }
}
