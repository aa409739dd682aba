//! Where extents come from: one call to give a range of addresses, and calls to
//! give its memory back and take it again.
//!
//! jemalloc calls in here with locks of its own held, from any thread and around
//! fork. So nothing here takes a lock or allocates from the heap: all state is a few
//! atomics that move forward. `errno` is kept by the caller (`heap::extent_hooks`).

mod account;
mod anonymous;
mod answer;
mod counted;
pub mod file;
mod fixed;
mod names;
mod policy;
mod ranges;
mod refusal;
mod table;
mod temporary;
mod units;

pub use anonymous::{Anonymous, PageSize, TransparentHuge};
pub use file::File;
pub use fixed::Fixed;
pub use policy::{Bind, interleave_by_weights, interleaves_by_weights};
pub(crate) use table::map_zeroes;
pub use temporary::dax_path;

use core::sync::atomic::{AtomicBool, Ordering};

use crate::error::Error;

/// Page size of the processor, in bytes.
pub const PAGE: usize = 4096;

static KEEP: AtomicBool = AtomicBool::new(false);

/// From now on freed memory is kept for reuse instead of given back (MEMKIND_HOG_MEMORY).
pub fn keep_freed_memory() {
    KEEP.store(true, Ordering::Relaxed);
}

fn keeps_freed_memory() -> bool {
    KEEP.load(Ordering::Relaxed)
}

/// Rounds up to a multiple of a power of two; `None` on overflow.
pub const fn round_up(value: usize, unit: usize) -> Option<usize> {
    match value.checked_add(unit - 1) {
        Some(sum) => Some(sum & !(unit - 1)),
        None => None,
    }
}

/// Makes the pages of a range be there, without changing what is in them; `false` when the
/// kernel cannot, for some of them or at all (before Linux 5.14).
fn populate(address: usize, size: usize) -> bool {
    // SAFETY: the range is in a mapping of ours, and what is there stays as it is.
    unsafe { libc::madvise(address as *mut _, size, libc::MADV_POPULATE_WRITE) == 0 }
}

/// Whether the kernel knows [`populate`]. `address` is that of any page.
fn can_populate(address: usize) -> bool {
    populate(address, 0)
}

/// A range of addresses handed to the heap.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// First address, a multiple of the requested alignment.
    pub address: usize,
    /// Whether every byte reads as zero.
    pub zeroed: bool,
    /// Whether there is memory behind it; if not, it must be taken again before use.
    pub memory: bool,
}

/// A source of extents.
pub enum Backing {
    /// Private memory of the process, bound to nodes by `mbind(2)`.
    Anonymous(Anonymous),
    /// A temporary file in a directory of the user's choice.
    File(Box<File>),
    /// An area that the user owns.
    Fixed(Fixed),
}

impl Backing {
    /// Gives `size` bytes at a multiple of `align` (a power of two, at least a page),
    /// with memory or, unless `memory` asks for it, perhaps addresses only.
    /// `NoMemory` when the source is exhausted.
    pub fn take(&self, size: usize, align: usize, memory: bool) -> Result<Extent, Error> {
        match self {
            Self::Anonymous(source) => source.take(size, align, memory),
            Self::File(source) => source.take(size, align, memory),
            Self::Fixed(source) => source.take(size, align),
        }
    }

    /// Whether memory that was never written to still reads as zero. In a forked child
    /// the untouched pages of a file may show what its parent has written since.
    pub fn fresh_is_zeroed(&self) -> bool {
        match self {
            Self::File(source) => !source.is_inherited(),
            Self::Anonymous(_) | Self::Fixed(_) => true,
        }
    }

    /// Whether the source can be exhausted while the heap, or another one, holds memory
    /// of it that is not in use.
    pub fn is_bounded(&self) -> bool {
        match self {
            Self::Anonymous(source) => source.is_counted(),
            Self::File(_) | Self::Fixed(_) => true,
        }
    }

    /// Whether what is taken without asking for memory is addresses only.
    pub fn lacks_memory_at_first(&self) -> bool {
        match self {
            Self::Anonymous(source) => source.is_counted(),
            Self::File(_) => true,
            Self::Fixed(_) => false,
        }
    }

    /// Whether memory that one of two sources gives back can be had from the other.
    pub fn shares(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Anonymous(source), Self::Anonymous(other)) => source.shares(other),
            (Self::File(source), Self::File(other)) => source.shares(other),
            _ => false,
        }
    }

    /// Bytes left of what a file shares with others, its file system; `None` for other sources.
    pub fn left_beside(&self) -> Option<usize> {
        match self {
            Self::File(source) => Some(source.left_beside()),
            Self::Anonymous(_) | Self::Fixed(_) => None,
        }
    }

    /// The most bytes that a heap should take beyond what it needs; `None` for any number.
    pub fn growth(&self) -> Option<usize> {
        match self {
            Self::Anonymous(source) => Some(source.growth()),
            Self::File(source) => Some(source.growth()),
            Self::Fixed(_) => None,
        }
    }

    /// Bytes that the heap has been given and has not given back, if these are counted.
    pub fn held(&self) -> Option<usize> {
        match self {
            Self::File(source) => Some(source.held()),
            Self::Fixed(source) => Some(source.held()),
            Self::Anonymous(_) => None,
        }
    }

    /// Bytes that this source and others have been given of the same memory, if these are counted
    /// together.
    pub fn promised(&self) -> Option<usize> {
        match self {
            Self::Anonymous(source) => source.promised(),
            Self::File(_) | Self::Fixed(_) => None,
        }
    }

    /// Bytes that the source could give besides; 0 where they are not counted.
    pub fn left(&self) -> usize {
        match self {
            Self::File(source) => source.left(),
            Self::Fixed(source) => source.left(),
            Self::Anonymous(_) => 0,
        }
    }

    /// Makes a range usable again after `give_back`; it then reads as zero.
    pub fn take_again(&self, address: usize, size: usize) -> Result<(), Error> {
        match self {
            Self::Anonymous(source) => source.take_again(address, size),
            Self::File(source) => source.take_again(address, size),
            Self::Fixed(_) => Ok(()),
        }
    }

    /// Gives a range back to the system and its share of the limit to the kind; it
    /// must be taken again before use. `false` when the memory stays as it is.
    pub fn give_back(&self, address: usize, size: usize) -> bool {
        match self {
            Self::Anonymous(source) => source.give_back(address, size),
            Self::File(source) => source.give_back(address, size),
            Self::Fixed(_) => false,
        }
    }

    /// Takes a whole extent back, with its addresses; nothing but a pool of anonymous memory
    /// does that.
    pub fn release(&self, address: usize, size: usize) {
        if let Self::Anonymous(source) = self {
            source.release(address, size);
        }
    }

    /// Extents are a multiple of so many bytes.
    pub const fn granule(&self) -> usize {
        match self {
            Self::Anonymous(source) => source.granule(),
            Self::File(_) | Self::Fixed(_) => PAGE,
        }
    }

    /// Whether anything can be given back to the system.
    pub fn gives_back(&self) -> bool {
        !matches!(self, Self::Fixed(_))
    }

    /// Gives the pages of a range back to the system; the range stays usable and
    /// reads as zero. `false` when the memory stays as it is.
    pub fn purge(&self, address: usize, size: usize) -> bool {
        match self {
            Self::Anonymous(source) => source.purge(address, size),
            Self::File(_) | Self::Fixed(_) => false,
        }
    }

    /// Calls `each` with every range that the heap may have been given parts of.
    pub fn for_each_range(&self, each: impl FnMut(usize, usize)) {
        match self {
            Self::Anonymous(source) => source.for_each_range(each),
            Self::File(source) => source.for_each_range(each),
            Self::Fixed(source) => source.for_each_range(each),
        }
    }
}
