//! Regions: blocks that are freed together, or the last ones first. Arena and stack in one.
//!
//! A region takes chunks from its kind and cuts blocks from the end of the newest one
//! downwards. So two words say all that an allocation needs: the bytes that are left, and where
//! they begin. Chunks form a stack; a position is an address in one of them, and all that lies
//! below it there, or in newer chunks, is newer.
//!
//! Each chunk begins with a header. Thus an address belongs to one chunk only, although
//! a position may be at the end of one and another may lie behind it.

use core::cell::UnsafeCell;
use core::ptr;

use super::region_watch::{self, Watch};
use super::slab::Slab;
use super::usage::{self, Usage};
use super::users;
use crate::backing::{page_size, round_up};
use crate::boxed::boxed;
use crate::error::Error;
use crate::heap::page_map;
use crate::kind::Kind;
use crate::log::refused;

/// Blocks are aligned to this, and their sizes rounded up to a multiple of it.
const UNIT: usize = 16;
/// Bytes of a chunk unless the program says otherwise.
const CHUNK: usize = 64 << 10;
/// Chunks double up to this, unless the program's are larger.
const CHUNK_MAX: usize = 1 << 20;
/// What `reset` keeps, in chunks of the first size.
const KEPT: usize = 16;
/// Bytes of a chunk's header.
const HEADER: usize = 64;

/// The header of a chunk.
struct Chunk {
    /// The chunk before it, or the next one in a list.
    below: *mut Chunk,
    slab: Slab,
    /// Bytes of it that may be handed out.
    room: usize,
    /// Bytes that were left when a newer chunk was begun.
    left: usize,
}

const _: () = assert!(size_of::<Chunk>() <= HEADER);

impl Chunk {
    /// Where blocks can begin.
    fn base(chunk: *mut Chunk) -> *mut u8 {
        chunk.cast::<u8>().wrapping_add(HEADER)
    }

    /// The most bytes of blocks in a slab.
    fn capacity(slab: Slab) -> usize {
        slab.size - HEADER
    }
}

/// All that an allocation reads.
#[repr(C)]
struct Bump {
    /// Bytes left in the current chunk; 0 while the region is read-only.
    left: usize,
    /// The base of the current chunk.
    base: *mut u8,
}

struct NoRegion(UnsafeCell<Bump>);

// SAFETY: nothing is ever left there, and so it is not written to.
unsafe impl Sync for NoRegion {}

/// Where the handle NULL leads: handles are relative to it, so an allocation need not ask
/// whether its handle is NULL.
static NO_REGION: NoRegion = NoRegion(UnsafeCell::new(Bump {
    left: 0,
    base: ptr::null_mut(),
}));

/// The start of a region, or of [`NO_REGION`].
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Place(*mut Bump);

impl Place {
    /// The place that a handle of C leads to.
    #[inline(always)]
    pub(crate) fn of_handle(handle: usize) -> Self {
        let mut place = handle;
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a number of the linker's is added. In one instruction, which a compiler does not find.
        unsafe {
            core::arch::asm!(
                "add {place}, qword ptr [rip + {none}@GOTPCREL]",
                place = inout(reg) place,
                none = sym NO_REGION,
                options(pure, readonly, nostack),
            );
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            place = place.wrapping_add(NO_REGION.0.get() as usize);
        }
        Self(place as *mut Bump)
    }

    /// The handle of C that leads to this place.
    pub(crate) fn handle(self) -> usize {
        (self.0 as usize).wrapping_sub(NO_REGION.0.get() as usize)
    }

    /// A block from the current chunk, of minus `minus_size` bytes as [`minus`] gives them;
    /// `None` for 0 bytes, if there are not as many left, and where there is no region.
    ///
    /// # Safety
    /// The region lives, and no other thread uses it.
    #[inline(always)]
    pub(crate) unsafe fn allocate(self, minus_size: usize) -> Option<*mut u8> {
        // SAFETY: a live region, or the one that is none.
        unsafe {
            let bump = &mut *self.0;
            // One addition tells both: without a carry the size was 0, or above what is left.
            let (left, carry) = bump.left.overflowing_add(minus_size);
            if !carry {
                return None;
            }
            let left = left & !(UNIT - 1);
            bump.left = left;
            Some(bump.base.wrapping_add(left))
        }
    }
}

/// A region. One thread at a time uses it.
#[repr(C)]
pub struct Region {
    /// First: the fast path knows no more of a region.
    bump: Bump,
    /// The current chunk, the newest; null for none.
    current: *mut Chunk,
    /// Chunks without blocks, a list; null for none.
    spare: *mut Chunk,
    kind: &'static Kind,
    /// Bytes of the first chunk.
    chunk: usize,
    /// Bytes of the next chunk.
    next: usize,
    /// The most bytes of blocks; `usize::MAX` for any number.
    limit: usize,
    /// Bytes of blocks in chunks other than the current one.
    used_below: usize,
    /// Bytes taken from the kind; the most so far; chunks.
    held: usize,
    peak: usize,
    n_chunks: usize,
    n_refused: usize,
    /// What `left` is when the region is not read-only any more.
    left_then: usize,
    read_only: bool,
    /// Chunks with blocks, the current one among them.
    depth: usize,
    /// Where handles lead when the region is checked.
    closed: Bump,
    watch: Option<Watch>,
}

/// `size` with the other sign, as the processor has it: a compiler that sees the subtraction
/// makes two comparisons of one carry, at the price of an instruction.
#[inline(always)]
pub(crate) fn minus(size: usize) -> usize {
    #[cfg(target_arch = "x86_64")]
    {
        let mut minus = size;
        // SAFETY: a negation, nothing else.
        unsafe {
            core::arch::asm!("neg {minus}", minus = inout(reg) minus, options(pure, nomem, nostack));
        }
        minus
    }
    #[cfg(not(target_arch = "x86_64"))]
    size.wrapping_neg()
}

impl Region {
    /// Makes a region of a kind. `chunk` is how many bytes it takes at first, 0 for 64 KiB;
    /// `limit` the most bytes of blocks, 0 for any number.
    ///
    /// # Errors
    /// `Invalid` when no chunk can be so large; `Malloc` without memory for the record.
    pub fn create(kind: &'static Kind, chunk: usize, limit: usize) -> Result<*mut Region, Error> {
        let chunk = match chunk {
            0 => CHUNK,
            _ => round_up(chunk, page_size())
                .filter(|size| *size < page_map::END)
                .ok_or_else(|| {
                    refused!(
                        Error::Invalid,
                        "Cannot create region: there are not so many addresses (chunks of {chunk} bytes)."
                    )
                })?,
        };
        let limit = match limit {
            0 => usize::MAX,
            _ => round_up(limit, UNIT).unwrap_or(usize::MAX),
        };
        let region = boxed(Region {
            bump: Bump {
                left: 0,
                base: ptr::null_mut(),
            },
            current: ptr::null_mut(),
            spare: ptr::null_mut(),
            kind,
            chunk,
            next: chunk,
            limit,
            used_below: 0,
            held: 0,
            peak: 0,
            n_chunks: 0,
            n_refused: 0,
            left_then: 0,
            read_only: false,
            depth: 0,
            closed: Bump {
                left: 0,
                base: ptr::null_mut(),
            },
            watch: None,
        })?;
        let region = Box::into_raw(region);
        if region_watch::is_on() {
            // SAFETY: just made, and from a box.
            unsafe {
                match Watch::new(kind, region as usize) {
                    Ok(watch) => (*region).watch = Some(watch),
                    Err(error) => {
                        drop(Box::from_raw(region));
                        return Err(error);
                    }
                }
            }
        }
        users::add(kind);
        Ok(region)
    }

    /// Gives everything back, the region itself as well.
    ///
    /// # Safety
    /// `region` comes from [`Region::create`]; it and its blocks are not used any more.
    pub unsafe fn destroy(region: *mut Region) {
        // SAFETY: from `create`, and neither it nor its blocks are used any more.
        let mut region = unsafe { Box::from_raw(region) };
        if region.watch.is_some() {
            Watch::end(region.address());
        }
        if region.protect(false).is_err() {
            // Memory that cannot be made writable cannot be used again: it stays, and so does the kind.
            return;
        }
        region.clear();
        // SAFETY: no block is used any more.
        unsafe { region.give_back_spare(0) };
        users::remove(region.kind);
    }

    /// What it is known by to those that check.
    fn address(&self) -> usize {
        ptr::from_ref(self) as usize
    }

    /// The kind.
    pub fn kind(&self) -> &'static Kind {
        self.kind
    }

    /// Whether the region is read-only.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// What C programs get: how far behind `NO_REGION` the region is. Where it is checked, it
    /// leads to a part of the region that has never anything left.
    pub fn handle(region: *mut Region) -> usize {
        let offset = match region_watch::is_on() {
            true => core::mem::offset_of!(Region, closed),
            false => 0,
        };
        Place(region.wrapping_byte_add(offset).cast()).handle()
    }

    /// The region of a handle; null for 0. Does not return for what is none, where this is
    /// checked.
    pub fn of_handle(handle: usize) -> *mut Region {
        let place = Place::of_handle(handle);
        if place.0 == NO_REGION.0.get() {
            return ptr::null_mut();
        }
        if region_watch::is_on() {
            let offset = core::mem::offset_of!(Region, closed);
            let region = place.0.wrapping_byte_sub(offset);
            region_watch::is_region(region as usize);
            return region.cast();
        }
        place.0.cast()
    }

    /// A block of `size` bytes, more than 0, at a multiple of `align`, a power of two.
    ///
    /// # Errors
    /// `NoMemory`: the limit, or the kind has none; and those of [`Kind::malloc`].
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
        let (address, depth) = (self.address(), self.depth);
        if let Some(watch) = &mut self.watch {
            // SAFETY: the end of what was left, down to the block.
            unsafe { watch.add(place, size, end, base, depth, address) };
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
        let chunk = match self.take_spare(need) {
            Some(chunk) => chunk,
            None => self.fresh_chunk(need, budget)?,
        };
        if !self.current.is_null() {
            self.used_below += self.used_here();
            // SAFETY: a chunk of this region, writable.
            unsafe { (*self.current).left = self.bump.left };
        }
        // SAFETY: a fresh chunk, writable, which no other thread has.
        let room = unsafe {
            (*chunk).below = self.current;
            (*chunk).room = Chunk::capacity((*chunk).slab).min(budget);
            (*chunk).room
        };
        self.current = chunk;
        self.depth += 1;
        self.bump.base = Chunk::base(chunk);
        self.bump.left = room;
        self.take_aligned(align, size).ok_or(Error::NoMemory)
    }

    /// A spare chunk with room for that many bytes.
    fn take_spare(&mut self, need: usize) -> Option<*mut Chunk> {
        let mut link: *mut *mut Chunk = &raw mut self.spare;
        // SAFETY: a list of chunks of this region, writable.
        unsafe {
            while let Some(chunk) = (*link).as_mut() {
                if Chunk::capacity(chunk.slab) >= need {
                    *link = chunk.below;
                    return Some(chunk);
                }
                link = &raw mut chunk.below;
            }
        }
        None
    }

    /// A chunk from the kind for `need` bytes, of which `budget` may be handed out.
    fn fresh_chunk(&mut self, need: usize, budget: usize) -> Result<*mut Chunk, Error> {
        let least = need.checked_add(HEADER).ok_or(Error::NoMemory)?;
        let wanted = self.next.min(budget.saturating_add(HEADER)).max(least);
        let slab = match Slab::cut(self.kind, page_size(), wanted) {
            Err(Error::NoMemory) if wanted > least => Slab::cut(self.kind, page_size(), least)?,
            result => result?,
        };
        self.next = self.next.saturating_mul(2).min(CHUNK_MAX.max(self.chunk));
        self.held += slab.size;
        self.peak = self.peak.max(self.held);
        self.n_chunks += 1;
        let chunk = slab.start.cast::<Chunk>();
        // SAFETY: fresh memory, aligned to a page and larger than a header.
        unsafe {
            chunk.write(Chunk {
                below: ptr::null_mut(),
                slab,
                room: 0,
                left: 0,
            });
        }
        Ok(chunk)
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
        let (address, depth) = (self.address(), self.depth);
        if let Some(watch) = &mut self.watch {
            // SAFETY: the caller does not use what is newer.
            unsafe { watch.rewind(position as usize, depth, address) };
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
            (*chunk).below = self.spare;
            self.spare = chunk;
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
        let address = self.address();
        if let Some(watch) = &mut self.watch {
            // SAFETY: no block is used any more.
            unsafe { watch.rewind(usize::MAX, 0, address) };
        }
    }

    /// Frees all blocks and gives back what is more than some chunks.
    ///
    /// # Errors
    /// `OperationFailed` while read-only.
    pub fn reset(&mut self) -> Result<(), Error> {
        if self.read_only {
            return Err(Error::OperationFailed);
        }
        self.clear();
        // SAFETY: no block is left.
        unsafe { self.give_back_spare(self.chunk.saturating_mul(KEPT)) };
        Ok(())
    }

    /// Gives spare chunks back to the kind, but for `kept` bytes of them.
    ///
    /// # Safety
    /// All chunks are spare ones, and writable.
    unsafe fn give_back_spare(&mut self, kept: usize) {
        let mut stay: *mut Chunk = ptr::null_mut();
        let mut bytes: usize = 0;
        // SAFETY: the list of this region's spare chunks; a chunk is not used after it has gone.
        unsafe {
            while !self.spare.is_null() {
                let chunk = self.spare;
                let slab = (*chunk).slab;
                self.spare = (*chunk).below;
                if bytes.saturating_add(slab.size) <= kept {
                    bytes += slab.size;
                    (*chunk).below = stay;
                    stay = chunk;
                } else {
                    self.held -= slab.size;
                    self.n_chunks -= 1;
                    if let Some(watch) = &mut self.watch {
                        watch.forget_chunk(Chunk::base(chunk) as usize);
                    }
                    slab.give_back();
                }
            }
        }
        self.spare = stay;
    }

    /// Makes all chunks read-only, or writable again.
    ///
    /// # Errors
    /// `OperationFailed` if the kernel refuses: nothing has changed then.
    pub fn protect(&mut self, read_only: bool) -> Result<(), Error> {
        if read_only == self.read_only {
            return Ok(());
        }
        let all = [self.current, self.spare];
        if !protect_lists(all, read_only, ptr::null_mut()) {
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
            held: self.held,
            in_use: self.used(),
            peak: self.peak,
            page_size: usage::page_size(self.kind),
            n_ranges: self.n_chunks,
            n_refused: self.n_refused,
        }
    }
}

/// Changes the protection of the chunks of some lists, up to `end`; `false` if the kernel
/// refuses one: those before it are as they were.
fn protect_lists(lists: [*mut Chunk; 2], read_only: bool, end: *mut Chunk) -> bool {
    let protection = if read_only {
        libc::PROT_READ
    } else {
        libc::PROT_READ | libc::PROT_WRITE
    };
    for list in lists {
        let mut next = list;
        while !next.is_null() {
            if next == end {
                return true;
            }
            // SAFETY: chunks of a region can be read, whatever their protection.
            let (slab, below) = unsafe { ((*next).slab, (*next).below) };
            // SAFETY: whole pages that are the region's.
            if unsafe { libc::mprotect(slab.start.cast(), slab.size, protection) } != 0 {
                protect_lists(lists, !read_only, next);
                return false;
            }
            next = below;
        }
    }
    true
}
