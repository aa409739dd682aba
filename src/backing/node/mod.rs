//! Private memory of the process, bound to nodes and counted against what they have left.
//!
//! | module | contents, lowest first |
//! |---|---|
//! | `policy` | mbind(2): how memory is bound to nodes |
//! | `thp` | whether the kernel is asked for transparent huge pages |
//! | `units` | promised pages by address |
//! | `names` | names of mappings in /proc |
//! | `known` | answers that are valid for a short while |
//! | `account` | promised bytes of a set of nodes |
//! | `anonymous` | the source of extents |

mod account;
mod anonymous;
mod known;
mod names;
mod policy;
pub mod thp;
mod units;

pub use anonymous::{Anonymous, PageSize, TransparentHuge};
pub use policy::{Bind, interleave_by_weights, interleaves_by_weights};
