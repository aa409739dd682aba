//! The malloc family, as glibc's manual describes it, on top of a [`Heap`].
//!
//! Size 0 gives a block of its own. A pointer that libmemkind does not know belongs to
//! the C library and goes back there. `errno` survives free and posix_memalign.

use core::ffi::{c_int, c_void};
use core::ptr;

use crate::c::memkind::{memkind_detect_kind, memkind_preload_usable_size};
use crate::c::{self, EINVAL, ENOMEM, Kind, foreign};

/// The source of the blocks. Sizes are above 0 unless a method says otherwise, alignments valid
/// for posix_memalign. A failed allocation returns null and sets `errno`.
pub trait Heap {
    /// Allocates; for size 0 too.
    fn allocate(size: usize) -> *mut c_void;
    /// Allocates zeroed memory for an array whose size does not overflow.
    fn allocate_zeroed(num: usize, size: usize) -> *mut c_void;
    /// Allocates at an alignment; an error code on failure, `errno` as it was.
    fn allocate_aligned(alignment: usize, size: usize) -> Result<*mut c_void, c_int>;
    /// Resizes.
    ///
    /// # Safety
    /// A live block of libmemkind.
    unsafe fn resize(ptr: *mut c_void, size: usize) -> *mut c_void;
    /// Frees a block of libmemkind or of the C library; null is a no-op. Keeps `errno`.
    ///
    /// # Safety
    /// Null or a live block.
    unsafe fn release(ptr: *mut c_void);
    /// The usable size.
    ///
    /// # Safety
    /// A live block of this kind.
    unsafe fn usable_size(kind: Kind, ptr: *mut c_void) -> usize;
    /// Called when the program calls valloc or memalign.
    #[inline]
    fn deprecated(_name: &str) {}
}

#[cold]
fn fail(code: c_int) -> *mut c_void {
    c::set_errno(code);
    ptr::null_mut()
}

/// The kind of a block, null for a foreign one.
#[inline]
fn kind_of(ptr: *mut c_void) -> Kind {
    // SAFETY: any address may be asked about.
    unsafe { memkind_detect_kind(ptr) }
}

/// malloc(3)
#[inline]
pub fn malloc<H: Heap>(size: usize) -> *mut c_void {
    H::allocate(size)
}

/// calloc(3)
#[inline]
pub fn calloc<H: Heap>(num: usize, size: usize) -> *mut c_void {
    match num.checked_mul(size) {
        Some(0) => H::allocate_zeroed(1, 1),
        Some(_) => H::allocate_zeroed(num, size),
        None => fail(ENOMEM),
    }
}

/// realloc(3): size 0 frees a block, as in glibc.
///
/// # Safety
/// `ptr` is null or a live block.
#[inline]
pub unsafe fn realloc<H: Heap>(ptr: *mut c_void, size: usize) -> *mut c_void {
    if ptr.is_null() {
        return malloc::<H>(size);
    }
    if size == 0 {
        // SAFETY: `ptr` is a live block, which is not used again.
        unsafe { free::<H>(ptr) };
        return ptr::null_mut();
    }
    if kind_of(ptr).is_null() {
        // SAFETY: what is not libmemkind's is the C library's.
        return unsafe { foreign::realloc(ptr, size) };
    }
    // SAFETY: `ptr` is a live block of libmemkind's.
    unsafe { H::resize(ptr, size) }
}

/// reallocarray(3), by the realloc of the process: a program with a malloc of its own may have no reallocarray.
///
/// # Safety
/// `ptr` is null or a live block.
pub unsafe fn reallocarray(ptr: *mut c_void, num: usize, size: usize) -> *mut c_void {
    match num.checked_mul(size) {
        // SAFETY: `ptr` is null or a live block.
        Some(bytes) => unsafe { c::process::realloc(ptr, bytes) },
        None => fail(ENOMEM),
    }
}

/// free(3)
///
/// # Safety
/// `ptr` is null or a live block.
#[inline]
pub unsafe fn free<H: Heap>(ptr: *mut c_void) {
    // SAFETY: `ptr` is null or a live block, which is not used again.
    unsafe { H::release(ptr) }
}

/// malloc_usable_size(3)
///
/// # Safety
/// `ptr` is null or a live block.
#[inline]
pub unsafe fn usable_size<H: Heap>(ptr: *mut c_void) -> usize {
    // SAFETY: `ptr` is null or a live block.
    unsafe { memkind_preload_usable_size(ptr, usable_size_of_any::<H>) }
}

/// malloc_usable_size(3) of a block that the page map does not tell the size of.
///
/// # Safety
/// `ptr` is null or a live block.
#[cold]
unsafe extern "C" fn usable_size_of_any<H: Heap>(ptr: *mut c_void) -> usize {
    if ptr.is_null() {
        return 0;
    }
    let kind = kind_of(ptr);
    // SAFETY: `ptr` is a live block, of the C library if no kind has it.
    unsafe {
        if kind.is_null() {
            foreign::usable_size(ptr)
        } else {
            H::usable_size(kind, ptr)
        }
    }
}

/// posix_memalign(3)
///
/// # Safety
/// `memptr` is writable.
#[inline]
pub unsafe fn posix_memalign<H: Heap>(
    memptr: *mut *mut c_void,
    alignment: usize,
    size: usize,
) -> c_int {
    if !alignment.is_power_of_two() || alignment < size_of::<*mut c_void>() {
        return EINVAL;
    }
    match H::allocate_aligned(alignment, size.max(1)) {
        Ok(block) => {
            // SAFETY: `memptr` is writable.
            unsafe { *memptr = block };
            0
        }
        Err(code) => code,
    }
}

/// Allocates at an alignment that is a power of two, for aligned_alloc and memalign.
#[inline]
fn aligned<H: Heap>(alignment: usize, size: usize) -> *mut c_void {
    H::allocate_aligned(alignment.max(size_of::<*mut c_void>()), size.max(1)).unwrap_or_else(fail)
}

/// aligned_alloc(3)
#[inline]
pub fn aligned_alloc<H: Heap>(alignment: usize, size: usize) -> *mut c_void {
    if alignment.is_power_of_two() {
        aligned::<H>(alignment, size)
    } else {
        fail(EINVAL)
    }
}

/// memalign(3): an alignment that is no power of two is rounded up to one, as in glibc.
#[inline]
pub fn memalign<H: Heap>(alignment: usize, size: usize) -> *mut c_void {
    H::deprecated("memalign");
    match alignment.checked_next_power_of_two() {
        Some(alignment) => aligned::<H>(alignment, size),
        None => fail(EINVAL),
    }
}

/// valloc(3)
#[inline]
pub fn valloc<H: Heap>(size: usize) -> *mut c_void {
    H::deprecated("valloc");
    aligned::<H>(c::page_size(), size)
}

/// pvalloc(3): whole pages, at least one.
#[inline]
pub fn pvalloc<H: Heap>(size: usize) -> *mut c_void {
    let page = c::page_size();
    match size.max(1).checked_next_multiple_of(page) {
        Some(size) => aligned::<H>(page, size),
        None => fail(ENOMEM),
    }
}

/// Exports the whole family for a heap, under the names of the C library.
#[macro_export]
macro_rules! export_malloc_family {
    ($heap:ty) => {
        /// The C library's names; see malloc(3), posix_memalign(3), malloc_usable_size(3).
        mod exported {
            use core::ffi::{c_int, c_void};
            use $crate::figures::{self, Mallinfo};
            use $crate::{c, family};

            type Heap = $heap;

            #[unsafe(no_mangle)]
            extern "C" fn malloc(size: usize) -> *mut c_void {
                family::malloc::<Heap>(size)
            }

            #[unsafe(no_mangle)]
            extern "C" fn calloc(num: usize, size: usize) -> *mut c_void {
                family::calloc::<Heap>(num, size)
            }

            #[unsafe(no_mangle)]
            unsafe extern "C" fn realloc(ptr: *mut c_void, size: usize) -> *mut c_void {
                // SAFETY: `ptr` is null or a live block, as realloc(3) requires.
                unsafe { family::realloc::<Heap>(ptr, size) }
            }

            #[unsafe(no_mangle)]
            unsafe extern "C" fn reallocarray(
                ptr: *mut c_void,
                num: usize,
                size: usize,
            ) -> *mut c_void {
                // SAFETY: `ptr` is null or a live block, as reallocarray(3) requires.
                unsafe { family::reallocarray(ptr, num, size) }
            }

            #[unsafe(no_mangle)]
            unsafe extern "C" fn free(ptr: *mut c_void) {
                // SAFETY: `ptr` is null or a live block, as free(3) requires.
                unsafe { family::free::<Heap>(ptr) }
            }

            // C23; this allocator does not need the size. The block is of the malloc that the process calls, and
            // so it is freed there: a program with a malloc of its own may have no function of this name.
            #[unsafe(no_mangle)]
            unsafe extern "C" fn free_sized(ptr: *mut c_void, _size: usize) {
                // SAFETY: `ptr` is null or a live block, as free_sized(3) requires.
                unsafe { c::process::free(ptr) }
            }

            #[unsafe(no_mangle)]
            unsafe extern "C" fn free_aligned_sized(
                ptr: *mut c_void,
                _alignment: usize,
                _size: usize,
            ) {
                // SAFETY: `ptr` is null or a live block, as free_aligned_sized(3) requires.
                unsafe { c::process::free(ptr) }
            }

            // No header declares cfree any more, but old programs call it.
            #[unsafe(no_mangle)]
            unsafe extern "C" fn cfree(ptr: *mut c_void) {
                // SAFETY: `ptr` is null or a live block, as cfree(3) requires.
                unsafe { c::process::free(ptr) }
            }

            #[unsafe(no_mangle)]
            unsafe extern "C" fn posix_memalign(
                memptr: *mut *mut c_void,
                alignment: usize,
                size: usize,
            ) -> c_int {
                // SAFETY: `memptr` is writable, as posix_memalign(3) requires.
                unsafe { family::posix_memalign::<Heap>(memptr, alignment, size) }
            }

            #[unsafe(no_mangle)]
            extern "C" fn aligned_alloc(alignment: usize, size: usize) -> *mut c_void {
                family::aligned_alloc::<Heap>(alignment, size)
            }

            #[unsafe(no_mangle)]
            extern "C" fn memalign(alignment: usize, size: usize) -> *mut c_void {
                family::memalign::<Heap>(alignment, size)
            }

            #[unsafe(no_mangle)]
            extern "C" fn valloc(size: usize) -> *mut c_void {
                family::valloc::<Heap>(size)
            }

            #[unsafe(no_mangle)]
            extern "C" fn pvalloc(size: usize) -> *mut c_void {
                family::pvalloc::<Heap>(size)
            }

            #[unsafe(no_mangle)]
            unsafe extern "C" fn malloc_usable_size(ptr: *mut c_void) -> usize {
                // SAFETY: `ptr` is null or a live block, as malloc_usable_size(3) requires.
                unsafe { family::usable_size::<Heap>(ptr) }
            }

            #[unsafe(no_mangle)]
            extern "C" fn malloc_trim(pad: usize) -> c_int {
                figures::trim(pad)
            }

            #[unsafe(no_mangle)]
            extern "C" fn mallinfo() -> Mallinfo<c_int> {
                figures::mallinfo()
            }

            #[unsafe(no_mangle)]
            extern "C" fn mallinfo2() -> Mallinfo<usize> {
                figures::mallinfo2()
            }

            #[unsafe(no_mangle)]
            extern "C" fn malloc_stats() {
                figures::malloc_stats();
            }

            #[unsafe(no_mangle)]
            unsafe extern "C" fn malloc_info(options: c_int, file: *mut c_void) -> c_int {
                // SAFETY: `file` is an open stream, as malloc_info(3) requires.
                unsafe { figures::malloc_info(options, file) }
            }
        }
    };
}
