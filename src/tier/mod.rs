//! memtier: several kinds behind one malloc (libmemtier(3), libmemtier(7)).
//!
//! A [`Builder`] collects tiers and settings, a [`Memory`] made from it chooses a
//! kind for every block as its policy says, and the `kind_*` functions allocate
//! from a given kind. All of them count the bytes they hand out, per kind; blocks
//! of the plain memkind functions are not counted.
//!
//! * `builder`, `memory`: before and after construction; `blocks`: the `kind_*` functions;
//! * `policy`: which tier, as arithmetic; `borders`: the sizes at which tiers part; `counters`: how many
//!   bytes;
//! * `property`: the names of settings; `describe`: the lines that MEMKIND_DEBUG shows.
//!
//! Allocating takes no lock and no memory of its own. Depends on `kind`, on the fast
//! paths of `heap`, and on nothing of how a kind gets its memory.

mod blocks;
mod borders;
mod builder;
mod counters;
mod describe;
mod memory;
pub mod policy;
mod property;

pub(crate) use blocks::free_fast;
pub use blocks::{
    allocated_size, forget_kind, kind_calloc, kind_free, kind_malloc, kind_memalign, kind_realloc,
};
pub use builder::{Builder, Setting, Value, ValueType};
pub use memory::Memory;
