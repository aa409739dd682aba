//! What stands on kinds: regions, pools of objects of one size, counted slices of such objects.
//!
//! All of it takes memory from a kind in slabs (`slab`), which the page map knows as the kind's
//! without blocks: what lies there is told apart from what memkind_free() may be given.

pub mod alive;
mod buffer;
pub mod map;
mod map_table;
pub mod physical;
pub mod pool;
mod record_table;
mod record_watch;
pub mod region;
mod slab;
mod slice;
pub mod stream;
mod usage;
pub mod users;
pub mod vector;
mod vector_table;
mod vector_watch;
pub mod watch;

pub use pool::Pool;
pub use region::Region;
pub use usage::Usage;
