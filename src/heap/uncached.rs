//! Blocks straight from jemalloc: from the thread's own arena, from another one, and once
//! more when others have given back what they do not use.

use core::ffi::c_int;
use core::ptr;
use core::sync::atomic::Ordering;

use super::{Heap, class, je, reclaim};
use crate::error::Error;

/// Blocks from this size on are counted when they are freed.
pub(super) const LARGE: usize = 8 << 20;
/// How many bytes of freed large blocks a heap keeps, for as long as jemalloc keeps
/// unused pages: a program that frees and takes such blocks in turn would otherwise
/// unmap and fault them each time.
pub(super) const LARGE_KEPT: usize = 256 << 20;

impl Heap {
    /// A block straight from jemalloc. `tried` says that the thread's own arena has just had
    /// none.
    pub(super) fn uncached_block(
        &'static self,
        size: usize,
        flags: c_int,
        tried: bool,
    ) -> Result<*mut u8, Error> {
        let own = self.arenas.current(self)?;
        let from_own = || je::mallocx(size, flags | je::arena(own) | je::TCACHE_NONE);
        let mut block = ptr::null_mut();
        if is_aligned(flags) || !self.has_nothing_for(size) {
            if !tried {
                block = from_own();
            }
            if block.is_null() {
                block = self.block_elsewhere(own, size, flags);
            }
        }
        if block.is_null() && reclaim::for_request(self, size) {
            block = from_own();
            if block.is_null() {
                block = self.block_elsewhere(own, size, flags);
            }
        }
        if block.is_null() {
            return Err(Error::NoMemory);
        }
        self.note(block);
        if !is_aligned(flags) {
            self.full.taken(class::offset(size), block);
        }
        if size >= LARGE {
            self.large_taken(size);
        }
        Ok(block)
    }

    #[cold]
    fn large_taken(&self, size: usize) {
        let _ = self
            .idle_large
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |idle| {
                Some(idle.saturating_sub(size))
            });
    }

    /// Counts a large block that has been freed; when there is much, pages go back.
    #[cold]
    pub(super) fn large_freed(&self, size: usize) {
        if self.idle_large.fetch_add(size, Ordering::Relaxed) + size > LARGE_KEPT {
            self.idle_large.store(0, Ordering::Relaxed);
            for arena in self.arenas() {
                je::purge(arena);
            }
        }
    }

    /// Bytes that arenas have and do not use, and bytes that the source has left; `None` when
    /// that cannot be told.
    pub(super) fn unused(&self) -> Option<(usize, usize)> {
        let held = self.backing.held()?;
        let active = self.arenas.active_pages()? * je::PAGE;
        Some((held.saturating_sub(active), self.backing.left()))
    }

    /// Whether there may be as many unused pages as a block of so many bytes needs at least.
    pub(super) fn has_pages_for(&self, size: usize) -> bool {
        self.unused()
            .is_none_or(|(idle, left)| idle.saturating_add(left) >= class::least_pages(size))
    }

    /// Whether the heap is full and counts what slabs have of blocks of that size.
    fn knows_slabs(&self, size: usize) -> bool {
        self.full.is_on() && self.caches() && size <= class::SLAB_MAX
    }

    /// Whether the heap is full and has no block of that size, as far as arenas go.
    pub(super) fn has_nothing_for(&self, size: usize) -> bool {
        let not_in_slab = if size > class::SLAB_MAX {
            self.full.is_on()
        } else {
            self.knows_slabs(size) && self.full.has_none(class::offset(size))
        };
        not_in_slab && !self.has_pages_for(size)
    }

    /// A bounded kind may have room in another thread's arena.
    #[cold]
    fn block_elsewhere(&self, own: u32, size: usize, flags: c_int) -> *mut u8 {
        if !self.backing.is_bounded() {
            return ptr::null_mut();
        }
        let look = || {
            self.arenas()
                .filter(|arena| *arena != own)
                .map(|arena| je::mallocx(size, flags | je::arena(arena) | je::TCACHE_NONE))
                .find(|block| !block.is_null())
        };
        let only_in_slab = self.knows_slabs(size) && !is_aligned(flags);
        let found = if only_in_slab && !self.has_pages_for(size) {
            self.full.look(class::offset(size), look)
        } else {
            look()
        };
        found.unwrap_or(ptr::null_mut())
    }

    /// A block of a class for a cache, without taking anything from other caches.
    pub(super) fn block_for_cache(&'static self, size: usize) -> *mut u8 {
        let Ok(own) = self.arenas.current(self) else {
            return ptr::null_mut();
        };
        je::mallocx(size, je::arena(own) | je::TCACHE_NONE)
    }
}

/// Whether flags for jemalloc ask for an alignment: the block is then of another class than
/// its size.
const fn is_aligned(flags: c_int) -> bool {
    flags & !je::ZERO != 0
}
