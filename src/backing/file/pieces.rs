//! The pieces of a file: where each is in memory and in the file.

use core::ffi::c_int;
use core::ops::Range;
use core::ptr;
use core::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use super::super::can_populate;
use super::blocks::{allocate_blocks, touching_allocates};
use super::granules::Granules;
use super::lost::Identity;
use super::taken::Taken;
use super::{File, temporary_file};
use crate::error::Error;
use crate::log;

/// Pieces a file can have; unlimited kinds double them from 64 MiB, 128 TiB in all. Those of
/// limited kinds are as long as the limit, and not shorter than 64 MiB; a limit above
/// `LONGEST` is as none, since so much need not be mappable at once.
pub(super) const PIECES: usize = 21;
const FIRST_PIECE: usize = 64 << 20;
const LONGEST: usize = 1 << 40;
/// Pieces start at a multiple of this, so that huge and DAX pages fit.
const PIECE_ALIGN: usize = 2 << 20;

/// No descriptor yet: until the piece, or one behind it, is mapped it may begin a file.
const UNDECIDED: c_int = -1;
/// No descriptor: it is mapped from the file of the piece before.
const SAME: c_int = -2;

/// A mapped part of the file.
pub(super) struct Piece {
    /// Address, 0 while not mapped.
    pub(super) base: AtomicUsize,
    /// Bytes handed out, from the front.
    pub(super) used: AtomicUsize,
    /// The file from this piece on; [`UNDECIDED`], or [`SAME`] as the piece before.
    pub(super) fd: AtomicI32,
    /// Which one that is.
    pub(super) identity: Identity,
    /// Where it has all its blocks.
    pub(super) granules: Granules,
    /// What the heap has of it.
    pub(super) taken: Taken,
}

/// Where a range of addresses is.
pub(super) struct Place<'a> {
    pub(super) piece: &'a Piece,
    pub(super) index: usize,
    /// Bytes of the piece.
    pub(super) length: usize,
    /// Bytes from where the piece begins.
    pub(super) range: Range<usize>,
    pub(super) fd: c_int,
    /// Where the piece begins in the file.
    pub(super) start: usize,
}

impl Piece {
    /// One that is not mapped yet.
    pub(super) const fn new() -> Self {
        Self {
            base: AtomicUsize::new(0),
            used: AtomicUsize::new(0),
            fd: AtomicI32::new(UNDECIDED),
            identity: Identity::new(),
            granules: Granules::new(),
            taken: Taken::new(),
        }
    }
}

impl File {
    /// Whether the limit is one that a piece can be as long as.
    pub(super) const fn is_narrow(&self) -> bool {
        self.max_size != 0 && self.max_size <= LONGEST
    }

    /// Length of a piece, and its position if all pieces were in one file.
    pub(super) const fn piece_span(&self, index: usize) -> (usize, usize) {
        if self.is_narrow() {
            let length = if self.max_size > FIRST_PIECE {
                self.max_size
            } else {
                FIRST_PIECE
            };
            (length, length * index)
        } else {
            (FIRST_PIECE << index, FIRST_PIECE * ((1 << index) - 1))
        }
    }

    /// The file that a piece is in, and where it begins there.
    pub(super) fn piece_file(&self, index: usize) -> (c_int, usize) {
        let (_, position) = self.piece_span(index);
        for first in (0..=index).rev() {
            let fd = self.pieces[first].fd.load(Ordering::Acquire);
            if fd >= 0 {
                return (fd, position - self.piece_span(first).1);
            }
        }
        (self.fd, position)
    }

    /// Leaves a piece for the next one that may hold `size` bytes. That one is mapped before:
    /// a request that no piece can hold changes nothing.
    pub(super) fn go_on(&self, index: usize, size: usize, align: usize) -> Result<(), Error> {
        let next = (index + 1..PIECES)
            .find(|next| self.piece_span(*next).0 >= size)
            .ok_or(Error::NoMemory)?;
        if self.pieces[next].base.load(Ordering::Acquire) == 0 {
            self.map_piece(next, align)?;
        }
        // Another thread may have gone on, too.
        let _ = self
            .current
            .compare_exchange(index, next, Ordering::AcqRel, Ordering::Relaxed);
        Ok(())
    }

    /// Maps a piece at a multiple of `align`, unless another thread maps it; its address.
    pub(super) fn map_piece(&self, index: usize, align: usize) -> Result<usize, Error> {
        let (length, _) = self.piece_span(index);
        if self.is_lost(index) && !self.begin_anew(index) {
            return Err(Error::NoMemory);
        }
        for piece in &self.pieces[..=index] {
            let (done, seen) = (Ordering::AcqRel, Ordering::Relaxed);
            let _ = piece.fd.compare_exchange(UNDECIDED, SAME, done, seen);
        }
        let (fd, offset) = self.piece_file(index);
        let base = map_shared(fd, length, offset, align.max(PIECE_ALIGN))?;
        let piece = &self.pieces[index];
        piece.taken.prepare(length);
        if can_populate(base) && touching_allocates(fd) {
            piece.granules.prepare(length);
        }
        match piece
            .base
            .compare_exchange(0, base, Ordering::AcqRel, Ordering::Acquire)
        {
            Ok(_) => Ok(base),
            Err(theirs) => {
                // SAFETY: nobody has seen our mapping.
                unsafe { libc::munmap(base as *mut _, length) };
                Ok(theirs)
            }
        }
    }

    /// Where a range of addresses is, which a heap has been given.
    pub(super) fn place(&self, address: usize, size: usize) -> Option<Place<'_>> {
        (0..PIECES).find_map(|index| {
            let piece = &self.pieces[index];
            let base = piece.base.load(Ordering::Acquire);
            let (length, _) = self.piece_span(index);
            (base != 0 && address >= base && address - base < length).then(|| {
                let (fd, start) = self.piece_file(index);
                Place {
                    piece,
                    index,
                    length,
                    range: address - base..address - base + size,
                    fd,
                    start,
                }
            })
        })
    }

    /// The file has reached the size that the system allows: goes on in another one,
    /// if that can hold `size` bytes. The next piece is in it.
    pub(super) fn another_file(&self, index: usize, size: usize) -> bool {
        let Some(next) = self.pieces.get(index + 1) else {
            return false;
        };
        let Ok(fd) = temporary_file(self.dir()) else {
            return false;
        };
        let usable = allocate_blocks(fd, 0, size).is_ok();
        let installed = usable
            && next
                .fd
                .compare_exchange(UNDECIDED, fd, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok();
        if installed {
            next.identity.set(fd);
        } else {
            // SAFETY: nobody has seen our descriptor.
            unsafe { libc::close(fd) };
        }
        if usable {
            let _ = self.current.compare_exchange(
                index,
                index + 1,
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
        }
        usable
    }
}

/// Maps part of a file shared, at a multiple of `align`, a power of two of at least a page.
fn map_shared(fd: c_int, length: usize, offset: usize, align: usize) -> Result<usize, Error> {
    let padded = length.checked_add(align).ok_or(Error::NoMemory)?;
    let offset = libc::off_t::try_from(offset).map_err(|_| Error::NoMemory)?;
    // SAFETY: reserves fresh addresses, then maps the file inside them; the parts cut
    // off have not been seen by anybody.
    unsafe {
        let reserved = libc::mmap(
            ptr::null_mut(),
            padded,
            libc::PROT_NONE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        );
        if reserved == libc::MAP_FAILED {
            log::error!("syscall mmap() returned: {}.", log::errno());
            return Err(Error::NoMemory);
        }
        let reserved = reserved as usize;
        let base = (reserved + align - 1) & !(align - 1);
        let mapped = libc::mmap(
            base as *mut _,
            length,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_FIXED,
            fd,
            offset,
        );
        if mapped == libc::MAP_FAILED {
            log::error!("syscall mmap() returned: {}.", log::errno());
            libc::munmap(reserved as *mut _, padded);
            return Err(Error::NoMemory);
        }
        if base > reserved {
            libc::munmap(reserved as *mut _, base - reserved);
        }
        let tail = reserved + padded - (base + length);
        if tail > 0 {
            libc::munmap((base + length) as *mut _, tail);
        }
        Ok(base)
    }
}
