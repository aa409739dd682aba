//! What kinds, regions and pools use.

use core::ffi::c_int;
use core::ptr;

use crate::error::Error;
use crate::ext::Usage;

/// What a kind, a region or a pool uses: sizes in bytes. The function that fills it tells what counts
/// as in use.
#[repr(C)]
#[allow(non_camel_case_types, reason = "the C name")]
pub struct memkind_usage {
    /// The most bytes that there may be; 0 for any number.
    pub limit: usize,
    /// Bytes taken from the kind; of a kind, from the system.
    pub held: usize,
    /// Bytes handed out.
    pub in_use: usize,
    /// The most bytes that have been held so far.
    pub peak: usize,
    /// The size of the kind's smallest pages.
    pub page_size: usize,
    /// The number of separate ranges that the memory is in.
    pub n_ranges: usize,
    /// The number of requests that got nothing.
    pub n_refused: usize,
}

const _: () = assert!(size_of::<memkind_usage>() == size_of::<Usage>());

/// Fills as much of a caller's structure as it has.
///
/// # Safety
/// `usage` is null or has `size` writable bytes.
pub(super) unsafe fn fill(found: Usage, usage: *mut memkind_usage, size: usize) -> c_int {
    if usage.is_null() || size == 0 {
        return Error::Invalid.code();
    }
    let known = size.min(size_of::<memkind_usage>());
    // SAFETY: `size` bytes are writable. Fields of later versions are 0.
    unsafe {
        ptr::write_bytes(usage.cast::<u8>(), 0, size);
        ptr::copy_nonoverlapping((&raw const found).cast::<u8>(), usage.cast::<u8>(), known);
    }
    0
}
