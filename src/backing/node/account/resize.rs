//! Mappings that are resized or moved with all that is promised there.

use core::sync::atomic::Ordering;

use super::super::units;
use super::Account;
use crate::backing::base::{UNIT, page_size, round_up};
use crate::backing::ranges::Held;
use crate::error::Error;

/// A mapping, all of which is promised.
#[derive(Clone, Copy)]
pub(in super::super) struct Mapping {
    /// First address, a multiple of [`UNIT`].
    pub(in super::super) start: usize,
    /// Bytes, whole pages.
    pub(in super::super) size: usize,
}

/// A mapping that moves, as [`Account::begin_move`] has counted it.
pub(in super::super) struct Move<'a> {
    /// Bytes.
    counted: usize,
    place: Option<Held<'a>>,
}

impl Mapping {
    /// The units, and the rest of the last, of which no page is in the first `size` bytes: their
    /// start and size.
    fn units_from(self, size: usize) -> (usize, usize) {
        let end = self.start + self.size;
        let first = round_up(self.start + size, UNIT).unwrap_or(end).min(end);
        (first, end - first)
    }
}

impl Account {
    /// Counts a mapping that has grown where it is, from `before` bytes.
    ///
    /// # Errors
    /// `NoMemory` when the nodes do not have what it has grown by; it counts as before then.
    pub(in super::super) fn grow(&self, mapping: Mapping, before: usize) -> Result<(), Error> {
        let Mapping { start, size } = mapping;
        let (first, rest) = mapping.units_from(before);
        if rest > 0 && !units::open(first, rest, self.may_be_huge()) {
            return Err(Error::NoMemory);
        }
        self.promise(start + before, size - before)
            .inspect(|()| self.ranges.replace(start, start, size))
            .inspect_err(|_| {
                units::close(first, rest);
            })
    }

    /// Counts a mapping from which all but the first `size` bytes are about to be unmapped.
    pub(in super::super) fn shrink(&self, mapping: Mapping, size: usize) {
        let start = mapping.start;
        self.release(start + size, mapping.size - size);
        let (first, rest) = mapping.units_from(size);
        units::close(first, rest);
        self.ranges.replace(start, start, size);
    }

    /// Counts a mapping that is about to move from one place to another. Until [`Account::end_move`]
    /// it is counted at neither: when the kernel refuses to move it, it may have unmapped the new
    /// addresses before, and another thread may have counted a mapping of its own there.
    ///
    /// # Errors
    /// `NoMemory` when the nodes do not have what it grows by; it counts as before then.
    pub(in super::super) fn begin_move(
        &self,
        from: Mapping,
        to: Mapping,
    ) -> Result<Move<'_>, Error> {
        if !units::prepare(to.start, to.size) {
            return Err(Error::NoMemory);
        }
        // All of it will be promised, in whole units and pages: as much as it has bytes.
        let (before, after) = (
            units::promised(from.start, from.size) * page_size(),
            to.size,
        );
        if after > before && !self.charge(after - before) {
            return Err(Error::NoMemory);
        }
        self.promised
            .fetch_sub(before.saturating_sub(after), Ordering::Relaxed);
        units::close(from.start, from.size);
        Ok(Move {
            counted: after,
            place: self.ranges.hold(from.start),
        })
    }

    /// Counts a mapping where it is after it has moved, or has not. The addresses are the caller's,
    /// so no other thread counts anything there.
    pub(in super::super) fn end_move(&self, moved: Move<'_>, at: Mapping) {
        // The counters are there, by `begin_move` or from before.
        units::open(at.start, at.size, self.may_be_huge());
        let bytes = units::add(at.start, at.size) * page_size();
        self.promised.fetch_add(bytes, Ordering::Relaxed);
        self.promised.fetch_sub(moved.counted, Ordering::Relaxed);
        if let Some(place) = moved.place {
            place.put(at.start, at.size);
        }
    }
}
