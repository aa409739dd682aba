//! Which heap manager a kind has: jemalloc, or, with MEMKIND_HEAP_MANAGER=TBB, a pool of
//! Threading Building Blocks' allocator for every static kind but MEMKIND_DEFAULT.

use super::{Kind, places, registry};
use crate::error::Error;
use crate::heap::{Heap, tbb};

pub use tbb::Missing;

/// From now on kinds are on pools. Called once, when the library is loaded.
///
/// # Errors
/// Why the library of the pools cannot be used.
pub fn use_tbb() -> Result<(), Missing> {
    tbb::load()?;
    // malloc of a preloaded library may have been here before.
    for kind in registry::all().filter(|kind| kind.is_ready() && is_tbb(kind)) {
        for heap in kind.heaps().filter(|heap| heap.is_open()) {
            // Without a pool the heap stays what it is.
            let _ = give_pool(heap, kind.head.partition() as u16);
        }
    }
    Ok(())
}

/// Whether kinds are on pools.
pub fn uses_tbb() -> bool {
    tbb::is_loaded()
}

/// Whether a kind is on a pool.
pub(super) fn is_tbb(kind: &Kind) -> bool {
    uses_tbb() && !kind.is_system() && !kind.is_dynamic()
}

/// Gives a heap of the kind with this number the pool that it is to have, if any.
///
/// # Errors
/// `NoMemory` when none can be made.
pub(super) fn give_pool(heap: &'static Heap, number: u16) -> Result<(), Error> {
    if tbb::is_wanted(heap) {
        tbb::install(heap, || places::another_id(number))?;
    }
    Ok(())
}
