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
mod fill;
mod lost;
mod pages;
mod pieces;
mod snapshot;
mod unmapped;

pub use snapshot::{child_after_fork, parent_after_fork, prepare_fork, set_fork};

use core::ffi::{CStr, c_char, c_int};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::ffi::CString;

use blocks::{Fill, remove, statvfs, statvfs_of_dir};
use lost::Identity;
use pieces::{PIECES, Piece, Span};

use super::temporary::temporary_file;
use super::units::UNIT;
use super::{Extent, PAGE, keeps_freed_memory, round_up};
use crate::boxed::{boxed, boxed_slice};
use crate::error::Error;
use crate::log;

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
    /// The longest piece that may still be mappable.
    longest: AtomicUsize,
    /// Bytes whose blocks are there, or asked for, in advance.
    ahead: AtomicUsize,
    /// How many more requests are to take nothing in advance.
    tight: AtomicU32,
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
        unmapped::try_again();
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
            longest: AtomicUsize::new(usize::MAX),
            ahead: AtomicUsize::new(0),
            tight: AtomicU32::new(0),
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
            let more = if piece.span().is_some() {
                match self.take_of(index, size, align, memory) {
                    Of::Taken(extent) => return Ok(extent),
                    Of::Refused => return Err(Error::NoMemory),
                    Of::Elsewhere if self.another_file(index, size) => continue,
                    Of::Elsewhere => return Err(Error::NoMemory),
                    Of::NoRoom => self.go_on(index, size, align),
                }
            } else {
                self.map_piece(index, size, align)
            };
            if more.is_ok() {
                continue;
            }
            // An earlier piece may have been left for a larger request.
            return (0..index)
                .rev()
                .find_map(|earlier| match self.take_of(earlier, size, align, memory) {
                    Of::Taken(extent) => Some(extent),
                    _ => None,
                })
                .ok_or(Error::NoMemory);
        }
    }

    /// Takes a range of a piece that is mapped.
    fn take_of(&self, index: usize, size: usize, align: usize, memory: bool) -> Of {
        let piece = &self.pieces[index];
        let Some(span) = piece.span() else {
            return Of::NoRoom;
        };
        let order = Ordering::Relaxed;
        let range = |used| {
            let address = round_up(span.base + used, align)?;
            let after = address.checked_add(size)? - span.base;
            (after <= span.length).then_some((address, after))
        };
        let after = |used| range(used).map(|(_, after)| after);
        let Ok(used) = piece.used.fetch_update(order, order, after) else {
            return Of::NoRoom;
        };
        let Some((address, after)) = range(used) else {
            return Of::NoRoom;
        };
        let filled = if memory {
            self.fill(address, size)
        } else {
            self.reach(address + size - PAGE)
        };
        let Err(error) = filled else {
            return Of::Taken(Extent {
                address,
                zeroed: true,
                memory,
            });
        };
        // Nobody else took more meanwhile: the addresses are free again.
        let _ = piece.used.compare_exchange(after, used, order, order);
        match error {
            Fill::NoSpace => Of::Refused,
            // What is at the front of a file is too large for another one, too.
            Fill::FileTooLarge if used == 0 && self.piece_file(index).1 == 0 => Of::Refused,
            Fill::FileTooLarge | Fill::Lost => Of::Elsewhere,
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
            && !other.no_holes.load(Ordering::Relaxed)
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
        let place = self.place(address, size);
        if !remove(address, size) {
            match log::errno() {
                // What is locked in memory goes by the file.
                libc::EINVAL if self.punch_locked(place.as_ref()) => {}
                libc::EOPNOTSUPP => {
                    if !self.no_holes.swap(true, Ordering::Relaxed) {
                        log::error!("Filesystem doesn't support FALLOC_FL_PUNCH_HOLE.");
                    }
                    return false;
                }
                _ => return false,
            }
        }
        if let Some(place) = place {
            place.piece.pages.give_back(&place.range);
        }
        self.current_size.fetch_sub(size, Ordering::Relaxed);
        true
    }

    pub(super) fn for_each_range(&self, mut each: impl FnMut(usize, usize)) {
        for piece in &self.pieces {
            let used = piece.used.load(Ordering::Relaxed);
            if let Some(span) = piece.span().filter(|_| used != 0) {
                each(span.base, used);
            }
        }
    }
}

/// How a piece has answered a request.
enum Of {
    Taken(Extent),
    /// It is not long enough.
    NoRoom,
    Refused,
    /// Its file is of no use any more.
    Elsewhere,
}

impl Drop for File {
    fn drop(&mut self) {
        let lost = !self.identity.is(self.fd);
        for index in 0..PIECES {
            if let Some(Span { base, length }) = self.pieces[index].span() {
                if !unmapped::unmap(base, length) && !self.is_inherited() {
                    // The mapping keeps the file. Its blocks go at least.
                    let place = self.place(base, length);
                    let _ = remove(base, length) || self.punch_locked(place.as_ref());
                }
            }
        }
        for piece in &mut self.pieces {
            let fd = *piece.fd.get_mut();
            if fd >= 0 && piece.identity.is(fd) {
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
