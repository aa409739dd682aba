//! How one thread takes from another what that one uses without locks or atomic updates.
//!
//! The owner marks its operations, with a store at either end. A thread that takes something away
//! 1. makes it unreachable for operations to come,
//! 2. lets every thread pass a barrier, so that an operation that still reaches it is
//!    seen to be in progress (the owner's half of the barrier costs nothing),
//! 3. waits until the owner is in none.

use crate::heap::base::sync::{AtomicU32, Ordering, light_barrier};

/// Whether the owner is in the middle of an operation.
pub(crate) struct Busy {
    pub(crate) flag: AtomicU32,
}

impl Busy {
    /// Marks the beginning of an operation of the owner's.
    #[inline(always)]
    pub(crate) fn enter(&self) {
        self.flag.store(1, Ordering::Relaxed);
        light_barrier();
    }

    /// Marks the operation's end: a thread that finds the owner in none sees what it did.
    #[inline(always)]
    pub(crate) fn leave(&self) {
        self.flag.store(0, Ordering::Release);
    }

    /// Whether the owner is in an operation.
    pub(crate) fn is_set(&self) -> bool {
        self.flag.load(Ordering::Acquire) != 0
    }
}
