//! Tables of zeroes that are made at their first use, without locks and without the heap.

use core::marker::PhantomData;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU8, AtomicU16, AtomicUsize, Ordering};

use crate::sys::addresses::map_zeroes;

/// The type of a table's entries.
///
/// # Safety
/// Zeroes are a value, and the alignment is at most that of [`Head`].
pub(crate) unsafe trait Entry {}

// SAFETY: a number, whatever its bits.
unsafe impl Entry for AtomicU8 {}
// SAFETY: a number, whatever its bits.
unsafe impl Entry for AtomicU16 {}
// SAFETY: a number, whatever its bits.
unsafe impl Entry for AtomicUsize {}

/// The head of a table, in front of its entries.
#[repr(C, align(64))]
struct Head {
    n_entries: usize,
}

/// A table, or none yet.
pub(crate) struct Table<T: Entry>(AtomicPtr<Head>, PhantomData<T>);

impl<T: Entry> Table<T> {
    /// No table.
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()), PhantomData)
    }

    const fn size(n_entries: usize) -> Option<usize> {
        match n_entries.checked_mul(size_of::<T>()) {
            Some(size) => size.checked_add(size_of::<Head>()),
            None => None,
        }
    }

    /// Makes a table of `n_entries` unless there is one, and returns its entries; none without
    /// memory for it.
    pub(crate) fn prepare(&self, n_entries: usize) -> &[T] {
        let known = self.entries();
        if !known.is_empty() {
            return known;
        }
        let Some(size) = Self::size(n_entries) else {
            return known;
        };
        let Some(fresh) = map_zeroes(size) else {
            return known;
        };
        let fresh: *mut Head = fresh.cast();
        // SAFETY: our own mapping, which no other thread has seen.
        unsafe { (*fresh).n_entries = n_entries };
        let none = ptr::null_mut();
        let (done, seen) = (Ordering::AcqRel, Ordering::Acquire);
        if self.0.compare_exchange(none, fresh, done, seen).is_err() {
            // SAFETY: our own mapping, which no other thread has seen.
            unsafe { libc::munmap(fresh.cast(), size) };
        }
        self.entries()
    }

    /// All entries; none without a table.
    pub(crate) fn entries(&self) -> &[T] {
        let head = self.0.load(Ordering::Acquire);
        if head.is_null() {
            return &[];
        }
        // SAFETY: a table of `prepare`, with as many entries behind its head, which lives as
        // long as this.
        unsafe { core::slice::from_raw_parts(head.add(1).cast(), (*head).n_entries) }
    }
}

impl<T: Entry> Drop for Table<T> {
    fn drop(&mut self) {
        let head = *self.0.get_mut();
        if let Some(size) = Self::size(self.entries().len()).filter(|_| !head.is_null()) {
            // SAFETY: the mapping of `prepare`; the table is not shared any more.
            unsafe { libc::munmap(head.cast(), size) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{AtomicU16, Ordering, Table};

    #[test]
    fn a_table_is_made_once_and_of_zeroes() {
        let table = Table::<AtomicU16>::new();
        assert!(table.entries().is_empty());
        let entries = table.prepare(5000);
        assert_eq!(entries.len(), 5000);
        assert!(
            entries
                .iter()
                .all(|entry| entry.load(Ordering::Relaxed) == 0)
        );
        entries[4999].store(7, Ordering::Relaxed);
        assert_eq!(table.prepare(5000)[4999].load(Ordering::Relaxed), 7);
    }

    #[test]
    fn without_memory_there_is_none() {
        let table = Table::<AtomicU16>::new();
        for n_entries in [1 << 46, usize::MAX / 2, usize::MAX] {
            assert!(table.prepare(n_entries).is_empty());
        }
        assert!(table.entries().is_empty());
    }
}
