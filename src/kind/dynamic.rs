//! Kinds that the program makes: on files, on areas of its own, on nodes that it names.

use core::ffi::CStr;

use super::spec::{From, Source, Spec};
use super::{Head, Kind, registry};
use crate::backing::{Anonymous, Backing, Bind, File, Fixed, PageSize, TransparentHuge, round_up};
use crate::error::Error;
use crate::heap::{Heap, arena};
use crate::log::{self, Line};
use crate::topology;

/// The smallest limit of a file-backed kind, in bytes (`MEMKIND_PMEM_MIN_SIZE`).
pub const FILE_MIN_SIZE: usize = 16 << 20;
/// Limits are rounded up to a multiple of this many bytes.
pub(super) const FILE_UNIT: usize = 2 << 20;

/// When a kind gives freed memory back (memkind(3), SETTINGS OF FILE-BACKED KINDS).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// After a while.
    Default,
    /// At once.
    Conservative,
}

/// Creates a kind on a temporary file of up to `limit` bytes in `dir`; 0 is no limit.
///
/// # Errors
/// `Invalid` for a limit below [`FILE_MIN_SIZE`] or, with `errno`, a directory in which
/// no file can be made; `Environ` for a malformed variable; `TooMany`; `Malloc`.
pub fn create_file(dir: &CStr, limit: usize, usage: Usage) -> Result<&'static Kind, Error> {
    if limit != 0 && limit < FILE_MIN_SIZE {
        log::error!(
            "Cannot create pmem: invalid size: {limit} - size must be equal 0 or greater than \
             or equal to MEMKIND_PMEM_MIN_SIZE"
        );
        return Err(Error::Invalid);
    }
    // Some programs pass SIZE_MAX for no limit.
    let limit = round_up(limit, FILE_UNIT).unwrap_or(0);
    let decay_ms = match usage {
        Usage::Default => None,
        Usage::Conservative => Some(0),
    };
    create(anywhere(Source::File), decay_ms, |_| {
        let file = File::create(dir, limit)?;
        let name = format_name(format_args!("pmem{:08x}", file.descriptor()));
        Ok((Backing::File(file), name))
    })
}

/// Creates a kind on the area of `size` bytes at `start`, which the caller keeps and frees.
///
/// # Errors
/// `Invalid` when a kind with this start address lives; `Environ`; `TooMany`; `Malloc`.
pub fn create_fixed(start: usize, size: usize) -> Result<&'static Kind, Error> {
    let name = format_name(format_args!("fixed{start:#x}"));
    let taken = registry::dynamic().any(|kind| match kind.heap.backing() {
        Backing::Fixed(area) => area.start() == start,
        _ => false,
    });
    if taken {
        log::error!("Kind with the name {} already exists", name.text());
        return Err(Error::Invalid);
    }
    create(anywhere(Source::Fixed), None, |_| {
        Ok((Backing::Fixed(Fixed::new(start, size)), name))
    })
}

/// Creates a kind on `nodes`, a list as in numa(3), with the policy `bind`.
///
/// # Errors
/// Those of [`topology::named()`]; `Unavailable` without
/// NUMA in the kernel; `Environ`; `TooMany`; `Malloc`.
pub fn create_nodes(nodes: &CStr, bind: Bind) -> Result<&'static Kind, Error> {
    if !topology::numa_available() {
        log::error!("Cannot create kind: the kernel has no NUMA.");
        return Err(Error::Unavailable);
    }
    let targets = topology::named(nodes.to_bytes())?;
    let spec = Spec {
        source: Source::Anonymous,
        from: From::Exactly(targets),
        bind,
        page: PageSize::Base,
        thp: match bind {
            Bind::Interleave => TransparentHuge::Never,
            _ => TransparentHuge::AsSystem,
        },
    };
    create(spec, None, |_| {
        let source = Anonymous::new(spec.page, spec.thp, spec.bind);
        source.set_nodes(targets.of_place(0), targets.home(0))?;
        let mode = match bind {
            Bind::Preferred => "preferred",
            Bind::Interleave => "interleave",
            Bind::Bind | Bind::None => "bind",
        };
        let name = format_name(format_args!("nodes{}:{mode}", targets.all()));
        Ok((Backing::Anonymous(source), name))
    })
}

/// The row of a kind on `source`, without a policy.
pub(super) const fn anywhere(source: Source) -> Spec {
    Spec {
        source,
        from: From::Any,
        bind: Bind::None,
        page: PageSize::Base,
        thp: TransparentHuge::AsSystem,
    }
}

/// Creates a kind of `spec` on the backing and with the name that `make` returns. Its free pages
/// go back after `decay_ms` milliseconds; `None` is the default.
///
/// # Errors
/// `Environ` for a malformed variable; `TooMany`; `Malloc`; the errors of `make`.
fn create(
    spec: Spec,
    decay_ms: Option<isize>,
    make: impl FnOnce(u32) -> Result<(Backing, Line), Error>,
) -> Result<&'static Kind, Error> {
    arena::asked_for()?;
    registry::add(|number| {
        let (backing, name) = make(number)?;
        Ok(Kind::new(
            Head::new(number, name.text().as_bytes()),
            spec,
            Heap::new(backing, number + 1, decay_ms),
        ))
    })
}

/// The name of a kind, cut to the length of a line.
pub(super) fn format_name(text: core::fmt::Arguments<'_>) -> Line {
    let mut line = Line::new();
    // A longer text is cut; that is no error.
    let _ = core::fmt::Write::write_fmt(&mut line, text);
    line
}
