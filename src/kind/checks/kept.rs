//! Blocks that were freed: they are kept back for a while, looked at, and go to their heaps.

use super::canary::{FREED, damage};
use super::fault;
use super::guard;
use super::record::{Record, State};
use super::records::{self, Records};
use super::ring::RING;
use super::settings::{TOOL, USE, has};
use crate::heap;
use crate::sys::tools;

/// The most bytes of freed blocks that are kept back.
const KEPT_BYTES: usize = 16 << 20;
/// Bytes of the largest block that is kept back, with what is around it.
const KEPT_LARGEST: usize = 1 << 20;

/// Keeps a freed block back, if it is not too large, and gives older ones to their heaps.
pub(super) fn keep(mut record: Record) {
    if record.guarded {
        guard::close(&record);
    } else {
        if !has(USE | TOOL) || record.whole > KEPT_LARGEST {
            return give_back(&record);
        }
        if has(USE) {
            // SAFETY: the block, which is all ours.
            unsafe { record.block().write_bytes(FREED, record.size) };
        }
        tools::close(record.base(), record.whole);
    }
    record.set_state(State::Kept);
    let kept = {
        let mut records = records::hold();
        if let Some(found) = records.find(record.block()) {
            *found = record;
        }
        if record.guarded {
            records.kept_guarded.push(record.block())
        } else {
            records.kept_bytes += record.whole;
            records.kept.push(record.block())
        }
    };
    if !kept {
        release(record);
    }
    while let Some(old) = next_to_go(KEPT_BYTES, guard::KEPT) {
        release(old);
    }
}

/// Takes the oldest of the blocks that are kept back beyond `bytes`, or beyond `guarded` blocks with
/// closed pages.
fn next_to_go(bytes: usize, guarded: usize) -> Option<Record> {
    let mut records = records::hold();
    let records: &mut Records = &mut records;
    loop {
        let full = records.kept_bytes > bytes || records.kept.len() >= RING - 1;
        let block = if full {
            records.kept.pop()
        } else if records.kept_guarded.len() > guarded {
            records.kept_guarded.pop()
        } else {
            None
        }?;
        // Those of a kind that is gone are not known any more.
        let Some(found) = records
            .find(block)
            .filter(|found| found.state() == State::Kept)
        else {
            continue;
        };
        let record = *found;
        found.set_state(State::Freeing);
        if !record.guarded {
            records.kept_bytes -= record.whole;
        }
        return Some(record);
    }
}

/// Gives all blocks that are kept back to their heaps, and objects to their pools; whether there was any.
#[cold]
pub(crate) fn release_all() -> bool {
    let mut any = false;
    while let Some(old) = next_to_go(0, 0) {
        release(old);
        any = true;
    }
    any
}

/// Looks at a block that was kept back, and gives it to its heap.
fn release(record: Record) {
    if record.guarded {
        if guard::open(&record) {
            give_back_open(&record);
        }
        return;
    }
    tools::open(record.base(), record.whole);
    // SAFETY: kept back, and open.
    if let Some(fault) = unsafe { damage(&record) } {
        fault::fatal(fault, &record);
    }
    give_back_open(&record);
}

/// Gives a block to its heap.
pub(super) fn give_back(record: &Record) {
    if record.guarded && !guard::open(record) {
        return;
    }
    tools::open(record.base(), record.whole);
    give_back_open(record);
}

fn give_back_open(record: &Record) {
    records::hold().has_gone(record);
    match record.home {
        Some(home) => {
            home.take_back(record.block());
            records::hold().flying -= 1;
        }
        None => {
            // SAFETY: a block of the heap's that the program has freed.
            unsafe { heap::blocks::free(record.base()) };
        }
    }
}
