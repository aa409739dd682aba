//! The pieces of a file: where each is in memory and in the file.
//!
//! A piece is as long as the whole limit, or longer than the one before, so that there are
//! few: nothing is joined across their borders. Addresses may be limited, though (RLIMIT_AS),
//! and where all mappings are locked (`mlockall`) they count as memory. A piece is then as long
//! as can be had, or as is in proportion to what there is already.

use core::ffi::c_int;
use core::ops::Range;
use core::ptr;
use core::sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering};

use super::super::{PAGE, can_populate, round_up};
use super::blocks::{allocate_blocks, touching_allocates};
use super::lost::Identity;
use super::pages::Pages;
use super::{File, temporary_file};
use crate::error::Error;
use crate::log;

/// Pieces a file can have: many more than are needed where each is longer than the one before.
/// A limit above `LONGEST` is as none, since so much need not be mappable at once.
pub(super) const PIECES: usize = 64;
const FIRST_PIECE: usize = 64 << 20;
const LONGEST: usize = 1 << 40;
/// Pieces begin at a multiple of this, so that huge and DAX pages fit, and are not shorter.
const PIECE_UNIT: usize = 2 << 20;

/// No descriptor yet: until the piece, or one behind it, is mapped it may begin a file.
const UNDECIDED: c_int = -1;
/// No descriptor: it is mapped from the file of the piece before.
const SAME: c_int = -2;

/// A mapped part of the file.
pub(super) struct Piece {
    /// Where it is mapped.
    span: AtomicSpan,
    /// Bytes handed out, from the front.
    pub(super) used: AtomicUsize,
    /// The file from this piece on; [`UNDECIDED`], or [`SAME`] as the piece before.
    pub(super) fd: AtomicI32,
    /// Which one that is.
    pub(super) identity: Identity,
    /// What is known of its pages.
    pub(super) pages: Pages,
}

/// A range of addresses; both are multiples of [`PIECE_UNIT`].
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) base: usize,
    pub(super) length: usize,
}

/// A [`Span`] that is seen as a whole; 0 for none.
struct AtomicSpan(AtomicU64);

impl Span {
    const fn packed(self) -> u64 {
        ((self.base / PIECE_UNIT) as u64) << 32 | (self.length / PIECE_UNIT) as u64
    }

    const fn unpacked(packed: u64) -> Option<Self> {
        if packed == 0 {
            return None;
        }
        Some(Self {
            base: (packed >> 32) as usize * PIECE_UNIT,
            length: (packed & u32::MAX as u64) as usize * PIECE_UNIT,
        })
    }
}

impl AtomicSpan {
    fn get(&self) -> Option<Span> {
        Span::unpacked(self.0.load(Ordering::Acquire))
    }

    /// Sets it unless it is set; whether it was not.
    fn set(&self, span: Span) -> bool {
        let (done, seen) = (Ordering::AcqRel, Ordering::Relaxed);
        let set = self.0.compare_exchange(0, span.packed(), done, seen);
        set.is_ok()
    }
}

/// Where a range of addresses is.
pub(super) struct Place<'a> {
    pub(super) piece: &'a Piece,
    pub(super) index: usize,
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
            span: AtomicSpan(AtomicU64::new(0)),
            used: AtomicUsize::new(0),
            fd: AtomicI32::new(UNDECIDED),
            identity: Identity::new(),
            pages: Pages::new(),
        }
    }

    /// Where it is mapped, if it is.
    pub(super) fn span(&self) -> Option<Span> {
        self.span.get()
    }

    fn length(&self) -> usize {
        self.span().map_or(0, |span| span.length)
    }
}

impl File {
    /// Whether the limit is one that a piece can be as long as.
    pub(super) const fn is_narrow(&self) -> bool {
        self.max_size != 0 && self.max_size <= LONGEST
    }

    /// How long a piece should be.
    fn wished(&self, index: usize) -> usize {
        if self.is_narrow() {
            return self.max_size.max(FIRST_PIECE);
        }
        let before = index.checked_sub(1).map(|before| &self.pieces[before]);
        before
            .map_or(0, Piece::length)
            .saturating_mul(2)
            .max(FIRST_PIECE)
    }

    /// The file that a piece is in, and where it begins there. The pieces before are mapped.
    pub(super) fn piece_file(&self, index: usize) -> (c_int, usize) {
        let mut position = 0;
        for first in (0..=index).rev() {
            let fd = self.pieces[first].fd.load(Ordering::Acquire);
            if fd >= 0 {
                return (fd, position);
            }
            position += first
                .checked_sub(1)
                .map_or(0, |before| self.pieces[before].length());
        }
        (self.fd, position)
    }

    /// Leaves a piece for the next one, for a request of `size` bytes. That one is mapped
    /// before: a request that cannot be met changes nothing.
    pub(super) fn go_on(&self, index: usize, size: usize, align: usize) -> Result<(), Error> {
        let next = index + 1;
        let piece = self.pieces.get(next).ok_or(Error::NoMemory)?;
        if piece.span().is_none() {
            self.map_piece(next, size, align)?;
        }
        // Another thread may have gone on, too.
        let _ = self
            .current
            .compare_exchange(index, next, Ordering::AcqRel, Ordering::Relaxed);
        Ok(())
    }

    /// Maps a piece at a multiple of `align`, for `size` bytes at least, unless another thread
    /// maps it.
    pub(super) fn map_piece(&self, index: usize, size: usize, align: usize) -> Result<(), Error> {
        if self.is_lost(index) && !self.begin_anew(index) {
            return Err(Error::NoMemory);
        }
        for piece in &self.pieces[..=index] {
            let (done, seen) = (Ordering::AcqRel, Ordering::Relaxed);
            let _ = piece.fd.compare_exchange(UNDECIDED, SAME, done, seen);
        }
        let (fd, offset) = self.piece_file(index);
        let least = round_up(size.max(1), PIECE_UNIT).ok_or(Error::NoMemory)?;
        let span = self.map_wished(self.wished(index), least, |length, reserved| {
            map_shared(fd, length, offset, align.max(PIECE_UNIT), reserved)
        })?;
        let piece = &self.pieces[index];
        let advances = can_populate(span.base) && touching_allocates(fd);
        piece.pages.prepare(span.length, advances);
        if !piece.span.set(span) {
            // SAFETY: nobody has seen our mapping.
            unsafe { libc::munmap(span.base as *mut _, span.length) };
        }
        Ok(())
    }

    /// Maps as much of `wished` bytes as can be had, `least` at least. How much that was is
    /// known the next time: to be refused is not to become dear.
    fn map_wished(
        &self,
        wished: usize,
        least: usize,
        map: impl Fn(usize, Reserved<'_>) -> Option<usize>,
    ) -> Result<Span, Error> {
        let modest = || {
            let all = self.pieces.iter().map(Piece::length).sum::<usize>();
            all.max(least)
        };
        let mut length = wished.min(self.longest.load(Ordering::Relaxed)).max(least);
        loop {
            let mut locked = false;
            let mapped = map(length, &mut |reserved| {
                locked = length > modest() && is_locked(reserved);
                !locked
            });
            if let Some(base) = mapped {
                if length == self.longest.load(Ordering::Relaxed) {
                    self.longest
                        .store(length.saturating_mul(2), Ordering::Relaxed);
                }
                return Ok(Span { base, length });
            }
            if locked {
                length = modest();
                continue;
            }
            let half = length / 2 / PIECE_UNIT * PIECE_UNIT;
            self.longest
                .fetch_min(half.max(PIECE_UNIT), Ordering::Relaxed);
            if length <= least {
                log::error!("syscall mmap() returned: {}.", log::errno());
                return Err(Error::NoMemory);
            }
            length = half.max(least);
        }
    }

    /// Where a range of addresses is, which a heap has been given.
    pub(super) fn place(&self, address: usize, size: usize) -> Option<Place<'_>> {
        self.pieces.iter().enumerate().find_map(|(index, piece)| {
            let span = piece.span()?;
            let within = address.checked_sub(span.base)?;
            (within < span.length).then(|| {
                let (fd, start) = self.piece_file(index);
                Place {
                    piece,
                    index,
                    range: within..within + size,
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

/// Asked of addresses that are reserved, before they are used: whether to go on.
type Reserved<'a> = &'a mut dyn FnMut(usize) -> bool;

/// Whether what is mapped is locked in memory from the start (MCL_FUTURE). `address` is that of
/// a mapping without contents.
fn is_locked(address: usize) -> bool {
    // SAFETY: our own mapping, which has no contents.
    let status = unsafe { libc::madvise(address as *mut _, PAGE, libc::MADV_DONTNEED) };
    status != 0 && log::errno() == libc::EINVAL
}

/// Maps part of a file shared, at a multiple of `align`, a power of two of at least a page.
/// `None` with `errno`, or if `reserved` says no.
fn map_shared(
    fd: c_int,
    length: usize,
    offset: usize,
    align: usize,
    reserved: Reserved<'_>,
) -> Option<usize> {
    let padded = length.checked_add(align)?;
    let offset = libc::off_t::try_from(offset).ok()?;
    // SAFETY: reserves fresh addresses, then maps the file inside them; the parts cut
    // off have not been seen by anybody.
    unsafe {
        let start = libc::mmap(
            ptr::null_mut(),
            padded,
            libc::PROT_NONE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        );
        if start == libc::MAP_FAILED {
            return None;
        }
        let start = start as usize;
        let base = (start + align - 1) & !(align - 1);
        let mapped = if reserved(start) {
            libc::mmap(
                base as *mut _,
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_FIXED,
                fd,
                offset,
            )
        } else {
            libc::MAP_FAILED
        };
        if mapped == libc::MAP_FAILED {
            let errno = log::errno();
            libc::munmap(start as *mut _, padded);
            log::set_errno(errno);
            return None;
        }
        if base > start {
            libc::munmap(start as *mut _, base - start);
        }
        let tail = start + padded - (base + length);
        if tail > 0 {
            libc::munmap((base + length) as *mut _, tail);
        }
        Some(base)
    }
}
