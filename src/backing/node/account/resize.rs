//! Mappings that are resized or moved with all that is promised there.

use core::sync::atomic::Ordering;

use super::super::units;
use super::Account;
use crate::backing::base::{UNIT, page_size, round_up};
use crate::error::Error;

/// A mapping, all of which is promised.
#[derive(Clone, Copy)]
pub(in super::super) struct Mapping {
    /// First address, a multiple of [`UNIT`].
    pub(in super::super) start: usize,
    /// Bytes, whole pages.
    pub(in super::super) size: usize,
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

    /// Counts a mapping that is about to move from one place to another, where nothing is counted.
    ///
    /// # Errors
    /// `NoMemory` when the nodes do not have what it grows by; it counts as before then.
    pub(in super::super) fn begin_move(&self, from: Mapping, to: Mapping) -> Result<(), Error> {
        if !units::open(to.start, to.size, self.may_be_huge()) {
            return Err(Error::NoMemory);
        }
        let before = units::promised(from.start, from.size) * page_size();
        let after = units::add(to.start, to.size) * page_size();
        if after > before && !self.charge(after - before) {
            units::close(to.start, to.size);
            return Err(Error::NoMemory);
        }
        self.promised
            .fetch_sub(before.saturating_sub(after), Ordering::Relaxed);
        units::close(from.start, from.size);
        self.ranges.replace(from.start, to.start, to.size);
        Ok(())
    }

    /// Undoes [`Account::begin_move`].
    pub(in super::super) fn undo_move(&self, from: Mapping, to: Mapping) {
        let after = units::close(to.start, to.size) * page_size();
        // Its counters are there: they were used before.
        units::open(from.start, from.size, self.may_be_huge());
        let before = units::add(from.start, from.size) * page_size();
        self.promised.fetch_add(before, Ordering::Relaxed);
        self.promised.fetch_sub(after, Ordering::Relaxed);
        self.ranges.replace(to.start, from.start, from.size);
    }
}
