#![doc = include_str!("../README.md")]

mod description;
mod error;
mod global;
mod kind;
mod pool;
mod raw;
mod region;
mod statistics;
mod tiers;

pub use description::Description;
pub use error::Error;
pub use global::GlobalKind;
pub use kind::{AnyKind, Capacity, Kind, Nodes, Static, Usage};
pub use pool::{Pool, Pooled};
pub use region::Region;
pub use statistics::{Statistics, update_statistics};
pub use tiers::{Policy, Tiers, TiersBuilder};

/// The version of libmemkind that is loaded: major, minor, patch.
pub fn version() -> (u32, u32, u32) {
    // SAFETY: the function has no preconditions.
    let number = unsafe { memkind_sys::memkind_get_version() }.unsigned_abs();
    (number / 1_000_000, number / 1_000 % 1_000, number % 1_000)
}
