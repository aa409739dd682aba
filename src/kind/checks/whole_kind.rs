//! All blocks of a kind at once: when it is destroyed or lost, and over fork(2).

use super::record::{Record, State};
use super::records;
use super::{guard, report, settings};
use crate::kind::head::Head;
use crate::sys::tools;

/// Looks at all blocks of a kind that is about to be destroyed, and forgets them.
pub(crate) fn forget(kind: &'static Head) {
    if !settings::on() {
        return;
    }
    report::at_end_of(kind);
    remove_all(kind, |record| {
        if record.state() == State::Gone {
            return;
        }
        if record.guarded {
            guard::open(record);
        }
        if record.state() == State::Live {
            tools::freed(record.block(), record.size);
        }
        tools::open(record.base(), record.whole);
    });
}

/// Forgets all blocks of a kind that a forked child does not have, without a look at them.
pub(crate) fn lose(kind: &'static Head) {
    if settings::on() {
        remove_all(kind, |_| {});
    }
}

/// Takes all records of a kind out of the table, each after a look at it.
fn remove_all(kind: &'static Head, look: impl Fn(&Record)) {
    let mut records = records::hold();
    let mut index = 0;
    while let Some((at, record)) = records.next_where(index, |record| record.is_of(kind)) {
        if record.state() == State::Kept && !record.guarded {
            records.kept_bytes -= record.whole;
        }
        look(&record);
        records.remove(record.block());
        // Another may have moved there.
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
