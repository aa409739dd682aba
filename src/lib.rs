//! memkind: one process, many kinds of memory, each with a heap of its own.
//!
//! The exported C functions live in `ffi`; below it nothing knows C. The layers,
//! left may use right and never back:
//! `ffi -> {tier, ext} -> {kind, global} -> heap -> backing -> topology`, and below all of these
//! `{boxed, cancel, clock, env, error, log, reserve, signals, sys}`.
//! `ARCHITECTURE.md` draws the whole picture.

pub mod backing;
pub mod boxed;
pub mod cancel;
pub mod clock;
pub mod env;
pub mod error;
pub mod ext;
pub mod ffi;
pub mod global;
pub mod heap;
pub mod kind;
pub mod log;
pub mod reserve;
pub mod signals;
mod sys;
pub mod tier;
pub mod topology;
