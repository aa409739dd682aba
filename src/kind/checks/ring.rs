//! A queue of blocks that are kept back.

use core::ptr;

use crate::backing::map_zeroes;

/// Addresses in the order in which they came, all bits turned over.
pub(super) struct Ring {
    entries: *mut usize,
    first: usize,
    count: usize,
}

/// The most addresses in a ring.
pub(super) const RING: usize = 1 << 16;

impl Ring {
    pub(super) const fn new() -> Self {
        Self {
            entries: ptr::null_mut(),
            first: 0,
            count: 0,
        }
    }

    /// Adds an address; `false` when there is no memory for the ring. It must not be full.
    pub(super) fn push(&mut self, block: *mut u8) -> bool {
        if self.entries.is_null() {
            match map_zeroes(RING * size_of::<usize>()) {
                Some(entries) => self.entries = entries.cast(),
                None => return false,
            }
        }
        // SAFETY: an index below the ring's size.
        unsafe { *self.entries.add((self.first + self.count) % RING) = !block.addr() };
        self.count += 1;
        true
    }

    /// Takes the oldest address.
    pub(super) fn pop(&mut self) -> Option<*mut u8> {
        if self.count == 0 {
            return None;
        }
        // SAFETY: the ring has entries, and the index is below its size.
        let key = unsafe { *self.entries.add(self.first) };
        self.first = (self.first + 1) % RING;
        self.count -= 1;
        Some((!key) as *mut u8)
    }

    pub(super) const fn len(&self) -> usize {
        self.count
    }
}
