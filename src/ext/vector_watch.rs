//! Vectors that are checked: what they refer to is in a table, and they hold the number of an
//! entry there. So each use of a vector is found whose references are gone, wherever a program has
//! copied it to.

use super::buffer::{self, LOCAL};
use super::slice::Vector;
use super::vector_table::{Entry, Table};
use super::watch::{self, Watched};
use crate::kind::checks::{self, FREE, fault, has};
use crate::log;

/// What is done with a vector, for messages.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Release,
    AddRef,
    Clone,
    Move,
    Commit,
}

impl Use {
    fn text(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::AddRef => "addref",
            Self::Clone => "clone",
            Self::Move => "move",
            Self::Commit => "commit",
        }
    }
}

/// Whether vectors are checked: always the same answer.
pub(super) fn is_on() -> bool {
    checks::objects::are_checked()
}

/// Ends the process for the use of a vector that is gone, or is another thread's.
#[cold]
fn wrong(what: Use, entry: Entry, vector: *const Vector) -> ! {
    let sink = &mut fault::on_standard_error;
    let (what, length, data) = (what.text(), entry.length, entry.data);
    let kind = entry.kind();
    if entry.references > 0 {
        let (here, thread) = (log::thread(), entry.thread);
        fault::say!(
            sink,
            "memkind: {what} by thread {here} of a LOCAL vector of thread {thread}, {length} bytes at {data:#x} (pool of kind {kind})"
        );
    } else {
        let copy = if entry.vector == vector.addr() {
            ""
        } else {
            "a copy of "
        };
        fault::say!(
            sink,
            "memkind: {what} of {copy}a released vector, {length} bytes at {data:#x} (pool of kind {kind})"
        );
    }
    fault::tell_place("allocated", entry.thread, entry.made_at, sink);
    if entry.references == 0 {
        fault::tell_place("released", entry.released_by, entry.released_at, sink);
    }
    fault::tell_now(sink);
    fault::end()
}

/// The entry of a vector that is to be used.
///
/// # Errors
/// Its entry if the references of the vector are gone or, where FREE is checked, it is another thread's;
/// `None` if its number is of no entry.
fn look_up(
    table: &mut Table,
    vector: *const Vector,
    what: Use,
) -> Result<&mut Entry, Option<Entry>> {
    // SAFETY: a vector of the program's.
    let number = unsafe { (*vector).number };
    let entry = table.find(number).ok_or(None)?;
    let is_gone = entry.references == 0;
    let is_others = entry.owner & LOCAL != 0
        && !entry.inherited
        && entry.thread != log::thread()
        && what != Use::Move;
    if is_gone || (is_others && has(FREE)) {
        return Err(Some(*entry));
    }
    Ok(entry)
}

/// The entry of a vector that is to be used; `None` if it may not be used. Where FREE is checked this ends
/// the process instead.
fn entry_of(vector: *const Vector, what: Use) -> Option<Entry> {
    let found = {
        let mut watched = watch::hold();
        look_up(&mut watched.vectors, vector, what).map(|entry| *entry)
    };
    match found {
        Ok(entry) => Some(entry),
        Err(Some(entry)) if has(FREE) => wrong(what, entry, vector),
        Err(None) if has(FREE) => {
            let sink = &mut fault::on_standard_error;
            let what = what.text();
            fault::say!(
                sink,
                "memkind: {what} of a vector at {vector:p} that was released long ago, or never made"
            );
            fault::tell_now(sink);
            fault::end()
        }
        Err(_) => None,
    }
}

/// Writes a vector like `real` to `vector`, with the number of a new entry in place of the owner;
/// `place` is where it is made, `stream` the stream that has reserved it, or 0. Without memory for
/// an entry `real` itself is written: it is not checked then.
///
/// # Safety
/// `vector` is writable.
unsafe fn put(watched: &mut Watched, vector: *mut Vector, real: Vector, place: u32, stream: usize) {
    let made = watched.vectors.add(Entry {
        number: 0,
        references: 1,
        data: real.data as usize,
        length: real.length,
        thread: log::thread(),
        made_at: place,
        released_by: 0,
        released_at: 0,
        owner: real.owner,
        vector: 0,
        reserved: stream,
        next: 0,
        inherited: false,
    });
    // SAFETY: `vector` is writable.
    unsafe {
        *vector = match made {
            Some(number) => Vector {
                number,
                owner: 0,
                ..real
            },
            None => real,
        };
    }
}

/// Takes note of `n` vectors that a stream has cut. `stream` is the address of the stream if they are
/// reserved, else 0.
///
/// # Safety
/// `vectors` points to `n` writable vectors.
pub(super) unsafe fn made(vectors: *mut Vector, n: usize, stream: usize) {
    let place = checks::here();
    let mut watched = watch::hold();
    for index in 0..n {
        // SAFETY: `index` is below `n`, and the `n` vectors are writable.
        unsafe {
            let vector = vectors.add(index);
            put(&mut watched, vector, *vector, place, stream);
        }
    }
}

/// Ends the process if a stream is used although vectors that it has reserved are alive and not
/// committed.
pub(super) fn nothing_reserved(stream: usize) {
    if !has(FREE) {
        return;
    }
    let found = watch::hold().vectors.reserved_by(stream);
    if let Some(entry) = found {
        let sink = &mut fault::on_standard_error;
        let (length, data, kind) = (entry.length, entry.data, entry.kind());
        fault::say!(
            sink,
            "memkind: use of a stream that has reserved {length} bytes at {data:#x} (pool of kind {kind})"
        );
        fault::tell_place("reserved", entry.thread, entry.made_at, sink);
        fault::tell_now(sink);
        fault::end()
    }
}

/// Notes that what a stream had reserved is committed, or that the stream is gone.
pub(super) fn committed(stream: usize) {
    watch::hold().vectors.committed(stream);
}

/// What a vector refers to, as if it were not checked; empty if it may not be used.
///
/// # Safety
/// A vector, empty or live.
unsafe fn used(vector: *const Vector, what: Use) -> Vector {
    // SAFETY: a vector of the program's.
    let now = unsafe { *vector };
    if now.number == 0 {
        return now;
    }
    match entry_of(vector, what) {
        // Data and length are the program's to make smaller.
        Some(entry) => Vector {
            number: 0,
            owner: entry.owner,
            ..now
        },
        None => Vector::EMPTY,
    }
}

/// What a vector that is to be committed refers to, as if it were not checked.
///
/// # Safety
/// A vector, empty or live.
pub(super) unsafe fn real(vector: *const Vector) -> Vector {
    // SAFETY: a vector, empty or live.
    unsafe { used(vector, Use::Commit) }
}

/// Adds a reference through a vector.
///
/// # Safety
/// A vector, empty or live.
pub(super) unsafe fn add_ref(vector: *const Vector) {
    if let Some(entry) = entry_of(vector, Use::AddRef) {
        let mut watched = watch::hold();
        if let Some(found) = watched.vectors.find(entry.number) {
            found.references += 1;
        }
        // SAFETY: the vector holds a reference.
        unsafe { buffer::add_ref(entry.owner) };
    }
}

/// Makes `to` refer to a part of what `from` refers to; otherwise `to` is empty.
///
/// # Safety
/// `to` is writable, and `from` a vector, empty or live.
pub(super) unsafe fn clone_part(
    to: *mut Vector,
    from: *const Vector,
    offset: u32,
    length: u32,
) -> bool {
    // SAFETY: `from` is a vector, empty or live.
    let part = unsafe { used(from, Use::Clone) }.part(offset, length);
    let part = part.filter(|part| part.owner != 0);
    // SAFETY: an owner that is not 0 has a buffer, to which `from` holds a reference; `to` is writable.
    unsafe {
        match part {
            Some(part) => {
                buffer::add_ref(part.owner);
                let place = checks::here();
                put(&mut watch::hold(), to, part, place, 0);
            }
            None => *to = Vector::EMPTY,
        }
    }
    part.is_some()
}

/// Gives a reference up. Returns the owner whose count the caller is to lower, or 0.
///
/// # Safety
/// A vector, empty or live.
pub(super) unsafe fn release(vector: *mut Vector) -> usize {
    let Some(entry) = entry_of(vector, Use::Release) else {
        return 0;
    };
    let (place, thread) = (checks::here(), log::thread());
    let mut watched = watch::hold();
    let Some(found) = watched.vectors.find(entry.number) else {
        return 0;
    };
    // Another thread may have released it just now.
    let Some(left) = found.references.checked_sub(1) else {
        let entry = *found;
        drop(watched);
        wrong(Use::Release, entry, vector);
    };
    found.references = left;
    if left == 0 {
        found.released_by = thread;
        found.released_at = place;
        found.vector = vector.addr();
        let (number, owner) = (found.number, found.owner);
        watched.vectors.bury(number);
        return owner;
    }
    entry.owner
}

/// A part of a vector that is handed on: it keeps its number. Empty if it may not be used.
///
/// # Safety
/// A vector, empty or live.
pub(super) unsafe fn moved(vector: *const Vector, offset: u32, length: u32) -> Vector {
    // SAFETY: a vector of the program's.
    let now = unsafe { *vector };
    let may = entry_of(vector, Use::Move).is_some();
    let Some(part) = now.part(offset, length).filter(|_| may) else {
        return Vector::EMPTY;
    };
    if let Some(found) = watch::hold().vectors.find(now.number) {
        found.data = part.data as usize;
        found.length = part.length;
    }
    part
}
