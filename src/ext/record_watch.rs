//! Streams and regions that are checked: a use of one that was destroyed ends the process.
//!
//! The fast paths read a record before anything is checked. So records stay for some time after their streams or
//! regions, and have nothing left.
#![forbid(unsafe_code)]

use super::record_table::{Alive, Records};
use super::watch::{self, Watched};
use crate::error::Error;
use crate::kind::Kind;
use crate::kind::checks::{self, FREE, fault, has};
use crate::log;

/// Whether a record is that of a stream or of a region.
#[derive(Clone, Copy)]
pub(super) enum Of {
    Stream,
    Region,
}

impl Of {
    fn name(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Region => "region",
        }
    }

    /// What is known of all streams, or of all regions.
    fn table(self, watched: &mut Watched) -> &mut Records {
        match self {
            Self::Stream => &mut watched.streams,
            Self::Region => &mut watched.regions,
        }
    }

    /// Notes that a stream or region has been made, with its record at `address` and memory of `kind`.
    ///
    /// # Errors
    /// `Malloc`.
    pub(super) fn made(self, address: usize, kind: &'static Kind) -> Result<(), Error> {
        let made_at = checks::here();
        let mut watched = watch::hold();
        self.table(&mut watched).add(Alive {
            address,
            kind: &kind.head,
            made_by: log::thread(),
            made_at,
            count: 0,
            bytes: 0,
        })
    }

    /// Whether a stream or region has its record at `address` and is alive. If not, and MEMKIND_CHECKS
    /// has `free`, the process ends.
    pub(super) fn is_alive(self, address: usize) -> bool {
        let ended = {
            let mut watched = watch::hold();
            let table = self.table(&mut watched);
            if table.find(address).is_some() {
                return true;
            }
            table.find_ended(address)
        };
        if !has(FREE) {
            return false;
        }
        let (sink, name) = (&mut fault::on_standard_error, self.name());
        match ended {
            Some(ended) => {
                let last = ended.last;
                let kind = last.kind.name();
                fault::say!(
                    sink,
                    "memkind: use of a {name} that was destroyed (kind {kind})"
                );
                fault::tell_place("made", last.made_by, last.made_at, sink);
                fault::tell_place("destroyed", ended.ended_by, ended.ended_at, sink);
            }
            None => fault::say!(
                sink,
                "memkind: use of a {name} that was destroyed long ago, or never made"
            ),
        }
        fault::tell_now(sink);
        fault::end()
    }

    /// Notes that the calling thread destroys the stream or region with its record at `address`. Returns
    /// the address of a record to free now, if there is one.
    pub(super) fn ended(self, address: usize) -> Option<usize> {
        let (thread, place) = (log::thread(), checks::here());
        let mut watched = watch::hold();
        self.table(&mut watched).end(address, thread, place)
    }
}
