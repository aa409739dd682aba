//! A kind of memory: a row of data with a heap.
//!
//! What a kind does follows from its row (`spec`); the static rows are in `table`,
//! kinds made at run time in `dynamic`, and `registry` finds them all.

pub mod defrag;
pub mod dynamic;
mod head;
mod places;
pub mod registry;
pub mod spec;
mod statistics;
pub mod table;

pub use head::Head;
pub use statistics::stat_of_all;

use core::ffi::c_int;
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::backing::{Anonymous, Backing, Bind, File, file};
use crate::error::Error;
use crate::heap::{self, Heap, arenas, je, page_map};
use crate::log;
use crate::topology;
use once_cell::race::OnceBox;
use places::Places;
use spec::{Source, Spec};

/// A kind of memory.
#[repr(C)]
pub struct Kind {
    /// What compiled C programs see.
    pub head: Head,
    /// The row.
    pub spec: Spec,
    heap: Heap,
    /// The heaps of further places.
    places: OnceBox<Places>,
    /// Whether its first use has been logged.
    announced: AtomicBool,
}

impl Kind {
    const fn new(head: Head, spec: Spec, heap: Heap) -> Self {
        Self {
            head,
            spec,
            heap,
            places: OnceBox::new(),
            announced: AtomicBool::new(false),
        }
    }

    const fn fixed_row(number: u32, name: &str, spec: Spec) -> Self {
        let source = Anonymous::new(spec.page, spec.thp, spec.bind);
        Self::new(
            Head::new(number, name.as_bytes()),
            spec,
            Heap::new(Backing::Anonymous(source), number, None),
        )
    }

    /// The kind's number, below [`registry::NUMBERS`]; no two live kinds share one.
    pub const fn partition(&self) -> usize {
        self.head.partition() as usize
    }

    /// The kind's name, e.g. `memkind_default`.
    pub fn name(&self) -> &str {
        self.head.name()
    }

    /// Called once the kind is where it will stay.
    fn placed(&self) {
        if let Backing::File(file) = &self.heap.backing {
            self.head.set_private(ptr::from_ref(file).cast());
        }
    }

    /// Allows allocations, from up to `count` arenas.
    fn open(&self, count: u32) {
        self.head.set_arena_count(count);
        self.heap.open(count);
    }

    /// Whether the kind is jemalloc's own arenas (MEMKIND_DEFAULT).
    #[inline]
    pub fn is_system(&self) -> bool {
        self.spec.source == Source::System
    }

    /// Whether the program made the kind.
    pub const fn is_dynamic(&self) -> bool {
        matches!(self.spec.source, Source::File | Source::Fixed)
    }

    /// Says under MEMKIND_DEBUG that a static kind is used for the first time; the
    /// number of arenas that it may have.
    ///
    /// # Errors
    /// Both are fatal by the manual's standards: `Unavailable` without NUMA in the
    /// kernel, `Environ` for a malformed MEMKIND_ARENA_NUM_PER_KIND.
    fn announce(&self) -> Result<u32, Error> {
        if !self.announced.swap(true, Ordering::Relaxed) {
            log::info!("Initializing kind {}.", self.name());
        }
        if self.spec.bind != Bind::None && !topology::numa_available() {
            return Err(Error::Unavailable);
        }
        arenas::limit()
    }

    /// Makes a static kind ready at its first use.
    ///
    /// # Errors
    /// As [`Kind::announce`]; `NoMemory` when the machine has no such memory.
    #[cold]
    fn prepare(&self) -> Result<(), Error> {
        if self.is_system() || self.heap.arena_limit() != 0 {
            return Ok(());
        }
        let count = self.announce()?;
        let targets = self.spec.targets().map_err(|_| Error::NoMemory)?;
        if let (Some(targets), Backing::Anonymous(source)) = (targets, &self.heap.backing) {
            source.set_nodes(targets.of_place(0));
            places::install(
                &self.places,
                self.head.partition() as u16,
                &self.spec,
                targets,
                count,
            );
        }
        self.open(count);
        Ok(())
    }

    /// The heap of the place that the calling thread runs on.
    #[inline]
    fn heap_here(&'static self) -> &'static Heap {
        match self.places.get() {
            None => &self.heap,
            Some(places) => places.here().unwrap_or(&self.heap),
        }
    }

    /// The heaps of all places.
    fn heaps(&'static self) -> impl Iterator<Item = &'static Heap> {
        let more = self.places.get().map_or(&[][..], Places::heaps);
        core::iter::once(&self.heap).chain(more)
    }

    #[inline]
    fn allocate(&'static self, size: usize, flags: c_int) -> Result<*mut u8, Error> {
        if self.is_system() {
            let block = je::mallocx(size, flags);
            return if block.is_null() {
                Err(Error::NoMemory)
            } else {
                Ok(block)
            };
        }
        match self.heap_here().allocate(size, flags) {
            Err(_) if self.heap.arena_limit() == 0 => {
                self.prepare()?;
                self.heap_here().allocate(size, flags)
            }
            result => result,
        }
    }

    #[cold]
    fn allocate_nothing(&'static self, flags: c_int) -> Result<*mut u8, Error> {
        if self.head.allow_zero_allocs.load(Ordering::Relaxed) {
            return self.allocate(1, flags);
        }
        if !self.is_system() && self.heap.arena_limit() == 0 {
            self.announce()?;
        }
        Ok(ptr::null_mut())
    }

    /// Allocates `size` bytes; `Ok(null)` for size 0 unless zero allocations are allowed.
    ///
    /// # Errors
    /// `NoMemory`, and those of the first use (`Environ`, `Unavailable`).
    #[inline]
    pub fn malloc(&'static self, size: usize) -> Result<*mut u8, Error> {
        if size == 0 {
            self.allocate_nothing(0)
        } else {
            self.allocate(size, 0)
        }
    }

    /// Allocates zeroed memory for `num` times `size` bytes; an overflow is `NoMemory`.
    ///
    /// # Errors
    /// As [`Kind::malloc`].
    #[inline]
    pub fn calloc(&'static self, num: usize, size: usize) -> Result<*mut u8, Error> {
        match num.checked_mul(size) {
            Some(0) => self.allocate_nothing(je::ZERO),
            Some(bytes) => self.allocate(bytes, je::ZERO),
            None => Err(Error::NoMemory),
        }
    }

    /// Allocates `size` bytes at a multiple of `align`, a power of two.
    ///
    /// # Errors
    /// As [`Kind::malloc`].
    #[inline]
    pub fn memalign(&'static self, align: usize, size: usize) -> Result<*mut u8, Error> {
        if size == 0 {
            return self.allocate_nothing(0);
        }
        self.allocate(size, je::align(align))
    }

    /// Resizes a block of any kind to `size` bytes of this kind. A null block is
    /// allocated, size 0 frees. The old block stays valid on error.
    ///
    /// # Errors
    /// As [`Kind::malloc`]; `InvalidArgument` for a pointer that is not ours.
    ///
    /// # Safety
    /// `ptr` is null, a live block of any kind, or not a block of the library at all.
    #[inline]
    pub unsafe fn realloc(&'static self, ptr: *mut u8, size: usize) -> Result<*mut u8, Error> {
        if ptr.is_null() {
            return self.malloc(size);
        }
        if size == 0 {
            // SAFETY: the caller's promise.
            unsafe { free(ptr) };
            return Ok(ptr::null_mut());
        }
        let number = page_map::owner(ptr as usize) as usize;
        let owner = places::kind_number(number);
        if owner != self.partition() || (self.is_system() && je::arena_of(ptr).is_none()) {
            // SAFETY: the caller's promise.
            return unsafe { self.move_here(ptr, size) };
        }
        if self.is_system() {
            // SAFETY: jemalloc knows the block and no heap owns it.
            let block = unsafe { je::rallocx(ptr, size, 0) };
            return if block.is_null() {
                Err(Error::NoMemory)
            } else {
                Ok(block)
            };
        }
        let heap = match number.checked_sub(self.partition()) {
            Some(0) => Some(&self.heap),
            _ => self.heaps().find(|heap| heap.owner() as usize == number),
        };
        // SAFETY: the page map says that the block is this heap's.
        unsafe { heap.ok_or(Error::NoMemory)?.resize(ptr, size) }
    }

    /// Moves a block of another kind here.
    #[cold]
    unsafe fn move_here(&'static self, ptr: *mut u8, size: usize) -> Result<*mut u8, Error> {
        if detect(ptr).is_none() {
            log_foreign(ptr);
            return Err(Error::InvalidArgument);
        }
        let fresh = self.allocate(size, 0)?;
        // SAFETY: both blocks are live; the shorter length fits both.
        unsafe {
            ptr::copy_nonoverlapping(ptr, fresh, size.min(je::sallocx(ptr)));
            free(ptr);
        }
        Ok(fresh)
    }

    /// The arena from which the calling thread allocates `size` bytes.
    ///
    /// # Errors
    /// As [`Kind::malloc`]; `ArenasCreate` when jemalloc has none left.
    pub fn arena(&'static self) -> Result<u32, Error> {
        if self.is_system() {
            return Ok(0);
        }
        self.prepare()?;
        self.heap_here().arena()
    }

    /// The most bytes the kind can hold.
    ///
    /// # Errors
    /// As [`Spec::capacity`], after a line under MEMKIND_DEBUG.
    pub fn capacity(&self) -> Result<u64, Error> {
        let result = match &self.heap.backing {
            Backing::File(file) => file.capacity().map(|bytes| bytes as u64),
            Backing::Fixed(area) => Ok(area.size() as u64),
            Backing::Anonymous(_) => self.spec.capacity(),
        };
        result.inspect_err(|error| Spec::log_no_capacity(self.name(), *error))
    }
}

/// The kind that owns an address; `None` when the library does not.
#[inline]
pub fn detect(ptr: *const u8) -> Option<&'static Kind> {
    match page_map::owner(ptr as usize) {
        0 => je::arena_of(ptr).map(|_| &table::KINDS[0]),
        number => registry::by_number(places::kind_number(number as usize)),
    }
}

/// Frees a block of any kind; null is a no-op, a pointer that is not ours is left
/// alone and reported under MEMKIND_DEBUG.
///
/// # Safety
/// `ptr` is null, a live block of any kind, or not a block of the library at all.
#[inline]
pub unsafe fn free(ptr: *mut u8) {
    if page_map::owner(ptr as usize) != 0 {
        // SAFETY: the page map says that the block is a heap's.
        unsafe { heap::free(ptr) }
    } else if ptr.is_null() {
    } else if je::arena_of(ptr).is_some() {
        // SAFETY: jemalloc knows the address and no heap owns it.
        unsafe { je::dallocx(ptr, 0) }
    } else {
        log_foreign(ptr);
    }
}

/// The usable size of a block in bytes; 0 for null and for a pointer that is not ours.
///
/// # Safety
/// `ptr` is null, a live block of any kind, or not a block of the library at all.
#[inline]
pub unsafe fn usable_size(ptr: *const u8) -> usize {
    if ptr.is_null() || (page_map::owner(ptr as usize) == 0 && je::arena_of(ptr).is_none()) {
        return 0;
    }
    // SAFETY: the block is the library's, and live by the caller's promise.
    unsafe { je::sallocx(ptr) }
}

/// The live kind at this address; `None` for null, a bogus or a destroyed kind.
#[inline]
pub fn from_ptr(kind: *const Kind) -> Option<&'static Kind> {
    registry::by_address(kind)
}

fn files() -> impl Iterator<Item = &'static File> {
    registry::dynamic().filter_map(|kind| match &kind.heap.backing {
        Backing::File(file) => Some(file),
        _ => None,
    })
}

/// Before a fork: gets ready to wait for a child that copies files.
pub fn prepare_fork() {
    if files().any(File::is_in_use) {
        file::prepare_fork();
    }
}

/// After a fork, in the parent: waits until the child has copied the files.
pub fn parent_after_fork() {
    file::parent_after_fork();
}

/// In a child just forked: gives it file-backed memory of its own. Async-signal-safe.
pub fn after_fork_in_child() {
    files().for_each(File::after_fork_in_child);
    file::child_after_fork();
}

#[cold]
fn log_foreign(ptr: *const u8) {
    log::error!("The pointer {ptr:p} was not allocated by memkind and is ignored.");
}
