//! A heap that has run full.
//!
//! A program may meet a full kind all the time, as one that frees its oldest block whenever
//! there is no room for a new one. To take back what threads have cached is dear, and so is
//! asking each arena. So threads have no caches for a while: what they free is there for all
//! at once. And other threads' arenas are asked only if something may be there.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, Ordering};

use once_cell::race::OnceBox;

use super::{class, je};
use crate::boxed::boxed;

/// How many operations go without a cache when a heap has run full.
const UNCACHED: u32 = 512;

/// Stands for a number that nobody knows.
const MANY: u32 = 1 << 30;

/// See the module.
pub(super) struct Full {
    /// How many more operations go without a cache.
    uncached: AtomicU32,
    /// Of each class, at least as many blocks as arenas may have in slabs: what has become
    /// free there since none was found, less what was allocated.
    /// Made when the heap runs full for the first time, if there is memory for it.
    freed: OnceBox<[AtomicU32; class::COUNT]>,
}

impl Full {
    pub(super) const fn new() -> Self {
        Self {
            uncached: AtomicU32::new(0),
            freed: OnceBox::new(),
        }
    }

    /// The heap could not serve a request.
    pub(super) fn begin(&self) {
        if !self.is_on() {
            let list = || boxed([const { AtomicU32::new(0) }; class::COUNT]);
            // Without memory each arena is asked each time.
            let _ = self.freed.get_or_try_init(list);
            self.uncached.store(UNCACHED, Ordering::Relaxed);
            self.lose_count();
        }
        self.uncached.store(UNCACHED, Ordering::Relaxed);
    }

    pub(super) fn is_on(&self) -> bool {
        self.uncached.load(Ordering::Relaxed) > 0
    }

    /// Whether a thread that has no cache goes on without one. Counts the operation.
    pub(super) fn goes_uncached(&self) -> bool {
        let left = self.uncached.load(Ordering::Relaxed);
        if left > 0 {
            // Of two threads at once one may be forgotten.
            self.uncached.store(left - 1, Ordering::Relaxed);
        }
        left > 0
    }

    /// A block of a class has been given to its arena.
    pub(super) fn freed(&self, offset: usize) {
        if let Some(freed) = self.of(offset) {
            freed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A block of a class has been had from an arena. The first of a fresh slab is at the
    /// start of a page, and the others are free.
    pub(super) fn taken(&self, offset: usize, block: *const u8) {
        let Some(freed) = self.of(offset).filter(|_| self.is_on()) else {
            return;
        };
        let others = if block as usize % je::PAGE == 0 {
            class::blocks_of_slab(offset)
        } else {
            0
        };
        let now = |freed: u32| Some(freed.saturating_add(others).saturating_sub(1));
        let _ = freed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, now);
    }

    /// Blocks have been given to arenas, and nobody has counted them.
    pub(super) fn lose_count(&self) {
        if self.is_on() {
            for freed in self.freed.get().into_iter().flatten() {
                freed.fetch_max(MANY, Ordering::Relaxed);
            }
        }
    }

    /// Whether no arena has a block of a class in a slab.
    pub(super) fn has_none(&self, offset: usize) -> bool {
        self.of(offset)
            .is_some_and(|freed| freed.load(Ordering::Relaxed) == 0)
    }

    /// Looks for a block of a class where one may be, while the heap is known to be full.
    pub(super) fn look<T>(&self, offset: usize, look: impl FnOnce() -> Option<T>) -> Option<T> {
        let Some(freed) = self.of(offset) else {
            return look();
        };
        let before = freed.load(Ordering::Relaxed);
        if before == 0 {
            return None;
        }
        let found = look();
        if found.is_none() {
            // Unless more have come.
            let order = Ordering::Relaxed;
            let _ = freed.compare_exchange(before, 0, order, order);
        }
        found
    }

    fn of(&self, offset: usize) -> Option<&AtomicU32> {
        self.freed.get()?.get(offset >> class::BIN_BITS)
    }
}

#[cfg(test)]
mod tests {
    use super::{Full, UNCACHED};

    #[test]
    fn it_ends_when_all_goes_well_for_long() {
        let full = Full::new();
        assert!(!full.goes_uncached());
        full.begin();
        assert!((0..UNCACHED).all(|_| full.goes_uncached()));
        assert!(!full.goes_uncached());
    }

    #[test]
    fn a_block_is_looked_for_where_one_may_be() {
        let full = Full::new();
        let nothing = || None::<()>;
        let mut looks = 0;
        let mut look = |full: &Full| {
            full.look(8, || {
                looks += 1;
                nothing()
            });
            core::mem::take(&mut looks)
        };
        assert_eq!((look(&full), look(&full)), (1, 1));
        full.begin();
        assert_eq!((look(&full), look(&full)), (1, 0));
        full.freed(16);
        assert_eq!(look(&full), 0);
        full.freed(8);
        assert_eq!((look(&full), look(&full)), (1, 0));
        let block = |address: usize| core::ptr::without_provenance(address);
        full.freed(8);
        full.taken(8, block(4104));
        full.taken(8, block(8200));
        assert_eq!(look(&full), 0);
        // A fresh slab has more.
        full.taken(8, block(8192));
        assert_eq!((look(&full), look(&full)), (1, 0));
        full.taken(8, block(8192));
        (1..512).for_each(|index| full.taken(8, block(8192 + 8 * index)));
        assert_eq!(look(&full), 0);
        full.lose_count();
        assert_eq!((look(&full), look(&full)), (1, 0));
        // One comes while another thread looks in vain.
        full.freed(8);
        full.look(8, || {
            full.freed(8);
            nothing()
        });
        assert_eq!(look(&full), 1);
    }
}
