//! Looking at all blocks, and listing those that are alive by where they came from.

use core::slice;

use super::canary::damage;
use super::fault::{self, Fault, Sink, on_standard_error, say};
use super::record::{Record, State};
use super::records;
use super::settings::{LEAK, TOOL, has, on};
use crate::backing::map_zeroes;
use crate::error::Error;
use crate::kind::head::Head;

/// A copy of the records of interest, each with what is wrong with it.
struct Survey {
    entries: *mut (Record, Option<Fault>),
    count: usize,
    bytes: usize,
}

impl Survey {
    /// Looks at all blocks of a kind, or of all kinds.
    fn of(kind: Option<&Head>) -> Result<Self, Error> {
        let records = records::hold();
        let wanted = |record: &&Record| {
            record.is_used()
                && matches!(record.state(), State::Live | State::Kept)
                && kind.is_none_or(|kind| record.is_of(kind))
        };
        let count = records.all().iter().filter(wanted).count();
        let bytes = (count * size_of::<(Record, Option<Fault>)>()).max(1);
        let entries = map_zeroes(bytes).ok_or(Error::NoMemory)?.cast();
        let survey = Self {
            entries,
            count,
            bytes,
        };
        for (index, record) in records.all().iter().filter(wanted).enumerate() {
            // A tool looks at each access by itself, and at closed pages the processor does.
            let skip = has(TOOL) || (record.guarded && record.state() == State::Kept);
            // SAFETY: the lock is held, so the block stays as it is; there is room for each.
            unsafe {
                let fault = if skip { None } else { damage(record) };
                entries.add(index).write((*record, fault));
            }
        }
        Ok(survey)
    }

    #[allow(clippy::mut_from_ref, reason = "the only reference, of a mapping")]
    fn entries(&self) -> &mut [(Record, Option<Fault>)] {
        // SAFETY: `count` entries were written.
        unsafe { slice::from_raw_parts_mut(self.entries, self.count) }
    }

    /// Says what is wrong; with how many blocks.
    fn tell_faults(&self, sink: Sink<'_>) -> usize {
        let mut count = 0;
        for (record, fault) in self.entries().iter() {
            if let Some(fault) = fault {
                fault::describe(*fault, record, sink);
                count += 1;
            }
        }
        count
    }

    /// Lists what is alive, by kind and place.
    fn tell_alive(&self, sink: Sink<'_>) {
        let entries = self.entries();
        let number = |record: &Record| record.head.map_or(0, Head::partition);
        let key = |record: &Record| (record.home.is_some(), number(record), record.made_at);
        let is_alive = |record: &Record| record.state() == State::Live && !record.in_vectors;
        entries.sort_unstable_by_key(|(record, _)| (!is_alive(record), key(record)));
        let alive = entries
            .iter()
            .take_while(|(record, _)| is_alive(record))
            .count();
        for group in entries[..alive].chunk_by(|a, b| key(&a.0) == key(&b.0)) {
            let bytes: usize = group.iter().map(|(record, _)| record.size).sum();
            let first = &group[0].0;
            let (count, of, kind) = (group.len(), fault::whose(first), fault::kind_name(first));
            let word = match (first.home.is_some(), count) {
                (false, 1) => "block",
                (false, _) => "blocks",
                (true, 1) => "object",
                (true, _) => "objects",
            };
            say!(
                sink,
                "memkind: alive: {count} {word}, {bytes} bytes ({of}{kind})"
            );
            fault::tell_origin(first.made_at, sink);
        }
    }
}

impl Drop for Survey {
    fn drop(&mut self) {
        // SAFETY: our own mapping.
        unsafe { libc::munmap(self.entries.cast(), self.bytes) };
    }
}

/// Looks at all blocks of a kind, or of all kinds, says what is wrong and lists what is alive,
/// line by line; how many blocks something is wrong with.
///
/// # Errors
/// `OperationFailed` if no checks are on; `NoMemory`.
pub fn report(kind: Option<&Head>, sink: Sink<'_>) -> Result<usize, Error> {
    if !on() {
        return Err(Error::OperationFailed);
    }
    let survey = Survey::of(kind)?;
    let faults = survey.tell_faults(sink);
    survey.tell_alive(sink);
    Ok(faults)
}

/// Looks at all blocks and ends the process if something is wrong; lists what is alive if that
/// is asked for.
fn look(kind: Option<&Head>) {
    let Ok(survey) = Survey::of(kind) else {
        return;
    };
    if survey.tell_faults(&mut on_standard_error) > 0 {
        fault::tell_now(&mut on_standard_error);
        fault::end();
    }
    if has(LEAK) {
        survey.tell_alive(&mut on_standard_error);
    }
}

/// Looks at all blocks at the end of the process.
pub fn at_exit() {
    if on() {
        look(None);
    }
}

/// Looks at the blocks of a kind that is about to be destroyed.
pub(super) fn at_end_of(kind: &Head) {
    look(Some(kind));
}
