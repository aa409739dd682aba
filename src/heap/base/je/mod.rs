//! The only user of jemalloc: allocation by flags, arenas, statistics. Before jemalloc has started,
//! blocks are from the first memory, and every function knows those.

mod batch;
mod control;
mod start;
mod stats;

pub(crate) use batch::{can_fill, fill};
pub(crate) use start::{catch_up, is_started, meet};
pub use start::{
    child_after_fork, hold_start, initialise, meet_before_fork, parent_after_fork, prepare_fork,
    put_off,
};
pub use stats::{
    Stat, Utilization, Writer, arena_stat, print_stats, refresh_stats, total_stat, utilization,
};

use core::ffi::{c_int, c_void};
use core::ptr;
use core::sync::atomic::AtomicUsize;

use tikv_jemalloc_sys as sys;

use super::first;
pub(crate) use super::first::{block as first_block, has as is_first};
use crate::{cancel, log};
use control::Control;

pub use sys::extent_hooks_t as ExtentHooks;

/// What programs call that link jemalloc's own names from the static library.
pub mod raw {
    pub use tikv_jemalloc_sys::{
        dallocx, free, mallctl, mallctlbymib, mallctlnametomib, nallocx, rallocx, realloc, sallocx,
        xallocx,
    };
}

/// Flag: the block must be zeroed.
pub const ZERO: c_int = sys::MALLOCX_ZERO;
/// Flag: bypass jemalloc's per-thread cache.
pub const TCACHE_NONE: c_int = sys::MALLOCX_TCACHE_NONE;
/// The bits of flags that are the binary logarithm of the alignment.
const ALIGNMENT: c_int = 0x3f;
pub use super::class::PAGE;

/// Flag for an alignment; `align` is a power of two.
pub const fn align(align: usize) -> c_int {
    align.trailing_zeros() as c_int
}

/// Flag for an arena.
pub const fn arena(index: u32) -> c_int {
    sys::MALLOCX_ARENA(index as usize)
}

/// Runs the work of a hook that jemalloc calls, with `errno` kept: a free must not change it. The
/// thread is not cancelled meanwhile: jemalloc's locks are held.
pub(crate) fn in_hook<T>(work: impl FnOnce() -> T) -> T {
    let _deferred = cancel::defer_calls();
    let errno = log::errno();
    let result = work();
    log::set_errno(errno);
    result
}

/// A block of at least `size` bytes, or null. Size 0 counts as 1.
#[inline]
pub fn mallocx(size: usize, flags: c_int) -> *mut u8 {
    if !is_started() {
        let block = first::record(1 << (flags & ALIGNMENT), size, flags & ZERO != 0);
        if !block.is_null() {
            return block;
        }
    }
    if !initialise() {
        return ptr::null_mut();
    }
    // SAFETY: the size is not 0, jemalloc's only precondition.
    unsafe { sys::mallocx(size.max(1), flags).cast() }
}

/// A statistic of the first memory: the bytes of the blocks of [`first_block`], or of the pages that
/// hold them.
pub(crate) fn first_stat(stat: Stat) -> usize {
    match stat {
        Stat::Allocated => first::allocated(),
        Stat::Active | Stat::Resident => first::active(),
    }
}

/// Where the library's own records are: in one place, however many threads make them.
pub const RECORDS: u32 = 0;

/// Zeroed memory for a record of the library's own, or null.
pub fn new_record(size: usize) -> *mut u8 {
    mallocx(size, ZERO | TCACHE_NONE | arena(RECORDS))
}

/// Frees a record.
///
/// # Safety
/// It is from [`new_record`] and the caller's.
pub unsafe fn free_record(record: *mut u8) {
    // SAFETY: a record of the caller's, which is freed once.
    unsafe { dallocx(record, TCACHE_NONE) }
}

/// Frees a block.
///
/// # Safety
/// `ptr` is a live block of this jemalloc.
#[inline]
pub unsafe fn dallocx(ptr: *mut u8, flags: c_int) {
    // SAFETY: a live block, of the area of the first ones or of jemalloc's.
    unsafe {
        if first::has(ptr) {
            return first::free(ptr);
        }
        initialise();
        sys::dallocx(ptr.cast::<c_void>(), flags);
    }
}

/// Frees blocks of the class at `offset`, and changes their order.
///
/// # Safety
/// Each is a live block of this jemalloc and of that class, and is there once.
pub(crate) unsafe fn give_back(offset: usize, blocks: &mut [*mut u8]) {
    let mut several = 0;
    if batch::can_flush(offset) {
        // Those of the first memory are freed one by one, and the last of jemalloc's: that makes
        // the calling thread's data what jemalloc needs for the others.
        for n in 0..blocks.len() {
            if !first::has(blocks[n]) {
                blocks.swap(n, several);
                several += 1;
            }
        }
        several = several.saturating_sub(1);
    }
    let (several, single) = blocks.split_at_mut(several);
    // SAFETY: live blocks, by the caller's promise. Those left over are jemalloc's, of a class for which
    // flush() is right, and if there are any, one of jemalloc's has been freed before them.
    unsafe {
        for block in single {
            dallocx(*block, TCACHE_NONE);
        }
        batch::flush(RECORDS, offset, several);
    }
}

/// Resizes a block, moving it if needed; null leaves the old block as it was.
///
/// # Safety
/// `ptr` is a live block of this jemalloc.
#[inline]
pub unsafe fn rallocx(ptr: *mut u8, size: usize, flags: c_int) -> *mut u8 {
    // SAFETY: a live block, of the first memory or of jemalloc's; the size is not 0.
    unsafe {
        if first::has(ptr) {
            return move_first(ptr, size, flags);
        }
        initialise();
        sys::rallocx(ptr.cast::<c_void>(), size.max(1), flags).cast()
    }
}

/// Moves a block out of the first memory; null leaves it as it was.
///
/// # Safety
/// It is live, and there.
#[cold]
unsafe fn move_first(block: *mut u8, size: usize, flags: c_int) -> *mut u8 {
    let fresh = mallocx(size, flags);
    if !fresh.is_null() {
        // SAFETY: both blocks are live and have the shorter length; the old one is in the first
        // memory.
        unsafe {
            ptr::copy_nonoverlapping(block, fresh, size.min(first::size_of_place(block)));
            first::free(block);
        }
    }
    fresh
}

/// Resizes a block where it is, to just the size that a new block for `size` bytes would
/// have; whether that was possible.
///
/// # Safety
/// `ptr` is a live block of this jemalloc.
pub unsafe fn resize_in_place(ptr: *mut u8, size: usize, flags: c_int) -> bool {
    if first::has(ptr) {
        return false;
    }
    initialise();
    let size = size.max(1);
    // SAFETY: a live block of jemalloc's; the size is not 0.
    unsafe {
        let wanted = sys::nallocx(size, flags);
        wanted != 0 && sys::xallocx(ptr.cast::<c_void>(), size, 0, flags) == wanted
    }
}

/// The usable size of a block, in bytes.
///
/// # Safety
/// `ptr` is a live block of this jemalloc.
#[inline]
pub unsafe fn sallocx(ptr: *const u8) -> usize {
    // SAFETY: a live block, of the area of the first ones or of jemalloc's.
    unsafe {
        if first::has(ptr) {
            return first::size_of_place(ptr);
        }
        initialise();
        sys::sallocx(ptr.cast::<c_void>(), 0)
    }
}

/// jemalloc's `arena_config_t` (internal header `arena_types.h`).
#[repr(C)]
struct ArenaConfig {
    hooks: *mut ExtentHooks,
    metadata_use_hooks: bool,
}

/// Creates an arena whose own records come through `metadata` and whose extents
/// come through `extents`. `None` when jemalloc has no arena left.
///
/// jemalloc keeps the hooks it was created with for its records and lets only those
/// for extents be replaced, which is what sets the two apart.
///
/// # Safety
/// Both hooks are valid, and stay so for as long as the arena lives.
pub unsafe fn create_arena(metadata: *mut ExtentHooks, extents: *mut ExtentHooks) -> Option<u32> {
    static CREATE: Control<2> = Control::new(c"experimental.arenas_create_ext", usize::MAX);
    static HOOKS: Control<3> = Control::new(c"arena.0.extent_hooks", 1);
    let mut index: u32 = 0;
    let mut config = ArenaConfig {
        hooks: metadata,
        metadata_use_hooks: true,
    };
    // SAFETY: the control takes an arena_config_t and gives an unsigned.
    if !unsafe { CREATE.call(0, Some(&mut index), Some(&mut config)) } {
        return None;
    }
    if HOOKS.write(index, extents) {
        Some(index)
    } else {
        // SAFETY: no block was ever taken from it.
        unsafe { destroy_arena(index) };
        None
    }
}

/// Destroys an arena: every block in it is gone, its number may be reused.
///
/// # Safety
/// No block of the arena is used any more.
pub unsafe fn destroy_arena(index: u32) -> bool {
    static DESTROY: Control<3> = Control::new(c"arena.0.destroy", 1);
    DESTROY.run(index)
}

/// Sets after how many milliseconds an arena gives back unused pages;
/// 0 at once, -1 never.
pub fn set_decay(index: u32, milliseconds: isize) -> bool {
    static DIRTY: Control<3> = Control::new(c"arena.0.dirty_decay_ms", 1);
    static MUZZY: Control<3> = Control::new(c"arena.0.muzzy_decay_ms", 1);
    DIRTY.write(index, milliseconds) && MUZZY.write(index, milliseconds)
}

/// After how many milliseconds new arenas give back unused pages; 0 at once, -1 never.
pub fn usual_decay() -> isize {
    static DIRTY: Control<2> = Control::new(c"arenas.dirty_decay_ms", usize::MAX);
    DIRTY.read(0).unwrap_or(0)
}

/// Sets from what size on a freed block's pages go back at once, in bytes.
pub fn set_oversize_threshold(index: u32, bytes: usize) -> bool {
    static THRESHOLD: Control<3> = Control::new(c"arena.0.oversize_threshold", 1);
    THRESHOLD.write(index, bytes)
}

/// Sets the most bytes by which an arena grows at once beyond what it needs; at least a
/// page.
pub fn set_retain_grow_limit(index: u32, bytes: usize) -> bool {
    static LIMIT: Control<3> = Control::new(c"arena.0.retain_grow_limit", 1);
    LIMIT.write(index, bytes)
}

/// Where an arena counts the pages that hold live blocks.
pub fn active_pages(index: u32) -> Option<ptr::NonNull<AtomicUsize>> {
    static PACTIVE: Control<4> = Control::new(c"experimental.arenas.0.pactivep", 2);
    let mut place: *mut AtomicUsize = ptr::null_mut();
    // SAFETY: the control gives a pointer to a word, which jemalloc accesses atomically.
    unsafe { PACTIVE.call::<_, u8>(index, Some(&mut place), None) };
    ptr::NonNull::new(place)
}

/// Gives back all unused pages of an arena now.
pub fn purge(index: u32) -> bool {
    static PURGE: Control<3> = Control::new(c"arena.0.purge", 1);
    PURGE.run(index)
}

/// Gives back those unused pages of an arena whose time has come.
pub fn decay(index: u32) -> bool {
    static DECAY: Control<3> = Control::new(c"arena.0.decay", 1);
    DECAY.run(index)
}

/// The arena that owns an address, `None` for memory that is not jemalloc's.
/// Safe for any address: nothing behind it is read.
pub fn arena_of(ptr: *const u8) -> Option<u32> {
    static LOOKUP: Control<2> = Control::new(c"arenas.lookup", usize::MAX);
    let mut index: u32 = 0;
    let mut address = ptr;
    // SAFETY: the control takes an address and gives an unsigned.
    unsafe { LOOKUP.call(0, Some(&mut index), Some(&mut address)) }.then_some(index)
}

/// Starts or stops the background threads that give back unused pages.
pub fn set_background_threads(on: bool) -> bool {
    static ON: Control<1> = Control::new(c"background_thread", usize::MAX);
    ON.write(0, on)
}

/// The most background threads that will be started.
pub fn set_max_background_threads(count: usize) -> bool {
    static MAX: Control<1> = Control::new(c"max_background_threads", usize::MAX);
    MAX.write(0, count)
}
