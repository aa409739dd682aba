//! A value behind a lock for which threads do not wait.

use crate::heap::base::sync::{AtomicBool, Cell, Ordering, TRIES, spin_loop};

/// A value that one thread at a time uses, for a few instructions.
pub(crate) struct Gate<T> {
    pub(crate) held: AtomicBool,
    pub(crate) value: Cell<T>,
}

// SAFETY: `value` is used only by the thread that holds the gate.
unsafe impl<T: Send> Sync for Gate<T> {}

impl<T> Gate<T> {
    /// Runs `work` on the value; `None` if another thread does not release it.
    #[inline]
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        let held = (0..TRIES).any(|_| {
            let free = !self.held.load(Ordering::Relaxed)
                && self
                    .held
                    .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
                    .is_ok();
            if !free {
                spin_loop();
            }
            free
        });
        held.then(|| {
            // SAFETY: the gate is held, so no other thread uses the value.
            let result = self.value.with_mut(|value| work(unsafe { &mut *value }));
            self.held.store(false, Ordering::Release);
            result
        })
    }
}
