//! What is said about faults, and what is alive.

use super::records::{self, Record, State};
use super::trace::{Callers, Shown};
use crate::kind::head::Head;
use crate::log::Line;

/// What is wrong with a block. Numbers are of bytes, the nearest to the block first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Freed once more.
    FreedTwice,
    /// To be resized although it was freed.
    ResizedFreed,
    /// Asked for its size although it was freed.
    MeasuredFreed,
    /// A byte before it was written to: how many bytes before.
    Before(usize),
    /// A byte behind it was written to: 0 for the first.
    Behind(usize),
    /// A byte in it was written to after it had been freed: 0 for the first.
    After(usize),
    /// A byte behind it was about to be used.
    AccessBehind(usize),
    /// A byte before it was about to be used.
    AccessBefore(usize),
    /// A byte in it was about to be used, after it had been freed.
    AccessAfter(usize),
}

/// Takes lines of a message.
pub(super) type Sink<'a> = &'a mut dyn FnMut(&mut Line);

/// Puts one line together, and hands it on.
macro_rules! say {
    ($sink:expr, $($text:tt)*) => {{
        let mut line = $crate::log::Line::new();
        // A line takes what fits and does not fail.
        let _ = core::fmt::Write::write_fmt(&mut line, format_args!( $($text)*));
        $sink(&mut line);
    }};
}
pub(super) use say;

/// Writes a line to standard error.
pub(super) fn on_standard_error(line: &mut Line) {
    line.write();
}

/// The kind of a block, as text.
pub(super) fn kind_name(record: &Record) -> &'static str {
    record.head.map_or("?", Head::name)
}

/// Describes what is wrong with a block.
pub(super) fn describe(fault: Fault, record: &Record, sink: Sink<'_>) {
    let (size, block) = (record.size, record.block());
    let kind = kind_name(record);
    match fault {
        Fault::FreedTwice => {
            say!(
                sink,
                "memkind: double free of {size} bytes at {block:p} (kind {kind})"
            );
        }
        Fault::ResizedFreed => {
            say!(
                sink,
                "memkind: realloc of freed {size} bytes at {block:p} (kind {kind})"
            );
        }
        Fault::MeasuredFreed => {
            say!(
                sink,
                "memkind: usable size asked of freed {size} bytes at {block:p} (kind {kind})"
            );
        }
        Fault::Before(byte) => {
            say!(
                sink,
                "memkind: byte -{byte} before {size} bytes at {block:p} (kind {kind}) was written to"
            );
        }
        Fault::Behind(byte) => {
            say!(
                sink,
                "memkind: byte {byte} behind {size} bytes at {block:p} (kind {kind}) was written to"
            );
        }
        Fault::After(byte) => {
            say!(
                sink,
                "memkind: byte {byte} of freed {size} bytes at {block:p} (kind {kind}) was written to"
            );
        }
        Fault::AccessBehind(byte) => {
            say!(
                sink,
                "memkind: access to byte {byte} behind {size} bytes at {block:p} (kind {kind})"
            );
        }
        Fault::AccessBefore(byte) => {
            say!(
                sink,
                "memkind: access to byte -{byte} before {size} bytes at {block:p} (kind {kind})"
            );
        }
        Fault::AccessAfter(byte) => {
            say!(
                sink,
                "memkind: access to byte {byte} of freed {size} bytes at {block:p} (kind {kind})"
            );
        }
    }
    tell_history(record, sink);
}

/// Says where a block came from and where it went.
pub(super) fn tell_history(record: &Record, sink: Sink<'_>) {
    let (made, freed) = {
        let records = records::hold();
        let places = &records.places;
        (
            places.callers(record.made_at),
            places.callers(record.freed_at),
        )
    };
    say!(
        sink,
        "  allocated by thread {} at {}",
        record.made_by,
        Shown(&made)
    );
    if record.state() != State::Live {
        say!(
            sink,
            "  freed by thread {} at {}",
            record.freed_by,
            Shown(&freed)
        );
    }
}

/// Says where the calling thread is.
pub(super) fn tell_now(callers: &Callers, sink: Sink<'_>) {
    // SAFETY: no preconditions.
    let thread = unsafe { libc::gettid() };
    say!(sink, "  found in thread {thread} at {}", Shown(callers));
}

/// Ends the process once all has been said.
pub(super) fn end() -> ! {
    // SAFETY: no preconditions; it does not return.
    unsafe { libc::abort() }
}

/// Says what is wrong with a block, and ends the process.
#[cold]
pub(super) fn fatal(fault: Fault, record: &Record, callers: &Callers) -> ! {
    describe(fault, record, &mut on_standard_error);
    tell_now(callers, &mut on_standard_error);
    end()
}
