//! Freed large blocks where they are no mappings of their own: a heap keeps a certain amount of them for reuse.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicUsize, Ordering};

use crate::heap::arena::{Arenas, LARGE_KEPT};
use crate::heap::base::class;

/// Bytes of blocks that no cache keeps, above [`class::LARGE_MAX`], that have been freed and not taken again.
pub(crate) struct Large(AtomicUsize);

impl Large {
    pub(crate) const fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    /// Counts a block of `size` bytes that has been taken, if it is large.
    #[inline]
    pub(crate) fn taken(&self, size: usize) {
        if size > class::LARGE_MAX {
            let less = |idle: usize| Some(idle.saturating_sub(size));
            let _ = self
                .0
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        }
    }

    /// Counts a block of `size` bytes that has been freed, if it is large; when there is more than
    /// is kept, unused pages go back.
    #[inline]
    pub(crate) fn freed(&self, arenas: &Arenas, size: usize) {
        if size > class::LARGE_MAX && self.0.fetch_add(size, Ordering::Relaxed) + size > LARGE_KEPT
        {
            self.0.store(0, Ordering::Relaxed);
            arenas.purge();
        }
    }
}
