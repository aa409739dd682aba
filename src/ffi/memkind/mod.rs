//! memkind.h: kinds, the heap, statistics. scripts/headers.rs reads the files below in this order.

pub(super) mod types;

mod kinds;

mod errors;

mod config;

mod create;

mod stats;

mod heap;

pub use config::*;
pub(super) use create::hand_out;
pub use create::*;
pub use errors::*;
pub use heap::*;
pub use kinds::*;
pub use stats::*;
pub use types::*;
