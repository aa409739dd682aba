//! Ranges by address: two loads lead from a page to the record of its range. Records of ranges
//! that have gone stay, since a look-up may still be reading them, and serve the same range again.

use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::backing::map_zeroes;
use crate::error::Error;
use crate::heap::page_map::{self, END};

const PAGE_BITS: u32 = page_map::UNIT.trailing_zeros();
const LEAF_BITS: u32 = 18;
const ROOT_SIZE: usize = END >> (PAGE_BITS + LEAF_BITS);

type Leaf = [AtomicPtr<Range>; 1 << LEAF_BITS];
type Root = [AtomicPtr<Leaf>; ROOT_SIZE];

/// A range with its handle.
pub struct Range {
    /// The first address and the size in bytes: they never change.
    pub(super) start: usize,
    pub(super) size: usize,
    /// What the program's function `add` has stored for the range.
    handle: AtomicPtr<c_void>,
}

impl Range {
    pub(super) const fn new(start: usize, size: usize) -> Self {
        let handle = AtomicPtr::new(ptr::null_mut());
        Self {
            start,
            size,
            handle,
        }
    }

    /// The first address of the range.
    #[inline]
    pub fn address(&self) -> *mut c_void {
        self.start as *mut c_void
    }

    /// The size of the range in bytes.
    #[inline]
    pub fn size(&self) -> usize {
        self.size
    }

    /// What the program's function `add` has stored for the range.
    #[inline]
    pub fn handle(&self) -> *mut c_void {
        self.handle.load(Ordering::Relaxed)
    }

    /// Stores a handle, before the range is entered.
    pub(super) fn set_handle(&self, handle: *mut c_void) {
        self.handle.store(handle, Ordering::Relaxed);
    }
}

/// A table of two levels: from the number of a page to the record of its range.
pub(super) struct Table {
    root: *const Root,
}

impl Table {
    /// A table without entries.
    ///
    /// # Errors
    /// `Malloc`.
    pub(super) fn new() -> Result<Self, Error> {
        let root = map_zeroes(size_of::<Root>()).ok_or(Error::Malloc)?;
        Ok(Self { root: root.cast() })
    }

    /// The range that has an address.
    #[inline]
    pub(super) fn find(&self, address: usize) -> Option<&Range> {
        // SAFETY: the mapping of `new`.
        let root = unsafe { &*self.root };
        let leaf = root.get(address >> (PAGE_BITS + LEAF_BITS))?;
        // SAFETY: null or a leaf, which stays as long as the table.
        let leaf = unsafe { leaf.load(Ordering::Acquire).as_ref() }?;
        let entry = &leaf[(address >> PAGE_BITS) & ((1 << LEAF_BITS) - 1)];
        // SAFETY: null or a record, which stays as long as the table is used.
        unsafe { entry.load(Ordering::Acquire).as_ref() }
    }

    /// Sets the entries of a range; null clears them, which takes no memory. Without memory for
    /// the table some may be set already. One caller at a time.
    pub(super) fn enter(&self, start: usize, size: usize, record: *mut Range) -> Result<(), Error> {
        // SAFETY: the mapping of `new`.
        let root = unsafe { &*self.root };
        for page in start >> PAGE_BITS..(start + size) >> PAGE_BITS {
            let place = root.get(page >> LEAF_BITS).ok_or(Error::NoMemory)?;
            let mut leaf = place.load(Ordering::Acquire);
            if leaf.is_null() {
                if record.is_null() {
                    continue;
                }
                leaf = map_zeroes(size_of::<Leaf>()).ok_or(Error::NoMemory)?.cast();
                place.store(leaf, Ordering::Release);
            }
            // SAFETY: a leaf, which stays as long as the table.
            let entry = unsafe { &(*leaf)[page & ((1 << LEAF_BITS) - 1)] };
            entry.store(record, Ordering::Release);
        }
        Ok(())
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        // SAFETY: the mappings of this table, which no thread reads any more.
        unsafe {
            for leaf in &*self.root {
                let leaf = leaf.load(Ordering::Acquire);
                if !leaf.is_null() {
                    libc::munmap(leaf.cast(), size_of::<Leaf>());
                }
            }
            libc::munmap(self.root.cast_mut().cast(), size_of::<Root>());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Range, Table};
    use crate::heap::page_map::UNIT as PAGE;
    use core::ptr;

    #[test]
    fn entries_are_found_across_leaves_and_cleared() {
        let table = Table::new().expect("memory for a table");
        let start = (3 << 30) - 2 * PAGE;
        let mut record = Range::new(start, 4 * PAGE);
        let place: *mut Range = &raw mut record;
        table
            .enter(start, 4 * PAGE, place)
            .expect("memory for a leaf");
        for page in 0..4 {
            assert!(table.find(start + page * PAGE).is_some());
        }
        assert!(table.find(start - 1).is_none() && table.find(start + 4 * PAGE).is_none());
        assert!(table.find(usize::MAX).is_none());
        table
            .enter(start, 4 * PAGE, ptr::null_mut())
            .expect("nothing is made");
        assert!(table.find(start).is_none() && table.find(start + 3 * PAGE).is_none());
    }
}
