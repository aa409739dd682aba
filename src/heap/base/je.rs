//! The only user of jemalloc: allocation by flags, arenas, statistics.
//!
//! Control names are translated once (`mallctlnametomib`) and kept in statics; the
//! calls themselves are thread-safe and survive fork, which jemalloc handles.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::mem::size_of;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tikv_jemalloc_sys as sys;

pub use sys::extent_hooks_t as ExtentHooks;

/// What programs call that link jemalloc's own names from the static library.
pub mod raw {
    pub use tikv_jemalloc_sys::{
        dallocx, free, mallctl, mallctlbymib, mallctlnametomib, nallocx, rallocx, realloc, sallocx,
        xallocx,
    };
}

// Options that jemalloc reads at its first use, twice. Settings of the user (JEMK_MALLOC_CONF)
// come in between. Hidden, or every program would see the symbols.
// * disable_large_size_classes: programs rely on four size classes per doubling.
// * lg_extent_max_active_fit: small blocks may have a part of any free extent, and extents of any
//   sizes are joined (40: one may be 2^40 times the other). jemalloc's 64 times goes with giving
//   extents of 8 MiB back at once; ours stay, and would be of no use to smaller blocks.
// What the user cannot change:
// * narenas: jemalloc's own arenas only have the library's records; each reserves addresses.
// * tcache: a thread that has no memory for its own crashes in jemalloc. Nothing would use it but
//   the library's records: threads have magazines.
// * dss: sbrk(2) is the C library's.
core::arch::global_asm!(
    ".pushsection .rodata.memkind_conf, \"a\"",
    ".Lmemkind_conf: .asciz \"disable_large_size_classes:false,lg_extent_max_active_fit:40\"",
    ".Lmemkind_last: .asciz \"narenas:1,tcache:false,dss:disabled\"",
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

/// Flag: the block must be zeroed.
pub const ZERO: c_int = sys::MALLOCX_ZERO;
/// Flag: bypass jemalloc's per-thread cache.
pub const TCACHE_NONE: c_int = sys::MALLOCX_TCACHE_NONE;
/// Page size of the processor, in bytes.
pub const PAGE: usize = 4096;

/// Flag for an alignment; `align` is a power of two.
pub const fn align(align: usize) -> c_int {
    align.trailing_zeros() as c_int
}

/// Flag for an arena.
pub const fn arena(index: u32) -> c_int {
    sys::MALLOCX_ARENA(index as usize)
}

static READY: AtomicBool = AtomicBool::new(false);

/// Makes jemalloc ready before its first use. It calls functions that may allocate, which it
/// cannot serve yet.
#[inline]
pub fn initialise() {
    if !READY.load(Ordering::Acquire) {
        start();
    }
}

#[cold]
fn start() {
    if attach() {
        READY.store(true, Ordering::Release);
    }
}

/// Makes jemalloc know the calling thread. It calls functions that may allocate, which it
/// cannot serve yet.
pub(crate) fn attach() -> bool {
    let _inside = crate::heap::spare::enter();
    let flags = arena(0) | TCACHE_NONE;
    // SAFETY: the size is not 0, and what is given is taken back as it was given.
    unsafe {
        let block = sys::mallocx(1, flags);
        if !block.is_null() {
            sys::dallocx(block, flags);
        }
        !block.is_null()
    }
}

/// A block of at least `size` bytes, or null. Size 0 counts as 1.
#[inline]
pub fn mallocx(size: usize, flags: c_int) -> *mut u8 {
    initialise();
    // SAFETY: the size is not 0, jemalloc's only precondition.
    unsafe { sys::mallocx(size.max(1), flags).cast() }
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
    // SAFETY: the caller's promise.
    unsafe { dallocx(record, TCACHE_NONE) }
}

/// Frees a block.
///
/// # Safety
/// `ptr` is a live block of this jemalloc.
#[inline]
pub unsafe fn dallocx(ptr: *mut u8, flags: c_int) {
    // SAFETY: the caller's promise.
    unsafe { sys::dallocx(ptr.cast::<c_void>(), flags) }
}

/// Resizes a block, moving it if needed; null leaves the old block as it was.
///
/// # Safety
/// `ptr` is a live block of this jemalloc.
#[inline]
pub unsafe fn rallocx(ptr: *mut u8, size: usize, flags: c_int) -> *mut u8 {
    // SAFETY: the caller's promise; the size is not 0.
    unsafe { sys::rallocx(ptr.cast::<c_void>(), size.max(1), flags).cast() }
}

/// Resizes a block where it is, to just the size that a new block for `size` bytes would
/// have; whether that was possible.
///
/// # Safety
/// `ptr` is a live block of this jemalloc.
pub unsafe fn resize_in_place(ptr: *mut u8, size: usize, flags: c_int) -> bool {
    let size = size.max(1);
    // SAFETY: the caller's promise; the size is not 0.
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
    // SAFETY: the caller's promise.
    unsafe { sys::sallocx(ptr.cast::<c_void>(), 0) }
}

/// A jemalloc control: its name and, once looked up, the name's number form.
/// `at` is the position of an arena index in it, if the name has one.
struct Control<const N: usize> {
    name: &'static CStr,
    at: usize,
    mib: [AtomicUsize; N],
    known: AtomicBool,
}

impl<const N: usize> Control<N> {
    const fn new(name: &'static CStr, at: usize) -> Self {
        Self {
            name,
            at,
            mib: [const { AtomicUsize::new(0) }; N],
            known: AtomicBool::new(false),
        }
    }

    /// The number form, for arena `index`; `None` if jemalloc lacks the control.
    fn mib(&self, index: u32) -> Option<[usize; N]> {
        let mut mib = [0; N];
        if self.known.load(Ordering::Acquire) {
            for (part, value) in mib.iter_mut().zip(&self.mib) {
                *part = value.load(Ordering::Relaxed);
            }
        } else {
            initialise();
            let mut len = N;
            // SAFETY: `mib` has room for `len` numbers and the name ends in NUL.
            let status = unsafe {
                sys::mallctlnametomib(self.name.as_ptr(), mib.as_mut_ptr(), &raw mut len)
            };
            if status != 0 || len != N {
                return None;
            }
            for (part, value) in mib.iter().zip(&self.mib) {
                value.store(*part, Ordering::Relaxed);
            }
            self.known.store(true, Ordering::Release);
        }
        if self.at < N {
            mib[self.at] = index as usize;
        }
        Some(mib)
    }

    /// Reads, writes or does both; `T` and `U` are the control's C types.
    ///
    /// # Safety
    /// `old` and `new` have the types that jemalloc documents for the control.
    unsafe fn call<T, U>(&self, index: u32, old: Option<&mut T>, new: Option<&mut U>) -> bool {
        let Some(mib) = self.mib(index) else {
            return false;
        };
        let mut old_len = size_of::<T>();
        let (old, old_len) = match old {
            Some(value) => (ptr::from_mut(value).cast(), &raw mut old_len),
            None => (ptr::null_mut(), ptr::null_mut()),
        };
        let (new, new_len) = match new {
            Some(value) => (ptr::from_mut(value).cast(), size_of::<U>()),
            None => (ptr::null_mut(), 0),
        };
        // SAFETY: lengths match the types, which the caller vouches for.
        unsafe { sys::mallctlbymib(mib.as_ptr(), N, old, old_len, new, new_len) == 0 }
    }

    fn read<T: Copy + Default>(&self, index: u32) -> Option<T> {
        let mut value = T::default();
        // SAFETY: each use in this file names the type that jemalloc documents.
        unsafe { self.call::<T, u8>(index, Some(&mut value), None) }.then_some(value)
    }

    fn write<T>(&self, index: u32, mut value: T) -> bool {
        // SAFETY: each use in this file names the type that jemalloc documents.
        unsafe { self.call::<u8, T>(index, None, Some(&mut value)) }
    }

    fn run(&self, index: u32) -> bool {
        // SAFETY: no data is passed.
        unsafe { self.call::<u8, u8>(index, None, None) }
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
pub fn create_arena(metadata: *mut ExtentHooks, extents: *mut ExtentHooks) -> Option<u32> {
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
        destroy_arena(index);
        None
    }
}

/// Destroys an arena: every block in it is gone, its number may be reused.
pub fn destroy_arena(index: u32) -> bool {
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

/// Number of arena indices in use, jemalloc's own included.
pub fn n_arenas() -> u32 {
    static COUNT: Control<2> = Control::new(c"arenas.narenas", usize::MAX);
    COUNT.read(0).unwrap_or(0)
}

/// What can be asked about an arena, or about everything, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stat {
    /// Physical memory: active and not yet returned pages, and metadata.
    Resident,
    /// Pages that hold live blocks.
    Active,
    /// Live blocks, by size class.
    Allocated,
}

/// Takes a new snapshot of all statistics.
pub fn refresh_stats() -> bool {
    static EPOCH: Control<1> = Control::new(c"epoch", usize::MAX);
    EPOCH.write(0, 1_u64)
}

/// A statistic of one arena from the last snapshot; `None` if it was not in it.
pub fn arena_stat(index: u32, stat: Stat) -> Option<usize> {
    static RESIDENT: Control<4> = Control::new(c"stats.arenas.0.resident", 2);
    static PACTIVE: Control<4> = Control::new(c"stats.arenas.0.pactive", 2);
    static SMALL: Control<5> = Control::new(c"stats.arenas.0.small.allocated", 2);
    static LARGE: Control<5> = Control::new(c"stats.arenas.0.large.allocated", 2);
    match stat {
        Stat::Resident => RESIDENT.read(index),
        Stat::Active => PACTIVE.read::<usize>(index).map(|pages| pages * PAGE),
        Stat::Allocated => Some(SMALL.read::<usize>(index)? + LARGE.read::<usize>(index)?),
    }
}

/// A statistic of the whole process from the last snapshot.
pub fn total_stat(stat: Stat) -> Option<usize> {
    static RESIDENT: Control<2> = Control::new(c"stats.resident", usize::MAX);
    static ACTIVE: Control<2> = Control::new(c"stats.active", usize::MAX);
    static ALLOCATED: Control<2> = Control::new(c"stats.allocated", usize::MAX);
    match stat {
        Stat::Resident => RESIDENT.read(0),
        Stat::Active => ACTIVE.read(0),
        Stat::Allocated => ALLOCATED.read(0),
    }
}

/// Receives jemalloc's text piece by piece.
pub type Writer = unsafe extern "C" fn(*mut c_void, *const c_char);

/// Prints statistics; `options` are jemalloc's letters. No writer means standard error.
///
/// # Safety
/// `writer` accepts `opaque`.
pub unsafe fn print_stats(writer: Option<Writer>, opaque: *mut c_void, options: &CStr) {
    // SAFETY: the caller's promise; the options end in NUL.
    unsafe { sys::malloc_stats_print(writer, opaque, options.as_ptr()) }
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

/// How full the slab around a block is, compared with its size class.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Utilization {
    /// Slab from which the next block of this class comes.
    pub current_slab: usize,
    /// Free blocks in this block's slab.
    pub free: usize,
    /// Blocks in this block's slab; 1 for a large block.
    pub blocks: usize,
    /// Bytes of this block's slab.
    pub size: usize,
    /// Free blocks of the class in this arena.
    pub class_free: usize,
    /// Blocks of the class in this arena.
    pub class_blocks: usize,
}

/// Asks about the slab of a block.
///
/// # Safety
/// `ptr` is a live block of this jemalloc.
pub unsafe fn utilization(ptr: *const u8) -> Option<Utilization> {
    static QUERY: Control<3> = Control::new(c"experimental.utilization.query", usize::MAX);
    let mut result = Utilization::default();
    let mut address = ptr;
    // SAFETY: the control takes an address and gives the six words above.
    unsafe { QUERY.call(0, Some(&mut result), Some(&mut address)) }.then_some(result)
}
