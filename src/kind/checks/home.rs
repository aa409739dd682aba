//! What checks need to know of a kind, and of what else hands out memory of one.

use crate::error::Error;
use crate::kind::head::Head;

/// A kind, as far as checks need it.
pub trait Origin: Sync {
    /// The head of the kind, which stays where it is as long as blocks of the kind are known.
    fn head(&'static self) -> &'static Head;
    /// The alignment in bytes of every block of the kind, at least 1.
    fn least_alignment(&self) -> usize;
    /// Whether the kind's memory is a file's.
    fn is_file(&self) -> bool;
    /// Whether access to single pages of the kind's memory can be closed.
    fn can_close_pages(&self) -> bool;
    /// The kind, of those that serve when it has no memory, whose heap gave a block; `None` for others.
    fn fallback_of(&'static self, base: *mut u8) -> Option<&'static dyn Origin>;
    /// `size` bytes of its heap at a multiple of `align`, a power of two: 1 for what malloc gives. Where
    /// that is all that is asked of the address, they are zeroed if so asked. The program wants `asked` of them; with `None` it is not asked to make room. What checks keep back
    /// is given back before it is refused.
    ///
    /// # Errors
    /// Those of an allocation.
    fn take(
        &'static self,
        align: usize,
        size: usize,
        asked: Option<usize>,
        zeroed: bool,
    ) -> Result<*mut u8, Error>;
    /// Resizes what the heap gave without moving it; whether that was possible.
    ///
    /// # Safety
    /// `base` is a live block of a heap.
    unsafe fn resize(&'static self, base: *mut u8, size: usize) -> bool;
    /// Resizes what a heap gave to `size` bytes of this kind, more than 0, as if it were not checked.
    ///
    /// # Errors
    /// Those of an allocation.
    ///
    /// # Safety
    /// `base` is a live block of a heap.
    unsafe fn realloc(&'static self, base: *mut u8, size: usize) -> Result<*mut u8, Error>;
}

/// Where objects belong that are cut from memory of a kind.
pub trait Home: Sync {
    /// The kind that the memory of the objects is of.
    fn origin(&'static self) -> &'static dyn Origin;
    /// Takes back an object that is not used any more. No lock is held.
    fn take_back(&'static self, object: *mut u8);
}
