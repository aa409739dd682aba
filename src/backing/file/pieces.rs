//! Mapping further pieces of a file, and going on in another file where one is full or lost.

use core::sync::atomic::Ordering;

use super::blocks::{allocate_blocks, touching_allocates};
use super::descriptor::temporary_file;
use super::piece::{FIRST_PIECE, PIECE_UNIT, Piece, SAME, Span, UNDECIDED, is_locked};
use super::record::File;
use crate::backing::base::{can_populate, round_up};
use crate::error::Error;
use crate::log;
use crate::sys::addresses::Reserved;

/// Addresses that the page map and jemalloc may need for a piece.
const RECORDS: usize = 8 << 20;

/// Whether a limit on addresses leaves room for records beside a piece: memory that the page map
/// cannot cover is of no use.
fn has_room_for_records() -> bool {
    Reserved::new(RECORDS, 1).is_some()
}

impl File {
    /// Lets a piece that is not mapped yet begin a new file, because its file is lost.
    pub(super) fn begin_new_file(&self, index: usize) -> bool {
        let piece = &self.pieces[index];
        let before = piece.fd.load(Ordering::Acquire);
        let Ok(fd) = temporary_file(self.dir()) else {
            return false;
        };
        let installed = piece
            .fd
            .compare_exchange(before, fd, Ordering::AcqRel, Ordering::Relaxed);
        if installed.is_ok() {
            piece.identity.set(fd);
        } else {
            // Another thread was faster.
            // SAFETY: our own descriptor, which no other thread has seen.
            unsafe { libc::close(fd) };
        }
        true
    }

    /// The length that a piece should have, in bytes.
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

    /// Goes on from a piece to the next one, for a request of `size` bytes. The next one is mapped
    /// first, so that a request that fails changes nothing.
    pub(super) fn go_on(&self, index: usize, size: usize, align: usize) -> Result<(), Error> {
        let next = index + 1;
        let piece = self.pieces.get(next).ok_or(Error::NoMemory)?;
        if piece.span().is_none() {
            self.map_piece(next, size, align)?;
        }
        // Another thread may have gone on first.
        let _ = self
            .current
            .compare_exchange(index, next, Ordering::AcqRel, Ordering::Relaxed);
        Ok(())
    }

    /// Maps a piece at a multiple of `align`, for `size` bytes at least, unless another thread
    /// maps it.
    pub(super) fn map_piece(&self, index: usize, size: usize, align: usize) -> Result<(), Error> {
        if self.is_lost(index) && !self.begin_new_file(index) {
            return Err(Error::NoMemory);
        }
        for piece in &self.pieces[..=index] {
            let (done, seen) = (Ordering::AcqRel, Ordering::Relaxed);
            let _ = piece.fd.compare_exchange(UNDECIDED, SAME, done, seen);
        }
        let (fd, offset) = self.piece_file(index);
        let least = round_up(size.max(1), PIECE_UNIT).ok_or(Error::NoMemory)?;
        let offset = libc::off_t::try_from(offset).map_err(|_| Error::NoMemory)?;
        let reserve = |length| Reserved::new(length, align.max(PIECE_UNIT));
        let map = |room: Reserved| room.map(libc::MAP_SHARED, fd, offset);
        let span = self.map_wished(self.wished(index), least, reserve, map)?;
        let piece = &self.pieces[index];
        let advances = can_populate(span.base) && touching_allocates(fd);
        piece.pages.prepare(span.length, advances);
        if !piece.span.set(span) {
            // SAFETY: our own mapping, which no other thread has seen.
            unsafe { libc::munmap(span.base as *mut _, span.length) };
        }
        Ok(())
    }

    /// Maps up to `wished` bytes, but at least `least`. The length that succeeded is remembered, so
    /// that later calls are seldom refused.
    fn map_wished(
        &self,
        wished: usize,
        least: usize,
        reserve: impl Fn(usize) -> Option<Reserved>,
        map: impl Fn(Reserved) -> Option<usize>,
    ) -> Result<Span, Error> {
        let modest = || {
            let all = self.pieces.iter().map(Piece::length).sum::<usize>();
            all.max(least)
        };
        let mut length = wished.min(self.longest.load(Ordering::Relaxed)).max(least);
        loop {
            let room = reserve(length);
            let is_locked = |room: &Reserved| length > modest() && is_locked(room.start());
            let locked = room.as_ref().is_some_and(is_locked);
            let mapped = room.filter(|_| !locked).and_then(&map);
            let limited = length < wished && length > least;
            let fits = mapped.filter(|base| {
                let fits = !limited || has_room_for_records();
                if !fits {
                    // SAFETY: our own mapping, which no other thread has seen.
                    unsafe { libc::munmap(*base as *mut _, length) };
                }
                fits
            });
            if let Some(base) = fits {
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

    /// Goes on in another file, which begins with the next piece, because the file has reached the
    /// size that the system allows. `false` if the new file cannot hold `size` bytes.
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
            // SAFETY: our own descriptor, which no other thread has seen.
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
