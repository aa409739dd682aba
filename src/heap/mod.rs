//! Malloc semantics, once for every kind: a heap is a few jemalloc arenas on one
//! source of extents, and the page map that leads from a block back to it.
//!
//! Arenas are created when first needed. Blocks carry no header: their size and
//! arena are known to jemalloc, their kind to the page map.

pub mod arenas;
mod extent_hooks;
pub mod je;
pub mod page_map;
pub mod stats;

use core::cell::UnsafeCell;
use core::ffi::c_int;
use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering};

use crate::backing::{Backing, Extent};
use crate::error::Error;

/// A heap. It must not move once an arena exists: jemalloc holds its address.
#[repr(C)]
pub struct Heap {
    /// First, so that a hook finds the heap through its own address.
    hooks: UnsafeCell<je::ExtentHooks>,
    /// Where extents come from.
    pub backing: Backing,
    arenas: arenas::Arenas,
    /// What the page map says about this heap's pages.
    owner: u32,
    /// What it said before about a user-owned area, plus one.
    previous: AtomicU32,
    /// When unused pages go back, in milliseconds; `None` as jemalloc is set up.
    decay_ms: Option<isize>,
}

// SAFETY: the hooks are never written after creation, everything else is atomic,
// constant or Sync itself.
unsafe impl Sync for Heap {}

impl Heap {
    /// A heap that has taken nothing yet. `owner` is not 0.
    pub const fn new(backing: Backing, owner: u32, decay_ms: Option<isize>) -> Self {
        Self {
            hooks: UnsafeCell::new(extent_hooks::EXTENTS),
            backing,
            arenas: arenas::Arenas::new(),
            owner,
            previous: AtomicU32::new(0),
            decay_ms,
        }
    }

    /// What the page map says about this heap's pages.
    pub const fn owner(&self) -> u32 {
        self.owner
    }

    /// Allows `count` arenas, a power of two; before that every allocation fails.
    pub fn open(&self, count: u32) {
        self.arenas.set_count(count);
    }

    /// The number of arenas allowed, 0 before `open`.
    pub fn arena_limit(&self) -> u32 {
        self.arenas.count()
    }

    /// The arena from which the calling thread allocates.
    pub fn arena(&'static self) -> Result<u32, Error> {
        self.arenas.current(self)
    }

    /// All arenas that exist.
    pub fn arenas(&self) -> impl Iterator<Item = u32> + '_ {
        self.arenas.existing()
    }

    fn take_extent(&self, size: usize, align: usize) -> Option<Extent> {
        let extent = self.backing.take(size, align).ok()?;
        if let Backing::Fixed(_) = self.backing {
            // The area may be a block of another kind; that kind gets it back.
            let before = page_map::owner(extent.address);
            if before != self.owner {
                let _ = self.previous.compare_exchange(
                    0,
                    before + 1,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                );
            }
        }
        // On failure the addresses are lost to the kind, which is out of memory anyway.
        page_map::set_owner(extent.address, size, self.owner).ok()?;
        Some(extent)
    }

    /// Allocates `size` bytes, more than 0; `flags` are `je::ZERO` and `je::align`.
    #[inline]
    pub fn allocate(&'static self, size: usize, flags: c_int) -> Result<*mut u8, Error> {
        let own = self.arenas.current(self)?;
        let block = je::mallocx(size, flags | je::arena(own) | je::TCACHE_NONE);
        if block.is_null() {
            self.allocate_elsewhere(own, size, flags)
        } else {
            Ok(block)
        }
    }

    /// A bounded kind may have room in another thread's arena, or unused pages that
    /// the arenas hold on to.
    #[cold]
    fn allocate_elsewhere(&self, own: u32, size: usize, flags: c_int) -> Result<*mut u8, Error> {
        let bounded = !matches!(self.backing, Backing::Anonymous(_));
        for arena in self.arenas().filter(|arena| bounded && *arena != own) {
            let block = je::mallocx(size, flags | je::arena(arena) | je::TCACHE_NONE);
            if !block.is_null() {
                return Ok(block);
            }
        }
        if let Backing::File(_) = self.backing {
            for arena in self.arenas() {
                je::purge(arena);
            }
            let block = je::mallocx(size, flags | je::arena(own) | je::TCACHE_NONE);
            if !block.is_null() {
                return Ok(block);
            }
        }
        Err(Error::NoMemory)
    }

    /// Resizes a block of this heap, in place where possible.
    ///
    /// # Safety
    /// `ptr` is a live block of this heap.
    pub unsafe fn resize(&'static self, ptr: *mut u8, size: usize) -> Result<*mut u8, Error> {
        let flags = je::arena(self.arenas.current(self)?) | je::TCACHE_NONE;
        // SAFETY: the caller's promise.
        let moved = unsafe { je::rallocx(ptr, size, flags) };
        if !moved.is_null() {
            return Ok(moved);
        }
        let fresh = self.allocate(size, 0)?;
        // SAFETY: both blocks are live and of at least that size; the old one is given
        // up only after its contents are safe.
        unsafe {
            ptr::copy_nonoverlapping(ptr, fresh, size.min(je::sallocx(ptr)));
            free(ptr);
        }
        Ok(fresh)
    }

    /// Destroys all blocks and forgets the heap's pages; the backing may go then.
    pub fn destroy(&self) {
        self.arenas.destroy();
        let before = self.previous.load(Ordering::Relaxed).saturating_sub(1);
        self.backing.for_each_range(|start, size| {
            // The leaves of the range exist, so this cannot fail.
            let _ = page_map::set_owner(start, size, before);
        });
    }
}

/// Frees a block of a heap (not of jemalloc's own arenas).
///
/// # Safety
/// `ptr` is a live block of a heap.
#[inline]
pub unsafe fn free(ptr: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe { je::dallocx(ptr, je::TCACHE_NONE) }
}
