//! The types and constants of memkind.h.

use core::ffi::{c_char, c_int, c_uint, c_void};

use crate::kind::Kind;

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
    /// Number of policies, not itself one.
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

/// Results of functions that return int, except memkind_posix_memalign().
#[repr(C)]
#[allow(
    non_camel_case_types,
    dead_code,
    reason = "the C name; only C uses the values"
)]
pub enum memkind_status {
    /// The function has succeeded.
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
    /// As many kinds, or pools, exist as there can be.
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
    /// Number of policies, not itself one.
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
    /// Number of statistics, not itself one.
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
    /// All statistics, as text.
    MEMKIND_STAT_PRINT_ALL = 0,
    /// All statistics, as one JSON document.
    MEMKIND_STAT_PRINT_JSON_FORMAT = 1,
    /// Without values that never change.
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
pub struct RawMemtype(pub(super) c_uint);
/// cbindgen:ignore
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct RawPolicy(pub(super) c_uint);
/// cbindgen:ignore
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct RawBits(pub(super) c_uint);
/// cbindgen:ignore
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct RawUsagePolicy(pub(in crate::ffi) c_uint);
/// cbindgen:ignore
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct RawStat(pub(super) c_uint);
/// cbindgen:ignore
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct RawStatPrintOptions(pub(super) c_uint);

/// Settings from which a kind is made; see memkind_config_new().
#[allow(non_camel_case_types, reason = "the C name")]
pub struct memkind_config(pub(in crate::ffi) Config);

/// cbindgen:ignore
/// The fields of the settings; all zeroes are the defaults. Old programs read the first three, so
/// these keep their places.
#[repr(C)]
pub(in crate::ffi) struct Config {
    pub(in crate::ffi) pmem_dir: *const c_char,
    pub(in crate::ffi) pmem_size: usize,
    pub(in crate::ffi) policy: RawUsagePolicy,
    pub(in crate::ffi) options: c_uint,
    pub(in crate::ffi) nodes: *const c_char,
    pub(in crate::ffi) nodes_policy: c_uint,
    pub(in crate::ffi) page_required: bool,
    pub(in crate::ffi) page_size: usize,
    pub(in crate::ffi) alignment: usize,
    pub(in crate::ffi) slab_size: usize,
    pub(in crate::ffi) fallback: memkind_t,
    pub(in crate::ffi) exhausted:
        Option<unsafe extern "C" fn(*mut c_void, memkind_t, usize) -> c_int>,
    pub(in crate::ffi) exhausted_context: *mut c_void,
    pub(in crate::ffi) name: *const c_char,
}

const _: () = {
    assert!(core::mem::offset_of!(Config, pmem_size) == 8);
    assert!(core::mem::offset_of!(Config, policy) == 16);
};
