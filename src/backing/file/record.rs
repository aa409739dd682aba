//! The record of a file, and where its pieces and their descriptors are.

use core::ffi::{CStr, c_char, c_int};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::ffi::CString;

use super::descriptor::Identity;
use super::piece::{LONGEST, PIECES, Piece, Place};
use crate::boxed::{boxed, boxed_slice};
use crate::error::Error;
use crate::log;

/// A temporary file as a source of extents.
///
/// Compiled programs read the first fields through the kind's `priv` pointer, so these keep their
/// places.
#[repr(C)]
pub struct File {
    pub(super) fd: c_int,
    pub(super) offset: AtomicUsize,
    pub(super) max_size: usize,
    /// The original's mutex; unused.
    pub(super) lock: [u8; size_of::<libc::pthread_mutex_t>()],
    pub(super) current_size: AtomicUsize,
    pub(super) dir: *const c_char,
    /// [`PIECES`] of them, apart from the record: stacks may be small.
    pub(super) pieces: Box<[Piece]>,
    /// The index of the piece from which extents are taken.
    pub(super) current: AtomicUsize,
    /// The longest piece that may still be mappable.
    pub(super) longest: AtomicUsize,
    /// Bytes whose blocks have been taken, or asked for, in advance.
    pub(super) ahead: AtomicUsize,
    /// Number of further requests that take nothing in advance.
    pub(super) tight: AtomicU32,
    /// Set in a forked child: the file belongs to the parent.
    pub(super) inherited: AtomicBool,
    /// Set once the file system has refused to punch a hole.
    pub(super) no_holes: AtomicBool,
    /// The file that `fd` meant at first.
    pub(super) identity: Identity,
}

// SAFETY: `dir` is only written at creation and points at memory the value owns; all
// other state is atomic or constant.
unsafe impl Sync for File {}
// SAFETY: `dir` points at memory the value owns; nothing is tied to the creating thread.
unsafe impl Send for File {}

impl File {
    /// Makes the record of an open file. Not inlined: `create` needs stack for a path, and stacks
    /// may be small.
    #[inline(never)]
    pub(super) fn open(fd: c_int, dir: CString, limit: usize) -> Result<Box<Self>, Error> {
        let identity = Identity::new();
        identity.set(fd);
        let pieces = boxed_slice((0..PIECES).map(|_| Piece::new())).inspect_err(|_| {
            // SAFETY: the descriptor is this function's to close until the record has it.
            unsafe { libc::close(fd) };
        })?;
        boxed(Self {
            fd,
            offset: AtomicUsize::new(0),
            max_size: limit,
            lock: [0; size_of::<libc::pthread_mutex_t>()],
            current_size: AtomicUsize::new(0),
            dir: dir.into_raw(),
            pieces,
            current: AtomicUsize::new(0),
            longest: AtomicUsize::new(usize::MAX),
            ahead: AtomicUsize::new(0),
            tight: AtomicU32::new(0),
            inherited: AtomicBool::new(false),
            no_holes: AtomicBool::new(false),
            identity,
        })
    }

    /// The descriptor, open for the life of the kind.
    pub const fn descriptor(&self) -> i32 {
        self.fd
    }

    /// The directory of the file.
    pub(super) fn dir(&self) -> &CStr {
        // SAFETY: the string that `create` made, which lives as long as `self`.
        unsafe { CStr::from_ptr(self.dir) }
    }

    /// Whether the file is the parent's, in a forked child.
    pub fn is_inherited(&self) -> bool {
        self.inherited.load(Ordering::Relaxed)
    }

    /// The limit in bytes, if there is one.
    pub fn limit(&self) -> Option<usize> {
        (self.max_size != 0).then_some(self.max_size)
    }

    /// Bytes that the heap has taken and not given back.
    pub fn held(&self) -> usize {
        self.current_size.load(Ordering::Relaxed)
    }

    /// Whether there is a limit, and one piece can be as long.
    pub(super) const fn is_narrow(&self) -> bool {
        self.max_size != 0 && self.max_size <= LONGEST
    }

    /// The descriptor of a piece's file, and the piece's offset there in bytes. The pieces before
    /// it are mapped.
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

    /// The place of a range of addresses that the heap has taken.
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

    /// Whether the descriptor of a piece's file no longer means that file.
    pub(super) fn is_lost(&self, index: usize) -> bool {
        let (fd, _) = self.piece_file(index);
        let identity = self.identity_of(index);
        let lost = !identity.is(fd);
        if lost && identity.is_news() {
            log::error!("Descriptor {fd} of a file-backed kind was closed by the program.");
        }
        lost
    }

    /// The identity of a piece's file.
    pub(super) fn identity_of(&self, index: usize) -> &Identity {
        let begins = (0..=index)
            .rev()
            .find(|first| self.pieces[*first].fd.load(Ordering::Acquire) >= 0);
        begins.map_or(&self.identity, |first| &self.pieces[first].identity)
    }
}
