//! jemalloc's statistics.

use core::ffi::{CStr, c_char, c_void};

use tikv_jemalloc_sys as sys;

use super::PAGE;
use super::control::Control;
use super::start::initialise;
use crate::heap::base::first;

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

/// A statistic of the whole process: of jemalloc from the last snapshot, with the first memory.
pub fn total_stat(stat: Stat) -> Option<usize> {
    static RESIDENT: Control<2> = Control::new(c"stats.resident", usize::MAX);
    static ACTIVE: Control<2> = Control::new(c"stats.active", usize::MAX);
    static ALLOCATED: Control<2> = Control::new(c"stats.allocated", usize::MAX);
    let (known, first): (Option<usize>, usize) = match stat {
        Stat::Resident => (RESIDENT.read(0), first::used()),
        Stat::Active => (ACTIVE.read(0), first::used()),
        Stat::Allocated => (ALLOCATED.read(0), first::allocated()),
    };
    Some(known? + first)
}

/// Receives jemalloc's text piece by piece.
pub type Writer = unsafe extern "C" fn(*mut c_void, *const c_char);

/// Prints statistics; `options` are jemalloc's letters. No writer means standard error.
///
/// # Safety
/// `writer` accepts `opaque`.
pub unsafe fn print_stats(writer: Option<Writer>, opaque: *mut c_void, options: &CStr) {
    if !initialise() {
        return;
    }
    // SAFETY: the writer takes `opaque`; the options end in NUL.
    unsafe { sys::malloc_stats_print(writer, opaque, options.as_ptr()) }
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

/// Asks about the slab of a block; `None` for a block of the first memory.
///
/// # Safety
/// `ptr` is a live block of this jemalloc.
pub unsafe fn utilization(ptr: *const u8) -> Option<Utilization> {
    static QUERY: Control<3> = Control::new(c"experimental.utilization.query", usize::MAX);
    if first::has(ptr) {
        return None;
    }
    let mut result = Utilization::default();
    let mut address = ptr;
    // SAFETY: the control takes an address and gives the six words above.
    unsafe { QUERY.call(0, Some(&mut result), Some(&mut address)) }.then_some(result)
}
