//! Records of streams or regions that are checked, by their addresses: those in use, and those whose streams or
//! regions were destroyed last.
#![forbid(unsafe_code)]

use crate::boxed::make_room;
use crate::error::Error;
use crate::kind::Head;

/// The number of records that are kept of streams, and of regions, that were destroyed. A program that makes
/// and destroys them all its life would otherwise keep all.
const ENDED: usize = 1 << 10;

/// A stream or region that is alive.
#[derive(Clone, Copy)]
pub(super) struct Alive {
    /// The address of its record.
    pub(super) address: usize,
    /// The kind that its memory comes from.
    pub(super) kind: &'static Head,
    /// The kernel's id of the thread that made it.
    pub(super) made_by: u32,
    /// The place in the program where it was made.
    pub(super) made_at: u32,
    /// The number of a region's blocks; 0 for a stream.
    pub(super) count: usize,
    /// The bytes of a region's blocks together; 0 for a stream.
    pub(super) bytes: usize,
}

/// A stream or region that was destroyed.
#[derive(Clone, Copy)]
pub(super) struct Ended {
    /// What was known of it when it was destroyed.
    pub(super) last: Alive,
    /// The kernel's id of the thread that destroyed it.
    pub(super) ended_by: u32,
    /// The place in the program where it was destroyed.
    pub(super) ended_at: u32,
}

/// What is known of all streams, or of all regions.
pub(super) struct Records {
    /// Those alive, by address, the lowest first.
    alive: Vec<Alive>,
    /// Those destroyed last, at most `ENDED`.
    ended: Vec<Ended>,
    /// The index in `ended` of the one that was destroyed first, once there are `ENDED`.
    oldest: usize,
}

impl Records {
    /// Nothing is known.
    pub(super) const fn new() -> Self {
        Self {
            alive: Vec::new(),
            ended: Vec::new(),
            oldest: 0,
        }
    }

    /// The index in `alive` of what has its record at an address, or the index where it belongs.
    fn index_of(&self, address: usize) -> Result<usize, usize> {
        self.alive.binary_search_by_key(&address, |one| one.address)
    }

    /// Notes what has been made.
    ///
    /// # Errors
    /// `Malloc`.
    pub(super) fn add(&mut self, one: Alive) -> Result<(), Error> {
        make_room(&mut self.alive)?;
        if let Err(index) = self.index_of(one.address) {
            self.alive.insert(index, one);
        }
        Ok(())
    }

    /// What is alive, by its index.
    pub(super) fn get(&self, index: usize) -> Option<Alive> {
        self.alive.get(index).copied()
    }

    /// What is alive and has its record at an address.
    pub(super) fn find(&mut self, address: usize) -> Option<&mut Alive> {
        let index = self.index_of(address).ok()?;
        self.alive.get_mut(index)
    }

    /// What was destroyed and had its record at an address.
    pub(super) fn find_ended(&self, address: usize) -> Option<Ended> {
        let mut ended = self.ended.iter().copied();
        ended.find(|one| one.last.address == address)
    }

    /// Notes that thread `ended_by` destroys what has its record at `address`, at the place `ended_at`
    /// of the program. Returns the address of a record to free, if there is one: that of the first
    /// destroyed once there are more than `ENDED`, or `address` without memory to note it.
    pub(super) fn end(&mut self, address: usize, ended_by: u32, ended_at: u32) -> Option<usize> {
        let index = self.index_of(address).ok()?;
        let ended = Ended {
            last: self.alive.remove(index),
            ended_by,
            ended_at,
        };
        if self.ended.len() < ENDED {
            if make_room(&mut self.ended).is_err() {
                return Some(address);
            }
            self.ended.push(ended);
            return None;
        }
        let first = core::mem::replace(self.ended.get_mut(self.oldest)?, ended);
        self.oldest = (self.oldest + 1) % ENDED;
        Some(first.last.address)
    }
}

#[cfg(test)]
mod tests {
    use super::{Alive, ENDED, Records};
    use crate::kind::Head;

    #[test]
    fn records_of_the_last_destroyed_are_kept() {
        static HEAD: Head = Head::new(0, b"test");
        let mut records = Records::new();
        let made = |address| Alive {
            address,
            kind: &HEAD,
            made_by: 1,
            made_at: 2,
            count: 0,
            bytes: 0,
        };
        for address in (1..=ENDED + 2).rev() {
            assert!(records.add(made(address)).is_ok());
        }
        assert_eq!(records.get(0).map(|one| one.address), Some(1));
        for address in 1..=ENDED {
            assert_eq!(records.end(address, 3, 4), None);
        }
        assert!(records.find_ended(1).is_some() && records.find(1).is_none());
        // Each more that is destroyed lets the record go that has been kept for longest.
        assert_eq!(records.end(ENDED + 1, 3, 4), Some(1));
        assert_eq!(records.end(ENDED + 2, 3, 4), Some(2));
        assert!(records.find_ended(2).is_none() && records.find_ended(3).is_some());
        assert_eq!(records.end(1, 3, 4), None);
    }
}
