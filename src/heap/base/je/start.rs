//! jemalloc's options, and its start, as late as possible: the calls that may allocate before it is
//! ready for that.

use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering};

use tikv_jemalloc_sys as sys;

use crate::backing::map_zeroes;
use crate::heap::base::lock::Lock;
use crate::heap::base::{first, spare};
use crate::log;
use crate::signals;
use crate::sys::{page_size, tools};

// Options that jemalloc reads at its first use, twice. Settings of the user (JEMK_MALLOC_CONF)
// come in between. Hidden, or every program would see the symbols.
// * lg_extent_max_active_fit: small blocks may have a part of any free extent, and extents of any
//   sizes are joined (40: one may be 2^40 times the other). jemalloc's 64 times goes with giving
//   extents of 8 MiB back at once; ours stay, and would be of no use to smaller blocks.
// What the user cannot change:
// * narenas: jemalloc's own arenas only have the library's records; each reserves addresses.
// * tcache: a thread that has no memory for its own crashes in jemalloc. Nothing would use it but
//   the library's records: threads have magazines.
// * dss: sbrk(2) is the C library's.
// * trust_madvise: without it jemalloc maps a page at its start to try MADV_DONTNEED on, as
//   emulators may not obey it, and crashes where it gets none. The hooks do not look at the result.
// * disable_large_size_classes: blocks of any number of pages. The heap reckons with four size
//   classes per doubling, and would take blocks for larger than they are.
core::arch::global_asm!(
    ".pushsection .rodata.memkind_conf, \"a\"",
    ".Lmemkind_conf: .asciz \"lg_extent_max_active_fit:40\"",
    ".Lmemkind_last: .asciz \"narenas:1,tcache:false,dss:disabled,trust_madvise:true,disable_large_size_classes:false\"",
    ".popsection",
    ".pushsection .data.rel.ro.memkind_conf, \"aw\"",
    ".p2align 3",
    ".irp name, _rjem_malloc_conf, _rjem_malloc_conf_2_conf_harder",
    ".globl \\name",
    ".hidden \\name",
    ".type \\name, @object",
    ".size \\name, 8",
    ".endr",
    "_rjem_malloc_conf: .8byte .Lmemkind_conf",
    "_rjem_malloc_conf_2_conf_harder: .8byte .Lmemkind_last",
    ".popsection",
);

/// What [`STATE`] is before jemalloc has started.
const NOT_STARTED: usize = 0;
/// What [`STATE`] is when jemalloc has started, and [`FIRST`] when no thread may be it any more.
const READY: usize = 1;

/// [`NOT_STARTED`], [`READY`], or the thread pointer of the one thread that jemalloc does not know
/// although it has started.
static STATE: AtomicUsize = AtomicUsize::new(NOT_STARTED);
/// The thread pointer of the thread that was there before jemalloc; 0 = none yet.
static FIRST: AtomicUsize = AtomicUsize::new(0);
/// Held while jemalloc starts. A process with threads has it started before it forks.
static STARTS: Lock = Lock::new();
/// Whether [`STARTS`] is held over a fork(2).
static HELD: AtomicBool = AtomicBool::new(false);
/// One more than the key for thread-specific data that is kept for jemalloc; 0 = none.
static KEPT_KEY: AtomicU32 = AtomicU32::new(0);

unsafe extern "C" {
    /// How far jemalloc's start has come: a C enum, 0 when it is complete.
    #[link_name = "_rjem_je_malloc_init_state"]
    static PROGRESS: AtomicU32;
    /// jemalloc's tree of extents by address: a pointer, and behind it the lock under which another
    /// leaf is made.
    #[link_name = "_rjem_je_arena_emap_global"]
    static TREE: [AtomicPtr<c_void>; 2];
    /// Makes a lock of jemalloc's free in a child just forked; `thread` may be null.
    #[link_name = "_rjem_je_malloc_mutex_postfork_child"]
    fn free_in_child(thread: *mut c_void, lock: *mut c_void);
}
const COMPLETE: u32 = 0;
/// What [`PROGRESS`] was before [`put_off`].
static BEFORE: AtomicU32 = AtomicU32::new(COMPLETE);

/// Keeps jemalloc from starting before it is needed, which its constructor would have it do: that
/// finds a start that is complete. Called at load, before any other thread is there.
pub fn put_off() {
    // SAFETY: jemalloc's variable; nothing uses jemalloc before `initialise`.
    let progress = unsafe { &PROGRESS };
    if !is_started() {
        BEFORE.store(
            progress.swap(COMPLETE, Ordering::Relaxed),
            Ordering::Relaxed,
        );
        keep_key();
    }
}

/// Keeps a key for jemalloc, which makes one when it starts. The program may have used up all keys
/// by then, and for a key from 32 on the C library calls calloc in each thread.
fn keep_key() {
    let mut key = 0;
    // SAFETY: the place is writable, and there is no destructor.
    if unsafe { libc::pthread_key_create(&raw mut key, None) } == 0 {
        KEPT_KEY.store(key + 1, Ordering::Relaxed);
    }
}

/// Gives the kept key up: the C library hands the lowest free one out next.
fn give_key() {
    if let Some(key) = KEPT_KEY.swap(0, Ordering::Relaxed).checked_sub(1) {
        // SAFETY: the key was made by `keep_key`, and no thread has a value for it.
        unsafe { libc::pthread_key_delete(key) };
    }
}

/// Undoes [`put_off`].
fn put_back() {
    let before = BEFORE.swap(COMPLETE, Ordering::Relaxed);
    if before != COMPLETE {
        // SAFETY: jemalloc's variable; the lock is held under which jemalloc is started.
        unsafe { &PROGRESS }.store(before, Ordering::Relaxed);
    }
}

/// Whether jemalloc has started.
#[inline]
pub(crate) fn is_started() -> bool {
    STATE.load(Ordering::Acquire) != NOT_STARTED
}

/// Makes jemalloc know the calling thread if that is the one that it does not know yet: at a
/// moment at which the thread may allocate.
#[inline]
pub(crate) fn catch_up() {
    let state = STATE.load(Ordering::Acquire);
    if state != READY && state != NOT_STARTED {
        initialise();
    }
}

/// Makes jemalloc ready for the calling thread if it does not know that thread; `false` when memory
/// for that is short, but in the one thread that was there before jemalloc. jemalloc's start calls
/// functions that may allocate, which it cannot serve yet.
#[inline]
pub fn initialise() -> bool {
    let state = STATE.load(Ordering::Acquire);
    let is_known = state == READY || state != NOT_STARTED && state != spare::thread_pointer();
    is_known || start(state)
}

/// [`initialise`] in a thread that jemalloc does not know.
#[cold]
fn start(state: usize) -> bool {
    let own = spare::thread_pointer();
    if state != NOT_STARTED {
        if attach() {
            STATE.store(READY, Ordering::Release);
        }
        return true;
    }
    let errno = log::errno();
    let _held = STARTS.hold();
    // Idle when another thread has started it meanwhile, but that does not make this one known.
    let known = if is_started() { attach() } else { boot() };
    if known && !is_started() {
        let first = FIRST.swap(READY, Ordering::AcqRel);
        let unknown = first != 0 && first != own;
        STATE.store(if unknown { first } else { READY }, Ordering::Release);
    }
    log::set_errno(errno);
    known
}

/// The bytes of the stack on which jemalloc starts: more than a thread may have.
const STACK: usize = 64 << 10;
/// The bytes that jemalloc maps when it starts. Where it cannot map a page it crashes.
const NEEDS: usize = 6 << 20;

/// Starts jemalloc, on a stack of its own above a page without access; `false` when memory is
/// short. Handlers of signals may need more stack, and wait. The lock is held.
///
/// Under memcheck it stays on the thread's stack: memcheck takes a step of less than 2 MB to
/// another stack for the thread's own growing or shrinking, and all between for free.
fn boot() -> bool {
    let Some(room) = map_zeroes(page_size() + STACK + NEEDS) else {
        return false;
    };
    let top = room.wrapping_add(page_size() + STACK);
    // SAFETY: our own mapping, of which only the stack is used.
    unsafe {
        libc::munmap(top.cast(), NEEDS);
        libc::mprotect(room.cast::<c_void>(), page_size(), libc::PROT_NONE);
    }
    let signals = signals::hold_back();
    put_back();
    give_key();
    let known = if tools::tool() == tools::Tool::Memcheck {
        attach()
    } else {
        // SAFETY: the stack is ours until the work is done.
        unsafe { on_stack(top) }
    };
    signals.release();
    // SAFETY: nothing is there any more.
    unsafe { libc::munmap(room.cast(), page_size() + STACK) };
    known
}

/// Calls [`attach`] on the stack that ends at `top`.
///
/// # Safety
/// `top` is a multiple of 16, and [`STACK`] bytes below it are the caller's.
unsafe fn on_stack(top: *mut u8) -> bool {
    extern "C" fn work() -> usize {
        attach().into()
    }
    #[cfg(target_arch = "x86_64")]
    {
        let known: usize;
        // SAFETY: the function is called as C has it, and the stack pointer is as before then:
        // functions keep r12.
        unsafe {
            core::arch::asm!(
                "mov r12, rsp",
                "mov rsp, {top}",
                "call {work}",
                "mov rsp, r12",
                top = in(reg) top,
                work = sym work,
                out("r12") _,
                lateout("rax") known,
                clobber_abi("C"),
            );
        }
        known != 0
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = top;
        work() != 0
    }
}

/// Makes jemalloc know the calling thread, which has just got its record. It is started for that,
/// unless this is the first thread: most programs have no other, and many end before they need
/// jemalloc.
pub(crate) fn meet() {
    let own = spare::thread_pointer();
    let is_first = FIRST.compare_exchange(0, own, Ordering::AcqRel, Ordering::Relaxed);
    if is_first.is_ok() && !is_started() {
        return;
    }
    match STATE.load(Ordering::Acquire) {
        state if state == NOT_STARTED || state == own => start(state),
        _ => attach(),
    };
}

/// Makes jemalloc know the calling thread, and starts it if need be; `false` when memory for that is
/// short. That calls functions that may allocate, which jemalloc cannot serve yet.
fn attach() -> bool {
    let _inside = spare::enter();
    let flags = sys::MALLOCX_ARENA(0) | sys::MALLOCX_TCACHE_NONE;
    // SAFETY: the size is not 0. Each call that is not about a block makes the thread known; where
    // jemalloc has not started, a block shows whether it could.
    unsafe {
        if is_started() {
            return sys::nallocx(1, flags) != 0;
        }
        let block = sys::mallocx(1, flags);
        if !block.is_null() {
            sys::dallocx(block, flags);
        }
        !block.is_null()
    }
}

/// Before fork(2), when the calling thread holds no lock: jemalloc's own handler is to find the
/// thread known, since to make it known may allocate. Where there are other threads jemalloc is
/// started, unless memory is short.
pub fn meet_before_fork() {
    if is_started() || !crate::sys::is_single_threaded() {
        let errno = log::errno();
        if initialise() {
            attach();
        }
        log::set_errno(errno);
    }
}

/// Before fork(2): no other thread is to be starting jemalloc, whose locks would be lost. The
/// thread that is holds no other lock of the library's but that of the spare memory.
pub fn hold_start() {
    if !is_started() {
        STARTS.hold_over_fork();
        HELD.store(true, Ordering::Relaxed);
    }
}

fn release_start() {
    if HELD.swap(false, Ordering::Relaxed) {
        STARTS.release();
    }
}

/// Before fork(2): holds the lock of the first memory, and jemalloc's.
pub fn prepare_fork() {
    first::prepare_fork();
    crate::sys::forks::prepare();
}

/// After fork(2), in the parent.
pub fn parent_after_fork() {
    crate::sys::forks::in_parent();
    first::release_after_fork();
    release_start();
}

/// Frees, in a child just forked, the locks that are held over a fork.
pub fn child_after_fork() {
    if is_started() {
        // jemalloc holds all its locks over a fork but this one, under which another thread may have
        // been making a leaf: that one is lost then.
        // SAFETY: jemalloc has made the lock, and the child has no other thread.
        unsafe { free_in_child(ptr::null_mut(), TREE[1].as_ptr().cast()) };
    }
    crate::sys::forks::in_child();
    first::release_after_fork();
    release_start();
}
