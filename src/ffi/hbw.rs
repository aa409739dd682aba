//! hbwmalloc.h: the heap of high-bandwidth memory with one policy for the process.

use core::ffi::{c_int, c_uint, c_void};
use core::sync::atomic::{AtomicU32, Ordering};

use super::answer::handle_of;
use super::hbw_region;
use super::memkind::{
    memkind_calloc, memkind_free, memkind_malloc, memkind_malloc_usable_size,
    memkind_posix_memalign, memkind_realloc, memkind_t,
};
use crate::kind::registry;
use crate::log;

/// What happens when high-bandwidth memory runs out.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
#[allow(non_camel_case_types, reason = "the C name")]
pub enum hbw_policy_t {
    /// NULL with ENOMEM; only the node nearest to the CPU that allocates is used.
    HBW_POLICY_BIND = 1,
    /// Standard memory is used (the policy unless another is set).
    HBW_POLICY_PREFERRED = 2,
    /// Standard memory is used; pages alternate between all high-bandwidth nodes.
    HBW_POLICY_INTERLEAVE = 3,
    /// NULL with ENOMEM; the node is the nearest one when a page is first written.
    HBW_POLICY_BIND_ALL = 4,
}

/// Page sizes for hbw_posix_memalign_psize().
#[repr(C)]
#[allow(
    non_camel_case_types,
    dead_code,
    reason = "the C name; only C uses the values"
)]
pub enum hbw_pagesize_t {
    /// 4 KiB.
    HBW_PAGESIZE_4KB = 1,
    /// 2 MiB, from the kernel's pool of huge pages.
    HBW_PAGESIZE_2MB = 2,
    /// Deprecated: mappings of whole GiB, the size being a multiple of 1 GiB.
    HBW_PAGESIZE_1GB_STRICT = 3,
    /// Deprecated: mappings of whole GiB.
    HBW_PAGESIZE_1GB = 4,
    /// No page size, but an upper bound of the values.
    HBW_PAGESIZE_MAX_VALUE = 5,
}

/// Flags of hbw_verify_memory_region().
#[repr(C)]
#[allow(
    non_camel_case_types,
    dead_code,
    reason = "the C name; only C uses the values"
)]
pub enum hbw_verify_flags {
    /// Touch every page first, by writing back what it holds.
    HBW_TOUCH_PAGES = 1,
}

/// cbindgen:ignore
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct RawHbwPolicy(c_uint);
/// cbindgen:ignore
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct RawHbwPagesize(c_uint);

/// The policy of the process, 0 until one is set or first needed.
static POLICY: AtomicU32 = AtomicU32::new(0);

fn known_policy(number: c_uint) -> Option<hbw_policy_t> {
    Some(match number {
        1 => hbw_policy_t::HBW_POLICY_BIND,
        2 => hbw_policy_t::HBW_POLICY_PREFERRED,
        3 => hbw_policy_t::HBW_POLICY_INTERLEAVE,
        4 => hbw_policy_t::HBW_POLICY_BIND_ALL,
        _ => return None,
    })
}

/// The policy of the process, which is fixed from this call on.
fn policy() -> hbw_policy_t {
    let preferred = hbw_policy_t::HBW_POLICY_PREFERRED;
    let set = match POLICY.load(Ordering::Relaxed) {
        0 => POLICY
            .compare_exchange(0, preferred as u32, Ordering::Relaxed, Ordering::Relaxed)
            .unwrap_or_else(|other| other),
        set => set,
    };
    known_policy(set).unwrap_or(preferred)
}

/// The numbers of the kinds for a policy: base, 2 MiB and 1 GiB pages.
const fn numbers(policy: hbw_policy_t) -> (usize, Option<usize>, Option<usize>) {
    match policy {
        hbw_policy_t::HBW_POLICY_BIND => (1, Some(2), Some(6)),
        hbw_policy_t::HBW_POLICY_BIND_ALL => (12, Some(13), Some(6)),
        hbw_policy_t::HBW_POLICY_PREFERRED => (3, Some(4), Some(7)),
        hbw_policy_t::HBW_POLICY_INTERLEAVE => (9, None, None),
    }
}

/// The kind with this number or, for the preferred policy without such memory, the kind with the
/// number `otherwise`.
fn available_or(number: usize, otherwise: usize, policy: hbw_policy_t) -> memkind_t {
    let kind = registry::static_kind(number);
    let preferred = policy == hbw_policy_t::HBW_POLICY_PREFERRED;
    // The search for nodes and pages may set errno although the call succeeds.
    let errno = log::errno();
    let missing = preferred && kind.spec.check_available().is_err();
    log::set_errno(errno);
    handle_of(if missing {
        registry::static_kind(otherwise)
    } else {
        kind
    })
}

/// The kind with base pages.
fn kind() -> memkind_t {
    let policy = policy();
    available_or(numbers(policy).0, 0, policy)
}

/// The policy for high-bandwidth memory that runs out.
///
/// MT-safe. STANDARD API. See hbwmalloc(3).
#[unsafe(no_mangle)]
pub extern "C" fn hbw_get_policy() -> RawHbwPolicy {
    RawHbwPolicy(match POLICY.load(Ordering::Relaxed) {
        0 => hbw_policy_t::HBW_POLICY_PREFERRED as c_uint,
        set => set,
    })
}

/// Sets the policy, once and before the first allocation.
///
/// \param mode  one of hbw_policy_t
///
/// Returns 0, also for the policy that is set already; EPERM once another one is set or
/// memory has been allocated; EINVAL for an unknown policy. errno is kept. MT-safe.
/// STANDARD API. See hbwmalloc(3).
#[unsafe(no_mangle)]
pub extern "C" fn hbw_set_policy(mode: RawHbwPolicy) -> c_int {
    if known_policy(mode.0).is_none() {
        return libc::EINVAL;
    }
    match POLICY.compare_exchange(0, mode.0, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => 0,
        Err(set) if set == mode.0 => 0,
        Err(_) => libc::EPERM,
    }
}

/// Whether the machine has high-bandwidth memory.
///
/// Returns 0 or ENODEV. MT-safe. STANDARD API. See hbwmalloc(3).
#[unsafe(no_mangle)]
pub extern "C" fn hbw_check_available() -> c_int {
    match registry::static_kind(1).spec.check_available() {
        Ok(()) => 0,
        Err(_) => libc::ENODEV,
    }
}

/// Whether a range of addresses lies in high-bandwidth memory, page by page.
///
/// \param addr   first address; its whole page counts
/// \param size   bytes, more than 0
/// \param flags  0 or HBW_TOUCH_PAGES
///
/// Returns 0; -1 if a page lies elsewhere or has not been written to; EINVAL for NULL,
/// size 0 or unknown flags; EFAULT if the kernel does not tell. MT-safe, slow.
/// STANDARD API. See hbwmalloc(3).
///
/// # Safety
/// With HBW_TOUCH_PAGES the range must be readable and writable, and not be written by
/// other threads meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbw_verify_memory_region(
    addr: *mut c_void,
    size: usize,
    flags: c_int,
) -> c_int {
    let touch = hbw_verify_flags::HBW_TOUCH_PAGES as c_int;
    if addr.is_null() || size == 0 || flags & !touch != 0 {
        return libc::EINVAL;
    }
    if (addr as usize).checked_add(size).is_none() {
        return libc::EFAULT;
    }
    if flags & touch != 0 {
        // SAFETY: the range can be read and written, and no other thread writes to it.
        unsafe { hbw_region::touch(addr.cast(), size) };
    }
    hbw_region::verify(addr as usize, size)
}

/// Allocates high-bandwidth memory.
///
/// \param size  bytes
///
/// Returns as memkind_malloc(). MT-safe. STANDARD API. See hbwmalloc(3).
#[unsafe(no_mangle)]
pub extern "C" fn hbw_malloc(size: usize) -> *mut c_void {
    memkind_malloc(kind(), size)
}

/// Allocates zeroed high-bandwidth memory for an array.
///
/// \param num   number of elements
/// \param size  bytes of each
///
/// Returns as memkind_calloc(). MT-safe. STANDARD API. See hbwmalloc(3).
#[unsafe(no_mangle)]
pub extern "C" fn hbw_calloc(num: usize, size: usize) -> *mut c_void {
    memkind_calloc(kind(), num, size)
}

/// Allocates aligned high-bandwidth memory.
///
/// \param memptr     where the block goes
/// \param alignment  a power of two, at least sizeof(void *)
/// \param size       bytes
///
/// Returns as memkind_posix_memalign(). MT-safe. STANDARD API. See hbwmalloc(3).
///
/// # Safety
/// `memptr` must be writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbw_posix_memalign(
    memptr: *mut *mut c_void,
    alignment: usize,
    size: usize,
) -> c_int {
    // SAFETY: `memptr` is writable.
    unsafe { memkind_posix_memalign(kind(), memptr, alignment, size) }
}

/// Allocates aligned high-bandwidth memory in pages of a given size.
///
/// \param memptr     where the block goes
/// \param alignment  a power of two, at least sizeof(void *)
/// \param size       bytes; a multiple of 1 GiB for HBW_PAGESIZE_1GB_STRICT
/// \param pagesize   one of hbw_pagesize_t
///
/// Returns 0; EINVAL for a bad alignment, size or page size, and for huge pages with
/// HBW_POLICY_INTERLEAVE; ENOMEM. errno is kept. MT-safe. STANDARD API.
/// See hbwmalloc(3).
///
/// # Safety
/// `memptr` must be writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbw_posix_memalign_psize(
    memptr: *mut *mut c_void,
    alignment: usize,
    size: usize,
    pagesize: RawHbwPagesize,
) -> c_int {
    const GIB: usize = 1 << 30;
    let policy = policy();
    let (base, two_mib, one_gib) = numbers(policy);
    let (number, otherwise) = match pagesize.0 {
        1 => (Some(base), 0),
        2 => (two_mib, 5),
        3 if size % GIB != 0 => return libc::EINVAL,
        3 | 4 => (one_gib, 8),
        _ => return libc::EINVAL,
    };
    let Some(number) = number else {
        log::error!("HBW_POLICY_INTERLEAVE is unsupported with used page size!");
        return libc::EINVAL;
    };
    let kind = available_or(number, otherwise, policy);
    // SAFETY: `memptr` is writable.
    unsafe { memkind_posix_memalign(kind, memptr, alignment, size) }
}

/// Resizes a block of high-bandwidth memory, in place if its size class stays.
///
/// \param ptr   the block; NULL allocates a new one
/// \param size  bytes; 0 frees the block
///
/// Returns as memkind_realloc(). MT-safe. STANDARD API. See hbwmalloc(3).
///
/// # Safety
/// `ptr` must be NULL or a live block of this library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbw_realloc(ptr: *mut c_void, size: usize) -> *mut c_void {
    // SAFETY: null or a live block of this library.
    unsafe { memkind_realloc(kind(), ptr, size) }
}

/// Frees a block; NULL is a no-op.
///
/// \param ptr  the block
///
/// MT-safe. STANDARD API. See hbwmalloc(3).
///
/// # Safety
/// `ptr` must be NULL or a live block of this library; it may not be used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbw_free(ptr: *mut c_void) {
    // SAFETY: null or a live block, which is not used again.
    unsafe { memkind_free(core::ptr::null_mut(), ptr) }
}

/// The usable bytes of a block; 0 for NULL.
///
/// \param ptr  the block
///
/// MT-safe. STANDARD API. See hbwmalloc(3).
///
/// # Safety
/// `ptr` must be NULL or a live block of this library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hbw_malloc_usable_size(ptr: *mut c_void) -> usize {
    // SAFETY: null or a live block of this library.
    unsafe { memkind_malloc_usable_size(core::ptr::null_mut(), ptr) }
}
