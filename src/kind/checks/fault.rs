//! What is said about faults, and what is alive.

use super::record::{Record, State};
use super::records;
use super::trace::{Shown, capture};
use crate::kind::head::Head;
use crate::log::{self, Line};

/// What is wrong with a block. Numbers are of bytes, the nearest to the block first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The block was freed twice.
    FreedTwice,
    /// An object was put back into its pool although vectors refer to it.
    InVectors,
    /// The block was to be resized although it had been freed.
    ResizedFreed,
    /// The block's size was asked for although it had been freed.
    MeasuredFreed,
    /// A byte before the block was written to: how many bytes before.
    Before(usize),
    /// A byte behind the block was written to: 0 for the first.
    Behind(usize),
    /// A byte of the block was written to after it had been freed: 0 for the first.
    After(usize),
    /// A byte behind the block was about to be used.
    AccessBehind(usize),
    /// A byte before the block was about to be used.
    AccessBefore(usize),
    /// A byte of the block was about to be used after it had been freed.
    AccessAfter(usize),
}

/// Takes lines of a message.
pub(crate) type Sink<'a> = &'a mut dyn FnMut(&mut Line);

/// Puts one line together, and hands it on.
macro_rules! say {
    ($sink:expr, $($text:tt)*) => {{
        let mut line = $crate::log::Line::new();
        // A line takes what fits and does not fail.
        let _ = core::fmt::Write::write_fmt(&mut line, format_args!( $($text)*));
        $sink(&mut line);
    }};
}
pub(crate) use say;

/// Writes a line to standard error.
pub(crate) fn on_standard_error(line: &mut Line) {
    line.write();
}

/// The kind of a block, as text.
pub(super) fn kind_name(record: &Record) -> &'static str {
    record.head.map_or("?", Head::name)
}

/// What comes before the name of a block's kind.
pub(super) fn whose(record: &Record) -> &'static str {
    match record.home {
        Some(_) => "pool of kind ",
        None => "kind ",
    }
}

/// Describes what is wrong with a block.
pub(super) fn describe(fault: Fault, record: &Record, sink: Sink<'_>) {
    let (size, block) = (record.size, record.block());
    let (of, kind) = (whose(record), kind_name(record));
    match fault {
        Fault::FreedTwice => {
            let what = if record.home.is_some() { "put" } else { "free" };
            say!(
                sink,
                "memkind: double {what} of {size} bytes at {block:p} ({of}{kind})"
            );
        }
        Fault::InVectors => {
            say!(
                sink,
                "memkind: put of {size} bytes at {block:p} ({of}{kind}), to which vectors refer"
            );
        }
        Fault::ResizedFreed => {
            say!(
                sink,
                "memkind: realloc of freed {size} bytes at {block:p} ({of}{kind})"
            );
        }
        Fault::MeasuredFreed => {
            say!(
                sink,
                "memkind: usable size asked of freed {size} bytes at {block:p} ({of}{kind})"
            );
        }
        Fault::Before(byte) => {
            say!(
                sink,
                "memkind: byte -{byte} before {size} bytes at {block:p} ({of}{kind}) was written to"
            );
        }
        Fault::Behind(byte) => {
            say!(
                sink,
                "memkind: byte {byte} behind {size} bytes at {block:p} ({of}{kind}) was written to"
            );
        }
        Fault::After(byte) => {
            say!(
                sink,
                "memkind: byte {byte} of freed {size} bytes at {block:p} ({of}{kind}) was written to"
            );
        }
        Fault::AccessBehind(byte) => {
            say!(
                sink,
                "memkind: access to byte {byte} behind {size} bytes at {block:p} ({of}{kind})"
            );
        }
        Fault::AccessBefore(byte) => {
            say!(
                sink,
                "memkind: access to byte -{byte} before {size} bytes at {block:p} ({of}{kind})"
            );
        }
        Fault::AccessAfter(byte) => {
            say!(
                sink,
                "memkind: access to byte {byte} of freed {size} bytes at {block:p} ({of}{kind})"
            );
        }
    }
    tell_history(record, sink);
}

/// Says in which thread and where something was done with a block.
pub(crate) fn tell_place(what: &str, thread: u32, place: u32, sink: Sink<'_>) {
    let callers = records::hold().places.callers(place);
    say!(sink, "  {what} by thread {thread} at {}", Shown(&callers));
}

/// Says where what is alive has come from.
pub(crate) fn tell_origin(place: u32, sink: Sink<'_>) {
    let callers = records::hold().places.callers(place);
    say!(sink, "  allocated at {}", Shown(&callers));
}

/// Says where a block came from and where it went.
pub(super) fn tell_history(record: &Record, sink: Sink<'_>) {
    tell_place("allocated", record.made_by, record.made_at, sink);
    if record.state() != State::Live {
        tell_place("freed", record.freed_by, record.freed_at, sink);
    }
}

/// Says where the calling thread is.
pub(crate) fn tell_now(sink: Sink<'_>) {
    let thread = log::thread();
    say!(sink, "  found in thread {thread} at {}", Shown(&capture()));
}

/// Ends the process once all has been said.
pub(crate) fn end() -> ! {
    // SAFETY: no preconditions; it does not return.
    unsafe { libc::abort() }
}

/// Says what is wrong with a block, and ends the process.
#[cold]
pub(super) fn fatal(fault: Fault, record: &Record) -> ! {
    describe(fault, record, &mut on_standard_error);
    tell_now(&mut on_standard_error);
    end()
}
