//! A piece of a file: where it is in memory and in the file.
//!
//! A piece is as long as the whole limit, or longer than the one before, so that there are few:
//! extents are not joined across their borders. Where addresses are limited (RLIMIT_AS), a piece
//! is as long as the limit allows; where all mappings are locked (`mlockall`) and so count as
//! memory, it is as long as all pieces before it together.

use core::ffi::c_int;
use core::ops::Range;
use core::sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering};

use super::descriptor::Identity;
use super::pages::Pages;
use crate::backing::base::page_size;
use crate::log;

/// Pieces that a file can have: more than are needed where each is longer than the one before.
pub(super) const PIECES: usize = 64;
/// The fewest bytes that are wished for a piece.
pub(super) const FIRST_PIECE: usize = 64 << 20;
/// The largest limit, in bytes, for which one piece is as long as the whole limit.
pub(super) const LONGEST: usize = 1 << 40;
/// Pieces begin at a multiple of this, so that huge and DAX pages fit, and are not shorter.
pub(super) const PIECE_UNIT: usize = 2 << 20;

/// The value of `fd` for a piece that may still begin a file: neither it nor a later piece is mapped.
pub(super) const UNDECIDED: c_int = -1;
/// The value of `fd` for a piece in the file of the piece before.
pub(super) const SAME: c_int = -2;

/// A mapped part of the file.
pub(super) struct Piece {
    /// The addresses at which it is mapped.
    pub(super) span: AtomicSpan,
    /// Bytes handed out, from the front.
    pub(super) used: AtomicUsize,
    /// The descriptor of a file that begins with this piece, or [`UNDECIDED`], or [`SAME`].
    pub(super) fd: AtomicI32,
    /// The identity of the file of `fd`.
    pub(super) identity: Identity,
    /// The state of its pages.
    pub(super) pages: Pages,
}

/// A range of addresses; both are multiples of [`PIECE_UNIT`].
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) base: usize,
    pub(super) length: usize,
}

/// A [`Span`] that is read and written as a whole; 0 for none.
pub(super) struct AtomicSpan(AtomicU64);

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

    /// Sets the span unless it is set, and returns whether it did.
    pub(super) fn set(&self, span: Span) -> bool {
        let (done, seen) = (Ordering::AcqRel, Ordering::Relaxed);
        let set = self.0.compare_exchange(0, span.packed(), done, seen);
        set.is_ok()
    }
}

/// The place of a range of addresses in a piece and in the file.
pub(super) struct Place<'a> {
    pub(super) piece: &'a Piece,
    pub(super) index: usize,
    /// The range, in bytes from the beginning of the piece.
    pub(super) range: Range<usize>,
    pub(super) fd: c_int,
    /// Offset of the piece in the file, in bytes.
    pub(super) start: usize,
}

impl Piece {
    /// A piece that is not mapped yet.
    pub(super) const fn new() -> Self {
        Self {
            span: AtomicSpan(AtomicU64::new(0)),
            used: AtomicUsize::new(0),
            fd: AtomicI32::new(UNDECIDED),
            identity: Identity::new(),
            pages: Pages::new(),
        }
    }

    /// The addresses at which the piece is mapped, if it is.
    pub(super) fn span(&self) -> Option<Span> {
        self.span.get()
    }

    pub(super) fn length(&self) -> usize {
        self.span().map_or(0, |span| span.length)
    }
}

/// Whether new mappings are locked in memory (MCL_FUTURE). `address` is that of a mapping without
/// contents.
pub(super) fn is_locked(address: usize) -> bool {
    // SAFETY: our own mapping, which has no contents.
    let status = unsafe { libc::madvise(address as *mut _, page_size(), libc::MADV_DONTNEED) };
    status != 0 && log::errno() == libc::EINVAL
}
