//! The chunks that a region takes from its kind: how large they are, those without blocks that it
//! keeps, and their protection.

use core::ptr;

use super::watch::Watch;
use crate::backing::{page_size, round_up};
use crate::error::Error;
use crate::ext::slab::Slab;
use crate::heap::page_map;
use crate::kind::Kind;
use crate::log::refused;

/// Bytes of the first chunk unless the program says otherwise.
const CHUNK: usize = 64 << 10;
/// Chunks double up to this many bytes, unless the program's first chunk is larger.
const CHUNK_MAX: usize = 1 << 20;
/// `reset` keeps chunks of up to this many times the size of the first.
const KEPT: usize = 16;
/// Bytes of a chunk's header.
const HEADER: usize = 64;

/// The header of a chunk.
pub(super) struct Chunk {
    /// The chunk before it, or the next one in a list.
    pub(super) below: *mut Chunk,
    slab: Slab,
    /// Bytes of it that may be handed out.
    pub(super) room: usize,
    /// Bytes that were left when a newer chunk was begun.
    pub(super) left: usize,
}

const _: () = assert!(size_of::<Chunk>() <= HEADER);

impl Chunk {
    /// Where blocks can begin.
    pub(super) fn base(chunk: *mut Chunk) -> *mut u8 {
        chunk.cast::<u8>().wrapping_add(HEADER)
    }

    /// The most bytes of blocks in it.
    pub(super) fn capacity(&self) -> usize {
        self.slab.size - HEADER
    }
}

/// What a region has taken from its kind.
pub(super) struct Chunks {
    pub(super) kind: &'static Kind,
    /// Chunks without blocks, a list; null for none.
    spare: *mut Chunk,
    /// Bytes of the first chunk.
    first: usize,
    /// Bytes of the next chunk.
    next: usize,
    /// Bytes taken from the kind.
    pub(super) held: usize,
    /// The most bytes that have been taken so far.
    pub(super) peak: usize,
    /// The number of chunks.
    pub(super) count: usize,
}

impl Chunks {
    /// No chunks yet, of `kind`; the first is to be of `first` bytes, 0 for 64 KiB.
    ///
    /// # Errors
    /// `Invalid` when no chunk can be so large.
    pub(super) fn new(kind: &'static Kind, first: usize) -> Result<Self, Error> {
        let first = match first {
            0 => CHUNK,
            _ => round_up(first, page_size())
                .filter(|size| *size < page_map::END)
                .ok_or_else(|| {
                    refused!(
                        Error::Invalid,
                        "Cannot create region: there are not so many addresses (chunks of {first} bytes)."
                    )
                })?,
        };
        Ok(Self {
            kind,
            spare: ptr::null_mut(),
            first,
            next: first,
            held: 0,
            peak: 0,
            count: 0,
        })
    }

    /// A chunk with room for `need` bytes, a spare one if there is any; of a fresh one `budget`
    /// bytes may be handed out.
    ///
    /// # Errors
    /// Those of [`Kind::malloc`].
    pub(super) fn take(&mut self, need: usize, budget: usize) -> Result<*mut Chunk, Error> {
        let mut link: *mut *mut Chunk = &raw mut self.spare;
        // SAFETY: a list of chunks of this region, writable.
        unsafe {
            while let Some(chunk) = (*link).as_mut() {
                if chunk.capacity() >= need {
                    *link = chunk.below;
                    return Ok(chunk);
                }
                link = &raw mut chunk.below;
            }
        }
        self.fresh(need, budget)
    }

    /// A chunk from the kind for `need` bytes, of which `budget` may be handed out.
    fn fresh(&mut self, need: usize, budget: usize) -> Result<*mut Chunk, Error> {
        let least = need.checked_add(HEADER).ok_or(Error::NoMemory)?;
        let wanted = self.next.min(budget.saturating_add(HEADER)).max(least);
        let slab = match Slab::cut(self.kind, page_size(), wanted) {
            Err(Error::NoMemory) if wanted > least => Slab::cut(self.kind, page_size(), least)?,
            result => result?,
        };
        self.next = self.next.saturating_mul(2).min(CHUNK_MAX.max(self.first));
        self.held += slab.size;
        self.peak = self.peak.max(self.held);
        self.count += 1;
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

    /// Keeps a chunk without blocks as a spare one.
    ///
    /// # Safety
    /// A chunk of these, writable, and in no list.
    pub(super) unsafe fn keep(&mut self, chunk: *mut Chunk) {
        // SAFETY: the chunk is writable, and this region's.
        unsafe { (*chunk).below = self.spare };
        self.spare = chunk;
    }

    /// Gives spare chunks back to the kind: `all`, or those beyond [`KEPT`].
    ///
    /// # Safety
    /// All chunks are spare ones, and writable.
    pub(super) unsafe fn give_back(&mut self, all: bool, mut watch: Option<&mut Watch>) {
        let kept = match all {
            true => 0,
            false => self.first.saturating_mul(KEPT),
        };
        let mut next = core::mem::replace(&mut self.spare, ptr::null_mut());
        let mut bytes: usize = 0;
        while !next.is_null() {
            let chunk = next;
            // SAFETY: a spare chunk of this region, which is not used after it has gone.
            unsafe {
                let slab = (*chunk).slab;
                next = (*chunk).below;
                if bytes.saturating_add(slab.size) <= kept {
                    bytes += slab.size;
                    self.keep(chunk);
                } else {
                    self.held -= slab.size;
                    self.count -= 1;
                    if let Some(watch) = &mut watch {
                        watch.forget_chunk(Chunk::base(chunk) as usize);
                    }
                    slab.give_back();
                }
            }
        }
    }

    /// Makes all chunks, the list `used` among them, read-only or writable again; `false` if the
    /// kernel refuses one: nothing has changed then.
    pub(super) fn protect(&self, used: *mut Chunk, read_only: bool) -> bool {
        let all = || list(used).chain(list(self.spare));
        let change = |chunk: &Chunk, read_only| {
            let protection = match read_only {
                true => libc::PROT_READ,
                false => libc::PROT_READ | libc::PROT_WRITE,
            };
            // SAFETY: whole pages that are the region's.
            unsafe { libc::mprotect(chunk.slab.start.cast(), chunk.slab.size, protection) == 0 }
        };
        let refused = all().position(|chunk| !change(chunk, read_only));
        all().take(refused.unwrap_or(0)).for_each(|chunk| {
            change(chunk, !read_only);
        });
        refused.is_none()
    }
}

/// The chunks of a list, as long as the region lives.
fn list<'a>(first: *mut Chunk) -> impl Iterator<Item = &'a Chunk> {
    // SAFETY: null, or a chunk of a region, which can be read whatever its protection.
    let chunk = |place: *mut Chunk| unsafe { place.as_ref() };
    core::iter::successors(chunk(first), move |here| chunk(here.below))
}
