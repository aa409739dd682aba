//! Where extents come from.
