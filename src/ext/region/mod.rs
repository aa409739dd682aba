//! Regions: blocks that are freed together, or the last ones first. Arena and stack in one.
//!
//! A region takes chunks from its kind and cuts blocks from the end of the newest one
//! downwards. So two words say all that an allocation needs: the bytes that are left, and where
//! they begin. Chunks form a stack; a position is an address in one of them, and all that lies
//! below it there, or in newer chunks, is newer.
//!
//! Each chunk begins with a header. Thus an address belongs to one chunk only, although
//! a position may be at the end of one and another may lie behind it.
//!
//! | module | contents, lowest first |
//! |---|---|
//! | `bump` | the fast path: two words, and handles of C |
//! | `watch` | regions that are checked |
//! | `chunks` | what a region has taken from its kind |

mod bump;
mod chunks;
mod watch;

use core::ptr;

use super::record_watch::Of;
use super::usage::Usage;
use super::users;
use crate::backing::round_up;
use crate::boxed::boxed;
use crate::error::Error;
use crate::kind::Kind;
use bump::{Bump, UNIT};
pub(crate) use bump::{Place, minus};
use chunks::{Chunk, Chunks};
use watch::Watch;

/// A region. One thread at a time uses it.
#[repr(C)]
pub struct Region {
    /// The first field, since it is all that the fast path knows of a region.
    bump: Bump,
    /// The current chunk, the newest; null for none.
    current: *mut Chunk,
    chunks: Chunks,
    /// The most bytes of blocks; `usize::MAX` for any number.
    limit: usize,
    /// Bytes of blocks in chunks other than the current one.
    used_below: usize,
    n_refused: usize,
    /// What `bump.left` becomes when the region is no longer read-only.
    left_then: usize,
    read_only: bool,
    /// The number of chunks with blocks, the current one among them.
    depth: usize,
    /// Where handles lead when the region is checked.
    closed: Bump,
    watch: Option<Watch>,
}

impl Region {
    /// Makes a region of a kind. `chunk` is how many bytes it takes at first, 0 for 64 KiB;
    /// `limit` the most bytes of blocks, 0 for any number.
    ///
    /// # Errors
    /// `Invalid` when no chunk can be so large; `Malloc` without memory for the record.
    pub fn create(kind: &'static Kind, chunk: usize, limit: usize) -> Result<*mut Region, Error> {
        let chunks = Chunks::new(kind, chunk)?;
        let limit = match limit {
            0 => usize::MAX,
            _ => round_up(limit, UNIT).unwrap_or(usize::MAX),
        };
        let mut region = boxed(Region {
            bump: Bump::NONE,
            current: ptr::null_mut(),
            chunks,
            limit,
            used_below: 0,
            n_refused: 0,
            left_then: 0,
            read_only: false,
            depth: 0,
            closed: Bump::NONE,
            watch: None,
        })?;
        if watch::is_on() {
            region.watch = Some(Watch::new(kind, ptr::from_ref(&*region).addr())?);
        }
        users::add(kind);
        Ok(Box::into_raw(region))
    }

    /// Gives everything back, the region itself as well.
    ///
    /// # Safety
    /// `region` comes from [`Region::create`]; it and its blocks are not used any more.
    pub unsafe fn destroy(region: *mut Region) {
        // SAFETY: from `create`, and its blocks are not used any more.
        unsafe { (*region).end() };
        let unused = match watch::is_on() {
            true => Of::Region.ended(region as usize),
            false => Some(region as usize),
        };
        if let Some(unused) = unused {
            // SAFETY: from `Box::into_raw` in `create`; the region was destroyed.
            drop(unsafe { Box::from_raw(unused as *mut Region) });
        }
    }

    /// Gives all memory of the region but its record back.
    ///
    /// # Safety
    /// Neither the region nor its blocks are used any more.
    unsafe fn end(&mut self) {
        // Chunks of a forked child are the parent's, and may not even be mapped.
        if !self.kind().is_gone() {
            if self.protect(false).is_err() {
                // Memory that cannot be made writable cannot be used again: it stays, and so does the kind.
                return;
            }
            self.clear();
            // SAFETY: no block is used any more.
            unsafe { self.chunks.give_back(true, self.watch.as_mut()) };
        }
        self.watch = None;
        users::remove(self.kind());
    }

    /// The kind.
    pub fn kind(&self) -> &'static Kind {
        self.chunks.kind
    }

    /// Whether the region is read-only.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// What C programs get: how far behind `NO_REGION` the region is. Where it is checked, it
    /// leads to a part of the region that has never anything left.
    pub fn handle(region: *mut Region) -> usize {
        let offset = match watch::is_on() {
            true => core::mem::offset_of!(Region, closed),
            false => 0,
        };
        Place(region.wrapping_byte_add(offset).cast()).handle()
    }

    /// The region of a handle; null for 0. Where regions are checked, null, too, if there is no region at
    /// the handle; the process ends then if uses after the end are checked.
    pub fn of_handle(handle: usize) -> *mut Region {
        let Some(place) = Place::of_handle(handle).bump() else {
            return ptr::null_mut();
        };
        if !watch::is_on() {
            return place.cast();
        }
        let offset = core::mem::offset_of!(Region, closed);
        let region = place.wrapping_byte_sub(offset);
        if !Of::Region.is_alive(region as usize) {
            return ptr::null_mut();
        }
        region.cast()
    }

    /// A block of `size` bytes, more than 0, at a multiple of `align`, a power of two.
    ///
    /// # Errors
    /// `NoMemory`: the limit is reached, or the kind has no memory; and those of [`Kind::malloc`].
    pub fn allocate_aligned(&mut self, align: usize, size: usize) -> Result<*mut u8, Error> {
        let align = align.max(UNIT);
        if let Some(watch) = &mut self.watch {
            watch.prepare()?;
        }
        if let Some(block) = self.take_aligned(align, size) {
            return Ok(block);
        }
        let block = self.begin_chunk(align, size);
        if block.is_err() {
            self.n_refused = self.n_refused.saturating_add(1);
        }
        block
    }

    /// A block from the current chunk, if it has room.
    fn take_aligned(&mut self, align: usize, size: usize) -> Option<*mut u8> {
        let base = self.bump.base as usize;
        let end = base + self.bump.left;
        let place = end.checked_sub(size)? & !(align - 1);
        // `end` may be 0, and `place` below the base.
        let left = place.checked_sub(base).filter(|_| self.bump.left > 0)?;
        self.bump.left = left;
        if let Some(watch) = &mut self.watch {
            // SAFETY: the end of what was left, down to the block.
            unsafe { watch.add(place, size, end, base, self.depth) };
        }
        Some(self.bump.base.wrapping_add(left))
    }

    /// A block of `size` bytes at a multiple of `align` from another chunk, which becomes the
    /// current one.
    fn begin_chunk(&mut self, align: usize, size: usize) -> Result<*mut u8, Error> {
        if self.read_only {
            return Err(Error::NoMemory);
        }
        // What an end that is not aligned takes besides.
        let need = size
            .checked_add(align - 1)
            .map(|bytes| bytes & !(UNIT - 1))
            .ok_or(Error::NoMemory)?;
        let budget = self.limit - self.used();
        if need > budget {
            return Err(Error::NoMemory);
        }
        let chunk = self.chunks.take(need, budget)?;
        if !self.current.is_null() {
            self.used_below += self.used_here();
            // SAFETY: a chunk of this region, writable.
            unsafe { (*self.current).left = self.bump.left };
        }
        // SAFETY: a fresh chunk, writable, which no other thread has.
        let room = unsafe {
            (*chunk).below = self.current;
            (*chunk).room = (*chunk).capacity().min(budget);
            (*chunk).room
        };
        self.current = chunk;
        self.depth += 1;
        self.bump.base = Chunk::base(chunk);
        self.bump.left = room;
        self.take_aligned(align, size).ok_or(Error::NoMemory)
    }

    /// Bytes that are left in the current chunk.
    fn left_here(&self) -> usize {
        if self.read_only {
            self.left_then
        } else {
            self.bump.left
        }
    }

    /// Bytes of blocks in the current chunk.
    fn used_here(&self) -> usize {
        // SAFETY: null, or a chunk of this region.
        let room = unsafe { self.current.as_ref() }.map_or(0, |chunk| chunk.room);
        room - self.left_here()
    }

    /// Bytes of all blocks, with what alignment took.
    fn used(&self) -> usize {
        self.used_below + self.used_here()
    }

    /// The position: all blocks to come are newer. The region's own address before the first.
    pub fn mark(&self) -> *mut u8 {
        if self.current.is_null() {
            return ptr::from_ref(self).cast_mut().cast();
        }
        self.bump.base.wrapping_add(self.left_here())
    }

    /// Frees all blocks that are newer than a position, or than a block, which goes too.
    ///
    /// # Errors
    /// `Invalid` for what is neither, or has been freed; `OperationFailed` while read-only.
    pub fn rewind(&mut self, position: *mut u8) -> Result<(), Error> {
        if self.read_only {
            return Err(Error::OperationFailed);
        }
        if ptr::eq(position, ptr::from_ref(self).cast()) {
            self.clear();
            return Ok(());
        }
        // Looked for first: nothing changes if it is in no chunk.
        let mut left = self.bump.left;
        let mut chunk = self.current;
        // SAFETY: the chunks of this region.
        while let Some(here) = unsafe { chunk.as_ref() } {
            let distance = (position as usize).wrapping_sub(Chunk::base(chunk) as usize);
            if distance <= here.room && distance >= left && distance % UNIT == 0 {
                break;
            }
            chunk = here.below;
            // SAFETY: null, or a chunk of this region.
            left = unsafe { chunk.as_ref() }.map_or(0, |below| below.left);
        }
        if chunk.is_null() {
            return Err(Error::Invalid);
        }
        while self.current != chunk {
            self.drop_current();
        }
        self.bump.left = position as usize - self.bump.base as usize;
        if let Some(watch) = &mut self.watch {
            // SAFETY: the caller does not use what is newer.
            unsafe { watch.rewind(position as usize, self.depth) };
        }
        Ok(())
    }

    /// Makes the current chunk a spare one.
    fn drop_current(&mut self) {
        let chunk = self.current;
        self.depth -= 1;
        // SAFETY: the current chunk and the one below it are this region's, and writable.
        unsafe {
            self.current = (*chunk).below;
            self.chunks.keep(chunk);
            match self.current.as_ref() {
                Some(current) => {
                    self.bump.base = Chunk::base(self.current);
                    self.bump.left = current.left;
                    self.used_below -= current.room - current.left;
                }
                None => {
                    self.bump.base = ptr::null_mut();
                    self.bump.left = 0;
                }
            }
        }
    }

    /// Frees all blocks.
    fn clear(&mut self) {
        while !self.current.is_null() {
            self.drop_current();
        }
        if let Some(watch) = &mut self.watch {
            // SAFETY: no block is used any more.
            unsafe { watch.rewind(usize::MAX, 0) };
        }
    }

    /// Frees all blocks, and gives back chunks beyond those that are kept for blocks to come.
    ///
    /// # Errors
    /// `OperationFailed` while read-only.
    pub fn reset(&mut self) -> Result<(), Error> {
        if self.read_only {
            return Err(Error::OperationFailed);
        }
        self.clear();
        // SAFETY: no block is left.
        unsafe { self.chunks.give_back(false, self.watch.as_mut()) };
        Ok(())
    }

    /// Makes all chunks read-only, or writable again.
    ///
    /// # Errors
    /// `OperationFailed` if the kernel refuses: nothing has changed then.
    pub fn protect(&mut self, read_only: bool) -> Result<(), Error> {
        if read_only == self.read_only {
            return Ok(());
        }
        if !self.chunks.protect(self.current, read_only) {
            return Err(Error::OperationFailed);
        }
        self.read_only = read_only;
        if read_only {
            self.left_then = core::mem::take(&mut self.bump.left);
        } else {
            self.bump.left = self.left_then;
        }
        Ok(())
    }

    /// What the region uses, in bytes.
    pub fn usage(&self) -> Usage {
        Usage {
            limit: if self.limit == usize::MAX {
                0
            } else {
                self.limit
            },
            held: self.chunks.held,
            in_use: self.used(),
            peak: self.chunks.peak,
            page_size: self.kind().page_size(),
            n_ranges: self.chunks.count,
            n_refused: self.n_refused,
        }
    }
}
