//! The weak hooks around the heap functions (memkind(3) and libmemtier(3), DECORATORS).
//!
//! A program, or a library preloaded into it, may define any of them; the dynamic
//! linker fills the table below, and an undefined hook is null. One flag, computed at
//! load, tells whether any exists: without hooks a call costs one predictable test.

use core::ffi::c_int;
use core::ffi::c_void;
use core::sync::atomic::{AtomicBool, Ordering};

use super::memkind::memkind_t;

core::arch::global_asm!(
    ".weak memkind_malloc_pre",
    ".weak memkind_malloc_post",
    ".weak memkind_calloc_pre",
    ".weak memkind_calloc_post",
    ".weak memkind_posix_memalign_pre",
    ".weak memkind_posix_memalign_post",
    ".weak memkind_realloc_pre",
    ".weak memkind_realloc_post",
    ".weak memkind_free_pre",
    ".weak memkind_free_post",
    ".weak memtier_kind_malloc_post",
    ".weak memtier_kind_calloc_post",
    ".weak memtier_kind_posix_memalign_post",
    ".weak memtier_kind_realloc_post",
    ".weak memtier_kind_free_pre",
    ".weak memtier_kind_usable_size_post",
    ".pushsection .data.rel.ro.memkind_hooks, \"aw\"",
    ".p2align 3",
    ".hidden memkind_hook_table",
    ".globl memkind_hook_table",
    "memkind_hook_table:",
    ".8byte memkind_malloc_pre",
    ".8byte memkind_malloc_post",
    ".8byte memkind_calloc_pre",
    ".8byte memkind_calloc_post",
    ".8byte memkind_posix_memalign_pre",
    ".8byte memkind_posix_memalign_post",
    ".8byte memkind_realloc_pre",
    ".8byte memkind_realloc_post",
    ".8byte memkind_free_pre",
    ".8byte memkind_free_post",
    ".8byte memtier_kind_malloc_post",
    ".8byte memtier_kind_calloc_post",
    ".8byte memtier_kind_posix_memalign_post",
    ".8byte memtier_kind_realloc_post",
    ".8byte memtier_kind_free_pre",
    ".8byte memtier_kind_usable_size_post",
    ".popsection",
);

/// The hooks, in the order of the table above.
#[repr(C)]
pub struct Hooks {
    /// Before memkind_malloc.
    pub malloc_pre: Option<unsafe extern "C" fn(*mut memkind_t, *mut usize)>,
    /// After memkind_malloc.
    pub malloc_post: Option<unsafe extern "C" fn(memkind_t, usize, *mut *mut c_void)>,
    /// Before memkind_calloc.
    pub calloc_pre: Option<unsafe extern "C" fn(*mut memkind_t, *mut usize, *mut usize)>,
    /// After memkind_calloc.
    pub calloc_post: Option<unsafe extern "C" fn(memkind_t, usize, usize, *mut *mut c_void)>,
    /// Before memkind_posix_memalign.
    pub posix_memalign_pre:
        Option<unsafe extern "C" fn(*mut memkind_t, *mut *mut c_void, *mut usize, *mut usize)>,
    /// After memkind_posix_memalign.
    pub posix_memalign_post:
        Option<unsafe extern "C" fn(memkind_t, *mut *mut c_void, usize, usize, *mut c_int)>,
    /// Before memkind_realloc.
    pub realloc_pre: Option<unsafe extern "C" fn(*mut memkind_t, *mut *mut c_void, *mut usize)>,
    /// After memkind_realloc.
    pub realloc_post:
        Option<unsafe extern "C" fn(*mut memkind_t, *mut c_void, usize, *mut *mut c_void)>,
    /// Before memkind_free.
    pub free_pre: Option<unsafe extern "C" fn(*mut memkind_t, *mut *mut c_void)>,
    /// After memkind_free.
    pub free_post: Option<unsafe extern "C" fn(memkind_t, *mut c_void)>,
    /// After memtier_kind_malloc.
    pub tier_malloc_post: Option<unsafe extern "C" fn(memkind_t, usize, *mut *mut c_void)>,
    /// After memtier_kind_calloc.
    pub tier_calloc_post: Option<unsafe extern "C" fn(memkind_t, usize, usize, *mut *mut c_void)>,
    /// After memtier_kind_posix_memalign.
    pub tier_posix_memalign_post:
        Option<unsafe extern "C" fn(memkind_t, *mut *mut c_void, usize, usize, *mut c_int)>,
    /// After memtier_kind_realloc.
    pub tier_realloc_post:
        Option<unsafe extern "C" fn(*mut memkind_t, *mut c_void, usize, *mut *mut c_void)>,
    /// Before memtier_kind_free.
    pub tier_free_pre: Option<unsafe extern "C" fn(*mut *mut c_void)>,
    /// After memtier_usable_size.
    pub tier_usable_size_post: Option<unsafe extern "C" fn(*mut *mut c_void, usize)>,
}

unsafe extern "C" {
    static memkind_hook_table: Hooks;
}

static PRESENT: AtomicBool = AtomicBool::new(false);
static TIER_PRESENT: AtomicBool = AtomicBool::new(false);

/// Whether any hook exists.
#[inline(always)]
pub(super) fn present() -> bool {
    PRESENT.load(Ordering::Relaxed)
}

/// The hooks around memtier functions, if any exists.
#[inline(always)]
pub(super) fn tier_hooks() -> Option<&'static Hooks> {
    TIER_PRESENT.load(Ordering::Relaxed).then(hooks)
}

/// The hooks; all null if none exists.
pub(super) fn hooks() -> &'static Hooks {
    // SAFETY: the table above, of sixteen pointers, is filled before any code of ours runs
    // and constant afterwards.
    unsafe { &memkind_hook_table }
}

/// Looks for hooks; called once, at load.
pub(super) fn find() {
    let hooks = hooks();
    let any = hooks.malloc_pre.is_some()
        || hooks.malloc_post.is_some()
        || hooks.calloc_pre.is_some()
        || hooks.calloc_post.is_some()
        || hooks.posix_memalign_pre.is_some()
        || hooks.posix_memalign_post.is_some()
        || hooks.realloc_pre.is_some()
        || hooks.realloc_post.is_some()
        || hooks.free_pre.is_some()
        || hooks.free_post.is_some();
    PRESENT.store(any, Ordering::Relaxed);
    let any = hooks.tier_malloc_post.is_some()
        || hooks.tier_calloc_post.is_some()
        || hooks.tier_posix_memalign_post.is_some()
        || hooks.tier_realloc_post.is_some()
        || hooks.tier_free_pre.is_some()
        || hooks.tier_usable_size_post.is_some();
    TIER_PRESENT.store(any, Ordering::Relaxed);
}
