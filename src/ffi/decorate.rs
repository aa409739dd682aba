//! The weak hooks around the heap functions (memkind(3) and libmemtier(3), DECORATORS), and the
//! calls with hooks around them.
//!
//! A program, or a library preloaded into it, may define any of the hooks; the dynamic linker
//! fills the table below, and an undefined hook is null. Two flags, computed at load, tell
//! whether any exists: without hooks a call costs one predictable test.

use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicBool, Ordering};

use super::memkind::types::memkind_t;

/// Declares the hooks: the weak symbols, the table that the linker fills, the type of the table,
/// and for each group whether any of its hooks is defined.
macro_rules! hooks {
    ($($any:ident: { $($(#[$doc:meta])* $hook:ident = $symbol:literal: $signature:ty;)* })*) => {
        core::arch::global_asm!(
            $($(concat!(".weak ", $symbol),)*)*
            ".pushsection .data.rel.ro.memkind_hooks, \"aw\"",
            ".p2align 3",
            ".hidden memkind_hook_table",
            ".globl memkind_hook_table",
            "memkind_hook_table:",
            $($(concat!(".8byte ", $symbol),)*)*
            ".popsection",
        );

        /// The hooks, in the order of the table that the linker fills.
        #[repr(C)]
        pub struct Hooks {
            $($($(#[$doc])* pub $hook: Option<$signature>,)*)*
        }

        impl Hooks {
            $(const fn $any(&self) -> bool {
                $(self.$hook.is_some() ||)* false
            })*
        }
    };
}

hooks! {
    any_of_memkind: {
        /// Before memkind_malloc.
        malloc_pre = "memkind_malloc_pre":
            unsafe extern "C" fn(*mut memkind_t, *mut usize);
        /// After memkind_malloc.
        malloc_post = "memkind_malloc_post":
            unsafe extern "C" fn(memkind_t, usize, *mut *mut c_void);
        /// Before memkind_calloc.
        calloc_pre = "memkind_calloc_pre":
            unsafe extern "C" fn(*mut memkind_t, *mut usize, *mut usize);
        /// After memkind_calloc.
        calloc_post = "memkind_calloc_post":
            unsafe extern "C" fn(memkind_t, usize, usize, *mut *mut c_void);
        /// Before memkind_posix_memalign.
        posix_memalign_pre = "memkind_posix_memalign_pre":
            unsafe extern "C" fn(*mut memkind_t, *mut *mut c_void, *mut usize, *mut usize);
        /// After memkind_posix_memalign.
        posix_memalign_post = "memkind_posix_memalign_post":
            unsafe extern "C" fn(memkind_t, *mut *mut c_void, usize, usize, *mut c_int);
        /// Before memkind_realloc.
        realloc_pre = "memkind_realloc_pre":
            unsafe extern "C" fn(*mut memkind_t, *mut *mut c_void, *mut usize);
        /// After memkind_realloc.
        realloc_post = "memkind_realloc_post":
            unsafe extern "C" fn(*mut memkind_t, *mut c_void, usize, *mut *mut c_void);
        /// Before memkind_free.
        free_pre = "memkind_free_pre":
            unsafe extern "C" fn(*mut memkind_t, *mut *mut c_void);
        /// After memkind_free.
        free_post = "memkind_free_post":
            unsafe extern "C" fn(memkind_t, *mut c_void);
    }
    any_of_memtier: {
        /// After memtier_kind_malloc.
        tier_malloc_post = "memtier_kind_malloc_post":
            unsafe extern "C" fn(memkind_t, usize, *mut *mut c_void);
        /// After memtier_kind_calloc.
        tier_calloc_post = "memtier_kind_calloc_post":
            unsafe extern "C" fn(memkind_t, usize, usize, *mut *mut c_void);
        /// After memtier_kind_posix_memalign.
        tier_posix_memalign_post = "memtier_kind_posix_memalign_post":
            unsafe extern "C" fn(memkind_t, *mut *mut c_void, usize, usize, *mut c_int);
        /// After memtier_kind_realloc.
        tier_realloc_post = "memtier_kind_realloc_post":
            unsafe extern "C" fn(*mut memkind_t, *mut c_void, usize, *mut *mut c_void);
        /// Before memtier_kind_free.
        tier_free_pre = "memtier_kind_free_pre":
            unsafe extern "C" fn(*mut *mut c_void);
        /// After memtier_usable_size.
        tier_usable_size_post = "memtier_kind_usable_size_post":
            unsafe extern "C" fn(*mut *mut c_void, usize);
    }
}

#[allow(
    improper_ctypes,
    reason = "pointers to kinds are handles; Rust 1.85 looks behind them"
)]
unsafe extern "C" {
    static memkind_hook_table: Hooks;
}

static PRESENT: AtomicBool = AtomicBool::new(false);
static TIER_PRESENT: AtomicBool = AtomicBool::new(false);

/// Whether any hook around a memkind_* function exists.
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
fn hooks() -> &'static Hooks {
    // SAFETY: the linker has filled the table, which has the layout of `Hooks`, before any code
    // of the library runs, and nothing writes to it afterwards.
    unsafe { &memkind_hook_table }
}

/// Looks for hooks; called once, at load.
pub(super) fn find() {
    PRESENT.store(hooks().any_of_memkind(), Ordering::Relaxed);
    TIER_PRESENT.store(hooks().any_of_memtier(), Ordering::Relaxed);
}

// Each function below runs the hook before a call, the call itself, and the hook after it. The
// hooks are the program's functions and have the signatures of memkind(3); what they are given
// points to variables of the function that runs them.

#[cold]
pub(super) fn malloc(
    mut kind: memkind_t,
    mut size: usize,
    call: fn(memkind_t, usize) -> *mut c_void,
) -> *mut c_void {
    if let Some(pre) = hooks().malloc_pre {
        // SAFETY: a hook of the program's, which gets pointers to live variables.
        unsafe { pre(&raw mut kind, &raw mut size) }
    }
    let mut result = call(kind, size);
    if let Some(post) = hooks().malloc_post {
        // SAFETY: a hook of the program's, which gets a pointer to a live variable.
        unsafe { post(kind, size, &raw mut result) }
    }
    result
}

#[cold]
pub(super) fn calloc(
    mut kind: memkind_t,
    mut num: usize,
    mut size: usize,
    call: fn(memkind_t, usize, usize) -> *mut c_void,
) -> *mut c_void {
    if let Some(pre) = hooks().calloc_pre {
        // SAFETY: a hook of the program's, which gets pointers to live variables.
        unsafe { pre(&raw mut kind, &raw mut num, &raw mut size) }
    }
    let mut result = call(kind, num, size);
    if let Some(post) = hooks().calloc_post {
        // SAFETY: a hook of the program's, which gets a pointer to a live variable.
        unsafe { post(kind, num, size, &raw mut result) }
    }
    result
}

/// # Safety
/// The arguments are valid for `call`.
#[cold]
pub(super) unsafe fn posix_memalign(
    mut kind: memkind_t,
    memptr: *mut *mut c_void,
    mut alignment: usize,
    mut size: usize,
    call: unsafe fn(memkind_t, *mut *mut c_void, usize, usize) -> c_int,
) -> c_int {
    if let Some(pre) = hooks().posix_memalign_pre {
        // SAFETY: a hook of the program's, which gets the caller's `memptr` and pointers to live variables.
        unsafe { pre(&raw mut kind, memptr, &raw mut alignment, &raw mut size) }
    }
    // SAFETY: the arguments are the caller's, or what a hook of the program's made of them.
    let mut code = unsafe { call(kind, memptr, alignment, size) };
    if let Some(post) = hooks().posix_memalign_post {
        // SAFETY: a hook of the program's, which gets a pointer to a live variable.
        unsafe { post(kind, memptr, alignment, size, &raw mut code) }
    }
    code
}

/// # Safety
/// The arguments are valid for `call`.
#[cold]
pub(super) unsafe fn realloc(
    mut kind: memkind_t,
    mut ptr: *mut c_void,
    mut size: usize,
    call: unsafe fn(memkind_t, *mut c_void, usize) -> *mut c_void,
) -> *mut c_void {
    if let Some(pre) = hooks().realloc_pre {
        // SAFETY: a hook of the program's, which gets pointers to live variables.
        unsafe { pre(&raw mut kind, &raw mut ptr, &raw mut size) }
    }
    // SAFETY: the arguments are the caller's, or what a hook of the program's made of them.
    let mut result = unsafe { call(kind, ptr, size) };
    if let Some(post) = hooks().realloc_post {
        // SAFETY: a hook of the program's, which gets pointers to live variables.
        unsafe { post(&raw mut kind, ptr, size, &raw mut result) }
    }
    result
}

/// # Safety
/// The arguments are valid for `call`.
#[cold]
pub(super) unsafe fn free(
    mut kind: memkind_t,
    mut ptr: *mut c_void,
    call: unsafe fn(memkind_t, *mut c_void),
) {
    if let Some(pre) = hooks().free_pre {
        // SAFETY: a hook of the program's, which gets pointers to live variables.
        unsafe { pre(&raw mut kind, &raw mut ptr) }
    }
    // SAFETY: the arguments are the caller's, or what a hook of the program's made of them.
    unsafe { call(kind, ptr) }
    if let Some(post) = hooks().free_post {
        // SAFETY: a hook of the program's, which gets the arguments of the call.
        unsafe { post(kind, ptr) }
    }
}
