//! The kinds that a map is attached to.

use core::ptr;

use super::{Attached, Map, push, why};
use crate::backing::{Options, page_size, round_up};
use crate::error::Error;
use crate::heap::page_map::END;
use crate::kind::Kind;
use crate::log::refused;

impl Map {
    /// Tells the program of all ranges of a kind, and of each to come. All or nothing.
    ///
    /// # Errors
    /// `Invalid` for a kind that is neither pinned nor fixed, or attached, and in a forked child;
    /// `OperationFailed` if the program's function refuses, the kind has as many maps as it may have, or
    /// there is no memory for the record of a range; `Malloc`.
    pub fn attach(&'static self, kind: &'static Kind) -> Result<(), Error> {
        self.refuse_inherited()?;
        let name = kind.name();
        self.kinds.with(|kinds| {
            if kinds.iter().any(|known| ptr::eq(known.kind, kind)) {
                return refused!(
                    Err(Error::Invalid),
                    "Cannot attach kind {name} to map: it is attached."
                );
            }
            let changing = true;
            push(kinds, Attached { kind, changing })
        })?;
        let told = match (kind.slabs(), whole_pages(kind)) {
            (Some(slabs), _) if slabs.plan().options.has(Options::PIN) => slabs.watch(self),
            (_, Some((start, size))) => self.learn_all(start, size, page_size()),
            _ => Err(Error::Invalid),
        };
        self.settle(kind, told.is_ok());
        told.map_err(|error| match error {
            Error::Invalid => refused!(
                error,
                "Cannot attach kind {name} to map: it is neither pinned nor fixed."
            ),
            // Slabs refuse one watcher too many with this error, too.
            Error::OperationFailed => refused!(
                error,
                "Cannot attach kind {name} to map: {}, or the kind has too many maps.",
                why(error)
            ),
            _ => refused!(
                Error::OperationFailed,
                "Cannot attach kind {name} to map: {}.",
                why(error)
            ),
        })
    }

    /// Tells the program that all ranges of a kind go, and nothing of the kind from then on.
    ///
    /// # Errors
    /// `Invalid` for a kind that is not attached, or is just being so; from within a function of
    /// the map's; in a forked child.
    pub fn detach(&'static self, kind: &'static Kind) -> Result<(), Error> {
        self.refuse_inherited()?;
        self.kinds.with(|kinds| {
            let is_it = |known: &&mut Attached| ptr::eq(known.kind, kind) && !known.changing;
            let Some(known) = kinds.iter_mut().find(is_it) else {
                return refused!(
                    Err(Error::Invalid),
                    "Cannot detach kind {} from map: it is not attached.",
                    kind.name()
                );
            };
            known.changing = true;
            Ok(())
        })?;
        let told = match (kind.slabs(), whole_pages(kind)) {
            (Some(slabs), _) => slabs.unwatch(self),
            (None, Some((start, size))) => {
                self.forget_all(start, size, page_size());
                Ok(())
            }
            (None, None) => Ok(()),
        };
        self.settle(kind, told.is_err());
        told
    }

    /// Notes that a kind is attached, or is not, after a change.
    fn settle(&'static self, kind: &'static Kind, attached: bool) {
        self.kinds.with(|kinds| {
            if attached {
                let known = kinds.iter_mut().find(|known| ptr::eq(known.kind, kind));
                known.into_iter().for_each(|known| known.changing = false);
            } else {
                kinds.retain(|known| !ptr::eq(known.kind, kind));
            }
        });
    }

    pub(super) fn is_attached(&'static self, kind: &'static Kind) -> bool {
        let is_it = |known: &Attached| ptr::eq(known.kind, kind) && !known.changing;
        self.kinds.with(|kinds| kinds.iter().any(is_it))
    }
}

/// The whole pages of the user's area that a kind is on.
fn whole_pages(kind: &Kind) -> Option<(usize, usize)> {
    let (start, size) = kind.area()?;
    let first = round_up(start, page_size())?;
    let end = start.checked_add(size)? & !(page_size() - 1);
    (first < end && end <= END).then(|| (first, end - first))
}
