//! Allocating, resizing and freeing with checks.

use super::canary::{self, BEHIND, FREED, FRONT, damage, opened};
use super::fault::{self, Fault};
use super::home::Origin;
use super::records::{self, Record, Records, State};
use super::settings::{self, FREE, GUARD, OVERFLOW, TOOL, USE, has, records_all};
use super::{guard, report};
use crate::backing::page_size;
use crate::error::Error;
use crate::heap::{self, spare};
use crate::kind::head::Head;
use crate::log;
use crate::sys::tools;

/// Bytes of freed blocks that are kept back, and the largest block that is.
const KEPT_BYTES: usize = 16 << 20;
const KEPT_LARGEST: usize = 1 << 20;

/// Allocates `size` bytes, more than 0, at a multiple of `align`, a power of two or less than 2.
pub(crate) fn malloc(
    kind: &'static dyn Origin,
    align: usize,
    size: usize,
    zeroed: bool,
) -> Result<*mut u8, Error> {
    let guarded = if has(GUARD) && kind.can_close_pages() && guard::is_due() {
        guard::make(align, size, zeroed, |align, whole| {
            kind.take(align, whole, false)
        })
    } else {
        None
    };
    if guarded.is_none() && !records_all() {
        return kind.take(align, size, zeroed);
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
    record.head = Some(kind.head());
    record.of_file = kind.is_file();
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
    let base = match kind.take(align, whole, zeroed) {
        Err(Error::NoMemory) if release_all() => kind.take(align, whole, zeroed)?,
        other => other?,
    };
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

/// Says what an address is that is no block, if that is checked.
#[cold]
fn no_block(address: *mut u8, wrong: Fault) {
    if !has(FREE) {
        return;
    }
    let what = match wrong {
        Fault::ResizedFreed => "realloc",
        _ => "free",
    };
    let sink = &mut fault::on_standard_error;
    let around = records::hold().around(address.addr());
    if let Some(record) = around {
        let (start, size, kind) = (record.block(), record.size, fault::kind_name(&record));
        let distance = address.addr().wrapping_sub(start.addr()) as isize;
        let of = fault::whose(&record);
        if distance == 0 && record.home.is_some() {
            fault::say!(
                sink,
                "memkind: {what} of {address:p}, which is an object of {size} bytes ({of}{kind}): memkind_pool_put() takes it back"
            );
        } else {
            fault::say!(
                sink,
                "memkind: {what} of {address:p}, which is byte {distance} of {size} bytes at {start:p} ({of}{kind})"
            );
        }
        fault::tell_history(&record, sink);
    } else if heap::blocks::owner(address as usize) != 0 {
        fault::say!(sink, "memkind: {what} of {address:p}, which is no block");
    } else {
        fault::say!(
            sink,
            "memkind: {what} of {address:p}, which is no memory of this library"
        );
    }
    fault::tell_now(sink);
    fault::end()
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

/// Takes the oldest of the blocks that are kept back beyond so many bytes, or so many with
/// closed pages.
fn next_to_go(bytes: usize, guarded: usize) -> Option<Record> {
    let mut records = records::hold();
    let records: &mut Records = &mut records;
    loop {
        let full = records.kept_bytes > bytes || records.kept.len() >= records::RING - 1;
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

/// Gives all blocks that are kept back to their heaps; whether there was any.
#[cold]
pub(super) fn release_all() -> bool {
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
fn give_back(record: &Record) {
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
            let same = record.is_of(kind.head());
            // SAFETY: a live block.
            let done = same && unsafe { resize_in_place(kind, block, size) };
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
        moved.head = Some(kind.head());
        moved.of_file = kind.is_file();
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
    let found = records::hold().find(block).copied();
    let Some(mut record) = found.filter(|record| record.state() == State::Live) else {
        return false;
    };
    let behind = if are_within() { BEHIND } else { 0 };
    let Some(whole) = size.checked_add(record.front as usize + behind) else {
        return false;
    };
    if record.guarded {
        return false;
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

/// Looks at all blocks of a kind that is about to be destroyed, and forgets them.
pub(crate) fn forget(kind: &'static Head) {
    if !settings::on() {
        return;
    }
    report::at_end_of(kind);
    let mut records = records::hold();
    let mut index = 0;
    while let Some(record) = records.next_where(index, |record| record.is_of(kind)) {
        let (at, record) = record;
        if record.state() == State::Kept && !record.guarded {
            records.kept_bytes -= record.whole;
        }
        if record.guarded && record.state() != State::Gone {
            guard::open(&record);
        }
        if record.state() == State::Live {
            tools::freed(record.block(), record.size);
        }
        if record.state() != State::Gone {
            tools::open(record.base(), record.whole);
        }
        records.remove(record.block());
        // Another may have moved there.
        index = at;
    }
}

/// Forgets all blocks of a kind that a forked child does not have, without a look at them.
pub(crate) fn lose(kind: &'static Head) {
    if !settings::on() {
        return;
    }
    let mut records = records::hold();
    let mut index = 0;
    while let Some((at, record)) = records.next_where(index, |record| record.is_of(kind)) {
        if record.state() == State::Kept && !record.guarded {
            records.kept_bytes -= record.whole;
        }
        records.remove(record.block());
        index = at;
    }
}

/// Before fork(2), after all others: nothing else is waited for under this lock.
pub fn prepare_fork() {
    records::hold_over_fork();
}

/// After fork(2), in the parent, before all others.
pub fn parent_after_fork() {
    records::release();
}

/// After fork(2), in the child, before all others. What its parent goes on to write into a file
/// it may see, so it cannot tell who has damaged a block there.
pub fn child_after_fork() {
    records::release();
    if settings::any() {
        records::hold().after_fork_in_child();
    }
}
