//! Blocks that are mappings of their own, by address: two levels, one entry for each 2 MiB.
//!
//! Such a block begins at a multiple of 2 MiB, and no other one is in a unit of which it has a
//! part. So an entry says of an address of which heap the block there is, how far it goes, and
//! whether it begins here. A GiB has 512 entries: a block that moves changes few of them.

use core::sync::atomic::{AtomicUsize, Ordering};

use super::HEAPS;
use crate::backing::{END, Table, UNIT};

/// Entries of a leaf.
const LEAF_UNITS: usize = 1 << 15;
/// Bytes of addresses whose entries are in one leaf: 64 GiB.
const SPAN: usize = UNIT * LEAF_UNITS;

/// The entries, each 0 where no block is. Others: the bytes from the beginning of the unit to the end
/// of the block, whole pages; below these the heap's id, [`FIRST`] and [`FREE`].
static LEAVES: [Table<AtomicUsize>; END / SPAN] = [const { Table::new() }; END / SPAN];

/// Bit of an entry: the block begins in this unit.
const FIRST: usize = 1;
/// Bit of the entry in which a block begins: the block may not be freed. It is free already, or a slab of
/// [`super::page_map::take_blocks`].
const FREE: usize = 2;
const ID_SHIFT: u32 = 2;
/// The bits of an entry that are not part of its bytes: those below the smallest page of a processor.
const BITS: usize = (4 << 10) - 1;
const _: () = assert!((HEAPS - 1) << ID_SHIFT <= BITS);

fn entry(address: usize) -> Option<&'static AtomicUsize> {
    let leaf = LEAVES.get(address / SPAN)?.entries();
    leaf.get(address / UNIT % LEAF_UNITS)
}

const fn id(entry: usize) -> usize {
    (entry & BITS) >> ID_SHIFT
}

const fn bytes(entry: usize) -> usize {
    entry & !BITS
}

/// Makes entries for the addresses of `[start, start + size)`; `false` when there is no memory for
/// them.
pub(crate) fn prepare(start: usize, size: usize) -> bool {
    let last = (start + size - 1) / SPAN;
    (start / SPAN..=last).all(|leaf| {
        let leaf = LEAVES.get(leaf);
        leaf.is_some_and(|leaf| !leaf.prepare(LEAF_UNITS).is_empty())
    })
}

/// Notes a block of `size` bytes, whole pages, of the heap `id`. The addresses are prepared.
pub(crate) fn set(start: usize, size: usize, id: usize) {
    // The first at last: then the block is there.
    for offset in (0..size).step_by(UNIT).rev() {
        let first = if offset == 0 { FIRST } else { 0 };
        if let Some(entry) = entry(start + offset) {
            entry.store((size - offset) | id << ID_SHIFT | first, Ordering::Release);
        }
    }
}

/// Forgets a block of `size` bytes.
pub(crate) fn clear(start: usize, size: usize) {
    for offset in (0..size).step_by(UNIT) {
        if let Some(entry) = entry(start + offset) {
            entry.store(0, Ordering::Release);
        }
    }
}

/// The heap that has the block at `address`, free or not; 0 for none.
pub(crate) fn owner(address: usize) -> usize {
    let entry = entry(address).map_or(0, |entry| entry.load(Ordering::Acquire));
    if address & (UNIT - 1) < bytes(entry) {
        id(entry)
    } else {
        0
    }
}

/// The heap and the size of the block that begins at `address` and may be freed.
pub(crate) fn block(address: usize) -> Option<(usize, usize)> {
    block_in(entry(address)?.load(Ordering::Acquire), address)
}

fn block_in(entry: usize, address: usize) -> Option<(usize, usize)> {
    let begins = address & (UNIT - 1) == 0 && entry & (FIRST | FREE) == FIRST;
    begins.then(|| (id(entry), bytes(entry)))
}

/// The heap and the size of the block that begins at `address`, which may not be freed from now
/// on; only one caller gets them.
pub(crate) fn take(address: usize) -> Option<(usize, usize)> {
    let entry = entry(address)?;
    let before = entry.load(Ordering::Acquire);
    let block = block_in(before, address)?;
    let (done, seen) = (Ordering::AcqRel, Ordering::Relaxed);
    let taken = entry.compare_exchange(before, before | FREE, done, seen);
    taken.is_ok().then_some(block)
}

/// Lets the block that begins at `address` be freed, after [`take`]; `false` if none begins there.
pub(crate) fn give(address: usize) -> bool {
    let Some(entry) = entry(address) else {
        return false;
    };
    let begins = address & (UNIT - 1) == 0 && entry.load(Ordering::Acquire) & FIRST != 0;
    if begins {
        entry.fetch_and(!FREE, Ordering::AcqRel);
    }
    begins
}

/// Whether a block, free or not, begins at `address`.
pub(crate) fn begins(address: usize) -> bool {
    let first = |entry: &AtomicUsize| entry.load(Ordering::Acquire) & FIRST != 0;
    address & (UNIT - 1) == 0 && entry(address).is_some_and(first)
}

#[cfg(test)]
mod tests {
    use super::{UNIT, block, clear, give, owner, prepare, set, take};
    use crate::backing::page_size;

    // Addresses that no test maps; two leaves meet in the middle.
    const START: usize = (100 << 36) - 4 * UNIT;

    #[test]
    fn a_block_is_known_by_all_its_addresses() {
        let size = 9 * UNIT + 3 * page_size();
        assert!(prepare(START, size));
        assert_eq!((owner(START), block(START)), (0, None));
        set(START, size, 1023);
        assert_eq!(block(START), Some((1023, size)));
        for address in [START, START + UNIT, START + 8 * UNIT - 1, START + size - 1] {
            assert_eq!(owner(address), 1023);
        }
        assert_eq!((owner(START - 1), owner(START + size)), (0, 0));
        assert_eq!(
            (block(START + UNIT), block(START + page_size())),
            (None, None)
        );
        assert!(take(START + UNIT).is_none() && take(START + 1).is_none());
        // As it shrinks.
        clear(START, size);
        set(START, UNIT - page_size(), 7);
        assert_eq!(block(START), Some((7, UNIT - page_size())));
        assert_eq!(
            (owner(START + UNIT - page_size()), owner(START + UNIT)),
            (0, 0)
        );
        clear(START, UNIT - page_size());
        assert_eq!((owner(START), block(START)), (0, None));
    }

    #[test]
    fn a_block_is_taken_once() {
        let start = 200 << 36;
        assert!(prepare(start, 5 * UNIT));
        set(start, 5 * UNIT, 3);
        assert_eq!(take(start), Some((3, 5 * UNIT)));
        assert_eq!((take(start), block(start), owner(start)), (None, None, 3));
        assert!(give(start) && !give(start + UNIT) && !give(start + page_size()));
        assert_eq!(take(start), Some((3, 5 * UNIT)));
        clear(start, 5 * UNIT);
    }

    #[test]
    fn addresses_beyond_the_table_have_none() {
        assert_eq!((owner(1 << 47), owner(usize::MAX)), (0, 0));
        assert!(block(1 << 47).is_none() && take(0).is_none() && !give(usize::MAX));
        assert!(!prepare((1 << 47) - UNIT, 2 * UNIT));
    }
}
