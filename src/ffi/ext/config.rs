//! Kinds by description.

use core::ffi::{CStr, c_char, c_int, c_uint, c_void};

use super::super::answer::kind_of;
use super::super::memkind::{hand_out, memkind_config, memkind_t};
use super::{RawNodesPolicy, bind_of, null_argument};
use crate::error::Error;
use crate::kind::Kind;
use crate::kind::described::{Description, Place};
use crate::kind::dynamic::Usage;
use crate::kind::wishes::Exhausted;
use crate::log;

/// What the memory of a kind is like, to be combined with `|`; see memkind_config_set_options().
#[repr(C)]
#[allow(
    non_camel_case_types,
    dead_code,
    reason = "the C name; only C uses the values"
)]
pub enum memkind_option_t {
    /// There is a page behind every address before it is handed out: where there is none the
    /// allocation is NULL and ENOMEM, and never a signal.
    MEMKIND_OPTION_POPULATE = 1,
    /// The memory is never swapped, by mlock2(2). It counts against RLIMIT_MEMLOCK.
    MEMKIND_OPTION_LOCK = 2,
    /// Every page stays behind its address until the kind is destroyed: memory that devices can
    /// use. Nothing is given back before. Includes MEMKIND_OPTION_POPULATE.
    MEMKIND_OPTION_PIN = 4,
    /// A forked child does not have the memory (MADV_DONTFORK): there the kind gives NULL and
    /// ENOMEM, and what is freed is left alone.
    MEMKIND_OPTION_NO_FORK = 8,
    /// Other processes can map the memory; see memkind_get_fd(). In a forked child the kind gives
    /// NULL and ENOMEM: the memory is its parent's.
    MEMKIND_OPTION_SHARED = 16,
    /// The memory is not in core files (MADV_DONTDUMP).
    MEMKIND_OPTION_NO_DUMP = 32,
    /// Memory is overwritten with zeroes when it is freed; that of a pool or a region, when it goes
    /// back to the kind. Such a kind has no caches in threads.
    MEMKIND_OPTION_WIPE = 64,
    /// The memory is in transparent huge pages where the kernel has them (MADV_HUGEPAGE).
    MEMKIND_OPTION_TRANSPARENT_HUGE = 128,
}

/// The settings behind a handle; `None` for NULL.
///
/// # Safety
/// `cfg` is null or comes from memkind_config_new(), and no other thread uses it meanwhile.
unsafe fn settings<'a>(cfg: *mut memkind_config) -> Option<&'a mut memkind_config> {
    // SAFETY: null, or from memkind_config_new(), and no other thread uses it.
    unsafe { cfg.as_mut() }
}

/// Sets what the memory is like. Nothing is checked yet.
///
/// \param cfg     settings of memkind_config_new(); NULL is a no-op
/// \param options memkind_option_t values, combined with `|`; 0 for none
/// \note MT-safe for different settings
/// \note EXPERIMENTAL API; see memkind_config(3)
///
/// # Safety
/// `cfg` must be NULL or come from memkind_config_new().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_config_set_options(cfg: *mut memkind_config, options: c_uint) {
    // SAFETY: null, or from memkind_config_new(), and no other thread uses it.
    if let Some(cfg) = unsafe { settings(cfg) } {
        cfg.0.options = options;
    }
}

/// Sets the nodes that memory comes from. The string is not copied and not checked yet.
///
/// \param cfg    settings of memkind_config_new(); NULL is a no-op
/// \param nodes  a list as memkind_create_nodes() takes it; NULL for the node of the CPU whose
///               thread makes the kind grow
/// \param policy one of memkind_nodes_policy_t, also if `nodes` is NULL: it has no effect then
/// \note MT-safe for different settings
/// \note EXPERIMENTAL API; see memkind_config(3)
///
/// # Safety
/// `cfg` must be NULL or come from memkind_config_new(); `nodes` must stay
/// valid as long as the settings are used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_config_set_nodes(
    cfg: *mut memkind_config,
    nodes: *const c_char,
    policy: RawNodesPolicy,
) {
    // SAFETY: null, or from memkind_config_new(), and no other thread uses it.
    if let Some(cfg) = unsafe { settings(cfg) } {
        cfg.0.nodes = nodes;
        cfg.0.nodes_policy = policy.0;
    }
}

/// Sets the page size. Nothing is checked yet.
///
/// \param cfg       settings of memkind_config_new(); NULL is a no-op
/// \param page_size bytes: 0 or those of the processor's pages (sysconf(_SC_PAGESIZE)), or a size of
///                  huge pages that /sys/kernel/mm/hugepages lists (2 MiB, 1 GiB)
/// \param required  true: where no such huge pages are left an allocation fails; false: it gets smaller
///                  pages there. Must be false for the processor's pages. memkind_get_usage() tells
///                  the size of the smallest pages in use.
/// \note MT-safe for different settings
/// \note EXPERIMENTAL API; see memkind_config(3)
///
/// # Safety
/// `cfg` must be NULL or come from memkind_config_new().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_config_set_page_size(
    cfg: *mut memkind_config,
    page_size: usize,
    required: bool,
) {
    // SAFETY: null, or from memkind_config_new(), and no other thread uses it.
    if let Some(cfg) = unsafe { settings(cfg) } {
        cfg.0.page_size = page_size;
        cfg.0.page_required = required;
    }
}

/// Sets what every block is aligned to, whatever its size and whichever function allocates it.
/// Sizes are rounded up to a multiple of it. Nothing is checked yet.
///
/// \param cfg       settings of memkind_config_new(); NULL is a no-op
/// \param alignment bytes: a power of two, at most the page size; 0 for none
/// \note MT-safe for different settings
/// \note EXPERIMENTAL API; see memkind_config(3)
///
/// # Safety
/// `cfg` must be NULL or come from memkind_config_new().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_config_set_alignment(cfg: *mut memkind_config, alignment: usize) {
    // SAFETY: null, or from memkind_config_new(), and no other thread uses it.
    if let Some(cfg) = unsafe { settings(cfg) } {
        cfg.0.alignment = alignment;
    }
}

/// Sets by how much the kind grows at a time. Nothing is checked yet.
///
/// \param cfg       settings of memkind_config_new(); NULL is a no-op
/// \param slab_size bytes, a multiple of the page size; 0 for 32 MiB or a page if that is
///                  more. A larger block gets a slab of its own size; where there is less memory
///                  left, a slab is as small as the block.
/// \note MT-safe for different settings
/// \note EXPERIMENTAL API; see memkind_config(3)
///
/// # Safety
/// `cfg` must be NULL or come from memkind_config_new().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_config_set_slab_size(cfg: *mut memkind_config, slab_size: usize) {
    // SAFETY: null, or from memkind_config_new(), and no other thread uses it.
    if let Some(cfg) = unsafe { settings(cfg) } {
        cfg.0.slab_size = slab_size;
    }
}

/// Sets which kind serves when this one has no memory: at its limit, on full nodes, without huge
/// pages, by the veto of a map. The block is then one of the other kind, as memkind_detect_kind()
/// tells. The other kind may have a fallback of its own. It cannot be destroyed before this one.
///
/// \param cfg      settings of memkind_config_new(); NULL is a no-op
/// \param fallback a kind; NULL for none
/// \note MT-safe for different settings
/// \note EXPERIMENTAL API; see memkind_config(3)
///
/// # Safety
/// `cfg` must be NULL or come from memkind_config_new().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_config_set_fallback(
    cfg: *mut memkind_config,
    fallback: memkind_t,
) {
    // SAFETY: null, or from memkind_config_new(), and no other thread uses it.
    if let Some(cfg) = unsafe { settings(cfg) } {
        cfg.0.fallback = fallback;
    }
}

/// Sets a function that is called when neither the kind nor its fallback has memory. If it returns
/// nonzero, the request is tried once more. It is called by the thread that asks for memory,
/// without any lock, and may allocate and free; a request made in it calls no such function. It must
/// not be left by longjmp(3).
///
/// \param cfg       settings of memkind_config_new(); NULL is a no-op
/// \param exhausted the function: it is given `context`, the kind and the bytes that were asked
///                  for; NULL for none
/// \param context   passed to the function
/// \note MT-safe for different settings; several threads may be in the function at a time
/// \note EXPERIMENTAL API; see memkind_config(3)
///
/// # Safety
/// `cfg` must be NULL or come from memkind_config_new(); the function must be callable as long as
/// the kind lives.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_config_set_exhausted(
    cfg: *mut memkind_config,
    exhausted: Option<
        unsafe extern "C" fn(context: *mut c_void, kind: memkind_t, size: usize) -> c_int,
    >,
    context: *mut c_void,
) {
    // SAFETY: null, or from memkind_config_new(), and no other thread uses it.
    if let Some(cfg) = unsafe { settings(cfg) } {
        cfg.0.exhausted = exhausted;
        cfg.0.exhausted_context = context;
    }
}

/// Sets the name that messages and statistics show. The string is not copied and not checked yet.
///
/// \param cfg  settings of memkind_config_new(); NULL is a no-op
/// \param name at most 63 bytes; NULL for "config" and a number
/// \note MT-safe for different settings
/// \note EXPERIMENTAL API; see memkind_config(3)
///
/// # Safety
/// `cfg` must be NULL or come from memkind_config_new(); `name` must stay
/// valid as long as the settings are used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_config_set_name(cfg: *mut memkind_config, name: *const c_char) {
    // SAFETY: null, or from memkind_config_new(), and no other thread uses it.
    if let Some(cfg) = unsafe { settings(cfg) } {
        cfg.0.name = name;
    }
}

/// Creates the kind that settings describe: file-backed if they have a path, else of anonymous
/// memory. memkind_config_set_size() limits it: anonymous memory to any number of bytes, rounded up
/// to whole pages, a file as memkind_create_pmem() does. Anonymous memory with a limit grows by
/// slabs.
///
/// \param cfg  settings of memkind_config_new(), which may be deleted afterwards
/// \param kind where the handle goes; untouched on failure
/// \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for NULL, an unknown value, and what does not go
///         together: an alignment that is no power of two or exceeds the page size, a slab size
///         that is no multiple of it, a page size that the kernel does not have, nodes, options,
///         page or slab size with a path, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE with pinned,
///         locked or huge pages, huge pages that are also to be transparent, a required size of
///         pages that are not huge, a fallback that is no living kind, a name of more than 63
///         bytes, a malformed list of nodes, a file with a limit below MEMKIND_PMEM_MIN_SIZE;
///         MEMKIND_ERROR_HUGETLB if a page size is required and there are no such pages;
///         MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE, MEMKIND_ERROR_UNAVAILABLE, MEMKIND_ERROR_TOOMANY,
///         MEMKIND_ERROR_ENVIRON, MEMKIND_ERROR_OPERATION_FAILED as for memkind_create_nodes();
///         MEMKIND_ERROR_MALLOC.
///         MEMKIND_DEBUG tells what is wrong.
/// \note MT-safe
/// \note EXPERIMENTAL API; see memkind_config(3)
///
/// # Safety
/// `cfg` must be NULL or come from memkind_config_new(), with strings that live; `kind` must be
/// NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_create_with_config(
    cfg: *mut memkind_config,
    kind: *mut memkind_t,
) -> c_int {
    // SAFETY: null, or from memkind_config_new(), and no other thread uses it.
    let Some(cfg) = (unsafe { settings(cfg) }).filter(|_| !kind.is_null()) else {
        return null_argument("kind");
    };
    // SAFETY: null, or a string that lives, by the caller's promise.
    let text = |text: *const c_char| unsafe { (!text.is_null()).then(|| CStr::from_ptr(text)) };
    let cfg = &cfg.0;
    let usage = match cfg.policy.0 {
        0 => Usage::Default,
        1 => Usage::Conservative,
        other => {
            log::error!("Unrecognized memory policy {other}");
            return Error::Invalid.code();
        }
    };
    let fallback = kind_of(cfg.fallback);
    if fallback.is_none() && !cfg.fallback.is_null() {
        log::error!("Cannot create kind: its fallback was destroyed or never existed.");
        return Error::Invalid.code();
    }
    let Some(bind) = bind_of(cfg.nodes_policy) else {
        return Error::Invalid.code();
    };
    let description = Description {
        dir: text(cfg.pmem_dir),
        limit: cfg.pmem_size,
        usage,
        options: cfg.options,
        place: text(cfg.nodes).map_or(Place::Here, Place::Named),
        bind,
        page: cfg.page_size,
        required: cfg.page_required,
        alignment: cfg.alignment,
        slab: cfg.slab_size,
        fallback,
        exhausted: cfg.exhausted.map(|function| Exhausted {
            function: as_of_kind(function),
            context: cfg.exhausted_context,
        }),
        name: text(cfg.name),
    };
    match description.create() {
        // Not by hand_out(), which clears the handle when there are too many kinds.
        Err(error) => error.code(),
        // SAFETY: not null, and writable by the caller's promise.
        created => unsafe { hand_out(created, kind) },
    }
}

type OfHandle = unsafe extern "C" fn(*mut c_void, memkind_t, usize) -> c_int;
type OfKind = unsafe extern "C" fn(*mut c_void, *const Kind, usize) -> c_int;

fn as_of_kind(function: OfHandle) -> OfKind {
    // SAFETY: a handle is the address of its kind; functions whose types differ in that alone are
    // called in the same way.
    unsafe { core::mem::transmute::<OfHandle, OfKind>(function) }
}
