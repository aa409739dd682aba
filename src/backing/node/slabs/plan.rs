//! What the slabs of a source are to be like.
#![forbid(unsafe_code)]

use super::super::policy::Bind;
use crate::backing::base::{page_size, round_up};
use crate::topology::NodeMask;

/// Bytes of a slab where the program does not say.
const USUAL: usize = 32 << 20;

/// What memory can be, as bits; the numbers are those of memkind_option_t.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options(u32);

impl Options {
    /// A page is behind each address that is handed out.
    pub const POPULATE: u32 = 1;
    /// Memory is never swapped.
    pub const LOCK: u32 = 2;
    /// Each page stays until the end.
    pub const PIN: u32 = 4;
    /// A forked child does not have the memory.
    pub const NO_FORK: u32 = 8;
    /// Other processes can map the memory.
    pub const SHARED: u32 = 16;
    /// Memory is not in core files.
    pub const NO_DUMP: u32 = 32;
    /// What is freed is overwritten with zeroes.
    pub const WIPE: u32 = 64;
    /// Memory is in transparent huge pages.
    pub const TRANSPARENT_HUGE: u32 = 128;
    /// The bits of all options.
    pub const ALL: u32 = 255;

    /// The options with these bits; `None` if a bit is that of no option.
    pub const fn of(bits: u32) -> Option<Self> {
        if bits & !Self::ALL == 0 {
            Some(Self(bits))
        } else {
            None
        }
    }

    /// Whether any of some bits is set.
    pub const fn has(self, bits: u32) -> bool {
        self.0 & bits != 0
    }
}

/// What the slabs of a source are to be like.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// What else the memory is.
    pub options: Options,
    /// Bytes of a page: [`page_size`], or a size of which the kernel has huge pages.
    pub page: usize,
    /// Whether smaller pages will not do.
    pub required: bool,
    /// Bytes of a slab, a multiple of `page`; 0 for the usual.
    pub slab: usize,
    /// The most bytes of all slabs, a multiple of `page`; 0 for any number.
    pub limit: usize,
    /// How memory is tied to `nodes`.
    pub bind: Bind,
    /// The nodes.
    pub nodes: NodeMask,
}

impl Plan {
    /// The most bytes of all slabs.
    pub(super) const fn most(&self) -> usize {
        match self.limit {
            0 => usize::MAX,
            limit => limit,
        }
    }

    /// Bytes by which the source grows.
    pub(super) fn step(&self) -> usize {
        let usual = round_up(USUAL, self.page).unwrap_or(USUAL);
        let step = if self.slab == 0 { usual } else { self.slab };
        step.min(self.most())
    }

    /// Whether pages are made before they are handed out. Where only some nodes or the pool of
    /// huge pages can give them, it would be a signal to touch one that is not there.
    pub(super) fn populates(&self) -> bool {
        let asked = self.options.has(Options::POPULATE | Options::PIN);
        asked || self.page != page_size() || self.bind == Bind::Bind
    }

    /// Whether pages can be given back before the end.
    pub(in crate::backing) fn gives_back(&self) -> bool {
        !self.options.has(Options::PIN | Options::LOCK) && self.page == page_size()
    }
}
