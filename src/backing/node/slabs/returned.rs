//! Parts of slabs that the heap has given back and takes again.

use core::sync::atomic::Ordering;

use super::plan::Options;
use super::{Slabs, map};
use crate::backing::base::{keeps_freed_memory, page_size};
use crate::error::Error;

impl Slabs {
    /// See [`crate::backing::Backing::give_back`].
    ///
    /// # Safety
    /// No live block is in the range, which is in a slab.
    pub(in crate::backing) unsafe fn give_back(&self, address: usize, size: usize) -> bool {
        // SAFETY: no live block is in the range.
        let discard = || unsafe { self.discard(address, size) };
        if !self.plan.gives_back() || keeps_freed_memory() || !discard() {
            return false;
        }
        self.given.fetch_add(size, Ordering::Relaxed);
        if let Some(account) = self.account {
            account.release(address, size);
        }
        true
    }

    /// Gives pages back to the system.
    ///
    /// # Safety
    /// No live block is in the range, which is in a slab.
    unsafe fn discard(&self, address: usize, size: usize) -> bool {
        let advice = if self.plan.options.has(Options::SHARED) {
            libc::MADV_REMOVE
        } else {
            libc::MADV_DONTNEED
        };
        // SAFETY: whole pages of a slab, in which no live block is.
        unsafe { libc::madvise(address as *mut _, size, advice) == 0 }
    }

    /// See [`crate::backing::Backing::take_again`].
    pub(in crate::backing) fn take_again(&self, address: usize, size: usize) -> Result<(), Error> {
        if let Some(account) = self.account {
            account.promise(address, size)?;
        }
        if self.plan.populates() {
            map::populate(address, size, page_size()).inspect_err(|_| {
                // SAFETY: the range had no memory, so no block is there.
                unsafe { self.discard(address, size) };
                if let Some(account) = self.account {
                    account.release(address, size);
                }
            })?;
        }
        self.given.fetch_sub(size, Ordering::Relaxed);
        self.note_peak();
        Ok(())
    }
}
