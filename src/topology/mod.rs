//! Which nodes a kind takes memory from, per CPU.
