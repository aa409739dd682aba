//! Malloc semantics, once for every kind.
pub mod je;
