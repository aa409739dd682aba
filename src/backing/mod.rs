//! Sources of extents: a call that takes a range of addresses, and calls that give its memory back
//! and take it again.
//!
//! | module | contents, lowest first |
//! |---|---|
//! | `base` | constants, types and functions that all sources use |
//! | `table`, `ranges` | containers that allocate nothing from the heap |
//! | `fixed` | an area that the program provides |
//! | `node` | private memory of the process, bound to nodes |
//! | `file` | a temporary file |
//!
//! jemalloc calls in here with its own locks held, from any thread and around fork. So what it calls (to
//! take extents, to give memory back and take it again) takes no lock and allocates nothing from the
//! heap: that state is a few atomics that move forward. A source is made, and slabs are added, where no
//! lock of jemalloc's is held. The caller keeps `errno` (`heap::arena::hooks`).

mod base;
pub mod file;
mod fixed;
mod node;
mod ranges;
mod table;

pub use base::{
    END, Extent, Room, UNIT, keep_freed_memory, keeps_freed_memory, page_size, round_up,
};
pub use file::{File, dax_path};
pub use fixed::Fixed;
pub use node::{
    Anonymous, Bind, Options, PageSize, Plan, Slabs, TransparentHuge, Watch, interleave_by_weights,
    interleaves_by_weights, thp,
};
pub(crate) use ranges::Ranges;
pub(crate) use table::Table;

pub(crate) use crate::sys::addresses::{Reserved, map_zeroes};

use crate::error::Error;

/// A source of extents.
pub enum Backing {
    /// Private memory of the process, bound to nodes by `mbind(2)`.
    Anonymous(Anonymous),
    /// A temporary file in a directory that the program names.
    File(Box<File>),
    /// An area that the program provides.
    Fixed(Fixed),
    /// Memory that was made ready in large pieces.
    Slabs(Box<Slabs>),
}

impl Backing {
    /// Takes an extent of `size` bytes at a multiple of `align` (a power of two, at least a page).
    /// Without `memory` it may be addresses only.
    ///
    /// # Errors
    /// `NoMemory` when the source is exhausted.
    pub fn take(&self, size: usize, align: usize, memory: bool) -> Result<Extent, Error> {
        match self {
            Self::Anonymous(source) => source.take(size, align, memory),
            Self::File(source) => source.take(size, align, memory),
            Self::Fixed(source) => source.take(size, align),
            Self::Slabs(source) => source.take(size, align),
        }
    }

    /// Whether memory that was never written to reads as zero. In a forked child the untouched
    /// pages of a file may show later writes of its parent.
    pub fn fresh_is_zeroed(&self) -> bool {
        match self {
            Self::File(source) => !source.is_inherited(),
            Self::Anonymous(_) | Self::Fixed(_) | Self::Slabs(_) => true,
        }
    }

    /// Whether `other` can take memory that this source gives back.
    pub fn shares(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Anonymous(source), Self::Anonymous(other)) => source.shares(other),
            (Self::File(source), Self::File(other)) => source.shares(other),
            _ => false,
        }
    }

    /// The most bytes that a heap should take beyond what it needs; `None` for any number.
    pub fn growth(&self) -> Option<usize> {
        match self {
            Self::Anonymous(source) => Some(source.growth()),
            Self::File(source) => Some(source.growth()),
            Self::Slabs(source) => Some(source.growth_of_heap()),
            Self::Fixed(_) => None,
        }
    }

    /// Bytes of the nodes that memory comes from, and no more than the process may have; `None`
    /// for other sources, and when that could not be found out for a reason that passes.
    pub fn size_of_nodes(&self) -> Option<usize> {
        match self {
            Self::Anonymous(source) => source.size_of_nodes(),
            Self::File(_) | Self::Fixed(_) | Self::Slabs(_) => None,
        }
    }

    /// What the source has taken and what it has left, in bytes.
    pub fn room(&self) -> Room {
        let (held, left) = match self {
            Self::Anonymous(source) => return source.room(),
            Self::File(source) => (source.held(), source.left()),
            Self::Fixed(source) => (source.held(), source.left()),
            Self::Slabs(source) => (source.held(), source.left()),
        };
        Room::Own { held, left }
    }

    /// Bytes that this source and others have taken of the same nodes; `None` where they are not
    /// counted.
    pub fn promised(&self) -> Option<usize> {
        match self {
            Self::Anonymous(source) => source.promised(),
            Self::File(_) | Self::Fixed(_) | Self::Slabs(_) => None,
        }
    }

    /// Takes memory for a range again after `give_back`; the range then reads as zero.
    ///
    /// # Errors
    /// `NoMemory` when the source is exhausted.
    pub fn take_again(&self, address: usize, size: usize) -> Result<(), Error> {
        match self {
            Self::Anonymous(source) => source.take_again(address, size),
            Self::File(source) => source.take_again(address, size),
            Self::Slabs(source) => source.take_again(address, size),
            Self::Fixed(_) => Ok(()),
        }
    }

    /// Gives the memory of a range back to the system, and its bytes to the limit of the kind. The
    /// range must be taken again before use. `false` when the memory stays as it is.
    ///
    /// # Safety
    /// No live block is in the range, which the heap has taken from this source.
    pub unsafe fn give_back(&self, address: usize, size: usize) -> bool {
        match self {
            // SAFETY: no live block is in the range of this source.
            Self::Anonymous(source) => unsafe { source.give_back(address, size) },
            // SAFETY: no live block is in the range of this file.
            Self::File(source) => unsafe { source.give_back(address, size) },
            // SAFETY: no live block is in the range of these slabs.
            Self::Slabs(source) => unsafe { source.give_back(address, size) },
            Self::Fixed(_) => false,
        }
    }

    /// Unmaps a whole extent of anonymous memory: of a pool of TBB, or of a block that is one;
    /// other sources keep their addresses.
    ///
    /// # Safety
    /// The extent is this source's, and is not used any more.
    pub unsafe fn release(&self, address: usize, size: usize) {
        if let Self::Anonymous(source) = self {
            // SAFETY: an extent of this source that is not used any more.
            unsafe { source.release(address, size) };
        }
    }

    /// The source, if its extents can be resized: mappings of ordinary pages.
    pub const fn resizable(&self) -> Option<&Anonymous> {
        match self {
            Self::Anonymous(source) if matches!(source.page, PageSize::Base) => Some(source),
            _ => None,
        }
    }

    /// The unit of extents, in bytes: their sizes are multiples of it.
    pub fn granule(&self) -> usize {
        match self {
            Self::Anonymous(source) => source.page.granule(),
            Self::File(_) | Self::Fixed(_) | Self::Slabs(_) => page_size(),
        }
    }

    /// Whether memory can be given back to the system.
    pub fn gives_back(&self) -> bool {
        match self {
            Self::Fixed(_) => false,
            Self::Slabs(source) => source.plan().gives_back(),
            Self::Anonymous(_) | Self::File(_) => true,
        }
    }

    /// Gives the pages of a range back to the system. The range stays usable and reads as zero.
    /// `false` when the memory stays as it is.
    ///
    /// # Safety
    /// No live block is in the range, which the heap has taken from this source.
    pub unsafe fn purge(&self, address: usize, size: usize) -> bool {
        match self {
            // SAFETY: no live block is in the range of this source.
            Self::Anonymous(source) => unsafe { source.purge(address, size) },
            Self::File(_) | Self::Fixed(_) | Self::Slabs(_) => false,
        }
    }

    /// Calls `each` with the start and the size, in bytes, of every range in which the heap may
    /// have extents.
    pub fn for_each_range(&self, each: impl FnMut(usize, usize)) {
        match self {
            Self::Anonymous(source) => source.for_each_range(each),
            Self::File(source) => source.for_each_range(each),
            Self::Fixed(source) => source.for_each_range(each),
            Self::Slabs(source) => source.for_each_range(each),
        }
    }
}
