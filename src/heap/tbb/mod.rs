//! Pools of Threading Building Blocks' allocator, in place of jemalloc's arenas
//! (MEMKIND_HEAP_MANAGER=TBB).
//!
//! A heap that has a pool takes its blocks from there and has neither arenas nor caches, so
//! the fast paths find nothing and leave every call to the slow ones. The pool takes
//! memory from the heap's backing. Its pages have an owner of their own in the page map: a
//! block of a pool is never taken for one of jemalloc's, and a heap may have both. It has both
//!
//! - when it was used before the library was loaded,
//! - when the allocator of the pool itself calls malloc, which may be built on this library,
//! - in a thread that is about to be gone,
//! - in the child of a process with threads. TBB's locks do not survive fork(2), so such a
//!   child leaves the pools as they are: new blocks come from arenas, blocks of a pool that
//!   are freed are lost, and those that are resized are copied.

mod library;

use core::ffi::{c_int, c_void};
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

use library::{Library, MemoryPool, Policy};
use once_cell::race::OnceBox;

pub use library::Missing;

use super::arena::Arenas;
use super::base::class::REQUEST_MAX;
use super::base::lock::Lock;
use super::base::{HEAPS, KINDS, page_map};
use super::thread::Thread;
use crate::backing::{UNIT, page_size, round_up};
use crate::boxed::boxed;
use crate::error::Error;
use crate::{cancel, log};

/// A pool of libtbbmalloc and the heap that uses it.
struct Pool {
    handle: AtomicPtr<MemoryPool>,
    /// The heap whose blocks these are.
    heap: &'static Arenas,
    /// Who owns its pages; 0 until the pool is made.
    id: AtomicUsize,
}

static LIBRARY: OnceBox<Library> = OnceBox::new();

/// The pool of each heap, and behind these the pool of each id of a pool.
static POOLS: [AtomicPtr<Pool>; HEAPS] = [const { AtomicPtr::new(ptr::null_mut()) }; HEAPS];

/// Whether pools are made and used: the library is there, and they can be relied on.
static ACTIVE: AtomicBool = AtomicBool::new(false);

/// Held while a pool is made. The allocator's start may call malloc, see [`Inside`].
static MAKING: Lock = Lock::new();

/// Whether a forked child would find other threads' locks.
static THREADS_AT_FORK: AtomicBool = AtomicBool::new(false);

/// Loads the library. Called once, when this one is loaded.
///
/// # Errors
/// Why it cannot be used.
pub fn load() -> Result<(), Missing> {
    let library = Library::open()?;
    // A pool makes the allocator start, which reads files and calls malloc; later that would
    // be in the middle of an allocation.
    let mut pool = ptr::null_mut();
    let policy = policy(refuse_raw);
    // SAFETY: the policy is valid, and the pool is not used.
    unsafe {
        if (library.create)(0, &raw const policy, &raw mut pool) == 0 {
            (library.destroy)(pool);
        }
    }
    let library = boxed(library).map_err(|_| Missing::Library)?;
    let _ = LIBRARY.set(library);
    ACTIVE.store(true, Ordering::Release);
    Ok(())
}

/// Whether kinds were to have pools when the library was loaded.
pub fn is_loaded() -> bool {
    LIBRARY.get().is_some()
}

/// Whether a heap is to have a pool and has none.
pub(crate) fn is_wanted(heap: &Arenas) -> bool {
    ACTIVE.load(Ordering::Acquire) && of(heap).is_none() && Inside::enter().is_some()
}

/// Gives a heap a pool, whose pages `id` will own; the heap must not move any more.
///
/// # Errors
/// `NoMemory` when none can be made.
pub(crate) fn install(
    heap: &'static Arenas,
    id: impl FnOnce() -> Option<usize>,
) -> Result<(), Error> {
    let library = LIBRARY.get().ok_or(Error::NoMemory)?;
    let inside = Inside::enter().ok_or(Error::NoMemory)?;
    let making = MAKING.hold();
    if of(heap).is_some() {
        return Ok(());
    }
    let pool = Pool {
        handle: AtomicPtr::new(ptr::null_mut()),
        heap,
        id: AtomicUsize::new(0),
    };
    let pool = boxed(pool).map_err(|_| Error::NoMemory)?;
    let policy = Policy {
        granularity: heap.backing.granule().max(UNIT),
        ..policy(raw_alloc)
    };
    let mut handle = ptr::null_mut();
    // SAFETY: the policy is valid; the number is the address of a pool that stays.
    let code = unsafe {
        (library.create)(
            ptr::from_ref(&*pool) as isize,
            &raw const policy,
            &raw mut handle,
        )
    };
    if code != 0 || handle.is_null() {
        log::error!("Unable to create TBB memory pool.");
        return Err(Error::NoMemory);
    }
    let Some(id) = id() else {
        // SAFETY: no thread has used the pool.
        unsafe { (library.destroy)(handle) };
        return Err(Error::NoMemory);
    };
    pool.handle.store(handle, Ordering::Relaxed);
    pool.id.store(id, Ordering::Relaxed);
    let pool: &'static Pool = Box::leak(pool);
    for index in [id, heap.id()] {
        POOLS[index].store(ptr::from_ref(pool).cast_mut(), Ordering::Release);
    }
    drop(making);
    drop(inside);
    Ok(())
}

const fn policy(alloc: library::RawAlloc) -> Policy {
    Policy {
        alloc,
        free: raw_free,
        granularity: UNIT,
        version: library::VERSION,
        flags: 0,
    }
}

fn pool_at(index: usize) -> Option<&'static Pool> {
    // SAFETY: null or a pool, none of which ever goes.
    unsafe { POOLS.get(index)?.load(Ordering::Acquire).as_ref() }
}

/// The pool from which a heap allocates.
#[inline]
fn of(heap: &Arenas) -> Option<&'static Pool> {
    pool_at(heap.id())
}

/// The pool that owns pages with this id.
#[inline]
fn owning(id: usize) -> Option<&'static Pool> {
    if id <= KINDS {
        return None;
    }
    pool_at(id).filter(|pool| pool.id() == id)
}

/// The heap behind an owner in the page map, as an id.
#[inline]
pub(crate) fn heap_id(owner: usize) -> usize {
    owning(owner).map_or(owner, |pool| pool.heap.id())
}

/// Whether an address is in a pool.
pub fn has(address: usize) -> bool {
    owning(page_map::owner(address)).is_some()
}

/// A block of the heap's pool, of `size` bytes at a multiple of `align` (0 for what any object
/// needs); `None` if arenas have to give it.
#[inline]
pub(crate) fn allocate(heap: &Arenas, size: usize, align: usize) -> Option<Result<*mut u8, Error>> {
    let pool = of(heap)?;
    let _inside = Inside::enter()?;
    Some(pool.allocate(size, align))
}

/// Frees a block whose page `owner` owns; `false` if that is no pool.
///
/// # Safety
/// The block is live.
#[inline]
pub(crate) unsafe fn free(owner: usize, block: *mut u8) -> bool {
    let Some(pool) = owning(owner) else {
        return false;
    };
    if ACTIVE.load(Ordering::Relaxed) {
        let _inside = Inside::enter();
        let errno = log::errno();
        // SAFETY: the page map says that the block is the pool's, and it is live.
        unsafe { (library().free)(pool.handle(), block.cast()) };
        log::set_errno(errno);
    }
    true
}

/// The usable size of a block whose page `owner` owns; `None` if that is no pool.
///
/// # Safety
/// The block is live.
#[inline]
pub(crate) unsafe fn usable_size(owner: usize, block: *const u8) -> Option<usize> {
    let pool = owning(owner)?;
    // SAFETY: the page map says that the block is the pool's, and it is live. Only its
    // header is read.
    Some(unsafe { (library().msize)(pool.handle(), block.cast_mut().cast()) })
}

/// Resizes a block in a pool of the heap; `None` if the block is not in one, or has to be
/// copied.
///
/// # Safety
/// The block is live.
pub(crate) unsafe fn resize(
    heap: &Arenas,
    block: *mut u8,
    size: usize,
) -> Option<Result<*mut u8, Error>> {
    let pool = owning(page_map::owner(block as usize))?;
    if !ptr::eq(pool.heap, heap) || !ACTIVE.load(Ordering::Relaxed) {
        return None;
    }
    let _inside = Inside::enter()?;
    if size > REQUEST_MAX {
        return Some(Err(Error::NoMemory));
    }
    // SAFETY: the block is the pool's and live; on failure it stays.
    let moved = unsafe { (library().realloc)(pool.handle(), block.cast(), size) };
    Some(given(moved))
}

/// Whether a block of `old` usable bytes that cannot be resized by its pool may stay where it
/// is: it is large enough, and not much too large.
pub(crate) const fn fits(old: usize, size: usize) -> bool {
    size <= old && size >= old / 2
}

fn given(block: *mut c_void) -> Result<*mut u8, Error> {
    if block.is_null() {
        Err(Error::NoMemory)
    } else {
        Ok(block.cast())
    }
}

fn library() -> &'static Library {
    // A pool exists only where the library was loaded.
    match LIBRARY.get() {
        Some(library) => library,
        None => unreachable!(),
    }
}

impl Pool {
    fn handle(&self) -> *mut MemoryPool {
        self.handle.load(Ordering::Relaxed)
    }

    fn id(&self) -> usize {
        self.id.load(Ordering::Relaxed)
    }

    fn allocate(&self, size: usize, align: usize) -> Result<*mut u8, Error> {
        if size > REQUEST_MAX || align > REQUEST_MAX {
            return Err(Error::NoMemory);
        }
        // SAFETY: the pool is live, and the alignment 0 or a power of two.
        given(unsafe {
            if align == 0 {
                (library().malloc)(self.handle(), size)
            } else {
                (library().aligned_malloc)(self.handle(), size, align)
            }
        })
    }

    fn take(&self, bytes: usize) -> Option<usize> {
        let size = round_up(bytes, page_size()).filter(|_| self.id() != 0)?;
        let extent = self.heap.backing.take(size, page_size(), true).ok()?;
        if page_map::set_owner(extent.address, size, self.id()).is_err() {
            page_map::change_owner(extent.address, size, 0);
            // SAFETY: an extent just taken, which no other code has seen.
            unsafe { self.heap.backing.release(extent.address, size) };
            return None;
        }
        Some(extent.address)
    }
}

extern "C" fn refuse_raw(_pool: isize, _bytes: *mut usize) -> *mut c_void {
    ptr::null_mut()
}

/// # Safety
/// Called by TBB alone, with the number of a pool from [`install`].
unsafe extern "C" fn raw_alloc(pool: isize, bytes: *mut usize) -> *mut c_void {
    let _deferred = cancel::defer();
    let errno = log::errno();
    // SAFETY: the number that `install` gave is the address of a pool; TBB passes a valid size.
    let taken = unsafe { (*(pool as *const Pool)).take(*bytes) };
    log::set_errno(errno);
    taken.map_or(ptr::null_mut(), |address| address as *mut c_void)
}

/// # Safety
/// Called by TBB alone, with the number of a pool from [`install`] and what [`raw_alloc`] gave.
unsafe extern "C" fn raw_free(pool: isize, address: *mut c_void, bytes: usize) -> c_int {
    let _deferred = cancel::defer();
    let errno = log::errno();
    // SAFETY: the number that `install` gave is the address of a pool.
    let pool = unsafe { &*(pool as *const Pool) };
    // The extent has this size: `raw_alloc` rounded the request up in this way.
    let size = round_up(bytes, page_size()).unwrap_or(bytes);
    page_map::change_owner(address as usize, size, 0);
    // SAFETY: an extent of the pool, which TBB gives up.
    unsafe { pool.heap.backing.release(address as usize, size) };
    log::set_errno(errno);
    0
}

/// While it lives the calling thread is inside the allocator of pools. What comes back into this
/// library meanwhile, from a malloc that is built on it, is served from arenas.
struct Inside(&'static Thread);

impl Inside {
    /// `None` if the thread is inside, or has no record to say so.
    #[inline]
    fn enter() -> Option<Self> {
        let thread = Thread::current()?;
        if thread.inside_pool.load(Ordering::Relaxed) {
            return None;
        }
        thread.inside_pool.store(true, Ordering::Relaxed);
        Some(Self(thread))
    }
}

impl Drop for Inside {
    #[inline]
    fn drop(&mut self) {
        self.0.inside_pool.store(false, Ordering::Relaxed);
    }
}

/// Before fork(2): notes whether another thread may be inside the allocator.
pub fn prepare_fork() {
    if is_loaded() {
        // SAFETY: the C library's own variable, a `char`.
        let single = library::single_threaded().is_some_and(|flag| unsafe { *flag } != 0);
        THREADS_AT_FORK.store(!single, Ordering::Relaxed);
    }
}

/// Gives up, in a child just forked, pools that may have been locked by threads that are gone.
pub(crate) fn after_fork_in_child() {
    if !ACTIVE.load(Ordering::Relaxed) || !THREADS_AT_FORK.load(Ordering::Relaxed) {
        return;
    }
    ACTIVE.store(false, Ordering::Relaxed);
    for (index, pool) in POOLS.iter().enumerate() {
        if pool_at(index).is_some_and(|found| found.id() != index) {
            pool.store(ptr::null_mut(), Ordering::Relaxed);
        }
    }
}
