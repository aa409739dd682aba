//! malloc_trim and the figures of mallinfo, malloc_info and malloc_stats for libmemtier and
//! libautohbw: no header declares these.

use core::ffi::{c_char, c_int};

use crate::heap::je::Stat;
use crate::heap::{reclaim, stats};
use crate::kind::{self, Kind};
use crate::log;

/// Bytes of a kind's name with its NUL.
const NAME_SIZE: usize = 64;

/// The memory of a kind, in bytes.
#[repr(C)]
#[allow(non_camel_case_types, reason = "a C name")]
pub struct memkind_preload_figures_t {
    /// The kind's name.
    name: [c_char; NAME_SIZE],
    /// Bytes in memory.
    resident: usize,
    /// Bytes of pages that hold live blocks.
    active: usize,
    /// Bytes of live blocks.
    allocated: usize,
}

fn figure(kind: &'static Kind, stat: Stat) -> usize {
    // A kind that was first used after the snapshot counts as empty.
    kind.stat(stat).unwrap_or(0)
}

/// Writes the figures of the kind with this number among those in use; returns 0 when there are
/// no more, else 1. Number 0 takes the snapshot from which all figures are.
///
/// # Safety
/// `figures` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_preload_figures(
    number: usize,
    figures: *mut memkind_preload_figures_t,
) -> c_int {
    let errno = log::errno();
    if number == 0 {
        stats::refresh();
    }
    let kind = kind::in_use().nth(number);
    log::set_errno(errno);
    let Some(kind) = kind else {
        return 0;
    };
    let mut name = [0; NAME_SIZE];
    for (to, from) in name.iter_mut().zip(kind.name().bytes()) {
        *to = from as c_char;
    }
    // SAFETY: `figures` is writable.
    unsafe {
        figures.write(memkind_preload_figures_t {
            name,
            resident: figure(kind, Stat::Resident),
            active: figure(kind, Stat::Active),
            allocated: figure(kind, Stat::Allocated),
        });
    }
    1
}

fn resident() -> usize {
    stats::refresh();
    let kinds = kind::in_use();
    kinds.map(|kind| figure(kind, Stat::Resident)).sum()
}

/// Gives unused memory of all kinds, cached blocks too, back to the system; 1 if there was any,
/// else 0.
#[unsafe(no_mangle)]
pub extern "C" fn memkind_preload_trim() -> c_int {
    let errno = log::errno();
    let before = resident();
    reclaim::trim();
    let after = resident();
    log::set_errno(errno);
    c_int::from(after < before)
}
