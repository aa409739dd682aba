//! Allocating, resizing and freeing with checks.

use super::canary::{self, BEHIND, FRONT, damage, opened};
use super::fault::{self, Fault};
use super::guard;
use super::home::Origin;
use super::kept::{give_back, keep};
use super::record::{Record, State};
use super::records;
use super::settings::{FREE, GUARD, OVERFLOW, TOOL, USE, has, records_all};
use super::stray::no_block;
use crate::backing::page_size;
use crate::error::Error;
use crate::heap::{self, spare};
use crate::log;
use crate::sys::tools;

/// Allocates `size` bytes, more than 0, at a multiple of `align`, a power of two or less than 2.
pub(crate) fn malloc(
    kind: &'static dyn Origin,
    align: usize,
    size: usize,
    zeroed: bool,
) -> Result<*mut u8, Error> {
    let _inside = tools::Inside::new();
    let guarded = if has(GUARD) && kind.can_close_pages() && guard::is_due() {
        guard::make(align, size, zeroed, |align, whole| {
            kind.take(align, whole, None, false)
        })
    } else {
        None
    };
    if guarded.is_none() && !records_all() {
        return kind.take(align, size, Some(size), zeroed);
    }
    let errno = log::errno();
    let mut record = match guarded {
        Some(record) => record,
        None => make(kind, align, size, zeroed)?,
    };
    if has(OVERFLOW) {
        // SAFETY: just given by the heap.
        unsafe { canary::lay(&record) };
    }
    let giver = kind.fallback_of(record.base()).unwrap_or(kind);
    record.head = Some(giver.head());
    record.of_file = giver.is_file();
    tools::made(record.base(), opened(&record), record.block(), size, zeroed);
    record.note_made(records::here());
    let known = records::hold().insert(record);
    log::set_errno(errno);
    if !known {
        tools::freed(record.block(), size);
        give_back(&record);
        return Err(Error::NoMemory);
    }
    Ok(record.block())
}

/// Whether something lies around each block. Without that a block is the heap's own, and the
/// program may use all that the heap gave.
fn are_within() -> bool {
    has(OVERFLOW | TOOL)
}

/// A block, with room before and behind it if something is to lie there.
fn make(
    kind: &'static dyn Origin,
    align: usize,
    size: usize,
    zeroed: bool,
) -> Result<Record, Error> {
    // Blocks at multiples of more than a page have nothing before them: it would be as much.
    let (front, behind) = match are_within() {
        true if align > page_size() => (0, BEHIND),
        true => (align.max(FRONT), BEHIND),
        false => (0, 0),
    };
    let whole = size.checked_add(front + behind).ok_or(Error::NoMemory)?;
    let base = kind.take(align, whole, Some(size), zeroed)?;
    // SAFETY: a live block of the heap's, of at least `whole` bytes.
    let (block, usable) = unsafe { (base.add(front), heap::blocks::usable_size(base)) };
    Ok(Record::new(block, size, usable, front))
}

/// The bytes of a block that the program may use.
fn usable(record: &Record) -> usize {
    if record.guarded || are_within() {
        record.size
    } else {
        record.whole
    }
}

/// The record of a live block for what a function is about to do; not found: `None`. Does not
/// return if the block was freed or the address is no block, and this is checked.
fn live(block: *mut u8, wrong: Fault) -> Option<Record> {
    let found = records::hold().find(block).copied();
    match found.filter(|record| record.home.is_none()) {
        Some(record) if record.state() == State::Live => Some(record),
        Some(record) => {
            if has(FREE) {
                fault::fatal(wrong, &record);
            }
            None
        }
        None => {
            no_block(block, wrong);
            None
        }
    }
}

/// Whether a block is none of those that are checked: of `spare`, of a kind that a forked child does
/// not have, or of a kind's heap when only some blocks are.
fn is_unchecked(block: *mut u8) -> bool {
    if heap::blocks::owner(block as usize) == spare::ID
        || heap::blocks::is_abandoned(block as usize)
    {
        return true;
    }
    // What has gone back to the heap may be a block by now of which there is no record.
    let gone = |record: &mut Record| record.state() == State::Gone;
    !records_all() && (!guard::any() || records::hold().find(block).is_none_or(gone))
}

/// Frees a block; `false` if it is not one of those that are checked.
pub(crate) fn free(block: *mut u8) -> bool {
    if block.is_null() || is_unchecked(block) {
        return false;
    }
    let _inside = tools::Inside::new();
    let errno = log::errno();
    let Some(mut record) = live(block, Fault::FreedTwice) else {
        log::error!("The pointer {block:p} was not allocated by memkind and is ignored.");
        // For memcheck, which has a message of its own for what is no block.
        tools::freed(block, 0);
        log::set_errno(errno);
        return true;
    };
    record.set_state(State::Freeing);
    record.note_freed(records::here());
    let first = {
        let mut records = records::hold();
        // Another thread may have freed it just now.
        let first = records
            .find(block)
            .filter(|found| found.state() == State::Live);
        first.map(|found| *found = record).is_some()
    };
    if !first {
        fault::fatal(Fault::FreedTwice, &record);
    }
    tools::freed(block, record.size);
    tools::open(record.base(), opened(&record));
    // SAFETY: freed just now, and the heap has not got it.
    if let Some(fault) = unsafe { damage(&record) } {
        fault::fatal(fault, &record);
    }
    keep(record);
    log::set_errno(errno);
    true
}

/// Resizes a block: as the heap does if it is all the heap's, else by moving it. `None` if it is
/// not one of those that are checked.
///
/// # Safety
/// `block` is not null; if it is a live block, no other thread uses it.
pub(crate) unsafe fn realloc(
    kind: &'static dyn Origin,
    block: *mut u8,
    size: usize,
) -> Option<Result<*mut u8, Error>> {
    if is_unchecked(block) {
        return None;
    }
    let Some(record) = live(block, Fault::ResizedFreed) else {
        log::error!("The pointer {block:p} was not allocated by memkind and is ignored.");
        return Some(Err(Error::InvalidArgument));
    };
    if !record.guarded && !has(OVERFLOW | USE | TOOL) {
        // SAFETY: a live block of a heap.
        return Some(unsafe { resize(kind, record, size) });
    }
    let fresh = match malloc(kind, kind.least_alignment(), size, false) {
        Ok(fresh) => fresh,
        Err(error) => {
            let aligned = block as usize & (kind.least_alignment() - 1) == 0;
            let giver = match record.is_of(kind.head()) {
                true => Some(kind),
                // What the kind may have given for so many bytes can stay where it is.
                false => kind
                    .fallback_of(record.base())
                    .filter(|_| size <= record.size && aligned),
            };
            // SAFETY: a live block, of the heap of `giver`.
            let stays = |giver| unsafe { resize_in_place(giver, block, size) };
            let done = giver.is_some_and(stays);
            return Some(if done { Ok(block) } else { Err(error) });
        }
    };
    // SAFETY: two live blocks; the shorter length fits both.
    unsafe { core::ptr::copy_nonoverlapping(block, fresh, size.min(usable(&record))) };
    free(block);
    Some(Ok(fresh))
}

/// Resizes a block that is all the heap's as the heap does.
///
/// # Safety
/// A live block, which no other thread uses.
unsafe fn resize(
    kind: &'static dyn Origin,
    mut record: Record,
    size: usize,
) -> Result<*mut u8, Error> {
    let block = record.block();
    // Another thread may get that address, as soon as the heap has it.
    records::hold().remove(block);
    // SAFETY: a live block of the heap, whose record is gone: no other thread finds it.
    let result = unsafe { kind.realloc(block, size) };
    if let Ok(fresh) = result {
        // SAFETY: a live block of a heap.
        let whole = unsafe { heap::blocks::usable_size(fresh) };
        let mut moved = Record::new(fresh, size, whole, 0);
        let giver = kind.fallback_of(fresh).unwrap_or(kind);
        moved.head = Some(giver.head());
        moved.of_file = giver.is_file();
        moved.note_made(records::here());
        record = moved;
    }
    // One has just gone, so there is room.
    records::hold().insert(record);
    result
}

/// Resizes a checked block where it is; whether that was possible.
///
/// # Safety
/// If it is a live block, no other thread uses it.
pub(crate) unsafe fn resize_in_place(
    kind: &'static dyn Origin,
    block: *mut u8,
    size: usize,
) -> bool {
    let _inside = tools::Inside::new();
    let found = records::hold().find(block).copied();
    let Some(mut record) = found.filter(|record| record.state() == State::Live) else {
        return false;
    };
    let behind = if are_within() { BEHIND } else { 0 };
    let Some(whole) = size.checked_add(record.front as usize + behind) else {
        return false;
    };
    if record.guarded {
        // It ends where a page without access begins, and stays as large as it is.
        return size <= record.size;
    }
    tools::freed(block, record.size);
    tools::open(record.base(), record.whole);
    // SAFETY: a live block, open to us.
    if let Some(fault) = unsafe { damage(&record) } {
        fault::fatal(fault, &record);
    }
    // SAFETY: what the heap gave is a live block of it.
    let resized = whole <= record.whole || unsafe { kind.resize(record.base(), whole) };
    if resized {
        record.size = size;
        // SAFETY: a live block of the heap.
        record.whole = unsafe { heap::blocks::usable_size(record.base()) };
        if has(OVERFLOW) {
            // SAFETY: a block of the program's, resized.
            unsafe { canary::lay(&record) };
        }
        if let Some(found) = records::hold().find(block) {
            *found = record;
        }
    }
    tools::made(record.base(), record.whole, block, record.size, true);
    resized
}

/// The bytes of a block that the program may use. `None` if it is not one of those that are
/// checked.
pub(crate) fn usable_size(block: *mut u8) -> Option<usize> {
    if block.is_null() || is_unchecked(block) {
        return None;
    }
    let found = records::hold().find(block).copied();
    match found.filter(|record| record.home.is_none()) {
        Some(record) if record.state() == State::Live => Some(usable(&record)),
        Some(record) if has(FREE) => fault::fatal(Fault::MeasuredFreed, &record),
        _ => Some(0),
    }
}

/// What to move in place of a block: where what the heap gave begins. `None` for what is not
/// to be moved.
pub(crate) fn base(block: *mut u8) -> Option<*mut u8> {
    if is_unchecked(block) {
        return Some(block);
    }
    let found = records::hold().find(block).copied()?;
    (found.state() == State::Live && found.home.is_none() && !found.guarded && !has(TOOL))
        .then(|| found.base())
}

/// Notes that what the heap gave for a block has moved to `fresh`; where the block is now.
pub(crate) fn moved(block: *mut u8, fresh: *mut u8) -> *mut u8 {
    let mut records = records::hold();
    let Some(found) = records.find(block) else {
        return fresh;
    };
    let before = *found;
    // SAFETY: a live block of the heap.
    let usable = unsafe { heap::blocks::usable_size(fresh) };
    let there = fresh.wrapping_add(before.front as usize);
    let mut record = Record::new(there, before.size, usable, before.front as usize);
    record.head = before.head;
    record.of_file = before.of_file;
    record.shared = before.shared;
    record.made_by = before.made_by;
    record.made_at = before.made_at;
    // There is room: the old one goes.
    records.remove(block);
    records.insert(record);
    there
}
