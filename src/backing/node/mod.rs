//! Private memory of the process, bound to nodes and counted against what they have left.
//!
//! | module | contents, lowest first |
//! |---|---|
//! | `mapping` | fresh mappings, and cutting them down |
//! | `policy` | mbind(2): how memory is bound to nodes |
//! | `thp` | whether the kernel is asked for transparent huge pages |
//! | `units` | promised pages by address |
//! | `names` | names of mappings in /proc |
//! | `known` | answers that are valid for a short while |
//! | `account` | promised bytes of a set of nodes |
//! | `anonymous`, `slabs` | sources of extents: a mapping for each; parts of what is ready |
//! | `resize` | mappings that grow, shrink and move |

mod account;
mod anonymous;
mod known;
mod mapping;
mod names;
mod policy;
mod resize;
mod slabs;
pub mod thp;
mod units;

pub use anonymous::Anonymous;
pub use mapping::PageSize;
pub use policy::{Bind, interleave_by_weights, interleaves_by_weights};
pub use slabs::{Options, Plan, Slabs, Watch};
pub use thp::TransparentHuge;
