//! memtier: several kinds behind one malloc.
