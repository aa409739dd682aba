//! Functions that the original's own tools and tests use and no public header declares.

#![allow(
    clippy::missing_safety_doc,
    reason = "documented in docs/compatibility.md"
)]

use core::ffi::{c_int, c_uint, c_ulong};

use super::answer::{kind_of, status};
use super::memkind::memkind_t;
use crate::error::Error;
use crate::topology::{self, Choice, Nodes, Reach, Take};

/// Fills `nodemask`, of `maxnode` bits, with the nodes of all CPUs.
///
/// # Safety
/// `nodemask` is null (availability only) or has room for `maxnode` bits.
unsafe fn fill_mask(nodes: Nodes, nodemask: *mut c_ulong, maxnode: c_ulong) -> c_int {
    let choice = Choice {
        nodes,
        reach: Reach::All,
        take: Take::Many,
    };
    let targets = match topology::targets(choice) {
        Ok(targets) => targets,
        Err(error) => return error.code(),
    };
    if nodemask.is_null() {
        return 0;
    }
    let words = (maxnode as usize).div_ceil(64);
    for index in 0..words {
        let word = targets.all().as_words().get(index).copied().unwrap_or(0);
        let kept = (maxnode as usize - index * 64).min(64);
        let limit = if kept == 64 {
            u64::MAX
        } else {
            (1 << kept) - 1
        };
        // SAFETY: the caller promises room for `maxnode` bits.
        unsafe { *nodemask.add(index) = word & limit };
    }
    0
}

/// The nodes of MEMKIND_HBW_ALL. `kind` is not used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_hbw_all_get_mbind_nodemask(
    _kind: memkind_t,
    nodemask: *mut c_ulong,
    maxnode: c_ulong,
) -> c_int {
    // SAFETY: `nodemask` is null or has room for `maxnode` bits.
    unsafe { fill_mask(Nodes::HighBandwidth, nodemask, maxnode) }
}

/// The nodes of MEMKIND_DAX_KMEM_ALL. `kind` is not used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_dax_kmem_all_get_mbind_nodemask(
    _kind: memkind_t,
    nodemask: *mut c_ulong,
    maxnode: c_ulong,
) -> c_int {
    // SAFETY: `nodemask` is null or has room for `maxnode` bits.
    unsafe { fill_mask(Nodes::DaxKmem, nodemask, maxnode) }
}

/// The nodes of MEMKIND_REGULAR. `kind` is not used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_regular_all_get_mbind_nodemask(
    _kind: memkind_t,
    nodemask: *mut c_ulong,
    maxnode: c_ulong,
) -> c_int {
    // SAFETY: `nodemask` is null or has room for `maxnode` bits.
    unsafe { fill_mask(Nodes::WithCpus, nodemask, maxnode) }
}

/// The jemalloc arena from which the calling thread allocates `size` bytes of `kind`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_thread_get_arena(
    kind: memkind_t,
    arena: *mut c_uint,
    _size: usize,
) -> c_int {
    let Some(kind) = kind_of(kind).filter(|_| !arena.is_null()) else {
        return Error::Invalid.code();
    };
    let result = kind.arena().map(|index| {
        // SAFETY: `arena` is not null, and writable.
        unsafe { *arena = index }
    });
    status(result)
}
