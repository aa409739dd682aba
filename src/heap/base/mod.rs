//! What the heap stands on and what knows nothing of heaps: jemalloc, size classes, the page map,
//! locks, and memory for the time before jemalloc starts, and while it or the loader does.

pub(crate) mod class;
mod first;
pub mod je;
pub(crate) mod lock;
pub(crate) mod mapped;
pub mod page_map;
pub(crate) mod pause;
pub mod spare;
pub(crate) mod sync;

/// Number of heap ids; no heap has id 0.
pub const HEAPS: usize = 1024;
/// Number of kinds that the fast path knows: kind `n` is heap `n + 1`.
pub const KINDS: usize = 515;
