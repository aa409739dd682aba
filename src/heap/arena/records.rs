//! The hooks for jemalloc's own records of an arena: ordinary memory whatever the kind, really
//! unmapped with the arena (jemalloc alone would keep 2 MiB of addresses for each arena that ever
//! was).

use core::ffi::{c_uint, c_void};
use core::ptr;

use crate::backing::{Reserved, map_zeroes};
use crate::heap::base::je::{ExtentHooks, in_hook};
use crate::sys::ahead;

/// The hooks for records.
pub(super) static METADATA: Metadata = Metadata(ExtentHooks {
    alloc: Some(metadata_alloc),
    dalloc: Some(metadata_dalloc),
    destroy: None,
    commit: None,
    decommit: None,
    purge_lazy: None,
    purge_forced: None,
    split: None,
    merge: None,
});

/// Hooks that are never written to.
pub(super) struct Metadata(ExtentHooks);

// SAFETY: jemalloc only reads the hooks; the value is never written.
unsafe impl Sync for Metadata {}

impl Metadata {
    pub(super) const fn as_ptr(&'static self) -> *mut ExtentHooks {
        ptr::from_ref(&self.0).cast_mut()
    }
}

/// # Safety
/// Called by jemalloc alone, with places for two answers.
unsafe extern "C" fn metadata_alloc(
    _hooks: *mut ExtentHooks,
    new_addr: *mut c_void,
    size: usize,
    alignment: usize,
    zero: *mut bool,
    commit: *mut bool,
    _arena: c_uint,
) -> *mut c_void {
    if !new_addr.is_null() {
        return ptr::null_mut();
    }
    in_hook(|| {
        let ready = ahead::take(size, alignment);
        let Some(address) = ready.or_else(|| map_metadata(size, alignment)) else {
            return ptr::null_mut();
        };
        // SAFETY: jemalloc passes valid flags; fresh mappings read as zero.
        unsafe {
            *zero = true;
            *commit = true;
        }
        address as *mut c_void
    })
}

/// # Safety
/// Called by jemalloc alone, with what [`metadata_alloc`] gave.
unsafe extern "C" fn metadata_dalloc(
    _hooks: *mut ExtentHooks,
    addr: *mut c_void,
    size: usize,
    _committed: bool,
    _arena: c_uint,
) -> bool {
    in_hook(|| {
        // SAFETY: jemalloc gives the block up; it came from `metadata_alloc`.
        unsafe { libc::munmap(addr, size) != 0 }
    })
}

fn map_metadata(size: usize, alignment: usize) -> Option<usize> {
    // From Linux 6.7 on it is aligned at once. A limit may not allow the addresses for more.
    let mut address = map_zeroes(size)? as usize;
    if address % alignment != 0 {
        // SAFETY: our own mapping, which no other code has seen.
        unsafe { libc::munmap(address as *mut _, size) };
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        address = Reserved::new(size, alignment)?.map(flags, -1, 0)?;
    }
    // An arena uses some 90 KiB of its block: a huge page would waste the rest.
    // SAFETY: our own mapping, of this size.
    unsafe { libc::madvise(address as *mut _, size, libc::MADV_NOHUGEPAGE) };
    Some(address)
}
