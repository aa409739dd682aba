//! Malloc semantics, once for every kind: a heap is a few jemalloc arenas on one
//! source of extents, with a cache per thread in front and a depot between threads.
//!
//! Arenas are created when first needed. Blocks carry no header: the page map leads
//! from a block to its heap and size class.

pub mod arena;
mod base;
mod cache;
pub(crate) mod fast;
mod giveback;
pub(crate) mod objects;
mod pressure;
mod resize;
pub mod tbb;
mod thread;

use arena as arenas;
pub use base::{je, page_map, spare};
pub use cache::{order, stats};
pub use pressure::reclaim;
pub(crate) use thread::tally;

use arena::hooks as extent_hooks;
use base::{class, lock};
use cache::{depot, magazine};
use giveback::{self as idle, grown};
use pressure::{self as uncached, full, throttle as effort};
use thread::{exhausted, growing, refused, tls};

use core::cell::UnsafeCell;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};

use once_cell::race::OnceBox;

use crate::backing::Backing;
use crate::boxed::boxed;
use crate::error::Error;
use crate::log;
use depot::Depot;
use effort::Effort;
use full::Full;
use grown::Grown;
use magazine::Magazine;
use thread::Thread;

/// Number of heap ids; 0 is nobody's.
pub const HEAPS: usize = 1024;
/// Number of kinds that the fast path knows: kind `n` is heap `n + 1`.
pub const KINDS: usize = 515;
/// The most bytes that the depot of a heap keeps: what a program frees at a time and then
/// takes again, if it is not much. jemalloc keeps more than that for as long.
const DEPOT_LIMIT: usize = 16 << 20;

/// The heap of each id.
static BY_ID: [AtomicPtr<Heap>; HEAPS] = [const { AtomicPtr::new(ptr::null_mut()) }; HEAPS];

/// A heap. It must not move once it is open: jemalloc and the caches hold its address.
#[repr(C)]
pub struct Heap {
    /// First, so that a hook finds the heap through its own address.
    hooks: UnsafeCell<je::ExtentHooks>,
    /// Where extents come from.
    pub backing: Backing,
    arenas: arenas::Arenas,
    /// What the page map says about this heap's pages.
    id: u32,
    /// What it said before about a user-owned area, plus one.
    previous: AtomicU32,
    /// When unused pages go back, in milliseconds; `None` as jemalloc is set up.
    decay_ms: Option<isize>,
    depot: OnceBox<Depot>,
    depot_limit: AtomicUsize,
    /// Bytes of large blocks that have been freed and not taken again.
    idle_large: AtomicUsize,
    /// Bytes that caches held at the last snapshot of statistics.
    cached: AtomicUsize,
    /// Bytes in use in heaps that draw on the same memory, when that was last found out.
    active_beside: AtomicUsize,
    full: Full,
    effort: Effort,
    grown: Grown,
}

// SAFETY: the hooks are never written after creation, everything else is atomic,
// constant or Sync itself.
unsafe impl Sync for Heap {}

/// Whether a kind gives memory back the moment it is freed: then nothing is cached.
const AT_ONCE: Option<isize> = Some(0);

impl Heap {
    /// A heap that has taken nothing yet. `id` is between 1 and [`HEAPS`].
    pub const fn new(backing: Backing, id: u32, decay_ms: Option<isize>) -> Self {
        Self {
            hooks: UnsafeCell::new(extent_hooks::EXTENTS),
            backing,
            arenas: arenas::Arenas::new(),
            id,
            previous: AtomicU32::new(0),
            decay_ms,
            depot: OnceBox::new(),
            depot_limit: AtomicUsize::new(0),
            idle_large: AtomicUsize::new(0),
            cached: AtomicUsize::new(0),
            active_beside: AtomicUsize::new(0),
            full: Full::new(),
            effort: Effort::new(),
            grown: Grown::new(),
        }
    }

    /// The heap's id.
    #[inline]
    pub const fn id(&self) -> usize {
        self.id as usize
    }

    /// Allows `count` arenas, a power of two; before that every allocation fails. The heap
    /// stays closed when there is no memory for their list.
    /// `bound` is the most bytes that the heap can hold, if it is bounded.
    pub fn open(&'static self, count: u32, bound: Option<usize>) {
        let limit = bound.map_or(DEPOT_LIMIT, |bytes| (bytes / 16).min(DEPOT_LIMIT));
        self.depot_limit.store(limit, Ordering::Relaxed);
        self.full.open();
        BY_ID[self.id()].store(ptr::from_ref(self).cast_mut(), Ordering::Release);
        self.arenas.open(count);
    }

    /// The heap with this id, if it is open.
    fn by_id(id: usize) -> Option<&'static Heap> {
        // SAFETY: null or a heap that has been opened; it is taken out before it goes.
        unsafe { BY_ID.get(id)?.load(Ordering::Acquire).as_ref() }
    }

    /// Whether `open` has been called.
    pub fn is_open(&self) -> bool {
        self.arenas.count() != 0
    }

    /// The arena from which the calling thread allocates.
    pub fn arena(&'static self) -> Result<u32, Error> {
        self.arenas.current(self)
    }

    /// All arenas that exist.
    pub fn arenas(&self) -> impl Iterator<Item = u32> + '_ {
        self.arenas.existing()
    }

    fn caches(&self) -> bool {
        self.decay_ms != AT_ONCE
    }

    fn depot(&self) -> Option<&Depot> {
        self.depot.get()
    }

    /// Whether the depot has blocks of a class.
    fn depot_has(&self, class: usize) -> bool {
        self.depot().is_some_and(|depot| depot.has(class))
    }

    /// Takes a magazine with blocks, for an empty one or null.
    ///
    /// # Safety
    /// The empty one is the caller's, and still so if there is none with blocks.
    unsafe fn depot_pop(&self, offset: usize, empty: *mut Magazine) -> Option<*mut Magazine> {
        // SAFETY: the caller's promise.
        unsafe { self.depot()?.pop(offset, empty) }
    }

    /// Keeps a magazine for another thread, and gives an empty one or null for it; `None`
    /// if it is still the caller's.
    ///
    /// # Safety
    /// The magazine is the caller's and holds free blocks of this heap.
    unsafe fn depot_exchange(&self, full: *mut Magazine, offset: usize) -> Option<*mut Magazine> {
        let depot = self.depot.get_or_try_init(|| boxed(Depot::new())).ok()?;
        // SAFETY: the caller's promise.
        unsafe { depot.exchange(self, full, offset) }
    }

    /// Gives the free blocks that wait for any thread back to the arenas.
    pub fn empty_depot(&self) {
        if let Some(depot) = self.depot().filter(|_| depot::bytes(self) > 0) {
            depot.drain(self);
        }
    }

    /// Allocates `size` bytes, more than 0.
    pub fn allocate(&'static self, size: usize) -> Result<*mut u8, Error> {
        if let Some(block) = tbb::allocate(self, size, 0) {
            return block;
        }
        let request = self.request(size, 0)?;
        match self.cached_block(size) {
            Ok(block) => Ok(block),
            Err(tried) => self.uncached_block(request, false, tried),
        }
    }

    /// Allocates `size` bytes of zeroes, more than 0.
    pub fn allocate_zeroed(&'static self, size: usize) -> Result<*mut u8, Error> {
        if let Some(block) = tbb::allocate(self, size, 0) {
            // SAFETY: a block of at least `size` bytes that is the caller's.
            return block.inspect(|block| unsafe { ptr::write_bytes(*block, 0, size) });
        }
        let request = self.request(size, 0)?;
        let zeroed = self.backing.fresh_is_zeroed();
        let block = match self.cached_block(size) {
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
        if let Some(block) = tbb::allocate(self, size, align) {
            return block;
        }
        match class::aligned_size(align, size) {
            Some(rounded) => self.allocate(rounded),
            None => self.uncached_block(self.request(size, align)?, false, false),
        }
    }

    /// A block from the thread's cache, which is refilled if need be. Otherwise whether the
    /// thread's arena was asked, and has none.
    fn cached_block(&'static self, size: usize) -> Result<*mut u8, bool> {
        let offset = class::offset(size);
        if offset == 0 || !self.caches() {
            return Err(false);
        }
        let thread = Thread::current().ok_or(false)?;
        thread.enter();
        if let Some(block) = cache::pop(thread, self.id(), offset) {
            thread.leave();
            return Ok(block.as_ptr());
        }
        let block = cache::refill(thread, self, offset);
        if !block.is_null() {
            let class = offset >> class::BIN_BITS;
            thread.exhausted.took(class, self.full.turn());
        }
        thread.leave();
        self.after_growth(size, false);
        idle::tick();
        if block.is_null() {
            Err(true)
        } else {
            Ok(block)
        }
    }

    /// Whether a block that jemalloc gave is from this heap's arenas. In a thread whose
    /// destructors run, after jemalloc's own has, it takes its arena 0 whatever it is
    /// told. Such a block is not cached; the page map is told whose it is, so that it can
    /// be freed.
    fn owns(&self, block: *mut u8) -> bool {
        if page_map::owner(block as usize) == self.id() {
            return true;
        }
        let page = block as usize & !(je::PAGE - 1);
        // Without memory for the map the block is taken for a foreign one, and lost.
        let _ = page_map::set_owner(page, je::PAGE, self.id());
        false
    }

    /// Tells the page map what class a block straight from jemalloc is of. One that is
    /// aligned beyond its class is not `cached`: caches would not hand it out as such again,
    /// and the next one like it would need addresses of its own.
    fn note(&self, block: *mut u8, cached: bool) {
        if !self.owns(block) {
            return;
        }
        // SAFETY: the block is live.
        let size = unsafe { je::sallocx(block) };
        let offset = if cached && self.caches() {
            class::offset(size)
        } else {
            0
        };
        page_map::set_class(block, self.id(), offset);
    }

    /// A block straight from jemalloc, of the size of a class: for defragmentation,
    /// which caches would undo.
    pub fn allocate_compact(&'static self, size: usize) -> Option<*mut u8> {
        let block = self.block_for_cache(size);
        if block.is_null() {
            return None;
        }
        self.note(block, true);
        Some(block)
    }

    /// Bytes of free blocks that caches held at the last snapshot.
    pub fn cached_bytes(&self) -> usize {
        self.cached.load(Ordering::Relaxed)
    }

    /// Destroys all blocks and forgets the heap's pages; the backing may go then.
    pub fn destroy(&self) {
        reclaim::forget(self);
        self.arenas.destroy();
        let before = self.previous.load(Ordering::Relaxed).saturating_sub(1);
        self.backing.for_each_range(|start, size| {
            page_map::change_owner(start, size, before as usize);
        });
    }
}

/// Frees a block of a heap. `false` if the address is not one of a heap. Keeps `errno`: what
/// the kernel refuses jemalloc, as on locked memory, is not the caller's affair.
///
/// # Safety
/// `block` is a live block of a heap or not on a heap's page at all.
pub unsafe fn free(block: *mut u8) -> bool {
    let entry = page_map::entry(block as usize) as usize;
    let (id, offset) = (entry >> 16, entry & 0xffff);
    if id == 0 || offset == class::NO_BLOCKS {
        return false;
    }
    if id == spare::ID {
        // SAFETY: the page map says whose the block is.
        unsafe { spare::free(block) };
        return true;
    }
    if !thread::may_enter() {
        // Of a heap that is in the middle of something: lost, as nobody may touch it here.
        return true;
    }
    if offset != 0 {
        if let (Some(heap), Some(thread)) = (Heap::by_id(id), Thread::current()) {
            thread.enter();
            let done = cache::push(thread, id, offset, block);
            if done && !thread.beat.is_due() {
                // The fast path, where it is on, has counted.
                thread.beat.count_down();
                thread.leave();
                return true;
            }
            let errno = log::errno();
            if done {
                thread.leave();
                idle::beat(thread);
            } else {
                cache::spill(thread, heap, offset, block);
                thread.leave();
                thread.beat.come_soon();
                idle::tick();
            }
            log::set_errno(errno);
            return true;
        }
    }
    // SAFETY: the block is live, by the caller's promise.
    if unsafe { tbb::free(id, block) } {
        return true;
    }
    let errno = log::errno();
    // SAFETY: the page map says that the block is a heap's.
    let size = unsafe {
        let size = je::sallocx(block);
        je::dallocx(block, je::TCACHE_NONE);
        size
    };
    if let Some(thread) = Thread::attached() {
        thread.growing.freed(block as usize);
        thread.beat.come_soon();
    }
    if let Some(heap) = Heap::by_id(id) {
        heap.full.next_turn();
        if size >= uncached::LARGE {
            heap.large_freed(size);
        }
    }
    idle::tick();
    log::set_errno(errno);
    true
}

/// The id of the heap that has the block at an address, whoever manages it there; 0 when no
/// heap has.
#[inline]
pub fn owner(address: usize) -> usize {
    tbb::heap_id(page_map::owner(address))
}

/// Frees a block past all caches, for defragmentation.
///
/// # Safety
/// `block` is a live block of a heap.
pub unsafe fn free_uncached(block: *mut u8) {
    let heap = Heap::by_id(page_map::owner(block as usize));
    // SAFETY: the caller's promise.
    unsafe { je::dallocx(block, je::TCACHE_NONE) }
    if let Some(heap) = heap {
        heap.full.next_turn();
    }
}

/// Notes a block that a program took straight from an arena of jemalloc's, whosever it is.
pub fn adopt(block: *mut u8) {
    if let Some(heap) = Heap::by_id(page_map::owner(block as usize)) {
        heap.note(block, false);
    }
}

/// The usable size of a block of a heap, in bytes; 0 for any other address.
///
/// # Safety
/// `block` is a live block of a heap or not on a heap's page at all.
pub unsafe fn usable_size(block: *const u8) -> usize {
    match page_map::entry(block as usize) as usize {
        0 => 0,
        // SAFETY: the page map says whose the block is, which is live by the caller's promise.
        entry if entry >> 16 == spare::ID => unsafe { spare::usable_size(block) },
        // SAFETY: the page is a heap's, and the block live by the caller's promise.
        entry if entry & 0xffff == 0 => unsafe {
            tbb::usable_size(entry >> 16, block).unwrap_or_else(|| je::sallocx(block))
        },
        entry => class::size_of(entry & 0xffff),
    }
}

/// Whether the calling thread may use heaps: not while one is started below it. What it
/// allocates then comes from `spare`.
#[inline]
pub(crate) fn may_enter() -> bool {
    thread::may_enter()
}

/// In a child just forked: gives up what other threads were holding.
pub fn after_fork_in_child() {
    thread::after_fork_in_child();
    tbb::after_fork_in_child();
    for heap in (1..HEAPS).filter_map(Heap::by_id) {
        if let Some(depot) = heap.depot() {
            depot.after_fork_in_child();
        }
        // A thread that is gone may have given something back and not counted it.
        heap.full.next_turn();
    }
    reclaim::release_after_fork();
}
