//! Blocks above 8 MiB that are mappings of their own, on ordinary pages of nodes.
//!
//! They are whole pages, without the rest of a class, and the kernel resizes and moves them without
//! a copy. When one is freed its mapping is kept for the next of about its size, up to a number of
//! bytes and a part of what the nodes have, and for some seconds.

use core::ptr::{self, NonNull};
use core::sync::atomic::Ordering;

use super::arenas::{Arenas, LARGE_KEPT};
use super::kept::{SECOND, seconds_kept, seconds_since};
use crate::backing::{UNIT, keeps_freed_memory, page_size, round_up};
use crate::clock;
use crate::error::Error;
use crate::heap::base::{class, mapped};
use crate::log;

/// A heap keeps at most one in this many bytes of its nodes: other kinds and programs use them too.
const KEPT_PART: usize = 8;
/// A kept mapping is cut down for a block if what is cut off is at most one in this many bytes of the block.
const SPARE_PART: usize = 4;

impl Arenas {
    /// Whether blocks of `size` bytes are mappings of their own.
    #[inline]
    pub(crate) fn maps(&self, size: usize) -> bool {
        size > class::LARGE_MAX && self.backing.resizable().is_some()
    }

    /// A block of `size` bytes, for which [`Arenas::maps`], at a multiple of `align`, a power of
    /// two or 0; of zeroes if `zeroed`. Null if there is no memory for it. Keeps `errno`.
    pub(crate) fn map_block(&self, size: usize, align: usize, zeroed: bool) -> *mut u8 {
        let Some(size) = round_up(size, page_size()) else {
            return ptr::null_mut();
        };
        let align = align.max(UNIT);
        let errno = log::errno();
        let found = self
            .kept_mapping(size, align, zeroed)
            .or_else(|| self.fresh_mapping(size, align));
        log::set_errno(errno);
        let Some(block) = found else {
            return ptr::null_mut();
        };
        mapped::set(block.as_ptr() as usize, size, self.id());
        self.mappings.count_live(size, 0);
        block.as_ptr()
    }

    fn fresh_mapping(&self, size: usize, align: usize) -> Option<NonNull<u8>> {
        let start = self.backing.take(size, align, true).ok()?.address;
        if !mapped::prepare(start, size) {
            // SAFETY: an extent just taken, which no other code has seen.
            unsafe { self.backing.release(start, size) };
            return None;
        }
        NonNull::new(start as *mut u8)
    }

    /// The kept mapping that is least too large, cut to `size` bytes.
    fn kept_mapping(&self, size: usize, align: usize, zeroed: bool) -> Option<NonNull<u8>> {
        let source = self.backing.resizable()?;
        let most = size.saturating_add(size / SPARE_PART);
        let (start, whole) = self.mappings.take(|start, whole, _| {
            let fits = whole >= size && whole <= most && start % align == 0;
            fits.then_some(whole - size)
        })?;
        mapped::clear(start, whole);
        // SAFETY: the mapping is this heap's, and no block is in it.
        unsafe {
            // To cut one cannot fail.
            let _ = source.resize(start, whole, size, false, |_, _| true);
            let block = NonNull::new(start as *mut u8)?;
            if zeroed && !self.backing.purge(start, size) {
                block.write_bytes(0, size);
            }
            Some(block)
        }
    }

    /// Frees the block that begins at `block`, of `size` bytes, which the caller has taken out of
    /// the table of blocks that may be freed.
    ///
    /// # Safety
    /// The block is this heap's, and is not used any more.
    pub(crate) unsafe fn free_mapped(&self, block: usize, size: usize) {
        self.mappings.count_live(0, size);
        if !self.keep_mapping(block, size) {
            // SAFETY: a mapping of this heap that is not used any more.
            unsafe { self.unmap(block, size) };
        }
    }

    /// Keeps a freed block's mapping, and gives the oldest ones back where all would be too many
    /// bytes; `false` if it is not kept.
    fn keep_mapping(&self, block: usize, size: usize) -> bool {
        let hogs = keeps_freed_memory();
        let most = if hogs { usize::MAX } else { self.most_kept() };
        let at_once = !self.caches() || seconds_kept() == Some(0);
        if size > most || (at_once && !hogs) {
            return false;
        }
        let now = clock::seconds() as usize;
        let mappings = &self.mappings;
        while mappings.kept_bytes.load(Ordering::Relaxed) > most - size {
            let Some((start, size)) =
                mappings.take(|_, _, second| Some(SECOND - seconds_since(second, now)))
            else {
                break;
            };
            // SAFETY: a kept mapping, of which nothing is used, and which no other code has now.
            unsafe { self.unmap(start, size) };
        }
        // A child has the list of what is kept.
        if let Some(source) = self.backing.resizable() {
            source.give_to_children(block, size);
        }
        // Before another thread can take it out.
        mappings.kept_bytes.fetch_add(size, Ordering::Relaxed);
        let kept = mappings.kept.insert(block, size | now & SECOND);
        if !kept {
            mappings.kept_bytes.fetch_sub(size, Ordering::Relaxed);
        }
        kept
    }

    /// The most bytes of freed blocks that are kept.
    fn most_kept(&self) -> usize {
        match self.mappings.most.load(Ordering::Relaxed) {
            0 => {
                let most = self
                    .backing
                    .size_of_nodes()
                    .map_or(0, |size| (size / KEPT_PART).min(LARGE_KEPT));
                self.mappings.most.store(most, Ordering::Relaxed);
                most
            }
            most => most,
        }
    }

    /// Gives a mapping back. Keeps `errno`.
    ///
    /// # Safety
    /// It is this heap's, and is not used any more.
    unsafe fn unmap(&self, start: usize, size: usize) {
        let errno = log::errno();
        mapped::clear(start, size);
        // SAFETY: an extent of this heap that is not used any more.
        unsafe { self.backing.release(start, size) };
        log::set_errno(errno);
    }

    /// Whether mappings of freed blocks are kept that could go back.
    pub(crate) fn keeps_mappings(&self) -> bool {
        self.mappings.kept_bytes.load(Ordering::Relaxed) > 0 && !keeps_freed_memory()
    }

    /// Gives the mappings back that have been unused for some seconds at the second `now`.
    pub(crate) fn give_old_mappings_back(&self, now: u32) {
        if self.mappings.kept_bytes.load(Ordering::Relaxed) == 0 {
            return;
        }
        if let Some(seconds) = seconds_kept() {
            self.give_mappings_back(|second| seconds_since(second, now as usize) >= seconds);
        }
    }

    /// Gives all unused mappings back.
    pub(super) fn give_unused_mappings_back(&self) {
        self.give_mappings_back(|_| true);
    }

    fn give_mappings_back(&self, which: impl Fn(usize) -> bool) {
        if keeps_freed_memory() {
            return;
        }
        let rank = |_, _, second| which(second).then_some(0);
        while let Some((start, size)) = self.mappings.take(rank) {
            // SAFETY: a kept mapping, of which nothing is used, and which no other code has now.
            unsafe { self.unmap(start, size) };
            self.turn.next();
        }
    }

    /// Resizes the block that begins at `block`, a mapping of `before` bytes, to `size` bytes, both
    /// whole pages; where it is then. Only with `moves` that may be elsewhere. It is as it was on
    /// an error. Keeps `errno`: after an error the caller may do it otherwise, with success.
    ///
    /// # Errors
    /// `NoMemory` when there is no memory for more; `OperationFailed` when only a copy can be
    /// larger.
    ///
    /// # Safety
    /// The block is the caller's and live, of this heap.
    pub(crate) unsafe fn resize_mapped(
        &self,
        block: *mut u8,
        before: usize,
        size: usize,
        moves: bool,
    ) -> Result<*mut u8, Error> {
        let source = self.backing.resizable().ok_or(Error::OperationFailed)?;
        let start = block as usize;
        let errno = log::errno();
        // Before its addresses may become those of another block.
        mapped::clear(start, before);
        // SAFETY: the mapping is a live block of this heap, and no code uses the pages that it
        // loses.
        let moved = unsafe { source.resize(start, before, size, moves, mapped::prepare) };
        log::set_errno(errno);
        match moved {
            Ok(to) => {
                mapped::set(to, size, self.id());
                self.mappings.count_live(size, before);
                Ok(to as *mut u8)
            }
            Err(error) => {
                mapped::set(start, before, self.id());
                Err(error)
            }
        }
    }
}
