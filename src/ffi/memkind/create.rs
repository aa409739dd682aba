//! Making, finding and destroying kinds, and their availability and capacity.

use core::ffi::{CStr, c_char, c_int, c_uint, c_void};
use core::ptr;

use super::super::answer::{handle_of, kind_of, status};
use super::types::{
    RawBits, RawMemtype, RawPolicy, memkind_bits_t, memkind_config, memkind_memtype_t, memkind_t,
};
use crate::backing;
use crate::error::Error;
use crate::ext;
use crate::kind::dynamic::{self, Usage};
use crate::kind::{Kind, described, dma, registry};
use crate::log;
use crate::tier;

/// Creates a kind on a temporary file, which has no name and goes with the kind.
///
/// \param dir       directory of the file
/// \param max_size  limit in bytes, rounded up to 2 MiB; 0 or SIZE_MAX for none,
///                  else at least MEMKIND_PMEM_MIN_SIZE
/// \param kind      where the handle goes; untouched on failure, but NULL with
///                  MEMKIND_ERROR_TOOMANY
///
/// Blocks of the file system are allocated as the heap grows; when they run out,
/// allocations fail with ENOMEM. A forked child gets a private copy of the contents.
///
/// Returns MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for a bad size or, with errno, a
/// directory in which no file can be made; MEMKIND_ERROR_TOOMANY; MEMKIND_ERROR_ENVIRON;
/// MEMKIND_ERROR_MALLOC. MT-safe. STANDARD API. See memkind(3), KIND MANAGEMENT.
///
/// # Safety
/// `dir` must be a string; `kind` must be writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_create_pmem(
    dir: *const c_char,
    max_size: usize,
    kind: *mut memkind_t,
) -> c_int {
    // SAFETY: the directory is a string, and `kind` is writable.
    unsafe { create_pmem(dir, max_size, Usage::Default, kind) }
}

/// Creates a kind on a temporary file, by settings.
///
/// \param cfg   settings of memkind_config_new(), which may be deleted afterwards
/// \param kind  where the handle goes
///
/// Returns as memkind_create_pmem(), and MEMKIND_ERROR_INVALID for an unknown policy.
/// MT-safe. STANDARD API. See memkind(3), KIND MANAGEMENT.
///
/// # Safety
/// `cfg` must be NULL or come from memkind_config_new(); `kind` must be writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_create_pmem_with_config(
    cfg: *mut memkind_config,
    kind: *mut memkind_t,
) -> c_int {
    // SAFETY: null, or from memkind_config_new(), and no other thread uses it.
    let Some(cfg) = (unsafe { cfg.as_ref() }) else {
        log::error!("Cannot create pmem: an argument is NULL.");
        return Error::Invalid.code();
    };
    let usage = match cfg.0.policy.0 {
        0 => Usage::Default,
        1 => Usage::Conservative,
        other => {
            log::error!("Unrecognized memory policy {other}");
            return Error::Invalid.code();
        }
    };
    // SAFETY: the directory is a string, and `kind` is writable.
    unsafe { create_pmem(cfg.0.pmem_dir, cfg.0.pmem_size, usage, kind) }
}

/// # Safety
/// `dir` is NULL or a string; `kind` is NULL or writable.
unsafe fn create_pmem(
    dir: *const c_char,
    max_size: usize,
    usage: Usage,
    kind: *mut memkind_t,
) -> c_int {
    if dir.is_null() || kind.is_null() {
        log::error!("Cannot create pmem: an argument is NULL.");
        return Error::Invalid.code();
    }
    // SAFETY: `dir` is not null, and a string.
    let dir = unsafe { CStr::from_ptr(dir) };
    // SAFETY: `kind` is not null, and writable.
    unsafe { hand_out(dynamic::create_file(dir, max_size, usage), kind) }
}

/// Gives a new kind to C. When the table is full the handle is NULL.
///
/// # Safety
/// `kind` is writable.
pub(in crate::ffi) unsafe fn hand_out(
    created: Result<&'static Kind, Error>,
    kind: *mut memkind_t,
) -> c_int {
    let (handle, code) = match created {
        Ok(created) => (handle_of(created), 0),
        Err(error @ Error::TooMany) => (ptr::null_mut(), error.code()),
        Err(error) => return error.code(),
    };
    // SAFETY: the caller says that `kind` is writable.
    unsafe { *kind = handle };
    code
}

/// Creates a kind on an area of the caller's: a mapping, a static array.
///
/// \param addr  start of the area
/// \param size  its size in bytes; whole pages are used
/// \param kind  where the handle goes; NULL on failure
///
/// The area must stay valid until the kind is destroyed, and stays the caller's. When it
/// is used up, allocations fail with ENOMEM. Returns MEMKIND_SUCCESS;
/// MEMKIND_ERROR_INVALID while a kind with this start lives; MEMKIND_ERROR_TOOMANY;
/// MEMKIND_ERROR_ENVIRON; MEMKIND_ERROR_MALLOC. MT-safe. STANDARD API.
/// See memkind(3), KIND MANAGEMENT.
///
/// # Safety
/// While the kind lives, the program writes to the area only through its blocks;
/// `kind` must be writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_create_fixed(
    addr: *mut c_void,
    size: usize,
    kind: *mut memkind_t,
) -> c_int {
    if kind.is_null() {
        log::error!("Cannot create fixed: an argument is NULL.");
        return Error::Invalid.code();
    }
    // SAFETY: not null, and writable by the caller's promise.
    unsafe {
        *kind = ptr::null_mut();
        hand_out(dynamic::create_fixed(addr as usize, size), kind)
    }
}

/// Finds the static kind for a memory type, a policy and flags.
///
/// \param memtype_flags  memkind_memtype_t values, combined with `|`
/// \param policy         one of memkind_policy_t
/// \param flags          0 or MEMKIND_MASK_PAGE_SIZE_2MB
/// \param kind           where the handle goes; untouched on failure
///
/// Returns MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for a combination that is not
/// supported; MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE without such memory. High-bandwidth
/// memory with MEMKIND_POLICY_PREFERRED_LOCAL is MEMKIND_DEFAULT where there is none.
/// MT-safe. EXPERIMENTAL API. See memkind(3), KIND MANAGEMENT.
///
/// # Safety
/// `kind` must be writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_create_kind(
    memtype_flags: RawMemtype,
    policy: RawPolicy,
    flags: RawBits,
    kind: *mut memkind_t,
) -> c_int {
    if kind.is_null() {
        return Error::Invalid.code();
    }
    // SAFETY: not null, and writable by the caller's promise.
    unsafe { hand_out(find_static(memtype_flags.0, policy.0, flags.0), kind) }
}

fn find_static(memtype: c_uint, policy: c_uint, flags: c_uint) -> Result<&'static Kind, Error> {
    const DEFAULT: c_uint = memkind_memtype_t::MEMKIND_MEMTYPE_DEFAULT as c_uint;
    const HIGH_BANDWIDTH: c_uint = memkind_memtype_t::MEMKIND_MEMTYPE_HIGH_BANDWIDTH as c_uint;
    const BOTH: c_uint = DEFAULT | HIGH_BANDWIDTH;
    const HUGE: c_uint = memkind_bits_t::MEMKIND_MASK_PAGE_SIZE_2MB as c_uint;
    if memtype == 0 || memtype & !BOTH != 0 {
        log::error!("Cannot create kind: incorrect memtype_flags.");
        return Err(Error::Invalid);
    }
    let unsupported = || {
        log::error!("Cannot create kind: unsupported set of capabilities.");
        Error::Invalid
    };
    // The kind with base pages, and with huge ones if there is one.
    let (base, huge) = match (memtype, policy) {
        (DEFAULT, 2) => (0, Some(5)),
        (HIGH_BANDWIDTH, 0) => (1, Some(2)),
        (HIGH_BANDWIDTH, 1) => (12, Some(13)),
        (HIGH_BANDWIDTH, 2) => (3, Some(4)),
        (HIGH_BANDWIDTH, 4) => (9, None),
        (BOTH, 4) => (10, None),
        _ => return Err(unsupported()),
    };
    let number = match flags {
        0 => base,
        HUGE => huge.ok_or_else(unsupported)?,
        _ => return Err(unsupported()),
    };
    let kind = registry::static_kind(number);
    match kind.spec.check_available() {
        Ok(()) => Ok(kind),
        Err(_) if policy == 2 => Ok(registry::static_kind(0)),
        Err(_) => {
            log::error!("Cannot create kind: requested memory type is not available.");
            Err(Error::MemtypeNotAvailable)
        }
    }
}

/// Destroys a kind that memkind_create_pmem(), memkind_create_pmem_with_config(),
/// memkind_create_fixed(), memkind_create_nodes() or memkind_create_with_config() made, with all
/// its blocks. A static kind stays as it is.
///
/// Returns MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for an address that is not a live kind, and for
/// kinds of memkind_dma_kind(); MEMKIND_ERROR_OPERATION_FAILED while regions or pools
/// (memkind_ext.h) of it exist, or kinds that fall back to it.
/// Threads must have stopped using the kind. STANDARD API.
/// See memkind(3), KIND MANAGEMENT.
///
/// # Safety
/// No thread may use the kind or its blocks any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_destroy_kind(kind: memkind_t) -> c_int {
    let Some(kind) = kind_of(kind) else {
        return Error::Invalid.code();
    };
    // Only dynamic kinds are destroyed; the blocks of a static kind stay, and stay counted.
    if kind.is_dynamic() {
        if ext::users::any(kind) {
            log::error!(
                "Cannot destroy kind {}: regions or pools of it exist.",
                kind.name()
            );
            return Error::OperationFailed.code();
        }
        if dma::is_one(kind) {
            log::error!(
                "Cannot destroy kind {}: it is one of memkind_dma_kind(), which stay.",
                kind.name()
            );
            return Error::Invalid.code();
        }
        if described::is_fallback(kind) {
            log::error!(
                "Cannot destroy kind {}: another kind falls back to it.",
                kind.name()
            );
            return Error::OperationFailed.code();
        }
        ext::map::forget_kind(kind);
        tier::forget_kind(kind);
        // SAFETY: no thread uses the kind or its blocks any more.
        unsafe { registry::remove(kind) };
    }
    0
}

/// Whether memory of this kind can be had on this machine.
///
/// Returns MEMKIND_SUCCESS; MEMKIND_ERROR_UNAVAILABLE,
/// MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE, MEMKIND_ERROR_HUGETLB, MEMKIND_ERROR_RUNTIME (two
/// nodes equally near for a preferred kind), MEMKIND_ERROR_MBIND (a container forbids
/// mbind(2)) or MEMKIND_ERROR_ENVIRON with the reason; MEMKIND_ERROR_OPERATION_FAILED if it
/// cannot be found out for the moment, for want of descriptors or memory; MEMKIND_ERROR_INVALID
/// for an address that is not a live kind. MT-safe. STANDARD API.
/// See memkind(3), KIND MANAGEMENT.
#[unsafe(no_mangle)]
pub extern "C" fn memkind_check_available(kind: memkind_t) -> c_int {
    status(
        kind_of(kind)
            .ok_or(Error::Invalid)
            .and_then(|kind| kind.spec.check_available()),
    )
}

/// The most bytes that a kind can hold: memory of its nodes, the file's or the area's size.
///
/// Returns the bytes, or -1: the kind is not available, has no fixed place (preferred
/// kinds) or is not a live kind. MT-safe. STANDARD API.
/// See memkind(3), KIND MANAGEMENT.
#[unsafe(no_mangle)]
pub extern "C" fn memkind_get_capacity(kind: memkind_t) -> isize {
    kind_of(kind)
        .ok_or(Error::Invalid)
        .and_then(Kind::capacity)
        .ok()
        .and_then(|bytes| isize::try_from(bytes).ok())
        .unwrap_or(-1)
}

/// Whether files in a directory map straight to persistent memory (DAX).
///
/// \param pmem_dir  the directory
///
/// Returns MEMKIND_SUCCESS; MEMKIND_ERROR_MMAP with EOPNOTSUPP where they do not;
/// MEMKIND_ERROR_RUNTIME with errno when no file can be made there;
/// MEMKIND_ERROR_INVALID for NULL. MT-safe. STANDARD API.
/// See memkind(3), KIND MANAGEMENT.
///
/// # Safety
/// `pmem_dir` must be NULL or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_check_dax_path(pmem_dir: *const c_char) -> c_int {
    if pmem_dir.is_null() {
        return Error::Invalid.code();
    }
    // SAFETY: not null, and a string by the caller's promise.
    status(backing::dax_path(unsafe { CStr::from_ptr(pmem_dir) }))
}

/// Sets the result of allocations of size 0 of a kind: a block that must be freed, or
/// NULL, which is the default.
///
/// MT-safe. STANDARD API. See memkind(3), KIND MANAGEMENT.
#[unsafe(no_mangle)]
pub extern "C" fn memkind_set_allow_zero_allocs(kind: memkind_t, allow_zero_allocs: bool) {
    if let Some(kind) = kind_of(kind) {
        let flag = &kind.head.allow_zero_allocs;
        flag.store(allow_zero_allocs, core::sync::atomic::Ordering::Relaxed);
    }
}
