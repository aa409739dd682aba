//! Whole pages of a kind, which a region or pool cuts up.

use crate::backing::{page_size, round_up};
use crate::error::Error;
use crate::heap::{self, page_map};
use crate::kind::Kind;

/// Whole pages of a kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slab {
    /// The first byte of the slab.
    pub(super) start: *mut u8,
    /// The size in bytes: whole pages, at least as many as were asked for.
    pub(super) size: usize,
    /// The page map's entry for the first page while the slab was a block of the kind.
    entry: u32,
}

impl Slab {
    /// Takes at least `bytes` bytes at a multiple of `align`, a power of two, from a kind. The
    /// one place where slabs come from.
    ///
    /// # Errors
    /// `NoMemory`, and those of the first use of a static kind (`Environ`, `Unavailable`).
    pub(super) fn cut(kind: &'static Kind, align: usize, bytes: usize) -> Result<Self, Error> {
        if bytes >= page_map::END {
            return Err(Error::NoMemory);
        }
        let bytes = round_up(bytes.max(1), page_size()).ok_or(Error::NoMemory)?;
        let start = kind.memalign_unchecked(align.max(page_size()), bytes)?;
        // SAFETY: a live block.
        let usable = unsafe { heap::blocks::usable_size(start) };
        let size = usable & !(page_size() - 1);
        // In a thread whose end is near, a block may come from where the page map knows one
        // page alone (`Heap::owns`): it is no slab.
        if page_map::owner(start as usize) != page_map::owner(start as usize + size - 1) {
            // SAFETY: a live block that no other thread has seen.
            unsafe { heap::blocks::free(start) };
            return Err(Error::NoMemory);
        }
        let entry = page_map::take_blocks(start as usize, size);
        Ok(Self { start, size, entry })
    }

    /// Gives the slab back to its kind.
    ///
    /// # Safety
    /// It is the caller's, can be written to, and is not used any more.
    pub(super) unsafe fn give_back(self) {
        page_map::give_blocks(self.start as usize, self.size, self.entry);
        // SAFETY: the block that `cut` took, known as one again.
        unsafe { heap::blocks::free(self.start) };
    }
}
