//! A temporary file, mapped in a few large pieces and filled from the front.
//!
//! A piece is mapped as a whole and unmapped only with the kind: unmapping parts of
//! it would let jemalloc join extents of two kinds that happen to be neighbours. The
//! file system's blocks are allocated before the heap uses the memory, so a full file
//! system is ENOMEM and not SIGBUS (unless it needs room for its own records at the
//! first write, as ext4 may), and are given back as holes. Growth in advance takes
//! addresses only: neither blocks nor a part of the limit.
//!
//! | module | contents, lowest first |
//! |---|---|
//! | `blocks` | calls to the file system |
//! | `descriptor` | opening a file, and whether a descriptor still means it |
//! | `pages` | which pages have blocks |
//! | `piece`, `record` | the record of a file and its pieces |
//! | `pieces`, `fill`, `snapshot` | mapping, filling, copying after fork |
//! | `unmapped` | addresses that are still to be unmapped |
//!
//! After fork the mappings would be shared, and the child would write into its
//! parent's heap. `after_fork_in_child` turns the child's into private ones, or copies
//! the file (`snapshot`).

mod blocks;
mod descriptor;
mod fill;
mod pages;
mod piece;
mod pieces;
mod record;
mod snapshot;
mod unmapped;

pub use descriptor::dax_path;
pub use record::File;
pub use snapshot::{child_after_fork, parent_after_fork, prepare_fork, set_fork};

use core::ffi::CStr;
use core::sync::atomic::Ordering;
use std::ffi::CString;

use blocks::{Fill, remove, statvfs, statvfs_of_dir};
use descriptor::temporary_file;
use piece::{PIECES, Span};

use super::base::{Extent, cut, growth, keeps_freed_memory, page_size};
use crate::boxed::boxed_slice;
use crate::error::Error;
use crate::log;

impl File {
    /// Creates a file without a name and without blocks in `dir`. It may hold up to `limit` bytes;
    /// 0 is no limit.
    ///
    /// # Errors
    /// `Invalid` with `errno` when no file can be made in `dir`; `Malloc`.
    pub fn create(dir: &CStr, limit: usize) -> Result<Box<Self>, Error> {
        unmapped::try_again();
        let bytes = boxed_slice(dir.to_bytes_with_nul().iter().copied())?.into_vec();
        let copy = CString::from_vec_with_nul(bytes).map_err(|_| Error::Invalid)?;
        Self::open(temporary_file(dir)?, copy, limit)
    }

    /// The most bytes that the file may hold: its limit, or the size of the file system.
    ///
    /// # Errors
    /// `Runtime` with `errno` when the file system cannot be asked.
    pub fn capacity(&self) -> Result<usize, Error> {
        self.limit()
            .or_else(|| self.system_size())
            .ok_or(Error::Runtime)
    }

    /// The size of the file system; `None` with `errno` if it cannot be asked, which a sandbox may forbid for a
    /// descriptor, for a name, or for both.
    fn system_size(&self) -> Option<usize> {
        let of_file = || statvfs(self.piece_file(0).0);
        let status = (!self.is_lost(0)).then(of_file).flatten();
        let status = status.or_else(|| statvfs_of_dir(self.dir()))?;
        usize::try_from(status.f_blocks * status.f_frsize).ok()
    }

    /// The most bytes by which a heap should grow beyond what it needs. Keeps `errno`.
    pub(in crate::backing) fn growth(&self) -> usize {
        let errno = log::errno();
        let capacity = self.capacity().unwrap_or(usize::MAX);
        log::set_errno(errno);
        growth(capacity)
    }

    /// Takes an extent of `size` bytes at a multiple of `align`; without `memory` it is addresses
    /// only.
    pub(in crate::backing) fn take(
        &self,
        size: usize,
        align: usize,
        memory: bool,
    ) -> Result<Extent, Error> {
        // A forked child maps private memory over each extent that it takes.
        if !self.inherited.load(Ordering::Relaxed) {
            // More addresses than the file can hold are never usable. A ramfs reports size 0; a file system that
            // cannot be asked is not full for that.
            let most = if self.is_narrow() {
                Some(self.max_size)
            } else {
                self.system_size()
            };
            if most.is_some_and(|most| most != 0 && size > most) {
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
        let Some(cut) = cut(&piece.used, (span.base, span.length), size, align) else {
            return Of::NoRoom;
        };
        let address = cut.address;
        let filled = if memory {
            self.fill(address, size)
        } else {
            self.reach(address + size - page_size())
        };
        let Err(error) = filled else {
            return Of::Taken(Extent {
                address,
                zeroed: true,
                memory,
            });
        };
        // Unless another thread has taken more, the addresses are free again.
        let order = Ordering::Relaxed;
        let _ = piece
            .used
            .compare_exchange(cut.after, cut.before, order, order);
        match error {
            Fill::NoSpace => Of::Refused,
            // A request that is too large at the front of a file is too large for another file.
            Fill::FileTooLarge if cut.before == 0 && self.piece_file(index).1 == 0 => Of::Refused,
            Fill::FileTooLarge | Fill::Lost => Of::Elsewhere,
        }
    }

    /// Bytes that the limit leaves; `usize::MAX` without a limit.
    pub(in crate::backing) fn left(&self) -> usize {
        self.limit()
            .map_or(usize::MAX, |limit| limit.saturating_sub(self.held()))
    }

    /// Whether `other` can take blocks that this file gives back: both are on one file system.
    pub(in crate::backing) fn shares(&self, other: &Self) -> bool {
        !keeps_freed_memory()
            && !self.is_inherited()
            && !other.is_inherited()
            && !other.no_holes.load(Ordering::Relaxed)
            && self.identity.is_beside(&other.identity)
    }

    /// Bytes left in the file system; 0 if unknown. Keeps `errno`.
    pub fn left_beside(&self) -> usize {
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

    /// [`super::Backing::take_again`] of this source.
    pub(in crate::backing) fn take_again(&self, address: usize, size: usize) -> Result<(), Error> {
        self.charge(size)?;
        self.fill(address, size).map_err(|_| {
            self.current_size.fetch_sub(size, Ordering::Relaxed);
            Error::NoMemory
        })
    }

    /// [`super::Backing::give_back`] of this source.
    ///
    /// # Safety
    /// No live block is in the range, which the heap has taken from this file.
    pub(in crate::backing) unsafe fn give_back(&self, address: usize, size: usize) -> bool {
        if keeps_freed_memory()
            || self.inherited.load(Ordering::Relaxed)
            || self.no_holes.load(Ordering::Relaxed)
        {
            return false;
        }
        let place = self.place(address, size);
        if !remove(address, size) {
            match log::errno() {
                // Pages locked in memory can only be given back through the file.
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

    /// [`super::Backing::for_each_range`] of this source.
    pub(in crate::backing) fn for_each_range(&self, mut each: impl FnMut(usize, usize)) {
        for piece in &self.pieces {
            let used = piece.used.load(Ordering::Relaxed);
            if let Some(span) = piece.span().filter(|_| used != 0) {
                each(span.base, used);
            }
        }
    }
}

/// The result of a request to a piece.
enum Of {
    Taken(Extent),
    /// The piece has too few free bytes.
    NoRoom,
    Refused,
    /// The file of the piece is full or lost.
    Elsewhere,
}

impl Drop for File {
    fn drop(&mut self) {
        let lost = !self.identity.is(self.fd);
        for index in 0..PIECES {
            if let Some(Span { base, length }) = self.pieces[index].span() {
                // SAFETY: a mapping of the file, whose heap is gone.
                if !unsafe { unmapped::unmap(base, length) } && !self.is_inherited() {
                    // The mapping keeps the file, but not its blocks.
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
