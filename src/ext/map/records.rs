//! The records of a map: of ranges that it knows, and of those that have gone.

use super::super::map_table::Range;
use crate::boxed::boxed;
use crate::error::Error;

/// The ranges of a map.
#[allow(
    clippy::vec_box,
    reason = "entries of the table point to the records, which must not move"
)]
pub(super) struct State {
    /// Ranges that the map knows, oldest first.
    pub(super) live: Vec<Box<Range>>,
    /// Ranges that have gone, by start and size.
    gone: Vec<Box<Range>>,
}

impl State {
    pub(super) const fn new() -> Self {
        Self {
            live: Vec::new(),
            gone: Vec::new(),
        }
    }

    fn place_of_gone(&self, start: usize, size: usize) -> Result<usize, usize> {
        let wanted = (start, size);
        self.gone
            .binary_search_by(|range| (range.start, range.size).cmp(&wanted))
    }

    /// A record for a range: the one that it had before, or a fresh one. There is room for it
    /// among those that have gone.
    pub(super) fn record(&mut self, start: usize, size: usize) -> Result<Box<Range>, Error> {
        if let Ok(place) = self.place_of_gone(start, size) {
            return Ok(self.gone.remove(place));
        }
        let all = self.live.len() + 1;
        self.gone.try_reserve(all).map_err(|_| Error::Malloc)?;
        boxed(Range::new(start, size))
    }

    /// Keeps the record of a range that has gone.
    pub(super) fn put_away(&mut self, record: Box<Range>) {
        let (Ok(place) | Err(place)) = self.place_of_gone(record.start, record.size);
        self.gone.insert(place, record);
    }
}
