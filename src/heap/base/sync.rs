//! What the lock-free parts are made of. `tests/loom` builds them on a model of
//! these, which tries every order in which threads may see each other's accesses.

use core::cell::UnsafeCell;
use core::sync::atomic::compiler_fence;

pub(crate) use core::hint::spin_loop;
pub(crate) use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// How often to try to get what another thread has for a moment.
pub(crate) const TRIES: u32 = 100;

/// A value that is used by one thread at a time, which its user has to see to.
pub(crate) struct Cell<T>(UnsafeCell<T>);

impl<T> Cell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    #[inline(always)]
    pub(crate) fn with_mut<R>(&self, work: impl FnOnce(*mut T) -> R) -> R {
        work(self.0.get())
    }
}

/// The cheap half of a barrier whose expensive half another thread runs (membarrier(2)): alone
/// it only keeps the compiler from moving accesses.
#[inline(always)]
pub(crate) fn light_barrier() {
    compiler_fence(Ordering::SeqCst);
}
