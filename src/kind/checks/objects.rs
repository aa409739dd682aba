//! Objects that are cut from memory of a kind and come back to a pool: checked as blocks are,
//! but for what lies around them.

use core::ptr;

use super::canary::{self, damage};
use super::fault::{self, Fault};
use super::home::Home;
use super::kept::keep;
use super::record::{Record, State};
use super::records;
use super::settings::{FREE, OVERFLOW, has, records_all};
use crate::heap::pause::Pause;
use crate::sys::tools;

/// Whether objects are checked. The first call decides for the life of the process.
pub(crate) fn are_checked() -> bool {
    super::on() && records_all()
}

fn is_of(record: &Record, home: &'static dyn Home) -> bool {
    record.home.is_some_and(|own| ptr::addr_eq(own, home))
}

/// Notes that the program gets an object of `size` bytes, with `stride` to the next one;
/// `in_vectors` if vectors will count references to it. `false` without memory for that.
pub(crate) fn lent(
    home: &'static dyn Home,
    object: *mut u8,
    size: usize,
    stride: usize,
    in_vectors: bool,
) -> bool {
    let mut record = Record::new(object, size, stride, 0);
    record.home = Some(home);
    record.head = Some(home.origin().head());
    record.of_file = home.origin().is_file();
    record.in_vectors = in_vectors;
    tools::open(object, stride);
    if has(OVERFLOW) {
        // SAFETY: an object that the pool has just given.
        unsafe { canary::lay(&record) };
    }
    if in_vectors {
        tools::close(object.wrapping_add(size), stride - size);
    } else {
        tools::made(object, stride, object, size, false);
    }
    record.note_made(records::here());
    records::hold().insert(record)
}

/// Takes an object from the program: it is kept back, and comes home later. Does not return if
/// it is not the program's, and this is checked.
pub(crate) fn returned(home: &'static dyn Home, object: *mut u8, in_vectors: bool) {
    let found = records::hold().find(object).copied();
    let Some(mut record) = found.filter(|record| is_of(record, home)) else {
        return not_of(home, object);
    };
    if record.state() != State::Live || record.in_vectors != in_vectors {
        let fault = match record.state() {
            State::Live => Fault::InVectors,
            _ => Fault::FreedTwice,
        };
        if has(FREE) {
            fault::fatal(fault, &record);
        }
        return;
    }
    record.set_state(State::Freeing);
    record.note_freed(records::here());
    let first = {
        let mut records = records::hold();
        let found = records.find(object);
        // Another thread may have put it back just now.
        let first = found.filter(|found| found.state() == State::Live);
        first.map(|found| *found = record).is_some()
    };
    if !first {
        fault::fatal(Fault::FreedTwice, &record);
    }
    if !in_vectors {
        tools::freed(object, record.size);
    }
    tools::open(object, record.whole);
    // SAFETY: put back just now, and the pool has not got it.
    if let Some(fault) = unsafe { damage(&record) } {
        fault::fatal(fault, &record);
    }
    keep(record);
}

#[cold]
fn not_of(home: &'static dyn Home, address: *mut u8) {
    if !has(FREE) {
        return;
    }
    let sink = &mut fault::on_standard_error;
    let kind = home.origin().head().name();
    fault::say!(
        sink,
        "memkind: put of {address:p}, which is no object of the pool (pool of kind {kind})"
    );
    let around = records::hold().around(address.addr());
    if let Some(around) = around {
        fault::tell_history(&around, sink);
    }
    fault::tell_now(sink);
    fault::end()
}

/// The number of objects of the pool `home` that are kept back.
pub(crate) fn kept_of(home: &'static dyn Home) -> usize {
    let records = records::hold();
    let all = records.all().iter();
    all.filter(|record| record.is_used() && record.state() == State::Kept && is_of(record, home))
        .count()
}

/// Looks at all objects that belong to a pool which is about to go, and forgets them.
pub(crate) fn forget_home(home: &'static dyn Home) {
    let mut index = 0;
    let mut pause = Pause::new();
    loop {
        let mut records = records::hold();
        let Some((at, record)) = records.next_where(index, |record| is_of(record, home)) else {
            if records.flying == 0 {
                return;
            }
            drop(records);
            pause.wait();
            continue;
        };
        if record.state() == State::Freeing {
            drop(records);
            pause.wait();
            continue;
        }
        if record.state() == State::Kept {
            records.kept_bytes -= record.whole;
        }
        records.remove(record.block());
        drop(records);
        // Another may have moved there.
        index = at;
        if record.state() == State::Live && !record.in_vectors {
            tools::freed(record.block(), record.size);
        }
        tools::open(record.base(), record.whole);
        if !matches!(record.state(), State::Live | State::Kept) {
            continue;
        }
        // SAFETY: the pool's, and no code of the program's uses it any more.
        let fault = unsafe { damage(&record) };
        if let Some(fault) = fault {
            fault::fatal(fault, &record);
        }
    }
}
