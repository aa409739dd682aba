//! Checks of what a program does with blocks: between a kind and its heap, for all functions
//! that allocate. Off unless asked for by MEMKIND_CHECKS or memkind_set_checks(), or by a tool
//! that the process runs under (`sys::tools`).
//!
//! A checked block lies inside a block of the heap, with bytes of a known value before and
//! behind it. A table by address (`records`) knows of all, also of those that were freed: these
//! are filled and kept back for a while. With `guard` one in a given number lies before a page without
//! access.
//!
//! The fast paths are off meanwhile, so that each call comes here. With `guard` alone they are on,
//! and leave out a block in many for these checks.
//!
//! | module | contents, lowest first |
//! |---|---|
//! | `settings` | which checks are on |
//! | `trace` | where calls come from |
//! | `trails` | where calls come from, without unwinding each time |
//! | `home` | what is to be known of a kind, and of a pool |
//! | `record`, `ring`, `records` | what is known of a block; those that are kept back; of all blocks |
//! | `fault` | messages |
//! | `canary`, `guard` | bytes of known values; pages without access |
//! | `report` | looking at all blocks |
//! | `stray`, `kept` | addresses that are no blocks; freed blocks that are kept back |
//! | `blocks` | allocating, resizing and freeing |
//! | `whole_kind` | all blocks of a kind that goes; forks |
//! | `objects` | lending and taking back objects of pools |

mod blocks;
mod canary;
pub(crate) mod fault;
mod guard;
mod home;
mod kept;
pub(crate) mod objects;
mod record;
mod records;
mod report;
mod ring;
mod settings;
mod stray;
mod trace;
mod trails;
mod whole_kind;

pub(crate) use blocks::{base, free, malloc, moved, realloc, resize_in_place, usable_size};
pub(crate) use canary::{CANARY, FREED, other_than};
pub(crate) use guard::is_sample_due;
pub use home::{Home, Origin};
pub(crate) use kept::release_all;
pub(crate) use records::here;
pub use report::{at_exit, report};
pub(crate) use settings::on;
pub(crate) use settings::{FREE, LEAK, OVERFLOW, USE, has};
pub use settings::{Malformed, at_load, set};
pub use whole_kind::{child_after_fork, parent_after_fork, prepare_fork};
pub(crate) use whole_kind::{forget, lose};
