//! A kind of memory: a row of data with a heap.

use crate::error::Error;
use crate::heap::je;

/// The head that compiled C programs and debuggers read, then our own fields.
#[repr(C)]
pub struct Kind {
    partition: u32,
}

/// MEMKIND_DEFAULT.
pub static DEFAULT: Kind = Kind { partition: 0 };

impl Kind {
    /// The kind's number, 0 to 514; never two live kinds with the same.
    pub fn partition(&self) -> usize {
        self.partition as usize
    }
    /// The kind's name, e.g. `memkind_default`.
    pub fn name(&self) -> &str {
        "memkind_default"
    }
    /// Allocates; `Ok(null)` for size 0 unless zero allocations are allowed.
    pub fn malloc(&'static self, size: usize) -> Result<*mut u8, Error> {
        if size == 0 { return Ok(core::ptr::null_mut()); }
        let p = je::mallocx(size, 0);
        if p.is_null() { Err(Error::NoMemory) } else { Ok(p) }
    }
    /// Allocates zeroed memory for an array; an overflow is `NoMemory`.
    pub fn calloc(&'static self, num: usize, size: usize) -> Result<*mut u8, Error> {
        let n = num.checked_mul(size).ok_or(Error::NoMemory)?;
        if n == 0 { return Ok(core::ptr::null_mut()); }
        let p = je::mallocx(n, je::ZERO);
        if p.is_null() { Err(Error::NoMemory) } else { Ok(p) }
    }
    /// Allocates aligned memory.
    pub fn memalign(&'static self, align: usize, size: usize) -> Result<*mut u8, Error> {
        let p = je::mallocx(size, je::align(align));
        if p.is_null() { Err(Error::NoMemory) } else { Ok(p) }
    }
    /// Resizes; the old block stays valid on error.
    ///
    /// # Safety
    /// `ptr` is null or a live block of any kind.
    pub unsafe fn realloc(&'static self, ptr: *mut u8, size: usize) -> Result<*mut u8, Error> {
        if ptr.is_null() { return self.malloc(size); }
        // SAFETY: caller
        let p = unsafe { je::rallocx(ptr, size, 0) };
        if p.is_null() { Err(Error::NoMemory) } else { Ok(p) }
    }
}

/// Frees a block of any kind; null is a no-op.
///
/// # Safety
/// `ptr` is null or a live block of any kind.
pub unsafe fn free(ptr: *mut u8) {
    // SAFETY: caller
    if !ptr.is_null() { unsafe { je::dallocx(ptr, 0) } }
}
/// The kind that owns the address, if the library owns it.
pub fn detect(ptr: *const u8) -> Option<&'static Kind> {
    if ptr.is_null() { None } else { Some(&DEFAULT) }
}
/// The usable size of a block in bytes; 0 for null.
///
/// # Safety
/// `ptr` is null or a live block of any kind.
pub unsafe fn usable_size(ptr: *const u8) -> usize {
    // SAFETY: caller
    if ptr.is_null() { 0 } else { unsafe { je::sallocx(ptr) } }
}
/// The live kind at this address, or `None` for null, a bogus or a destroyed kind.
pub fn from_ptr(kind: *const Kind) -> Option<&'static Kind> {
    (kind == &raw const DEFAULT).then_some(&DEFAULT)
}
