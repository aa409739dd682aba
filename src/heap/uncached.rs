//! Blocks straight from jemalloc: from the thread's own arena, from another one, and once
//! more when others have given back what they do not use.

use core::ffi::c_int;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::{Heap, arenas, class, je, reclaim};
use crate::error::Error;

/// Blocks from this size on are counted when they are freed.
pub(super) const LARGE: usize = 8 << 20;
/// One of so many in turn asks another arena in vain, where there is no time to ask all.
const MISSES: usize = 8;
/// How many bytes of freed large blocks a heap keeps, for as long as jemalloc keeps
/// unused pages: a program that frees and takes such blocks in turn would otherwise
/// unmap and fault them each time.
pub(super) const LARGE_KEPT: usize = 256 << 20;

/// Where a heap looks for a block of which the thread's own arena has none.
pub(super) struct Elsewhere {
    /// The slot of the arena that is asked first: the one that has had a block last.
    first: AtomicUsize,
    /// How many times in turn nothing was found.
    misses: AtomicUsize,
}

impl Elsewhere {
    pub(super) const fn new() -> Self {
        Self {
            first: AtomicUsize::new(0),
            misses: AtomicUsize::new(0),
        }
    }

    /// Where to begin, for one that asks a single arena; `None` to ask none this time: of
    /// many in turn that find nothing only a few ask, since arenas are shared unwillingly.
    fn seldom(&self) -> Option<usize> {
        let misses = self.misses.fetch_add(1, Ordering::Relaxed);
        (misses % MISSES == 0).then(|| self.first.load(Ordering::Relaxed))
    }

    fn note(&self, slot: usize, found: bool) {
        if found {
            self.misses.store(0, Ordering::Relaxed);
        }
        self.first
            .store(slot + usize::from(!found), Ordering::Relaxed);
    }
}

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
        let ask = |arena| je::mallocx(size, flags | je::arena(arena) | je::TCACHE_NONE);
        let mut block = if tried { ptr::null_mut() } else { ask(own) };
        if block.is_null() {
            let least = if is_aligned(flags) {
                size
            } else {
                class::least_pages(size)
            };
            block = self.block_when_full(own, least, turn, ask);
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

    /// Whether it is known that nearly all that the heap may hold is in use: that finding room
    /// is dear, and that there is little.
    fn is_in_use(&self) -> bool {
        const FREE_PART: usize = 4;
        let (Some(idle), Some(held)) = (self.idle_bytes(), self.backing.held()) else {
            return false;
        };
        // A file without a limit has as much left as its file system, which is now full.
        let left = Some(self.backing.left()).filter(|left| *left != usize::MAX);
        let left = left.unwrap_or(0);
        idle + left < (held + left) / FREE_PART
    }

    /// A block although the thread's own arena has none, of at least `least` bytes in pages;
    /// null if there is none, or to find out is not worth the time.
    #[cold]
    fn block_when_full(
        &'static self,
        own: u32,
        least: usize,
        turn: u32,
        ask: impl Fn(u32) -> *mut u8,
    ) -> *mut u8 {
        self.full.begin();
        if !self.backing.gives_back() {
            // It has been full, and will be again; to wait for other use has no point.
            self.arenas.decay_at_once();
        }
        if self.is_in_use() && !self.effort.is_due() && !reclaim::is_cached(self) {
            let first = self.elsewhere.seldom();
            return first.map_or(ptr::null_mut(), |first| {
                self.block_elsewhere(own, first, 1, ask)
            });
        }
        self.effort.spend(|| {
            let first = self.elsewhere.first.load(Ordering::Relaxed);
            let mut block = self.block_elsewhere(own, first, arenas::MAX, &ask);
            if block.is_null() && reclaim::for_request(self, least, turn) {
                block = ask(own);
                if block.is_null() {
                    block = self.block_elsewhere(own, first, arenas::MAX, &ask);
                }
            }
            block
        })
    }

    /// A bounded kind may have room in another thread's arena; at most so many are asked, in
    /// turn from one on.
    fn block_elsewhere(
        &self,
        own: u32,
        first: usize,
        most: usize,
        ask: impl Fn(u32) -> *mut u8,
    ) -> *mut u8 {
        if !self.backing.is_bounded() {
            return ptr::null_mut();
        }
        let others = self.arenas.existing_from(first);
        for (slot, arena) in others.filter(|(_, arena)| *arena != own).take(most) {
            let block = ask(arena);
            self.elsewhere.note(slot, !block.is_null());
            if !block.is_null() {
                return block;
            }
        }
        ptr::null_mut()
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
