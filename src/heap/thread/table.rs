//! A thread's caches of pools' objects, by the number of the pool. What a cache is made of is
//! known to `objects` only.

use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::heap::base::je;

/// The most pools that can exist.
pub(crate) const POOLS: usize = 1024;

/// Stands for `objects::cache::Cache`.
pub(crate) enum Opaque {}

/// Where a thread has its cache of a pool.
pub(crate) type Slot = AtomicPtr<Opaque>;

/// A slot for each pool. Tables are never freed.
pub(crate) struct Table([Slot; POOLS]);

/// The table of threads without caches. Filled by [`Table::prepare`], before there is a pool.
static NO_CACHES: Table = Table([const { AtomicPtr::new(ptr::null_mut()) }; POOLS]);

impl Table {
    /// The table of a thread that has none of its own.
    pub(crate) const fn none() -> *mut Table {
        (&raw const NO_CACHES).cast_mut()
    }

    /// Fills the table of threads that have none with `no_cache`: before the first pool is made.
    pub(crate) fn prepare(no_cache: *mut Opaque) {
        NO_CACHES.fill(no_cache);
    }

    /// Makes a table with `no_cache` in each slot; null when memory is short.
    pub(crate) fn make(no_cache: *mut Opaque) -> *mut Table {
        let table: *mut Table = je::mallocx(size_of::<Table>(), je::ZERO).cast();
        // SAFETY: null, or fresh memory of that size; zeroes are a valid table.
        if let Some(table) = unsafe { table.as_ref() } {
            table.fill(no_cache);
        }
        table
    }

    fn fill(&self, no_cache: *mut Opaque) {
        for slot in &self.0 {
            slot.store(no_cache, Ordering::Relaxed);
        }
    }

    /// The slot of the pool with this number.
    pub(crate) fn slot(&self, number: usize) -> &Slot {
        &self.0[number]
    }

    /// The slot that lies `offset` bytes behind the first one of `table`.
    ///
    /// # Safety
    /// `table` is live, `offset` a multiple of a slot's size and within the table.
    #[inline(always)]
    pub(crate) unsafe fn at(table: *const Table, offset: usize) -> *const Slot {
        // SAFETY: the offset is that of a slot of this table.
        unsafe { table.cast::<u8>().add(offset).cast() }
    }
}
