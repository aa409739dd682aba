//! What a kind, a region or a pool uses, in numbers.
#![forbid(unsafe_code)]

use crate::heap::je::Stat;
use crate::heap::stats;
use crate::kind::Kind;

/// See memkind_usage: sizes in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Usage {
    /// The most bytes that there may be; 0 for any number.
    pub limit: usize,
    /// Bytes taken from the kind; of a kind, from the system.
    pub held: usize,
    /// Bytes handed out.
    pub in_use: usize,
    /// The most bytes that have been held so far.
    pub peak: usize,
    /// The size of the kind's smallest pages, in bytes.
    pub page_size: usize,
    /// The number of slabs.
    pub n_ranges: usize,
    /// The number of requests that got nothing.
    pub n_refused: usize,
}

impl Usage {
    /// What a kind uses.
    pub fn of_kind(kind: &'static Kind) -> Self {
        stats::refresh();
        let stat = |stat| kind.stat(stat).unwrap_or(0);
        let in_use = stat(Stat::Allocated);
        let page_size = kind.page_size();
        let n_refused = kind.n_refused();
        let limit = kind.limit().unwrap_or(0);
        let Some(slabs) = kind.slabs() else {
            return Self {
                limit,
                held: kind.held().unwrap_or_else(|| stat(Stat::Resident)),
                in_use,
                page_size,
                n_refused,
                ..Self::default()
            };
        };
        let (held, peak) = slabs.taken();
        Self {
            limit,
            held,
            in_use,
            peak,
            page_size,
            n_ranges: slabs.pages_and_slabs().1,
            n_refused,
        }
    }
}
