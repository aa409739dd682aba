//! The heap manager of each kind: jemalloc, or, with MEMKIND_HEAP_MANAGER=TBB, a pool of
//! Threading Building Blocks' allocator for every static kind but MEMKIND_DEFAULT.

use super::{places, registry};
use crate::heap::tbb;

pub use tbb::Missing;

/// Puts the static kinds on pools of TBB. Called once, when the library is loaded.
///
/// # Errors
/// The reason why TBB's library cannot be used.
pub fn use_tbb() -> Result<(), Missing> {
    tbb::load()?;
    // malloc of a preloaded library may have been here before.
    for kind in registry::all().filter(|kind| kind.is_ready() && kind.is_pooled()) {
        for heap in kind.heaps().filter(|heap| heap.is_open()) {
            // A heap without a pool stays on jemalloc.
            let _ = places::give_pool(heap, kind.head.partition() as u16);
        }
    }
    Ok(())
}

/// Whether the static kinds are on pools of TBB.
pub fn uses_tbb() -> bool {
    tbb::is_loaded()
}
