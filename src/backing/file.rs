//! A temporary file, mapped in a few large pieces and filled from the front.
//!
//! A piece is mapped as a whole and unmapped only with the kind: unmapping parts of
//! it would let jemalloc join extents of two kinds that happen to be neighbours. The
//! file system's blocks are allocated before the heap uses the memory, so a full file
//! system is ENOMEM and not SIGBUS (unless it wants room for records of its own at the
//! first write, as ext4 may), and are given back as holes. What the heap takes in
//! advance is addresses only: neither blocks nor a part of the limit.
//!
//! After fork the mappings would be shared, and the child would write into its
//! parent's heap. `after_fork_in_child` turns the child's into private ones, or copies
//! the file (`snapshot`).

mod blocks;
mod granules;
mod lost;
mod pieces;
mod snapshot;
mod taken;

pub use snapshot::{child_after_fork, parent_after_fork, prepare_fork, set_fork};

use core::ffi::{CStr, c_char, c_int};
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::ffi::CString;

use blocks::{
    Fill, allocate_blocks, free_bytes, map_over, punch, statvfs, statvfs_of_dir,
    try_allocate_blocks,
};
use granules::Claim;
use lost::Identity;
use pieces::{PIECES, Piece};

use super::temporary::temporary_file;
use super::units::UNIT;
use super::{Extent, PAGE, keeps_freed_memory, populate, round_up};
use crate::boxed::{boxed, boxed_slice};
use crate::error::Error;
use crate::log;

/// Requests from this size on are compared with what the file system has first: one
/// that cannot succeed would still fill it for a moment, and use up addresses.
const LARGE: usize = 64 << 10;
/// By how much a heap grows at most. It is addresses, but pieces are few.
const GROWTH: usize = 1 << 30;

/// A temporary file as a source of extents.
///
/// Compiled programs read the first fields through the kind's `priv` pointer, hence
/// the layout.
#[repr(C)]
pub struct File {
    fd: c_int,
    offset: AtomicUsize,
    max_size: usize,
    /// Where the original has its mutex; unused here.
    lock: [u8; 40],
    current_size: AtomicUsize,
    dir: *const c_char,
    pieces: [Piece; PIECES],
    current: AtomicUsize,
    /// Set in a forked child: the file belongs to the parent.
    inherited: AtomicBool,
    /// Set once the file system has refused to punch a hole.
    no_holes: AtomicBool,
    /// Of the first file.
    identity: Identity,
}

// SAFETY: `dir` is only written at creation and points at memory the value owns; all
// other state is atomic or constant.
unsafe impl Sync for File {}
// SAFETY: as above, nothing is tied to the creating thread.
unsafe impl Send for File {}

impl File {
    /// Creates the file in `dir`; it has no name left and holds no blocks yet.
    /// `limit` is the most bytes it may hold, 0 for as many as the file system has.
    /// `Invalid` with `errno` when the directory cannot be used; `Malloc`.
    pub fn create(dir: &CStr, limit: usize) -> Result<Box<Self>, Error> {
        let bytes = boxed_slice(dir.to_bytes_with_nul().iter().copied())?.into_vec();
        let copy = CString::from_vec_with_nul(bytes).map_err(|_| Error::Invalid)?;
        Self::open(temporary_file(dir)?, copy, limit)
    }

    /// Apart from what needs room for a path: stacks may be small.
    #[inline(never)]
    fn open(fd: c_int, dir: CString, limit: usize) -> Result<Box<Self>, Error> {
        boxed(Self {
            fd,
            offset: AtomicUsize::new(0),
            max_size: limit,
            lock: [0; 40],
            current_size: AtomicUsize::new(0),
            dir: dir.into_raw(),
            pieces: [const { Piece::new() }; PIECES],
            current: AtomicUsize::new(0),
            inherited: AtomicBool::new(false),
            no_holes: AtomicBool::new(false),
            identity: Identity::of(fd),
        })
    }

    /// The descriptor, open for the life of the kind.
    pub const fn descriptor(&self) -> i32 {
        self.fd
    }

    fn dir(&self) -> &CStr {
        // SAFETY: the string that `create` made, which lives as long as `self`.
        unsafe { CStr::from_ptr(self.dir) }
    }

    /// Whether the file is the parent's, in a forked child.
    pub fn is_inherited(&self) -> bool {
        self.inherited.load(Ordering::Relaxed)
    }

    /// The limit, if there is one.
    pub fn limit(&self) -> Option<usize> {
        (self.max_size != 0).then_some(self.max_size)
    }

    /// The most bytes the file may hold: its limit or the size of the file system.
    pub fn capacity(&self) -> Result<usize, Error> {
        self.limit().map_or_else(|| self.system_size(), Ok)
    }

    /// The size of the file system.
    fn system_size(&self) -> Result<usize, Error> {
        let status = if self.is_lost(0) {
            statvfs_of_dir(self.dir())
        } else {
            statvfs(self.piece_file(0).0)
        };
        let status = status.ok_or(Error::Runtime)?;
        usize::try_from(status.f_blocks * status.f_frsize).map_err(|_| Error::Runtime)
    }

    /// The most bytes by which a heap should grow beyond what it needs.
    pub(super) fn growth(&self) -> usize {
        let capacity = self.capacity().unwrap_or(usize::MAX);
        (capacity / 4).clamp(UNIT, GROWTH)
    }

    /// See [`super::Backing::take`].
    pub(super) fn take(&self, size: usize, align: usize, memory: bool) -> Result<Extent, Error> {
        // A forked child maps memory of its own over all that it takes.
        if !self.inherited.load(Ordering::Relaxed) {
            // Addresses for more than the file can hold are of no use. A ramfs holds 0 bytes.
            let most = if self.is_narrow() {
                self.max_size
            } else {
                self.system_size()?
            };
            if most != 0 && size > most {
                return Err(Error::NoMemory);
            }
            if !memory {
                return self.take_range(size, align, false);
            }
        }
        self.charge(size)?;
        let result = self.take_range(size, align, true);
        if result.is_err() {
            self.current_size.fetch_sub(size, Ordering::Relaxed);
        }
        result
    }

    fn take_range(&self, size: usize, align: usize, memory: bool) -> Result<Extent, Error> {
        loop {
            let index = self.current.load(Ordering::Acquire);
            let piece = self.pieces.get(index).ok_or(Error::NoMemory)?;
            let (length, _) = self.piece_span(index);
            let base = match piece.base.load(Ordering::Acquire) {
                0 => self.map_piece(index, align)?,
                base => base,
            };
            let used = piece.used.load(Ordering::Relaxed);
            let address = round_up(base + used, align).ok_or(Error::NoMemory)?;
            let after = address.checked_add(size).ok_or(Error::NoMemory)? - base;
            if after > length {
                self.go_on(index, size, align)?;
                continue;
            }
            let taken =
                piece
                    .used
                    .compare_exchange_weak(used, after, Ordering::Relaxed, Ordering::Relaxed);
            if taken.is_err() {
                continue;
            }
            let filled = if memory {
                self.fill(address, size)
            } else {
                self.reach(address + size - PAGE)
            };
            if let Err(error) = filled {
                // Nobody else took more meanwhile: the addresses are free again.
                let _ =
                    piece
                        .used
                        .compare_exchange(after, used, Ordering::Relaxed, Ordering::Relaxed);
                let elsewhere = match error {
                    Fill::NoSpace => false,
                    // What is at the front of a file is too large for another one, too.
                    Fill::FileTooLarge => used != 0 || self.piece_file(index).1 != 0,
                    Fill::Lost => true,
                };
                if elsewhere && self.another_file(index, size) {
                    continue;
                }
                return Err(Error::NoMemory);
            }
            return Ok(Extent {
                address,
                zeroed: true,
                memory,
            });
        }
    }

    /// Bytes that the heap has been given and has not given back.
    pub fn held(&self) -> usize {
        self.current_size.load(Ordering::Relaxed)
    }

    pub(super) fn left(&self) -> usize {
        self.limit()
            .map_or(usize::MAX, |limit| limit.saturating_sub(self.held()))
    }

    /// Whether what one of two files gives back the other can have: they are on one file system.
    pub(super) fn shares(&self, other: &Self) -> bool {
        !keeps_freed_memory()
            && !self.is_inherited()
            && !other.is_inherited()
            && self.identity.is_beside(&other.identity)
    }

    /// Bytes that its file system has left; 0 if that cannot be told. Keeps `errno`.
    pub(super) fn left_beside(&self) -> usize {
        let errno = log::errno();
        let status = statvfs_of_dir(self.dir());
        log::set_errno(errno);
        let left = status.map_or(0, |status| status.f_bfree * status.f_frsize);
        usize::try_from(left).unwrap_or(usize::MAX)
    }

    /// Counts `size` bytes against the limit.
    fn charge(&self, size: usize) -> Result<(), Error> {
        let limit = self.limit().unwrap_or(usize::MAX);
        self.current_size
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| {
                now.checked_add(size).filter(|sum| *sum <= limit)
            })
            .map(|_| ())
            .map_err(|_| Error::NoMemory)
    }

    /// Whether the file may be so long that a page is in it: it then is.
    fn reach(&self, page: usize) -> Result<(), Fill> {
        let place = self.place(page, PAGE).ok_or(Fill::NoSpace)?;
        if self.is_lost(place.index) {
            return Err(Fill::Lost);
        }
        match try_allocate_blocks(place.fd, place.start + place.range.start, PAGE) {
            0 => Ok(()),
            libc::EFBIG => Err(Fill::FileTooLarge),
            _ => Err(Fill::NoSpace),
        }
    }

    /// Puts zeroed memory behind a range.
    fn fill(&self, address: usize, size: usize) -> Result<(), Fill> {
        if self.inherited.load(Ordering::Relaxed) {
            return map_over(address, size);
        }
        let place = self.place(address, size).ok_or(Fill::NoSpace)?;
        let own = &place.range;
        let granules = &place.piece.granules;
        if granules.are_filled(own) {
            place.piece.taken.set(own, true);
            return Ok(());
        }
        if self.is_lost(place.index) {
            self.fill_lost(address, size)?;
            place.piece.taken.set(own, true);
            return Ok(());
        }
        let missing = granules.missing(own);
        if missing >= LARGE && free_bytes(place.fd).is_some_and(|free| free < missing as u64) {
            return Err(Fill::NoSpace);
        }
        let Claim { wide, to_touch } = granules.claim(own, place.length);
        let position = |range: &Range<usize>| place.start + range.start;
        let mut done = false;
        if wide != *own {
            done = try_allocate_blocks(place.fd, position(&wide), wide.len()) == 0;
            granules.settle(&wide, own, place.length, done);
        }
        let filled = if done {
            Ok(())
        } else {
            allocate_blocks(place.fd, position(own), own.len())
        };
        let base = address - own.start;
        let touched = |range: &Range<usize>| populate(base + range.start, range.len());
        if filled.is_ok() && !to_touch.iter().flatten().all(touched) {
            punch(place.fd, position(own), own.len());
            granules.set_holes(own);
            return Err(Fill::NoSpace);
        }
        match filled {
            Ok(()) => {
                granules.settle(own, own, place.length, true);
                place.piece.taken.set(own, true);
            }
            Err(_) => granules.set_holes(own),
        }
        self.offset
            .fetch_max(place.start + own.end, Ordering::Relaxed);
        filled
    }

    pub(super) fn take_again(&self, address: usize, size: usize) -> Result<(), Error> {
        self.charge(size)?;
        self.fill(address, size).map_err(|_| {
            self.current_size.fetch_sub(size, Ordering::Relaxed);
            Error::NoMemory
        })
    }

    pub(super) fn give_back(&self, address: usize, size: usize) -> bool {
        if keeps_freed_memory()
            || self.inherited.load(Ordering::Relaxed)
            || self.no_holes.load(Ordering::Relaxed)
        {
            return false;
        }
        // SAFETY: the heap vouches that no live block lies in the range.
        if unsafe { libc::madvise(address as *mut _, size, libc::MADV_REMOVE) } != 0 {
            if log::errno() == libc::EOPNOTSUPP && !self.no_holes.swap(true, Ordering::Relaxed) {
                log::error!("Filesystem doesn't support FALLOC_FL_PUNCH_HOLE.");
            }
            return false;
        }
        if let Some(place) = self.place(address, size) {
            place.piece.granules.set_holes(&place.range);
            place.piece.taken.set(&place.range, false);
        }
        self.current_size.fetch_sub(size, Ordering::Relaxed);
        true
    }

    pub(super) fn for_each_range(&self, mut each: impl FnMut(usize, usize)) {
        for piece in &self.pieces {
            let base = piece.base.load(Ordering::Acquire);
            let used = piece.used.load(Ordering::Relaxed);
            if base != 0 && used != 0 {
                each(base, used);
            }
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let lost = !self.identity.is(self.fd);
        for index in 0..PIECES {
            let base = *self.pieces[index].base.get_mut();
            if base != 0 {
                let (length, _) = self.piece_span(index);
                // SAFETY: our own mapping; the heap on it has been destroyed.
                unsafe { libc::munmap(base as *mut _, length) };
            }
            let fd = *self.pieces[index].fd.get_mut();
            if fd >= 0 && self.pieces[index].identity.is(fd) {
                // SAFETY: our own descriptor.
                unsafe { libc::close(fd) };
            }
        }
        // SAFETY: our own descriptor; `dir` came from CString::into_raw.
        unsafe {
            if !lost {
                libc::close(self.fd);
            }
            drop(CString::from_raw(self.dir.cast_mut()));
        }
    }
}
