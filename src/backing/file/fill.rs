//! Allocating blocks for ranges that the heap takes.

use core::ops::Range;
use core::sync::atomic::Ordering;

use super::blocks::{Fill, allocate_blocks, free_bytes, map_over, punch, try_allocate_blocks};
use super::pages::{Amounts, Found, Pages};
use super::piece::Place;
use super::record::File;
use crate::backing::base::{page_size, populate};

/// Requests of at least this many bytes are first compared with the free bytes of the file system:
/// one that cannot succeed would still fill it for a moment, and use up addresses.
const LARGE: usize = 64 << 10;
/// Number of requests that take nothing in advance after blocks in advance have been refused.
const TIGHT: u32 = 64;

impl File {
    /// Makes the file long enough for the page at the address `page`.
    pub(super) fn reach(&self, page: usize) -> Result<(), Fill> {
        let place = self.place(page, page_size()).ok_or(Fill::NoSpace)?;
        if self.is_lost(place.index) {
            return Err(Fill::Lost);
        }
        match try_allocate_blocks(place.fd, place.start + place.range.start, page_size()) {
            0 => Ok(()),
            libc::EFBIG => Err(Fill::FileTooLarge),
            _ => Err(Fill::NoSpace),
        }
    }

    /// Allocates zeroed memory for a range.
    pub(super) fn fill(&self, address: usize, size: usize) -> Result<(), Fill> {
        if self.inherited.load(Ordering::Relaxed) {
            return map_over(address, size);
        }
        let place = self.place(address, size).ok_or(Fill::NoSpace)?;
        let own = &place.range;
        let found = place.piece.pages.take(own, &self.amounts());
        if found.missing == 0 && found.to_touch.is_empty() {
            return Ok(());
        }
        let filled = if self.is_lost(place.index) {
            // Its mapped pages get blocks again when they are populated, which fails without a signal
            // when there are none.
            populate(address, size).then_some(()).ok_or(Fill::Lost)
        } else {
            self.fill_missing(&place, &found, address - own.start)
        };
        if filled.is_err() {
            place.piece.pages.give_back(own);
        } else {
            self.offset
                .fetch_max(place.start + own.end, Ordering::Relaxed);
        }
        filled
    }

    /// Allocates the missing blocks of a place; on failure it has none. `base` is the address of
    /// the piece.
    fn fill_missing(&self, place: &Place<'_>, found: &Found, base: usize) -> Result<(), Fill> {
        let (own, pages) = (&place.range, &place.piece.pages);
        let allocate = |range: &Range<usize>| {
            try_allocate_blocks(place.fd, place.start + range.start, range.len()) == 0
        };
        let refused = || {
            punch(place.fd, place.start + own.start, own.len());
            Err(Fill::NoSpace)
        };
        let no_room = |free| free < found.missing as u64;
        if found.missing >= LARGE && free_bytes(place.fd).is_some_and(no_room) {
            return refused();
        }
        if found.missing > 0 && !self.take_ahead(pages, own, allocate) {
            allocate_blocks(place.fd, place.start + own.start, own.len())?;
        }
        if !found.to_touch.is_empty()
            && !populate(base + found.to_touch.start, found.to_touch.len())
        {
            return refused();
        }
        Ok(())
    }

    /// Allocates blocks for a range and, in advance, for pages beside it; `false` if there are none
    /// to take in advance, or no blocks.
    fn take_ahead(
        &self,
        pages: &Pages,
        own: &Range<usize>,
        allocate: impl Fn(&Range<usize>) -> bool,
    ) -> bool {
        let tight = self.tight.load(Ordering::Relaxed);
        if tight > 0 {
            // Of two threads at the same time one may not be counted.
            self.tight.store(tight - 1, Ordering::Relaxed);
            return false;
        }
        let wide = pages.claim(own, &self.amounts());
        if wide == *own {
            return false;
        }
        let done = allocate(&wide);
        pages.settle(&wide, own, done, &self.amounts());
        if !done {
            self.tight.store(TIGHT, Ordering::Relaxed);
        }
        done
    }

    fn amounts(&self) -> Amounts<'_> {
        Amounts {
            held: self.held(),
            ahead: &self.ahead,
        }
    }

    /// Gives back the blocks of a place that is locked in memory, which only works through the file.
    pub(super) fn punch_locked(&self, place: Option<&Place<'_>>) -> bool {
        place.is_some_and(|place| {
            let start = place.start + place.range.start;
            !self.is_lost(place.index) && punch(place.fd, start, place.range.len())
        })
    }
}
