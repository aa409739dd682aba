//! memkind.h: kinds, the heap, statistics.

use core::ffi::{CStr, c_char, c_int, c_uint, c_void};
use core::ptr;

use super::decorate::{self, hooks};
use super::{block_or_errno, handle_at, handle_of, kind_of, memalign_into, status};
use crate::backing;
use crate::error::{self, Error};
use crate::heap::je::{self, Stat};
use crate::heap::{fast, stats};
use crate::kind::dynamic::{self, Usage};
use crate::kind::registry;
use crate::kind::{self, Kind, defrag, table};
use crate::log;
use crate::tier;

/// A kind of memory. Programs hold pointers to it and never look inside.
#[allow(non_camel_case_types, reason = "the C name")]
pub struct memkind(#[allow(dead_code, reason = "never read through this type")] Kind);

/// A handle of a kind: one of the MEMKIND_* variables, or made by memkind_create_*().
#[allow(non_camel_case_types, reason = "the C name")]
pub type memkind_t = *mut memkind;

/// cbindgen:ignore
#[allow(
    non_camel_case_types,
    reason = "a macro in C: const where the program wants it"
)]
pub type UsableSizePointer = c_void;

/// Memory types, to be combined with `|`.
#[repr(C)]
#[allow(
    non_camel_case_types,
    dead_code,
    reason = "the C name; only C uses the values"
)]
pub enum memkind_memtype_t {
    /// Standard memory, the same as the process uses.
    MEMKIND_MEMTYPE_DEFAULT = 1,
    /// High-bandwidth memory; it takes two memories of different bandwidth to tell.
    MEMKIND_MEMTYPE_HIGH_BANDWIDTH = 2,
}

/// How memory is bound to the nodes of its type.
#[repr(C)]
#[allow(
    non_camel_case_types,
    dead_code,
    reason = "the C name; only C uses the values"
)]
pub enum memkind_policy_t {
    /// Local nodes only; ENOMEM when they are full.
    MEMKIND_POLICY_BIND_LOCAL = 0,
    /// Any node of the type; ENOMEM when all are full.
    MEMKIND_POLICY_BIND_ALL = 1,
    /// Local nodes first, then any other memory.
    MEMKIND_POLICY_PREFERRED_LOCAL = 2,
    /// Page by page over local nodes.
    MEMKIND_POLICY_INTERLEAVE_LOCAL = 3,
    /// Page by page over all nodes of the type.
    MEMKIND_POLICY_INTERLEAVE_ALL = 4,
    /// Not a policy: their number.
    MEMKIND_POLICY_MAX_VALUE = 5,
}

/// Flags for memkind_create_kind().
#[repr(C)]
#[allow(
    non_camel_case_types,
    dead_code,
    reason = "the C name; only C uses the values"
)]
pub enum memkind_bits_t {
    /// Huge pages of 2 MiB.
    MEMKIND_MASK_PAGE_SIZE_2MB = 21,
}

/// Limits.
#[repr(C)]
#[allow(
    non_camel_case_types,
    dead_code,
    reason = "the C name; only C uses the values"
)]
pub enum memkind_const {
    /// The most kinds that can exist.
    MEMKIND_MAX_KIND = 512,
    /// Bytes that hold any text of memkind_error_message().
    MEMKIND_ERROR_MESSAGE_SIZE = 128,
    /// The smallest limit of a file-backed kind, in bytes.
    MEMKIND_PMEM_MIN_SIZE = 16777216,
}

/// What functions with an int result return, memkind_posix_memalign() excepted.
#[repr(C)]
#[allow(
    non_camel_case_types,
    dead_code,
    reason = "the C name; only C uses the values"
)]
pub enum memkind_status {
    /// It worked.
    MEMKIND_SUCCESS = 0,
    /// The kind is not available on this machine.
    MEMKIND_ERROR_UNAVAILABLE = -1,
    /// mbind(2) failed.
    MEMKIND_ERROR_MBIND = -2,
    /// mmap(2) failed.
    MEMKIND_ERROR_MMAP = -3,
    /// Memory for the library's own records ran out.
    MEMKIND_ERROR_MALLOC = -6,
    /// A MEMKIND_* environment variable is malformed.
    MEMKIND_ERROR_ENVIRON = -12,
    /// An argument is out of range.
    MEMKIND_ERROR_INVALID = -13,
    /// MEMKIND_MAX_KIND kinds exist already.
    MEMKIND_ERROR_TOOMANY = -15,
    /// Not returned; kept for old programs.
    MEMKIND_ERROR_BADOPS = -17,
    /// No huge pages are configured.
    MEMKIND_ERROR_HUGETLB = -18,
    /// The machine has no memory of the requested type.
    MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE = -20,
    /// The operation is not possible here.
    MEMKIND_ERROR_OPERATION_FAILED = -21,
    /// No arena is left.
    MEMKIND_ERROR_ARENAS_CREATE = -22,
    /// Any other failure.
    MEMKIND_ERROR_RUNTIME = -255,
}

/// When a file-backed kind gives freed memory back.
#[repr(C)]
#[allow(
    non_camel_case_types,
    dead_code,
    reason = "the C name; only C uses the values"
)]
pub enum memkind_mem_usage_policy {
    /// After a while: the next allocations reuse it.
    MEMKIND_MEM_USAGE_POLICY_DEFAULT = 0,
    /// At once.
    MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE = 1,
    /// Not a policy: their number.
    MEMKIND_MEM_USAGE_POLICY_MAX_VALUE = 2,
}

/// Statistics, in bytes.
#[repr(C)]
#[allow(
    non_camel_case_types,
    dead_code,
    reason = "the C name; only C uses the values"
)]
pub enum memkind_stat_type {
    /// Physical memory held.
    MEMKIND_STAT_TYPE_RESIDENT = 0,
    /// Pages that hold blocks.
    MEMKIND_STAT_TYPE_ACTIVE = 1,
    /// Blocks, by their usable sizes.
    MEMKIND_STAT_TYPE_ALLOCATED = 2,
    /// Not a statistic: their number.
    MEMKIND_STAT_TYPE_MAX_VALUE = 3,
}

/// Options of memkind_stats_print(), to be combined with `|`.
#[repr(C)]
#[allow(
    non_camel_case_types,
    dead_code,
    reason = "the C name; only C uses the values"
)]
pub enum memkind_stat_print_opt {
    /// Everything, as text.
    MEMKIND_STAT_PRINT_ALL = 0,
    /// As one JSON document.
    MEMKIND_STAT_PRINT_JSON_FORMAT = 1,
    /// Without what never changes.
    MEMKIND_STAT_PRINT_OMIT_GENERAL = 2,
    /// Without the sums over arenas.
    MEMKIND_STAT_PRINT_OMIT_MERGED_ARENA = 4,
    /// Without the sums over destroyed arenas.
    MEMKIND_STAT_PRINT_OMIT_DESTROYED_MERGED_ARENA = 8,
    /// Without single arenas.
    MEMKIND_STAT_PRINT_OMIT_PER_ARENA = 16,
    /// Without small size classes.
    MEMKIND_STAT_PRINT_OMIT_PER_SIZE_CLASS_BINS = 32,
    /// Without large size classes.
    MEMKIND_STAT_PRINT_OMIT_PER_SIZE_CLASS_LARGE = 64,
    /// Without locks.
    MEMKIND_STAT_PRINT_OMIT_MUTEX = 128,
    /// Without extents.
    MEMKIND_STAT_PRINT_OMIT_EXTENT = 256,
}

// Parameters of enum type may hold any integer when they come from C. cbindgen gives
// these the enums' names.

/// cbindgen:ignore
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct RawMemtype(c_uint);
/// cbindgen:ignore
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct RawPolicy(c_uint);
/// cbindgen:ignore
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct RawBits(c_uint);
/// cbindgen:ignore
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct RawUsagePolicy(c_uint);
/// cbindgen:ignore
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct RawStat(c_uint);
/// cbindgen:ignore
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct RawStatPrintOptions(c_uint);

/// Settings of a file-backed kind; see memkind_config_new().
#[allow(non_camel_case_types, reason = "the C name")]
pub struct memkind_config(Config);

/// cbindgen:ignore
/// Old programs read the fields, hence the layout.
#[repr(C)]
struct Config {
    pmem_dir: *const c_char,
    pmem_size: usize,
    policy: RawUsagePolicy,
}

/// Memory of nodes that have CPUs.
#[unsafe(no_mangle)]
pub static mut MEMKIND_REGULAR: memkind_t = handle_at(11);
/// Standard memory, standard pages.
#[unsafe(no_mangle)]
pub static mut MEMKIND_DEFAULT: memkind_t = handle_at(0);
/// Standard memory in huge pages.
#[unsafe(no_mangle)]
pub static mut MEMKIND_HUGETLB: memkind_t = handle_at(5);
/// The nearest high-bandwidth memory.
#[unsafe(no_mangle)]
pub static mut MEMKIND_HBW: memkind_t = handle_at(1);
/// High-bandwidth memory, the nearest node being chosen when a page is first written.
#[unsafe(no_mangle)]
pub static mut MEMKIND_HBW_ALL: memkind_t = handle_at(12);
/// The nearest high-bandwidth memory, then standard memory.
#[unsafe(no_mangle)]
pub static mut MEMKIND_HBW_PREFERRED: memkind_t = handle_at(3);
/// MEMKIND_HBW in huge pages.
#[unsafe(no_mangle)]
pub static mut MEMKIND_HBW_HUGETLB: memkind_t = handle_at(2);
/// MEMKIND_HBW_ALL in huge pages.
#[unsafe(no_mangle)]
pub static mut MEMKIND_HBW_ALL_HUGETLB: memkind_t = handle_at(13);
/// MEMKIND_HBW_PREFERRED in huge pages.
#[unsafe(no_mangle)]
pub static mut MEMKIND_HBW_PREFERRED_HUGETLB: memkind_t = handle_at(4);
/// High-bandwidth memory, page by page over its nodes.
#[unsafe(no_mangle)]
pub static mut MEMKIND_HBW_INTERLEAVE: memkind_t = handle_at(9);
/// Page by page over all nodes.
#[unsafe(no_mangle)]
pub static mut MEMKIND_INTERLEAVE: memkind_t = handle_at(10);
/// The nearest persistent memory that the kernel uses as RAM.
#[unsafe(no_mangle)]
pub static mut MEMKIND_DAX_KMEM: memkind_t = handle_at(14);
/// Any persistent memory that the kernel uses as RAM.
#[unsafe(no_mangle)]
pub static mut MEMKIND_DAX_KMEM_ALL: memkind_t = handle_at(15);
/// The nearest persistent memory, then any other memory.
#[unsafe(no_mangle)]
pub static mut MEMKIND_DAX_KMEM_PREFERRED: memkind_t = handle_at(16);
/// Persistent memory, page by page over its nodes.
#[unsafe(no_mangle)]
pub static mut MEMKIND_DAX_KMEM_INTERLEAVE: memkind_t = handle_at(17);
/// The nodes with the most memory of the machine.
#[unsafe(no_mangle)]
pub static mut MEMKIND_HIGHEST_CAPACITY: memkind_t = handle_at(18);
/// The node with the most memory, then any other.
#[unsafe(no_mangle)]
pub static mut MEMKIND_HIGHEST_CAPACITY_PREFERRED: memkind_t = handle_at(19);
/// The local node with the most memory.
#[unsafe(no_mangle)]
pub static mut MEMKIND_HIGHEST_CAPACITY_LOCAL: memkind_t = handle_at(20);
/// The local node with the most memory, then any other.
#[unsafe(no_mangle)]
pub static mut MEMKIND_HIGHEST_CAPACITY_LOCAL_PREFERRED: memkind_t = handle_at(21);
/// The local node with the lowest latency.
#[unsafe(no_mangle)]
pub static mut MEMKIND_LOWEST_LATENCY_LOCAL: memkind_t = handle_at(22);
/// The local node with the lowest latency, then any other.
#[unsafe(no_mangle)]
pub static mut MEMKIND_LOWEST_LATENCY_LOCAL_PREFERRED: memkind_t = handle_at(23);
/// The local node with the highest bandwidth.
#[unsafe(no_mangle)]
pub static mut MEMKIND_HIGHEST_BANDWIDTH_LOCAL: memkind_t = handle_at(24);
/// The local node with the highest bandwidth, then any other.
#[unsafe(no_mangle)]
pub static mut MEMKIND_HIGHEST_BANDWIDTH_LOCAL_PREFERRED: memkind_t = handle_at(25);

/// The library's version as one number.
///
/// Returns major * 1000000 + minor * 1000 + patch. MT-safe. STANDARD API.
/// See memkind(3), LIBRARY VERSION.
#[unsafe(no_mangle)]
pub extern "C" fn memkind_get_version() -> c_int {
    const fn number(text: &str) -> c_int {
        let (bytes, mut i, mut value) = (text.as_bytes(), 0, 0);
        while i < bytes.len() {
            value = value * 10 + (bytes[i] - b'0') as c_int;
            i += 1;
        }
        value
    }
    const VERSION: c_int = number(env!("CARGO_PKG_VERSION_MAJOR")) * 1_000_000
        + number(env!("CARGO_PKG_VERSION_MINOR")) * 1_000
        + number(env!("CARGO_PKG_VERSION_PATCH"));
    VERSION
}

/// Puts the text for an error code into `msg`.
///
/// \param err   a code that a function of this library returned
/// \param msg   where the text goes, always with a NUL; may be NULL if `size` is 0
/// \param size  bytes at `msg`; MEMKIND_ERROR_MESSAGE_SIZE holds any text
///
/// MT-safe. STANDARD API. See memkind(3), ERROR HANDLING.
///
/// # Safety
/// `msg` must point to `size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_error_message(err: c_int, msg: *mut c_char, size: usize) {
    if msg.is_null() || size == 0 {
        return;
    }
    let mut line = log::Line::new();
    // A line takes what fits and does not fail.
    let _ = match error::message(err) {
        Some(text) => core::fmt::Write::write_fmt(&mut line, format_args!("<memkind> {text}")),
        None => core::fmt::Write::write_fmt(
            &mut line,
            format_args!("<memkind> Undefined error number: {err}"),
        ),
    };
    let text = line.text().as_bytes();
    let length = text.len().min(size - 1);
    // SAFETY: `length + 1` is at most `size`, which the caller says are writable.
    unsafe {
        ptr::copy_nonoverlapping(text.as_ptr(), msg.cast::<u8>(), length);
        *msg.add(length) = 0;
    }
}

/// Makes settings for memkind_create_pmem_with_config(): no directory, size 0, policy DEFAULT.
///
/// Returns NULL when memory is short. MT-safe. STANDARD API.
/// See memkind(3), KIND CONFIGURATION MANAGEMENT.
#[unsafe(no_mangle)]
pub extern "C" fn memkind_config_new() -> *mut memkind_config {
    let block = je::mallocx(size_of::<memkind_config>(), je::ZERO);
    if block.is_null() {
        log::set_errno(libc::ENOMEM);
    }
    block.cast()
}

/// Deletes settings; NULL is a no-op. Kinds made with them stay.
///
/// MT-safe. STANDARD API. See memkind(3), KIND CONFIGURATION MANAGEMENT.
///
/// # Safety
/// `cfg` must come from memkind_config_new() and not be used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_config_delete(cfg: *mut memkind_config) {
    if !cfg.is_null() {
        // SAFETY: the caller's promise.
        unsafe { je::dallocx(cfg.cast(), 0) }
    }
}

/// Sets the directory of the file. The string is not copied and not checked yet.
///
/// MT-safe for different settings. STANDARD API.
/// See memkind(3), KIND CONFIGURATION MANAGEMENT.
///
/// # Safety
/// `cfg` must be NULL or come from memkind_config_new(); `pmem_dir` must live as long.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_config_set_path(
    cfg: *mut memkind_config,
    pmem_dir: *const c_char,
) {
    // SAFETY: the caller's promise.
    if let Some(cfg) = unsafe { cfg.as_mut() } {
        cfg.0.pmem_dir = pmem_dir;
    }
}

/// Sets the limit of the kind in bytes; 0 for none, else at least MEMKIND_PMEM_MIN_SIZE.
///
/// MT-safe for different settings. STANDARD API.
/// See memkind(3), KIND CONFIGURATION MANAGEMENT.
///
/// # Safety
/// `cfg` must be NULL or come from memkind_config_new().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_config_set_size(cfg: *mut memkind_config, pmem_size: usize) {
    // SAFETY: the caller's promise.
    if let Some(cfg) = unsafe { cfg.as_mut() } {
        cfg.0.pmem_size = pmem_size;
    }
}

/// Sets when freed memory goes back to the file system. The value is not checked yet.
///
/// MT-safe for different settings. STANDARD API.
/// See memkind(3), KIND CONFIGURATION MANAGEMENT.
///
/// # Safety
/// `cfg` must be NULL or come from memkind_config_new().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_config_set_memory_usage_policy(
    cfg: *mut memkind_config,
    policy: RawUsagePolicy,
) {
    // SAFETY: the caller's promise.
    if let Some(cfg) = unsafe { cfg.as_mut() } {
        cfg.0.policy = policy;
    }
}

/// Creates a kind on a temporary file, which has no name and goes with the kind.
///
/// \param dir       directory of the file
/// \param max_size  limit in bytes, rounded up to 2 MiB; 0 or SIZE_MAX for none,
///                  else at least MEMKIND_PMEM_MIN_SIZE
/// \param kind      where the handle goes; untouched on failure but for a full table
///
/// Blocks of the file system are allocated as the heap grows; when they run out,
/// allocations fail with ENOMEM. A forked child gets a private copy of the contents.
///
/// Returns MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for a bad size or, with errno, a
/// directory in which no file can be made; MEMKIND_ERROR_TOOMANY;
/// MEMKIND_ERROR_ENVIRON. MT-safe. STANDARD API. See memkind(3), KIND MANAGEMENT.
///
/// # Safety
/// `dir` must be a string; `kind` must be writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_create_pmem(
    dir: *const c_char,
    max_size: usize,
    kind: *mut memkind_t,
) -> c_int {
    // SAFETY: the caller's promises.
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
    // SAFETY: the caller's promise.
    let Some(cfg) = (unsafe { cfg.as_ref() }) else {
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
    // SAFETY: the caller's promises.
    unsafe { create_pmem(cfg.0.pmem_dir, cfg.0.pmem_size, usage, kind) }
}

unsafe fn create_pmem(
    dir: *const c_char,
    max_size: usize,
    usage: Usage,
    kind: *mut memkind_t,
) -> c_int {
    if dir.is_null() || kind.is_null() {
        return Error::Invalid.code();
    }
    // SAFETY: not null, and a string by the caller's promise.
    let dir = unsafe { CStr::from_ptr(dir) };
    // SAFETY: not null, and writable by the caller's promise.
    unsafe { hand_out(dynamic::create_file(dir, max_size, usage), kind) }
}

/// Gives a new kind to C. When the table is full the handle is NULL.
pub(super) unsafe fn hand_out(
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
/// MEMKIND_ERROR_ENVIRON. MT-safe. STANDARD API. See memkind(3), KIND MANAGEMENT.
///
/// # Safety
/// Nobody else may write to the area while the kind lives; `kind` must be writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_create_fixed(
    addr: *mut c_void,
    size: usize,
    kind: *mut memkind_t,
) -> c_int {
    if kind.is_null() {
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
/// \param memtype_flags  memory types
/// \param policy         how to bind
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
    let kind = table::kind(number);
    match kind.spec.check_available() {
        Ok(()) => Ok(kind),
        Err(_) if policy == 2 => Ok(table::kind(0)),
        Err(_) => {
            log::error!("Cannot create kind: requested memory type is not available.");
            Err(Error::MemtypeNotAvailable)
        }
    }
}

/// Destroys a kind that memkind_create_pmem(), memkind_create_pmem_with_config(),
/// memkind_create_fixed() or memkind_create_nodes() made, with all its blocks. A static
/// kind stays as it is.
///
/// Returns MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for what is not a living kind.
/// Threads must have stopped using the kind. STANDARD API.
/// See memkind(3), KIND MANAGEMENT.
///
/// # Safety
/// Nobody may use the kind or its blocks any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_destroy_kind(kind: memkind_t) -> c_int {
    let Some(kind) = kind_of(kind) else {
        return Error::Invalid.code();
    };
    // Only dynamic kinds go; the blocks of a static one stay, and stay counted.
    if kind.is_dynamic() {
        tier::forget_kind(kind);
        // SAFETY: the caller's promise.
        unsafe { registry::remove(kind) };
    }
    0
}

/// Whether memory of this kind can be had on this machine.
///
/// Returns MEMKIND_SUCCESS; MEMKIND_ERROR_UNAVAILABLE,
/// MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE, MEMKIND_ERROR_HUGETLB, MEMKIND_ERROR_RUNTIME (two
/// nodes equally near for a preferred kind), MEMKIND_ERROR_MBIND (a container forbids
/// mbind(2)) or MEMKIND_ERROR_ENVIRON with the reason; MEMKIND_ERROR_INVALID for what is not a living kind. MT-safe. STANDARD API.
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
/// kinds) or is not a living kind. MT-safe. STANDARD API.
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

/// Decides what allocations of size 0 of a kind give: a block that must be freed, or
/// NULL (as at the start).
///
/// MT-safe. STANDARD API. See memkind(3), KIND MANAGEMENT.
#[unsafe(no_mangle)]
pub extern "C" fn memkind_set_allow_zero_allocs(kind: memkind_t, allow_zero_allocs: bool) {
    if let Some(kind) = kind_of(kind) {
        let flag = &kind.head.allow_zero_allocs;
        flag.store(allow_zero_allocs, core::sync::atomic::Ordering::Relaxed);
    }
}

/// Takes a new snapshot of all statistics.
///
/// Returns MEMKIND_SUCCESS or MEMKIND_ERROR_OPERATION_FAILED. MT-safe. STANDARD API.
/// See memkind(3), STATISTICS.
#[unsafe(no_mangle)]
pub extern "C" fn memkind_update_cached_stats() -> c_int {
    status(if stats::refresh() {
        Ok(())
    } else {
        Err(Error::OperationFailed)
    })
}

/// Reads a statistic from the last snapshot of memkind_update_cached_stats().
///
/// \param kind   the kind; NULL for the whole library
/// \param stat   which statistic
/// \param value  where the bytes go
///
/// Returns MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for an unknown statistic or kind, and
/// for a kind first used after the snapshot. MT-safe. STANDARD API.
/// See memkind(3), STATISTICS.
///
/// # Safety
/// `value` must be writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_get_stat(
    kind: memkind_t,
    stat: RawStat,
    value: *mut usize,
) -> c_int {
    let stat = match stat.0 {
        0 => Stat::Resident,
        1 => Stat::Active,
        2 => Stat::Allocated,
        other => {
            log::error!("Unrecognized type of memory statistic {other}");
            return Error::Invalid.code();
        }
    };
    if value.is_null() {
        return Error::Invalid.code();
    }
    let result = if kind.is_null() {
        kind::stat_of_all(stat)
    } else {
        kind_of(kind)
            .ok_or(Error::Invalid)
            .and_then(|kind| kind.stat(stat))
    };
    let result = result.inspect_err(|_| log::error!("Error on getting arena statistic."));
    status(result.map(|bytes| {
        // SAFETY: not null, and writable by the caller's promise.
        unsafe { *value = bytes }
    }))
}

/// Prints statistics of the whole library.
///
/// \param write_cb  is given the text piece by piece; NULL prints to standard error. It
///                  must not allocate: use syscall(2) rather than stdio.
/// \param cbopaque  is passed to it
/// \param opts      MEMKIND_STAT_PRINT_* combined
///
/// Returns MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for unknown options. MT-safe.
/// STANDARD API. See memkind(3), STATISTICS.
///
/// # Safety
/// `write_cb` must accept `cbopaque`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_stats_print(
    write_cb: Option<unsafe extern "C" fn(*mut c_void, *const c_char)>,
    cbopaque: *mut c_void,
    opts: RawStatPrintOptions,
) -> c_int {
    // jemalloc's letter for each bit. Extents and huge page arenas go together.
    const LETTERS: [&[u8]; 9] = [b"J", b"g", b"m", b"d", b"a", b"b", b"l", b"x", b"eh"];
    if opts.0 >> LETTERS.len() != 0 {
        log::error!(
            "Printing statistics failed. Unsupported options '{}'",
            opts.0 as c_int
        );
        return Error::Invalid.code();
    }
    let mut text = [0_u8; LETTERS.len() + 2];
    let chosen = LETTERS
        .iter()
        .enumerate()
        .filter(|(bit, _)| opts.0 & (1 << bit) != 0)
        .flat_map(|(_, letters)| letters.iter());
    for (place, letter) in text.iter_mut().zip(chosen) {
        *place = *letter;
    }
    let text = CStr::from_bytes_until_nul(&text).unwrap_or(c"");
    // SAFETY: the caller's promise.
    unsafe { je::print_stats(write_cb, cbopaque, text) };
    // jemalloc has taken a snapshot; ours belongs to it.
    stats::refresh();
    0
}

/// Starts or stops threads that give unused memory back in the background.
///
/// Returns MEMKIND_SUCCESS or MEMKIND_ERROR_OPERATION_FAILED. MT-safe. STANDARD API.
/// See memkind(3), ENHANCEMENTS.
#[unsafe(no_mangle)]
pub extern "C" fn memkind_set_bg_threads(state: bool) -> c_int {
    let done = je::set_background_threads(state);
    status(if done {
        Ok(())
    } else {
        Err(Error::OperationFailed)
    })
}

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
    match fast::allocate(kind as usize, size) {
        Some(block) => block.as_ptr().cast(),
        None => malloc_slow(kind, size),
    }
}

// `extern "C"`: it does not unwind, so the fast path can jump to it.
#[cold]
#[inline(never)]
extern "C" fn malloc_slow(kind: memkind_t, size: usize) -> *mut c_void {
    let found = fast::allocate_larger(kind as usize, size)
        .or_else(|| fast::allocate_here(kind as usize, size));
    if let Some(block) = found {
        return block.as_ptr().cast();
    }
    if decorate::present() {
        return decorated_malloc(kind, size);
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

#[cold]
fn decorated_malloc(mut kind: memkind_t, mut size: usize) -> *mut c_void {
    // SAFETY: hooks are the program's own functions and take these pointers.
    unsafe {
        if let Some(pre) = hooks().malloc_pre {
            pre(&raw mut kind, &raw mut size);
        }
        let mut result = malloc(kind, size);
        if let Some(post) = hooks().malloc_post {
            post(kind, size, &raw mut result);
        }
        result
    }
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
    // SAFETY: the caller's promise.
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
        return decorated_calloc(kind, num, size);
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

#[cold]
fn decorated_calloc(mut kind: memkind_t, mut num: usize, mut size: usize) -> *mut c_void {
    // SAFETY: hooks are the program's own functions and take these pointers.
    unsafe {
        if let Some(pre) = hooks().calloc_pre {
            pre(&raw mut kind, &raw mut num, &raw mut size);
        }
        let mut result = calloc(kind, num, size);
        if let Some(post) = hooks().calloc_post {
            post(kind, num, size, &raw mut result);
        }
        result
    }
}

/// Allocates aligned memory.
///
/// \param kind       the kind
/// \param memptr     where the block goes; NULL on failure and for size 0
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
    // SAFETY: the caller's promise.
    unsafe {
        if decorate::present() {
            return decorated_posix_memalign(kind, memptr, alignment, size);
        }
        posix_memalign(kind, memptr, alignment, size)
    }
}

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
    // SAFETY: the caller's promise.
    unsafe { memalign_into(kind, memptr, alignment, size) }
}

#[cold]
unsafe fn decorated_posix_memalign(
    mut kind: memkind_t,
    memptr: *mut *mut c_void,
    mut alignment: usize,
    mut size: usize,
) -> c_int {
    // SAFETY: hooks are the program's own functions and take these pointers.
    unsafe {
        if let Some(pre) = hooks().posix_memalign_pre {
            pre(&raw mut kind, memptr, &raw mut alignment, &raw mut size);
        }
        let mut code = posix_memalign(kind, memptr, alignment, size);
        if let Some(post) = hooks().posix_memalign_post {
            post(kind, memptr, alignment, size, &raw mut code);
        }
        code
    }
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
    match fast::resize(kind as usize, ptr.cast(), size) {
        Some(block) => block.as_ptr().cast(),
        // SAFETY: the caller's promise.
        None => unsafe { realloc_slow(kind, ptr, size) },
    }
}

#[cold]
#[inline(never)]
unsafe extern "C" fn realloc_slow(kind: memkind_t, ptr: *mut c_void, size: usize) -> *mut c_void {
    // SAFETY: the caller's promise.
    unsafe {
        if decorate::present() {
            return decorated_realloc(kind, ptr, size);
        }
        realloc(kind, ptr, size)
    }
}

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
    // SAFETY: the caller's promise.
    block_or_errno(Some(found), unsafe { found.realloc(ptr.cast(), size) })
}

#[cold]
unsafe fn decorated_realloc(
    mut kind: memkind_t,
    mut ptr: *mut c_void,
    mut size: usize,
) -> *mut c_void {
    // SAFETY: hooks are the program's own functions and take these pointers.
    unsafe {
        if let Some(pre) = hooks().realloc_pre {
            pre(&raw mut kind, &raw mut ptr, &raw mut size);
        }
        let mut result = realloc(kind, ptr, size);
        if let Some(post) = hooks().realloc_post {
            post(&raw mut kind, ptr, size, &raw mut result);
        }
        result
    }
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
    if !fast::free(ptr.cast()) {
        // SAFETY: the caller's promise.
        unsafe { free_slow(kind, ptr) }
    }
}

#[cold]
#[inline(never)]
unsafe extern "C" fn free_slow(kind: memkind_t, ptr: *mut c_void) {
    // SAFETY: the caller's promise.
    unsafe {
        if decorate::present() {
            return decorated_free(kind, ptr);
        }
        free(kind, ptr);
    }
}

#[inline]
unsafe fn free(_kind: memkind_t, ptr: *mut c_void) {
    // The page map knows the kind: a wrong one does no harm.
    // SAFETY: the caller's promise.
    unsafe { kind::free(ptr.cast()) }
}

#[cold]
unsafe fn decorated_free(mut kind: memkind_t, mut ptr: *mut c_void) {
    // SAFETY: hooks are the program's own functions and take these pointers.
    unsafe {
        if let Some(pre) = hooks().free_pre {
            pre(&raw mut kind, &raw mut ptr);
        }
        free(kind, ptr);
        if let Some(post) = hooks().free_post {
            post(kind, ptr);
        }
    }
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
    // SAFETY: the caller's promise.
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
