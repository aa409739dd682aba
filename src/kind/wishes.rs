//! What a program has asked of a kind besides memory: an alignment, and what serves when there is none.

use core::ffi::{c_int, c_void};
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::checks;
use crate::backing::{Backing, round_up};
use crate::error::Error;
use crate::heap::{self, Heap};

/// What gives memory: a kind.
pub trait Memory: Sync + 'static {
    /// The heap.
    fn heap(&'static self) -> &'static Heap;

    /// A block of this kind. Where `align` is 1, it is zeroed if that is asked for.
    ///
    /// # Errors
    /// Those of malloc of a kind.
    fn allocate_here(
        &'static self,
        align: usize,
        size: usize,
        zero: bool,
    ) -> Result<*mut u8, Error>;

    /// A block of this kind or, if it has no memory, what its fallback and the program's function
    /// give. The function is told `asked`, the bytes that the program wants; with `None` it is not called.
    ///
    /// # Errors
    /// Those of malloc of a kind.
    fn allocate_any(
        &'static self,
        align: usize,
        size: usize,
        asked: Option<usize>,
        zero: bool,
    ) -> Result<*mut u8, Error>;

    /// Whether the heap with this id is the kind's own, or of a kind that serves when this one has no memory.
    fn is_served_by(&'static self, heap: usize) -> bool;
}

/// A function of the program's that is asked when there is no memory.
pub struct Exhausted<K> {
    /// The function: nonzero says that there may be memory now. It is safe to call with `context`
    /// and any kind, as the caller that set it has promised.
    pub function: unsafe extern "C" fn(*mut c_void, *const K, usize) -> c_int,
    /// Passed to the function; the library does not look into it.
    pub context: *mut c_void,
}

impl<K> Clone for Exhausted<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Exhausted<K> {}

/// What a program has asked of a kind besides memory.
pub struct Wishes<K: 'static> {
    alignment: usize,
    fallback: Option<&'static K>,
    exhausted: Option<Exhausted<K>>,
    n_refused: AtomicUsize,
}

// SAFETY: the context is only handed to the program's function, which takes it in any thread; all
// else is constant or atomic.
unsafe impl<K: Sync> Sync for Wishes<K> {}
// SAFETY: nothing here belongs to a thread, and the program's function takes the context in any.
unsafe impl<K: Sync> Send for Wishes<K> {}

impl<K: Memory> Wishes<K> {
    pub(super) fn new(
        alignment: usize,
        fallback: Option<&'static K>,
        exhausted: Option<Exhausted<K>>,
    ) -> Self {
        Self {
            alignment,
            fallback,
            exhausted,
            n_refused: AtomicUsize::new(0),
        }
    }

    pub(super) fn alignment(&self) -> usize {
        self.alignment
    }

    pub(super) fn n_refused(&self) -> usize {
        self.n_refused.load(Ordering::Relaxed)
    }

    pub(super) fn fallback(&self) -> Option<&'static K> {
        self.fallback
    }

    /// A block of `size` bytes, more than 0, at a multiple of `align`, a power of two, and of the
    /// kind's alignment; zeroed if that is asked for. The program's function is told `asked`, the
    /// bytes that the program wants: `size` without what checks lay around them. With `None` it is not called.
    pub(super) fn allocate(
        &self,
        kind: &'static K,
        align: usize,
        size: usize,
        asked: Option<usize>,
        zero: bool,
    ) -> Result<*mut u8, Error> {
        let align = align.max(self.alignment);
        let attempt = || self.allocate_or_fall_back(kind, align, size, asked, zero);
        let mut result = attempt();
        let is_refused = |result: &Result<_, _>| matches!(result, Err(Error::NoMemory));
        // What checks keep back is free memory, before the program is asked for more.
        if is_refused(&result) && checks::on() && checks::release_all() {
            result = attempt();
        }
        let (true, Some(exhausted), Some(asked)) = (is_refused(&result), &self.exhausted, asked)
        else {
            return result;
        };
        let handle: *const K = kind;
        // SAFETY: the function is the program's, and takes this context in any thread.
        let call = || unsafe { (exhausted.function)(exhausted.context, handle, asked) };
        if matches!(heap::call_program(call), None | Some(0)) {
            return result;
        }
        if checks::on() {
            checks::release_all();
        }
        if let Backing::Slabs(slabs) = kind.heap().backing() {
            slabs.forget_refusal();
        }
        attempt()
    }

    fn allocate_or_fall_back(
        &self,
        kind: &'static K,
        align: usize,
        size: usize,
        asked: Option<usize>,
        zero: bool,
    ) -> Result<*mut u8, Error> {
        let plain = align == 1;
        // SAFETY: a fresh block of at least `size` bytes.
        let zeroed = |block| unsafe { zeroed_if(zero && !plain, size, block) };
        let own = zeroed(kind.allocate_here(align, size, zero));
        let error = match own {
            Err(error @ Error::NoMemory) => error,
            result => return result,
        };
        self.n_refused.fetch_add(1, Ordering::Relaxed);
        match self.fallback {
            None => Err(error),
            Some(other) => zeroed(other.allocate_any(align, size, asked, zero)),
        }
    }

    /// Resizes a block of any kind to `size` bytes, more than 0, of this one.
    ///
    /// # Safety
    /// `block` is a live block of a heap.
    pub(super) unsafe fn realloc(
        &self,
        kind: &'static K,
        block: *mut u8,
        size: usize,
    ) -> Result<*mut u8, Error> {
        let owner = heap::blocks::owner(block as usize);
        let own = owner == kind.heap().id();
        // SAFETY: the block is live, by the caller's promise.
        let before = unsafe { heap::blocks::usable_size(block) };
        if own && !kind.heap().wipes() && kind.heap().is_open() {
            if self.alignment == 1 {
                // SAFETY: the page map says that the block is this heap's.
                match unsafe { kind.heap().resize(block, size) } {
                    Err(Error::NoMemory) => {}
                    result => return result,
                }
            } else {
                let rounded = round_up(size, self.alignment).ok_or(Error::NoMemory)?;
                let fits = rounded <= before && rounded > before / 2;
                // SAFETY: the page map says that the block is this heap's.
                if fits || unsafe { kind.heap().resize_in_place(block, rounded) } {
                    return Ok(block);
                }
            }
        }
        // A block that the kind may have given for so many bytes can stay where it is.
        let aligned = block as usize & (self.alignment - 1) == 0;
        let may_stay = size <= before && aligned && (own || kind.is_served_by(owner));
        let fresh = match may_stay {
            true => self.allocate_or_fall_back(kind, self.alignment, size, Some(size), false),
            false => self.allocate(kind, 1, size, Some(size), false),
        };
        let fresh = match fresh {
            Ok(fresh) => fresh,
            Err(_) if may_stay => return Ok(block),
            Err(error) => return Err(error),
        };
        // SAFETY: both blocks are live; the shorter length fits both.
        unsafe {
            ptr::copy_nonoverlapping(block, fresh, size.min(before));
            heap::blocks::free(block);
        }
        Ok(fresh)
    }
}

/// The block, with zeroes in it if `zero`.
///
/// # Safety
/// It has at least `size` bytes, and is the caller's.
unsafe fn zeroed_if(
    zero: bool,
    size: usize,
    block: Result<*mut u8, Error>,
) -> Result<*mut u8, Error> {
    if let (true, Ok(block)) = (zero, &block) {
        // SAFETY: a block of at least `size` bytes that no other code has.
        unsafe { ptr::write_bytes(*block, 0, size) };
    }
    block
}
