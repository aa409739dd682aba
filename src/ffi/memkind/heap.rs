//! Allocating, resizing and freeing.

use core::ffi::{c_int, c_void};
use core::ptr;

use super::super::answer::{block_or_errno, handle_of, kind_of, memalign_into};
use super::super::decorate;
use super::types::{UsableSizePointer, memkind_t};
use crate::heap::fast;
use crate::kind::{self, defrag};
use crate::log;

/// Allocates memory.
///
/// \param kind  the kind
/// \param size  bytes, up to PTRDIFF_MAX
///
/// Returns a block suitably aligned for any type; NULL for size 0, with errno kept; NULL
/// with ENOMEM when the kind has no room or is not available, with EINVAL for what is
/// not a living kind. MT-safe. STANDARD API. See memkind(3), HEAP MANAGEMENT.
#[unsafe(no_mangle)]
pub extern "C" fn memkind_malloc(kind: memkind_t, size: usize) -> *mut c_void {
    if !fast::is_fine(size) {
        return malloc_larger(kind, size);
    }
    match fast::allocate(kind as usize, size) {
        Some(block) => block.as_ptr().cast(),
        None => malloc_again(kind, size),
    }
}

// `extern "C"`: these functions do not unwind, so the fast path can jump to them. Code that needs
// callee-saved registers is in a function of its own: to save them is a third of the work of a
// function that does without.
#[cold]
#[inline(never)]
extern "C" fn malloc_larger(kind: memkind_t, size: usize) -> *mut c_void {
    match fast::allocate_larger(kind as usize, size) {
        Some(block) => block.as_ptr().cast(),
        None => malloc_again(kind, size),
    }
}

#[cold]
#[inline(never)]
extern "C" fn malloc_again(kind: memkind_t, size: usize) -> *mut c_void {
    match fast::allocate_again(kind as usize, size) {
        Some(block) => block.as_ptr().cast(),
        None => malloc_slow(kind, size),
    }
}

#[cold]
#[inline(never)]
extern "C" fn malloc_slow(kind: memkind_t, size: usize) -> *mut c_void {
    if let Some(block) = fast::allocate_here(kind as usize, size) {
        return block.as_ptr().cast();
    }
    if decorate::present() {
        return decorate::malloc(kind, size, malloc);
    }
    malloc(kind, size)
}

#[inline]
fn malloc(kind: memkind_t, size: usize) -> *mut c_void {
    let Some(kind) = kind_of(kind) else {
        return no_such_kind();
    };
    block_or_errno(Some(kind), kind.malloc(size))
}

#[cold]
fn no_such_kind() -> *mut c_void {
    log::error!("The kind is NULL, was destroyed or never existed.");
    log::set_errno(libc::EINVAL);
    ptr::null_mut()
}

/// The usable bytes of a block, at least those that were asked for.
///
/// \param kind  the kind of the block, or NULL
/// \param ptr   the block; NULL gives 0
///
/// MT-safe. STANDARD API. See memkind(3), HEAP MANAGEMENT.
///
/// # Safety
/// `ptr` must be NULL or a live block of this library; what is not its memory gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_malloc_usable_size(
    kind: memkind_t,
    ptr: *mut UsableSizePointer,
) -> usize {
    let _ = kind;
    // SAFETY: null or a live block of this library.
    unsafe { kind::usable_size(ptr.cast_const().cast()) }
}

/// Allocates zeroed memory for an array.
///
/// \param kind  the kind
/// \param num   number of elements
/// \param size  bytes of each
///
/// Returns as memkind_malloc(); NULL if `num` or `size` is 0; NULL with ENOMEM if their
/// product overflows. MT-safe. STANDARD API. See memkind(3), HEAP MANAGEMENT.
#[unsafe(no_mangle)]
pub extern "C" fn memkind_calloc(kind: memkind_t, num: usize, size: usize) -> *mut c_void {
    if decorate::present() {
        return decorate::calloc(kind, num, size, calloc);
    }
    calloc(kind, num, size)
}

#[inline]
fn calloc(kind: memkind_t, num: usize, size: usize) -> *mut c_void {
    let Some(kind) = kind_of(kind) else {
        return no_such_kind();
    };
    block_or_errno(Some(kind), kind.calloc(num, size))
}

/// Allocates aligned memory.
///
/// \param kind       the kind
/// \param memptr     where the block goes; NULL for size 0 and on failure, but for
///                   MEMKIND_DEFAULT a failure leaves it alone
/// \param alignment  a power of two, at least sizeof(void *)
/// \param size       bytes
///
/// Returns 0; EINVAL for a bad alignment or kind; ENOMEM. errno is kept. MT-safe.
/// EXPERIMENTAL API. See memkind(3), HEAP MANAGEMENT.
///
/// # Safety
/// `memptr` must be writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_posix_memalign(
    kind: memkind_t,
    memptr: *mut *mut c_void,
    alignment: usize,
    size: usize,
) -> c_int {
    // SAFETY: `memptr` is writable.
    unsafe {
        if decorate::present() {
            return decorate::posix_memalign(kind, memptr, alignment, size, posix_memalign);
        }
        posix_memalign(kind, memptr, alignment, size)
    }
}

/// # Safety
/// `memptr` is NULL or writable.
#[inline]
unsafe fn posix_memalign(
    kind: memkind_t,
    memptr: *mut *mut c_void,
    alignment: usize,
    size: usize,
) -> c_int {
    let Some(kind) = kind_of(kind) else {
        return libc::EINVAL;
    };
    // SAFETY: `memptr` is null or writable.
    unsafe { memalign_into(kind, memptr, alignment, size) }
}

/// Resizes a block, moving it if needed.
///
/// \param kind  the kind that the result is of; NULL for the block's own
/// \param ptr   the block; NULL allocates a new one (EINVAL if `kind` is NULL too)
/// \param size  bytes; 0 frees the block and gives NULL
///
/// Returns the block, with its contents up to the smaller size; NULL with ENOMEM or
/// EINVAL, the old block staying as it was. MT-safe. STANDARD API.
/// See memkind(3), HEAP MANAGEMENT.
///
/// # Safety
/// `ptr` must be NULL or a live block of this library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_realloc(
    kind: memkind_t,
    ptr: *mut c_void,
    size: usize,
) -> *mut c_void {
    // SAFETY: null or a live block of this library.
    match unsafe { fast::resize(kind as usize, ptr.cast(), size) } {
        Some(block) => block.as_ptr().cast(),
        // SAFETY: null or a live block of this library.
        None => unsafe { realloc_slow(kind, ptr, size) },
    }
}

/// # Safety
/// As memkind_realloc().
#[cold]
#[inline(never)]
unsafe extern "C" fn realloc_slow(kind: memkind_t, ptr: *mut c_void, size: usize) -> *mut c_void {
    // SAFETY: `ptr` is null or a live block.
    unsafe {
        if decorate::present() {
            return decorate::realloc(kind, ptr, size, realloc);
        }
        realloc(kind, ptr, size)
    }
}

/// # Safety
/// As memkind_realloc().
#[inline]
unsafe fn realloc(kind: memkind_t, ptr: *mut c_void, size: usize) -> *mut c_void {
    let found = if kind.is_null() {
        kind::detect(ptr.cast_const().cast())
    } else {
        kind_of(kind)
    };
    let Some(found) = found else {
        return no_such_kind();
    };
    // SAFETY: `ptr` is null or a live block.
    block_or_errno(Some(found), unsafe { found.realloc(ptr.cast(), size) })
}

/// Frees a block.
///
/// \param kind  the kind of the block, or NULL
/// \param ptr   the block; NULL is a no-op
///
/// errno is kept. What is not memory of this library is left alone and reported under
/// MEMKIND_DEBUG. A wrong kind does no harm. MT-safe. STANDARD API.
/// See memkind(3), HEAP MANAGEMENT.
///
/// # Safety
/// `ptr` must be NULL or a live block of this library; it may not be used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_free(kind: memkind_t, ptr: *mut c_void) {
    // SAFETY: null or a live block, which is not used again.
    if !unsafe { fast::free(ptr.cast()) } {
        // SAFETY: null or a live block, which is not used again.
        unsafe { free_slow(kind, ptr) }
    }
}

/// # Safety
/// As memkind_free().
#[cold]
#[inline(never)]
unsafe extern "C" fn free_slow(kind: memkind_t, ptr: *mut c_void) {
    // SAFETY: `ptr` is null or a live block, which is not used again.
    unsafe {
        if decorate::present() {
            return decorate::free(kind, ptr, free);
        }
        free(kind, ptr);
    }
}

/// # Safety
/// As memkind_free().
#[inline]
unsafe fn free(_kind: memkind_t, ptr: *mut c_void) {
    // The kind of a block is looked up in the page map: a wrong one does no harm.
    // SAFETY: `ptr` is null or a live block, which is not used again.
    unsafe { kind::free(ptr.cast()) }
}

/// Moves a block if that helps to empty pages that are hardly used.
///
/// \param kind  the kind of the block, or NULL
/// \param ptr   the block; NULL gives NULL
///
/// Returns the new block, the old one being freed; NULL when it stays where it is.
/// MT-safe. STANDARD API. See memkind(3), HEAP MANAGEMENT.
///
/// # Safety
/// `ptr` must be NULL or a live block of this library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_defrag_reallocate(
    kind: memkind_t,
    ptr: *mut c_void,
) -> *mut c_void {
    let _ = kind;
    // SAFETY: null or a live block of this library.
    match unsafe { defrag::reallocate(ptr.cast()) } {
        Some(block) => block.cast(),
        None => ptr::null_mut(),
    }
}

/// The kind that a block belongs to.
///
/// \param ptr  the block
///
/// Returns the kind; NULL for NULL and for what is not memory of this library. Never
/// faults, whatever the address. MT-safe. STANDARD API.
/// See memkind(3), HEAP MANAGEMENT.
#[unsafe(no_mangle)]
pub extern "C" fn memkind_detect_kind(ptr: *mut c_void) -> memkind_t {
    kind::detect(ptr.cast_const().cast()).map_or(ptr::null_mut(), handle_of)
}
