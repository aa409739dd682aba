//! Malloc semantics, once for every kind: a heap is a few jemalloc arenas on one
//! source of extents, with a cache per thread in front and a depot between threads.
//!
//! Arenas are created when first needed. Blocks carry no header: the page map leads
//! from a block to its heap and size class.
//!
//! | folder | contents, lowest first: a folder may use those before it |
//! |---|---|
//! | `base` | jemalloc, size classes, the page map, locks |
//! | `thread` | what a thread keeps: its caches, and what it has counted |
//! | `objects` | caches of pools' objects, for `ext`; on `thread` alone |
//! | `arena` | jemalloc's arenas of a heap, and what it calls for them |
//! | `tbb` | pools of TBB's allocator in place of arenas |
//! | `cache` | the caches before the arenas, and the depot between threads |
//! | `pressure` | finding room in a heap that is full |
//! | `giveback` | giving back what is not used |

pub mod arena;
mod base;
pub mod blocks;
mod cache;
pub(crate) mod fast;
mod giveback;
pub(crate) mod objects;
mod pressure;
mod resize;
mod supply;
pub mod tbb;
mod thread;

pub(crate) use base::class::{LARGE_MAX, SLAB_MAX};
pub(crate) use base::lock;
pub use base::lock::{prepare_fork, release_after_fork};
pub(crate) use base::pause;
pub use base::{HEAPS, KINDS, je, page_map, spare};
pub use cache::{order, stats};
pub use pressure::reclaim;
pub use thread::is_interrupted;
pub(crate) use thread::{may_enter, tally};

use core::ptr::{self, NonNull};
use core::sync::atomic::Ordering;

use crate::backing::Backing;
use crate::error::Error;
use base::class;
use base::je::Stat;
use cache::Store;
use giveback::grown::after_growth;
use giveback::large::Large;
use pressure::{Pressure, Request, request};
use thread::Thread;

/// A heap. It must not move once it is open: jemalloc and the caches hold its address.
#[repr(C)]
pub struct Heap {
    /// First, so that the table of stores leads to heaps.
    store: Store,
    pressure: Pressure,
    large: Large,
}

impl Heap {
    /// A heap that has taken nothing yet. `id` is from 1 to `HEAPS - 1`; `decay_ms` is after how
    /// many milliseconds unused pages go back, `None` as jemalloc is set up.
    pub const fn new(backing: Backing, id: u32, decay_ms: Option<isize>) -> Self {
        Self {
            store: Store::new(backing, id, decay_ms),
            pressure: Pressure::new(),
            large: Large::new(),
        }
    }

    /// The heap, which overwrites blocks when they are freed.
    #[must_use]
    pub const fn wiping(mut self) -> Self {
        self.store.arenas.wipes = true;
        self
    }

    /// The heap, which has small blocks from the first memory of the process while there are some.
    /// There is only one such heap.
    #[must_use]
    pub const fn first(mut self) -> Self {
        self.store.arenas.is_first = true;
        self
    }

    /// The heap, of which only blocks at multiples of `alignment`, a power of two, will be asked for:
    /// sizes that are no multiples of it have no blocks of their own.
    #[must_use]
    pub const fn aligned_to(mut self, alignment: usize) -> Self {
        self.store.arenas.align_bits = alignment.trailing_zeros() as u8;
        self
    }

    /// Whether blocks are overwritten when they are freed.
    pub const fn wipes(&self) -> bool {
        self.store.arenas.wipes
    }

    /// The heap's id.
    #[inline]
    pub const fn id(&self) -> usize {
        self.store.arenas.id()
    }

    /// Where extents come from.
    pub const fn backing(&self) -> &Backing {
        &self.store.arenas.backing
    }

    /// Allows `count` arenas, a power of two; before that every allocation fails. The heap
    /// stays closed when there is no memory for their list.
    /// `bound` is the most bytes that the heap can hold, if it is bounded.
    pub fn open(&'static self, count: u32, bound: Option<usize>) {
        let store = ptr::from_ref(self).cast_mut().cast::<Store>();
        // SAFETY: the first field of a heap, which lives until `destroy`.
        unsafe { Store::open(store, count, bound) };
    }

    /// The heap with this id, if it is open.
    fn by_id(id: usize) -> Option<&'static Heap> {
        // SAFETY: `open` alone fills the table, with heaps, of which a store is the first field;
        // a heap is taken out before it goes.
        unsafe { Store::at(id).cast::<Heap>().as_ref() }
    }

    /// Whether `open` has been called.
    pub fn is_open(&self) -> bool {
        self.store.arenas.count() != 0
    }

    /// The arena from which the calling thread allocates.
    pub fn arena(&'static self) -> Result<u32, Error> {
        self.store.arenas.current()
    }

    /// All arenas that exist.
    pub fn arenas(&self) -> impl Iterator<Item = u32> + '_ {
        self.store.arenas.existing()
    }

    /// Gives the free blocks that wait for any thread back to the arenas.
    pub fn empty_depot(&self) {
        self.store.empty_depot();
    }

    /// Takes back what is cached, and gives all unused pages back. The caller is in no operation
    /// on its caches.
    pub fn trim(&self) {
        reclaim::trim_one(&self.store);
    }

    /// A statistic of its blocks in the first memory, in bytes, from the last snapshot.
    pub fn first_bytes(&self, stat: je::Stat) -> usize {
        self.store.first_bytes(stat)
    }

    /// Bytes of free blocks that caches held at the last snapshot.
    pub fn cached_bytes(&self) -> usize {
        self.store.cached_bytes()
    }

    /// A statistic of the blocks that are mappings of their own, at the last snapshot, in bytes.
    pub fn bytes_in_mappings(&self, stat: Stat) -> usize {
        self.store.arenas.mappings.stat(stat)
    }

    /// Whether the heap is to have a pool of TBB's allocator and has none.
    pub fn wants_pool(&self) -> bool {
        tbb::is_wanted(&self.store.arenas)
    }

    /// Gives the heap a pool of TBB's allocator, whose pages `id` will own; the heap must not move
    /// any more.
    ///
    /// # Errors
    /// `NoMemory` when none can be made.
    pub fn make_pool(&'static self, id: impl FnOnce() -> Option<usize>) -> Result<(), Error> {
        tbb::install(&self.store.arenas, id)
    }

    /// Allocates `size` bytes, more than 0.
    pub fn allocate(&'static self, size: usize) -> Result<*mut u8, Error> {
        if let Some(block) = tbb::allocate(&self.store.arenas, size, 0) {
            return block;
        }
        let request = request(&self.store, size, 0)?;
        match self.cached_block(size) {
            Ok(block) => Ok(block),
            Err(tried) => self.uncached_block(request, false, tried),
        }
    }

    /// Allocates `size` bytes of zeroes, more than 0.
    pub fn allocate_zeroed(&'static self, size: usize) -> Result<*mut u8, Error> {
        if let Some(block) = tbb::allocate(&self.store.arenas, size, 0) {
            // SAFETY: a block of at least `size` bytes that is the caller's.
            return block.inspect(|block| unsafe { ptr::write_bytes(*block, 0, size) });
        }
        let request = request(&self.store, size, 0)?;
        let zeroed = self.backing().fresh_is_zeroed();
        // A large block that is in no cache may come with zeroes.
        let cached = if size > class::MAX {
            self.kept_block(size).ok_or(false)
        } else {
            self.cached_block(size)
        };
        let block = match cached {
            Ok(block) => block,
            Err(tried) if zeroed => return self.uncached_block(request, true, tried),
            Err(tried) => self.uncached_block(request, false, tried)?,
        };
        // SAFETY: a block of at least `size` bytes that is the caller's.
        unsafe { ptr::write_bytes(block, 0, size) };
        Ok(block)
    }

    /// Allocates `size` bytes, more than 0, at a multiple of `align`, a power of two.
    pub fn allocate_aligned(&'static self, align: usize, size: usize) -> Result<*mut u8, Error> {
        if let Some(block) = tbb::allocate(&self.store.arenas, size, align) {
            return block;
        }
        match class::aligned_size(align, size) {
            Some(rounded) => self.allocate(rounded),
            None => self.uncached_block(request(&self.store, size, align)?, false, false),
        }
    }

    /// A block from the thread's cache, which is refilled if need be. Otherwise whether the
    /// thread's arena was asked, and has none.
    fn cached_block(&'static self, size: usize) -> Result<*mut u8, bool> {
        let offset = class::offset(size);
        if offset == 0 || !self.store.arenas.caches() {
            return Err(false);
        }
        let thread = Thread::current().ok_or(false)?;
        thread.enter();
        // SAFETY: the calling thread has entered; the offset is a class's.
        if let Some(block) = unsafe { cache::pop(thread, self.id(), offset) } {
            thread.leave();
            return Ok(block.as_ptr());
        }
        let block = cache::refill(thread, &self.store, offset);
        if !block.is_null() && !class::is_large(offset) {
            let class = offset >> class::BIN_BITS;
            thread.exhausted.took(class, self.store.arenas.turn.get());
        }
        thread.leave();
        after_growth(&self.store.arenas, size, false);
        giveback::tick();
        if block.is_null() {
            Err(true)
        } else {
            Ok(block)
        }
    }

    /// A block that the thread's cache or the depot has, if there is one. It holds what was there
    /// before.
    fn kept_block(&'static self, size: usize) -> Option<*mut u8> {
        let offset = class::offset(size);
        if offset == 0 || !self.store.arenas.caches() {
            return None;
        }
        let thread = Thread::current()?;
        thread.enter();
        // SAFETY: the calling thread has entered; the offset is a class's.
        let mut block = unsafe { cache::pop(thread, self.id(), offset) };
        if block.is_none() && self.store.depot.has(offset >> class::BIN_BITS) {
            block = NonNull::new(cache::refill(thread, &self.store, offset));
        }
        thread.leave();
        block.map(NonNull::as_ptr)
    }

    /// A block that no cache has, of zeroes if `zeroed`. `tried` says that the thread's own
    /// arena has just had none.
    fn uncached_block(
        &'static self,
        request: Request,
        zeroed: bool,
        tried: bool,
    ) -> Result<*mut u8, Error> {
        let arenas = &self.store.arenas;
        let own = arenas.current()?;
        let mut block = if tried {
            ptr::null_mut()
        } else {
            request.ask(arenas, own, zeroed)
        };
        if block.is_null() {
            let ask = || request.ask(arenas, own, zeroed);
            block = self.block_after_growth(request.size, request.align, ask);
        }
        if block.is_null() {
            block = self.pressure.search(&self.store, own, request, zeroed);
        }
        let is_aligned = request.align != 0;
        after_growth(arenas, request.size, is_aligned);
        if block.is_null() {
            return Err(Error::NoMemory);
        }
        if !arenas.maps(request.size) {
            // SAFETY: a live block that jemalloc has just given.
            unsafe { arenas.note(block, !is_aligned) };
            self.large.taken(request.size);
        }
        Ok(block)
    }

    /// A block straight from jemalloc, of the size of a class: for defragmentation,
    /// which caches would undo.
    pub fn allocate_compact(&'static self, size: usize) -> Option<*mut u8> {
        let block = self.store.arenas.raw_block(size);
        if block.is_null() {
            return None;
        }
        // SAFETY: a live block that jemalloc has just given.
        unsafe { self.store.arenas.note(block, true) };
        Some(block)
    }

    /// Destroys all blocks and forgets the heap's pages; the backing may go then.
    ///
    /// # Safety
    /// No thread uses the heap or its blocks any more.
    pub unsafe fn destroy(&self) {
        // SAFETY: no thread uses the heap or its blocks; caches are forgotten before their arenas
        // go.
        unsafe {
            self.store.forget();
            self.store.arenas.destroy();
        }
    }
}

/// Calls a function of the program's in the middle of a request, with no lock held; `None`, and
/// it is not called, if the thread is in such a function already.
pub fn call_program<T>(function: impl FnOnce() -> T) -> Option<T> {
    let thread = Thread::current()?;
    if thread.inside_program.swap(true, Ordering::Relaxed) {
        return None;
    }
    let answer = function();
    thread.inside_program.store(false, Ordering::Relaxed);
    Some(answer)
}

/// Gives up, in a child just forked, what other threads were holding.
pub fn after_fork_in_child() {
    thread::after_fork_in_child();
    tbb::after_fork_in_child();
    Store::all().for_each(Store::after_fork_in_child);
    release_after_fork();
}
