//! A kind of memory: a row of data with a heap.
//!
//! What a kind does follows from its row (`spec`); the static rows are in `table`,
//! kinds made at run time in `dynamic`, and `registry` finds them all.

pub mod defrag;
pub mod dynamic;
mod head;
pub mod manager;
mod places;
pub mod registry;
pub mod spec;
mod statistics;
pub mod table;
pub mod weights;

pub use head::Head;
pub use statistics::{in_use, stat_of_all};

use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::backing::{Anonymous, Backing, Bind, File, PageSize, file};
use crate::error::Error;
use crate::heap::{self, Heap, arenas, page_map, spare};
use crate::topology;
use crate::{cancel, log};
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

    const fn of_row(number: u32, name: &str, spec: Spec) -> Self {
        let source = Anonymous::new(spec.page, spec.thp, spec.bind);
        Self::new(
            Head::new(number, name.as_bytes()),
            spec,
            Heap::new(Backing::Anonymous(source), number + 1, None),
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
            self.head.set_private(ptr::from_ref(&**file).cast());
        }
    }

    /// Allows allocations from a dynamic kind.
    fn open_dynamic(&'static self) {
        let bound = match &self.heap.backing {
            Backing::File(file) => file.limit(),
            Backing::Fixed(area) => Some(area.size()),
            Backing::Anonymous(_) => None,
        };
        // The number was checked when the kind was made.
        let count = arenas::asked_for().ok().flatten();
        self.open(count.unwrap_or_else(|| arenas::usual_for(bound)), bound);
    }

    /// Allows allocations, from up to `count` arenas.
    fn open(&'static self, count: u32, bound: Option<usize>) {
        self.head.set_arena_count(count);
        self.heap.open(count, bound);
    }

    /// Whether the kind is standard memory without a policy (MEMKIND_DEFAULT).
    pub fn is_system(&self) -> bool {
        self.spec.source == Source::System
    }

    /// Whether the program made the kind.
    pub const fn is_dynamic(&self) -> bool {
        self.partition() >= table::COUNT
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
        // The variable is about jemalloc's arenas.
        let asked_for = if manager::is_tbb(self) {
            None
        } else {
            arenas::asked_for()?
        };
        Ok(asked_for.unwrap_or_else(arenas::usual))
    }

    /// Whether the kind has been made ready.
    fn is_ready(&self) -> bool {
        // Another thread may be about to open the heaps of the places.
        let of_place = || self.places.get().and_then(Places::here);
        self.heap.is_open() || of_place().is_some_and(Heap::is_open)
    }

    /// Makes a static kind ready at its first use.
    ///
    /// # Errors
    /// As [`Kind::announce`]; `NoMemory` when the machine has no such memory.
    #[cold]
    fn prepare(&'static self) -> Result<(), Error> {
        if self.is_ready() {
            return Ok(());
        }
        if self.is_system() {
            // The variable is about the other kinds; this one always works.
            self.open(arenas::usual(), None);
            return Ok(());
        }
        let _deferred = cancel::defer();
        let count = self.announce()?;
        let targets = self.spec.targets().map_err(|_| Error::NoMemory)?;
        if self.spec.page != PageSize::Base {
            // For what it says under MEMKIND_DEBUG. Pages may have been added since it looked.
            let nodes = self.spec.huge_page_nodes(targets);
            let _ = topology::huge_pages_available(2 << 20, nodes.as_ref());
        }
        let number = self.head.partition() as u16;
        let pooled = manager::is_tbb(self);
        if let (Some(targets), Backing::Anonymous(source)) = (targets, &self.heap.backing) {
            let placed = places::install(&self.places, number, &self.spec, targets, count, pooled);
            if placed.map_err(|_| Error::NoMemory)? {
                self.head.set_arena_count(count);
                return Ok(());
            }
            let set = source.set_nodes(targets.of_place(0), targets.home(0));
            set.map_err(|_| Error::NoMemory)?;
        } else if let Backing::Anonymous(source) = &self.heap.backing {
            source.set_anywhere().map_err(|_| Error::NoMemory)?;
        }
        if pooled {
            manager::give_pool(&self.heap, number)?;
        }
        self.open(count, None);
        Ok(())
    }

    /// The heap of the place that the calling thread runs on.
    ///
    /// # Errors
    /// As [`Kind::prepare`].
    #[inline]
    fn heap_here(&'static self) -> Result<&'static Heap, Error> {
        if self.heap.is_open() {
            return Ok(&self.heap);
        }
        self.prepare()?;
        let here = self.places.get().and_then(Places::here);
        Ok(here.unwrap_or(&self.heap))
    }

    /// The heaps of all places.
    fn heaps(&'static self) -> impl Iterator<Item = &'static Heap> {
        let more = self.places.get().map_or(&[][..], Places::heaps);
        core::iter::once(&self.heap).chain(more)
    }

    /// The id of the heap that the fast paths know.
    #[inline]
    pub const fn heap_id(&self) -> usize {
        self.heap.id()
    }

    /// The ids of the heaps of further places.
    #[inline]
    pub fn place_heap_ids(&'static self) -> impl Iterator<Item = usize> {
        self.places.get().into_iter().flat_map(Places::heap_ids)
    }

    /// The ids of all heaps.
    pub fn heap_ids(&'static self) -> impl Iterator<Item = usize> {
        core::iter::once(self.heap_id()).chain(self.place_heap_ids())
    }

    #[cold]
    fn allocate_nothing(&'static self, align: usize) -> Result<*mut u8, Error> {
        if self.head.allow_zero_allocs.load(Ordering::Relaxed) {
            let heap = self.heap_here()?;
            // MEMKIND_DEFAULT takes size 0 with any alignment.
            return if align > 1 && align.is_power_of_two() {
                heap.allocate_aligned(align, 1)
            } else {
                heap.allocate(1)
            };
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
        if !heap::may_enter() {
            return spare::allocate(1, size);
        }
        if size == 0 {
            return self.allocate_nothing(1);
        }
        self.heap_here()?.allocate(size)
    }

    /// Allocates zeroed memory for `num` times `size` bytes; an overflow is `NoMemory`.
    ///
    /// # Errors
    /// As [`Kind::malloc`].
    pub fn calloc(&'static self, num: usize, size: usize) -> Result<*mut u8, Error> {
        match num.checked_mul(size) {
            Some(bytes) if !heap::may_enter() => spare::allocate(1, bytes),
            Some(0) => self.allocate_nothing(1),
            Some(bytes) => self.heap_here()?.allocate_zeroed(bytes),
            None => Err(Error::NoMemory),
        }
    }

    /// Allocates `size` bytes at a multiple of `align`, a power of two.
    ///
    /// # Errors
    /// As [`Kind::malloc`].
    pub fn memalign(&'static self, align: usize, size: usize) -> Result<*mut u8, Error> {
        if !heap::may_enter() {
            return spare::allocate(align, size);
        }
        if size == 0 {
            return self.allocate_nothing(align);
        }
        self.heap_here()?.allocate_aligned(align, size)
    }

    /// Resizes a block of any kind to `size` bytes of this kind. A null block is
    /// allocated, size 0 frees. The old block stays valid on error.
    ///
    /// # Errors
    /// As [`Kind::malloc`]; `InvalidArgument` for a pointer that is not ours.
    ///
    /// # Safety
    /// `ptr` is null, a live block of any kind, or not a block of the library at all.
    pub unsafe fn realloc(&'static self, ptr: *mut u8, size: usize) -> Result<*mut u8, Error> {
        if ptr.is_null() {
            return self.malloc(size);
        }
        if size == 0 {
            // SAFETY: the caller's promise.
            unsafe { free(ptr) };
            return Ok(ptr::null_mut());
        }
        let id = heap::owner(ptr as usize);
        if id == 0 || !page_map::has_blocks(ptr as usize) {
            log_foreign(ptr);
            return Err(Error::InvalidArgument);
        }
        if !heap::may_enter() || id == spare::ID {
            // SAFETY: the caller's promise.
            return unsafe { self.move_block(ptr, size) };
        }
        let here = self.heap_here()?;
        if here.id() == id {
            // SAFETY: the page map says that the block is this heap's.
            return unsafe { here.resize(ptr, size) };
        }
        // Of another place: if it has to move, then to where the thread runs now.
        let own = self.heaps().find(|heap| heap.id() == id);
        // SAFETY: as above.
        if own.is_some_and(|heap| unsafe { heap.resize_in_place(ptr, size) }) {
            return Ok(ptr);
        }
        // SAFETY: the block is live.
        let before = unsafe { heap::usable_size(ptr) };
        let fresh = match here.allocate(size) {
            Ok(fresh) => fresh,
            // One of this kind that is to shrink may stay as it is.
            Err(_) if own.is_some() && size <= before => return Ok(ptr),
            Err(error) => return Err(error),
        };
        // SAFETY: both blocks are live; the shorter length fits both.
        unsafe {
            ptr::copy_nonoverlapping(ptr, fresh, size.min(before));
            free(ptr);
        }
        Ok(fresh)
    }

    /// As [`Kind::realloc`] where one of the two blocks is of no heap.
    ///
    /// # Safety
    /// `ptr` is a live block of the library, and `size` is not 0.
    #[cold]
    unsafe fn move_block(&'static self, ptr: *mut u8, size: usize) -> Result<*mut u8, Error> {
        let fresh = self.malloc(size)?;
        // SAFETY: both blocks are live; the shorter length fits both.
        unsafe {
            ptr::copy_nonoverlapping(ptr, fresh, size.min(heap::usable_size(ptr)));
            free(ptr);
        }
        Ok(fresh)
    }

    /// The arena from which the calling thread allocates `size` bytes.
    ///
    /// # Errors
    /// As [`Kind::malloc`]; `ArenasCreate` when jemalloc has none left.
    pub fn arena(&'static self) -> Result<u32, Error> {
        self.heap_here()?.arena()
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

/// The id of the heap that owns an address; 0 when the library does not.
pub fn heap_id(ptr: *const u8) -> usize {
    heap::owner(ptr as usize)
}

/// The kind that owns an address; `None` when the library does not.
pub fn detect(ptr: *const u8) -> Option<&'static Kind> {
    let id = heap::owner(ptr as usize);
    // The kind's own heap, nearly always; without an owner this is no number.
    let mut number = id.wrapping_sub(1);
    if id == spare::ID {
        // MEMKIND_DEFAULT.
        number = 0;
    } else if number >= heap::KINDS {
        number = places::kind_number(id)?;
    }
    // SAFETY: pages belong to heaps of living kinds alone.
    Some(unsafe { &*registry::address(number) })
}

/// Frees a block of any kind; null is a no-op, a pointer that is not ours is left
/// alone and reported under MEMKIND_DEBUG.
///
/// # Safety
/// `ptr` is null, a live block of any kind, or not a block of the library at all.
pub unsafe fn free(ptr: *mut u8) {
    // SAFETY: the caller's promise.
    if !unsafe { heap::free(ptr) } && !ptr.is_null() {
        log_foreign(ptr);
    }
}

/// Resizes a block where it is; whether that was possible.
///
/// # Safety
/// `ptr` is a live block of any kind.
pub unsafe fn resize_in_place(ptr: *mut u8, size: usize) -> bool {
    let id = heap_id(ptr);
    let kind = detect(ptr).filter(|_| page_map::has_blocks(ptr as usize));
    let heap = kind.and_then(|kind| kind.heaps().find(|heap| heap.id() == id));
    // SAFETY: the caller's promise, and the page map says that the block is this heap's.
    heap.is_some_and(|heap| unsafe { heap.resize_in_place(ptr, size) })
}

/// The usable size of a block in bytes; 0 for null and for a pointer that is not ours.
///
/// # Safety
/// `ptr` is null, a live block of any kind, or not a block of the library at all.
pub unsafe fn usable_size(ptr: *const u8) -> usize {
    // SAFETY: the caller's promise.
    unsafe { heap::usable_size(ptr) }
}

/// The live kind at this address; `None` for null, a bogus or a destroyed kind.
pub fn from_ptr(kind: *const Kind) -> Option<&'static Kind> {
    registry::by_address(kind)
}

fn files() -> impl Iterator<Item = &'static File> {
    registry::dynamic().filter_map(|kind| match &kind.heap.backing {
        Backing::File(file) => Some(&**file),
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

/// In a child just forked: gives it file-backed memory of its own, before anything is
/// written there, and lets go of what threads that are gone were holding.
pub fn after_fork_in_child() {
    files().for_each(File::after_fork_in_child);
    file::child_after_fork();
    heap::after_fork_in_child();
}

#[cold]
fn log_foreign(ptr: *const u8) {
    log::error!("The pointer {ptr:p} was not allocated by memkind and is ignored.");
}
