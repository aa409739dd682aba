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
    /// none, `turn` is that of [`super::full::Full`] before.
    pub(super) fn uncached_block(
        &'static self,
        size: usize,
        flags: c_int,
        tried: bool,
        turn: u32,
    ) -> Result<*mut u8, Error> {
        let own = self.arenas.current(self)?;
        let from_own = || je::mallocx(size, flags | je::arena(own) | je::TCACHE_NONE);
        let mut block = if tried { ptr::null_mut() } else { from_own() };
        if block.is_null() {
            block = self.block_elsewhere(own, size, flags);
        }
        let least = if is_aligned(flags) {
            size
        } else {
            class::least_pages(size)
        };
        if block.is_null() && reclaim::for_request(self, least, turn) {
            block = from_own();
            if block.is_null() {
                block = self.block_elsewhere(own, size, flags);
            }
        }
        if block.is_null() {
            return Err(Error::NoMemory);
        }
        self.note(block, !is_aligned(flags));
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

    /// Bytes that arenas hold and do not use; `None` when that cannot be told.
    pub(super) fn idle_bytes(&self) -> Option<usize> {
        let held = self.backing.held()?;
        Some(held.saturating_sub(self.arenas.active_pages()? * je::PAGE))
    }

    /// A bounded kind may have room in another thread's arena.
    #[cold]
    fn block_elsewhere(&self, own: u32, size: usize, flags: c_int) -> *mut u8 {
        if !self.backing.is_bounded() {
            return ptr::null_mut();
        }
        self.arenas()
            .filter(|arena| *arena != own)
            .map(|arena| je::mallocx(size, flags | je::arena(arena) | je::TCACHE_NONE))
            .find(|block| !block.is_null())
            .unwrap_or(ptr::null_mut())
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
