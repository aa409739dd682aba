//! Allocating and resizing blocks of a kind.

use core::ptr;
use core::sync::atomic::Ordering;

use super::block::{free, log_foreign, usable_size};
use super::wishes::Memory;
use super::{Head, Kind, checks};
use crate::backing::{Backing, PageSize};
use crate::error::Error;
use crate::heap::{self, Heap, page_map, spare};
use crate::sys::tools;

impl Kind {
    /// Allocates size 0 at a multiple of `align`: null, unless zero allocations are allowed.
    ///
    /// # Errors
    /// Those of [`Kind::malloc`].
    #[cold]
    fn allocate_nothing(&'static self, align: usize) -> Result<*mut u8, Error> {
        if self.head.allow_zero_allocs.load(Ordering::Relaxed) {
            // MEMKIND_DEFAULT takes size 0 with any alignment.
            let align = if align.is_power_of_two() { align } else { 1 };
            return self.memalign(align, 1);
        }
        if !self.is_system() && !self.is_ready() {
            self.announce()?;
        }
        Ok(ptr::null_mut())
    }

    /// Allocates `size` bytes; `Ok(null)` for size 0 unless zero allocations are allowed.
    ///
    /// # Errors
    /// `NoMemory`, and those of the first use (`Environ`, `Unavailable`).
    pub fn malloc(&'static self, size: usize) -> Result<*mut u8, Error> {
        self.allocate(1, size, false)
    }

    /// Allocates zeroed memory for `num` times `size` bytes; an overflow is `NoMemory`.
    ///
    /// # Errors
    /// Those of [`Kind::malloc`].
    pub fn calloc(&'static self, num: usize, size: usize) -> Result<*mut u8, Error> {
        let bytes = num.checked_mul(size).ok_or(Error::NoMemory)?;
        self.allocate(1, bytes, true)
    }

    /// Allocates `size` bytes at a multiple of `align`, a power of two.
    ///
    /// # Errors
    /// Those of [`Kind::malloc`].
    pub fn memalign(&'static self, align: usize, size: usize) -> Result<*mut u8, Error> {
        self.allocate(align, size, false)
    }

    /// Allocates `size` bytes at a multiple of `align`. Where that is 1, they are zeroed if that is
    /// asked for.
    #[inline(always)]
    fn allocate(&'static self, align: usize, size: usize, zero: bool) -> Result<*mut u8, Error> {
        if !heap::may_enter() {
            return spare::allocate(align, size);
        }
        if size == 0 {
            return self.allocate_nothing(align);
        }
        if checks::on() {
            return checks::malloc(self, align.max(self.alignment()), size, zero);
        }
        match &self.wishes {
            None => self.allocate_here(align, size, zero),
            Some(wishes) => wishes.allocate(self, align, size, Some(size), zero),
        }
    }

    /// [`Kind::memalign`] of memory that is cut up, and whose parts are checked: nothing is
    /// around it, and `heap::blocks::free` frees it.
    ///
    /// # Errors
    /// Those of [`Kind::malloc`].
    pub fn memalign_unchecked(&'static self, align: usize, size: usize) -> Result<*mut u8, Error> {
        if !checks::on() || !heap::may_enter() || size == 0 {
            return self.memalign(align, size);
        }
        let _inside = tools::Inside::new();
        checks::Origin::take(self, align.max(self.alignment()), size, Some(size), false)
    }

    /// Resizes a block of any kind to `size` bytes of this kind. A null block is
    /// allocated, size 0 frees. The old block stays valid on error.
    ///
    /// # Errors
    /// Those of [`Kind::malloc`]; `InvalidArgument` for a pointer that is not the library's.
    ///
    /// # Safety
    /// `ptr` is null, a live block of any kind, or not a block of the library at all.
    pub unsafe fn realloc(&'static self, ptr: *mut u8, size: usize) -> Result<*mut u8, Error> {
        if ptr.is_null() {
            return self.malloc(size);
        }
        if size == 0 {
            // SAFETY: `ptr` is a live block, or not the library's.
            unsafe { free(ptr) };
            return Ok(ptr::null_mut());
        }
        if checks::on() && heap::may_enter() {
            // SAFETY: a live block, or none.
            if let Some(result) = unsafe { checks::realloc(self, ptr, size) } {
                return result;
            }
        }
        // SAFETY: `ptr` is not null: a live block, which no code uses any more, or not the
        // library's.
        unsafe { self.realloc_unchecked(ptr, size) }
    }

    /// [`Kind::realloc`] of a block that is not null to a size above 0, without checks.
    ///
    /// # Errors
    /// Those of [`Kind::realloc`].
    ///
    /// # Safety
    /// As for [`Kind::realloc`].
    unsafe fn realloc_unchecked(
        &'static self,
        ptr: *mut u8,
        size: usize,
    ) -> Result<*mut u8, Error> {
        let id = heap::blocks::owner(ptr as usize);
        if id == 0 || !page_map::has_blocks(ptr as usize) {
            log_foreign(ptr);
            return Err(Error::InvalidArgument);
        }
        if !heap::may_enter() || id == spare::ID {
            // SAFETY: the page map says that the block is the library's, and size 0 is done.
            return unsafe { self.move_block(ptr, size) };
        }
        if let Some(wishes) = &self.wishes {
            // SAFETY: the page map says that it is a block of a heap.
            return unsafe { wishes.realloc(self, ptr, size) };
        }
        let here = self.heap_here()?;
        if here.id() == id {
            // SAFETY: the page map says that the block is this heap's.
            return unsafe { here.resize(ptr, size) };
        }
        // A block of another place that has to move goes to the place of the calling thread.
        let own = self.heaps().find(|heap| heap.id() == id);
        // SAFETY: the page map says that the block is that heap's.
        if own.is_some_and(|heap| unsafe { heap.resize_in_place(ptr, size) }) {
            return Ok(ptr);
        }
        // SAFETY: the block is live.
        let before = unsafe { heap::blocks::usable_size(ptr) };
        let fresh = match here.allocate(size) {
            Ok(fresh) => fresh,
            // A block of this kind that shrinks may stay as it is.
            Err(_) if own.is_some() && size <= before => return Ok(ptr),
            Err(error) => return Err(error),
        };
        // SAFETY: both blocks are live; the shorter length fits both.
        unsafe {
            ptr::copy_nonoverlapping(ptr, fresh, size.min(before));
            heap::blocks::free(ptr);
        }
        Ok(fresh)
    }

    /// Moves the block at `ptr` to a new one of `size` bytes of this kind, where one of the two
    /// is of no heap.
    ///
    /// # Errors
    /// Those of [`Kind::malloc`].
    ///
    /// # Safety
    /// `ptr` is a live block of the library, and `size` is not 0.
    #[cold]
    unsafe fn move_block(&'static self, ptr: *mut u8, size: usize) -> Result<*mut u8, Error> {
        let fresh = self.malloc(size)?;
        // SAFETY: both blocks are live; the shorter length fits both.
        unsafe {
            ptr::copy_nonoverlapping(ptr, fresh, size.min(usable_size(ptr)));
            free(ptr);
        }
        Ok(fresh)
    }

    /// Resizes a block of this kind without moving it; whether that was possible.
    ///
    /// # Safety
    /// `ptr` is a live block of this kind.
    pub(super) unsafe fn resize_in_place(&'static self, ptr: *mut u8, size: usize) -> bool {
        let id = heap::blocks::owner(ptr as usize);
        let heap = self.heaps().find(|heap| heap.id() == id);
        // SAFETY: `ptr` is live, and the page map says that it is this heap's.
        heap.is_some_and(|heap| unsafe { heap.resize_in_place(ptr, size) })
    }

    /// Takes memory for the next `size` bytes, and makes all that a first block of the calling
    /// thread makes.
    ///
    /// # Errors
    /// Those of [`Heap::prepare`].
    pub fn take_in_advance(&'static self, size: usize) -> Result<(), Error> {
        self.heap.prepare(size)?;
        if let Ok(block) = self.heap.allocate_aligned(self.alignment(), 1) {
            // SAFETY: a live block, which is not used.
            unsafe { heap::blocks::free(block) };
        }
        Ok(())
    }

    /// The arena from which the calling thread allocates `size` bytes.
    ///
    /// # Errors
    /// Those of [`Kind::malloc`]; `ArenasCreate` when jemalloc has none left.
    pub fn arena(&'static self) -> Result<u32, Error> {
        self.heap_here()?.arena()
    }
}

impl checks::Origin for Kind {
    fn head(&'static self) -> &'static Head {
        &self.head
    }

    fn least_alignment(&self) -> usize {
        self.alignment()
    }

    fn is_file(&self) -> bool {
        matches!(self.heap.backing(), Backing::File(_))
    }

    fn can_close_pages(&self) -> bool {
        !matches!(self.heap.backing(), Backing::Anonymous(_)) || self.spec.page == PageSize::Base
    }

    fn fallback_of(&'static self, base: *mut u8) -> Option<&'static dyn checks::Origin> {
        let owner = heap::blocks::owner(base as usize);
        let mut next = self.fallback();
        while let Some(kind) = next {
            if kind.heap_ids().any(|id| id == owner) {
                return Some(kind);
            }
            next = kind.fallback();
        }
        None
    }

    fn take(
        &'static self,
        align: usize,
        size: usize,
        asked: Option<usize>,
        zeroed: bool,
    ) -> Result<*mut u8, Error> {
        if let Some(wishes) = &self.wishes {
            return wishes.allocate(self, align, size, asked, zeroed);
        }
        let attempt = || self.allocate_here(align, size, zeroed);
        match attempt() {
            Err(Error::NoMemory) if checks::release_all() => attempt(),
            other => other,
        }
    }

    unsafe fn resize(&'static self, base: *mut u8, size: usize) -> bool {
        // SAFETY: a live block of this kind.
        unsafe { self.resize_in_place(base, size) }
    }

    unsafe fn realloc(&'static self, base: *mut u8, size: usize) -> Result<*mut u8, Error> {
        // SAFETY: `base` is a live block of this kind, and the size is above 0.
        unsafe { self.realloc_unchecked(base, size) }
    }
}

impl Memory for Kind {
    fn heap(&'static self) -> &'static Heap {
        &self.heap
    }

    #[inline(always)]
    fn allocate_here(
        &'static self,
        align: usize,
        size: usize,
        zero: bool,
    ) -> Result<*mut u8, Error> {
        let heap = self.heap_here()?;
        match (align, zero) {
            (1, false) => heap.allocate(size),
            (1, true) => heap.allocate_zeroed(size),
            _ => heap.allocate_aligned(align, size),
        }
    }

    fn is_served_by(&'static self, heap: usize) -> bool {
        self.heap_ids().any(|id| id == heap)
            || self
                .fallback()
                .is_some_and(|other| other.is_served_by(heap))
    }

    fn allocate_any(
        &'static self,
        align: usize,
        size: usize,
        asked: Option<usize>,
        zero: bool,
    ) -> Result<*mut u8, Error> {
        if checks::on() {
            // What is around a block is the caller's.
            return checks::Origin::take(self, align, size, asked, zero);
        }
        self.allocate(align, size, zero && align == 1)
    }
}
