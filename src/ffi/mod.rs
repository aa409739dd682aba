//! The exported C functions: one file per header, nothing but checking arguments,
//! calling the core and turning `Error` into the C code and `errno`.
//!
//! C names live here only. Each file is read by cbindgen (scripts/headers.rs), so exported items
//! are written out plainly, and their documentation becomes the header's.

mod answer;
pub mod decorate;
pub mod deprecated;
pub mod ext;
pub mod hbw;
pub mod hbw_region;
pub mod internal;
mod jemk;
mod load;
pub mod memkind;
pub mod memtier;
pub mod preload;
pub mod preload_figures;
