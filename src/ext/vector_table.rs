//! A table of what checked vectors refer to, by the numbers that the vectors hold.

use super::buffer::Buffer;
use super::pool::Pool;
use crate::boxed::{make_room, room_for};
use crate::kind::Head;

/// A number of a vector that is gone stays known until this many others are gone.
const GONE: usize = 1 << 14;
/// Bits of a number that are an index into the table; the rest tells uses of an entry apart.
const INDEX_BITS: u32 = 22;

/// An entry: what a vector refers to.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) number: u32,
    /// References through vectors with this number; 0 when it is gone.
    pub(super) references: u32,
    pub(super) data: usize,
    pub(super) length: u32,
    pub(super) thread: u32,
    pub(super) made_at: u32,
    pub(super) released_by: u32,
    pub(super) released_at: u32,
    /// The buffer, as vectors name it.
    pub(super) owner: usize,
    /// The vector that gave the last reference up.
    pub(super) vector: usize,
    /// The stream that has reserved the vector, and not been told how much of it was used; 0 for none.
    pub(super) reserved: usize,
    /// The index of the next entry whose vector is gone.
    pub(super) next: u32,
    /// Whether the vector was made by a process that this one is a forked child of.
    pub(super) inherited: bool,
}

/// The index of the entry with a number.
fn index_of(number: u32) -> usize {
    number as usize & ((1 << INDEX_BITS) - 1)
}

/// All entries.
pub(super) struct Table {
    entries: Vec<Entry>,
    /// The index of the entry that has been gone for longest.
    oldest: u32,
    /// The index of the entry that has been gone for the shortest time.
    newest: u32,
    /// The number of entries that are gone: a list from `oldest` to `newest`.
    n_gone: usize,
    /// The numbers of those that are alive and reserved: few, however many are alive.
    reserved: Vec<u32>,
}

impl Table {
    pub(super) const fn new() -> Self {
        Self {
            entries: Vec::new(),
            oldest: 0,
            newest: 0,
            n_gone: 0,
            reserved: Vec::new(),
        }
    }

    /// The entries that hold references.
    pub(super) fn alive(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.references > 0)
    }

    /// The entry with a number.
    pub(super) fn find(&mut self, number: u32) -> Option<&mut Entry> {
        self.entries
            .get_mut(index_of(number))
            .filter(|entry| entry.number == number)
    }

    /// A vector that a stream has reserved, is alive and not committed.
    pub(super) fn reserved_by(&self, stream: usize) -> Option<Entry> {
        let entry = |number: &u32| self.entries.get(index_of(*number)).copied();
        let mut reserved = self.reserved.iter().filter_map(entry);
        reserved.find(|entry| entry.reserved == stream)
    }

    /// Notes that the process is a forked child.
    pub(super) fn inherit(&mut self) {
        for entry in &mut self.entries {
            entry.inherited = true;
        }
    }

    /// Notes that what a stream had reserved is committed, or that the stream is gone.
    pub(super) fn committed(&mut self, stream: usize) {
        let entries = &mut self.entries;
        self.reserved.retain(|number| {
            let entry = entries.get_mut(index_of(*number));
            let found = entry.filter(|entry| entry.reserved == stream);
            found.map(|entry| entry.reserved = 0).is_none()
        });
    }

    /// A number for a new entry; `None` without memory.
    pub(super) fn add(&mut self, entry: Entry) -> Option<u32> {
        if entry.reserved == 0 {
            return self.add_entry(entry);
        }
        make_room(&mut self.reserved).ok()?;
        let number = self.add_entry(entry)?;
        self.reserved.push(number);
        Some(number)
    }

    fn add_entry(&mut self, mut entry: Entry) -> Option<u32> {
        if self.n_gone > GONE {
            let index = self.oldest as usize;
            let old = self.entries.get_mut(index)?;
            self.oldest = old.next;
            self.n_gone -= 1;
            entry.number = match old.number.wrapping_add(1 << INDEX_BITS) {
                // 0 stands for a vector that is not checked.
                0 => 1 << INDEX_BITS,
                number => number,
            };
            *old = entry;
            return Some(entry.number);
        }
        let index = self.entries.len();
        if index == self.entries.capacity() {
            let mut larger = room_for((2 * index).max(256)).ok()?;
            larger.extend_from_slice(&self.entries);
            self.entries = larger;
        }
        // 0 stands for a vector that is not checked.
        entry.number = index as u32 | 1 << INDEX_BITS;
        if index >= 1 << INDEX_BITS {
            return None;
        }
        self.entries.push(entry);
        Some(entry.number)
    }

    /// Notes that an entry is gone.
    pub(super) fn bury(&mut self, number: u32) {
        let index = index_of(number) as u32;
        if self
            .entries
            .get(index as usize)
            .is_some_and(|entry| entry.reserved != 0)
        {
            self.reserved.retain(|other| *other != number);
        }
        if self.n_gone == 0 {
            self.oldest = index;
        } else if let Some(last) = self.entries.get_mut(self.newest as usize) {
            last.next = index;
        }
        self.newest = index;
        self.n_gone += 1;
    }
}

impl Entry {
    /// The head of the kind that the buffer is of.
    pub(super) fn head(&self) -> Option<&'static Head> {
        // SAFETY: the record of a buffer that a vector has referred to, and the handle in it.
        let pool =
            unsafe { Buffer::of_owner(self.owner).and_then(|buffer| Pool::of_handle(buffer.pool)) };
        pool.map(|pool| &pool.kind().head)
    }

    /// The name of the kind that the buffer is of.
    pub(super) fn kind(&self) -> &'static str {
        self.head().map_or("?", Head::name)
    }
}

#[cfg(test)]
mod tests {
    use super::{Entry, GONE, INDEX_BITS, Table};

    #[test]
    fn no_number_is_that_of_a_vector_that_is_not_checked() {
        let mut table = Table::new();
        let entry = Entry {
            number: 0,
            references: 1,
            data: 0,
            length: 0,
            thread: 0,
            made_at: 0,
            released_by: 0,
            released_at: 0,
            owner: 0,
            vector: 0,
            reserved: 0,
            next: 0,
            inherited: false,
        };
        // Each entry in turn, and the first as often as it has numbers.
        let uses = (GONE + 1) * (1 << (u32::BITS - INDEX_BITS));
        for _ in 0..uses + GONE {
            let number = table.add(entry).expect("there is memory");
            assert_ne!(number, 0);
            table.find(number).expect("it is alive").references = 0;
            table.bury(number);
        }
    }
}
