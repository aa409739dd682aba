//! Blocks straight from jemalloc: from the thread's own arena, from another one, and once
//! more when others have given back what they do not use.

use core::ffi::c_int;
use core::ptr;
use core::sync::atomic::Ordering;

use super::elsewhere::Elsewhere;
use super::thread::Thread;
use super::{Heap, arenas, class, je, reclaim};
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
        self.after_growth(size, is_aligned(flags));
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

    /// The same of memory that the heap may draw on with others.
    fn idle_bytes_of_all(&self) -> Option<usize> {
        let promised = self.backing.promised()?;
        let active = self.arenas.active_pages()? * je::PAGE;
        let beside = self.active_beside.load(Ordering::Relaxed);
        // What others use may have become less since.
        promised.checked_sub(active.saturating_add(beside))
    }

    /// Whether nothing but its own limit keeps the heap from having so many bytes more.
    pub(super) fn is_at_its_limit(&self, least: usize) -> bool {
        self.backing.held().is_some() && self.backing.left() < least
    }

    /// Whether it is known that enough of what the heap may hold is in use, now that there is no
    /// room for a request: that more is hard to find.
    fn is_in_use(&self, least: usize) -> bool {
        // What is free of a file may be in pieces, and to join them means to give all back and
        // to take it again; an area may have many arenas to ask: not for each block of a
        // program that makes room itself.
        const FREE_PART: usize = 2;
        const FREE_PART_OF_ALL: usize = 4;
        let (idle, held, part) = match self.backing.held() {
            Some(held) => (self.idle_bytes(), held, FREE_PART),
            None => (
                self.idle_bytes_of_all(),
                self.backing.promised().unwrap_or(0),
                FREE_PART_OF_ALL,
            ),
        };
        let Some(idle) = idle else {
            return false;
        };
        // A file may have a limit that its file system does not reach.
        let left = Some(self.backing.left()).filter(|left| *left < least);
        let left = left.unwrap_or(0);
        idle + left < (held + left) / part
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
        let elsewhere = Thread::current().map(|thread| thread.elsewhere.of(self.id));
        if let Some(elsewhere) = elsewhere {
            let saves = self.is_in_use(least) && !self.effort.is_due();
            if saves && !reclaim::is_cached(self) {
                let mut block = ptr::null_mut();
                if elsewhere.is_due() {
                    block = self.block_elsewhere(own, 1, Some(elsewhere), ask);
                }
                if block.is_null() {
                    self.full.begin();
                }
                return block;
            }
        }
        self.effort.spend(|| {
            let all_others = || self.block_elsewhere(own, arenas::MAX, elsewhere, &ask);
            let all = || match ask(own) {
                block if block.is_null() => all_others(),
                block => block,
            };
            let mut block = all_others();
            if block.is_null() {
                self.full.begin();
                if reclaim::for_request(self, least, turn) {
                    block = all();
                }
            }
            if block.is_null() && reclaim::beside(self, least) {
                block = all();
            }
            block
        })
    }

    /// A bounded kind may have room in another thread's arena; at most so many are asked, in
    /// their turn.
    fn block_elsewhere(
        &self,
        own: u32,
        most: usize,
        elsewhere: Option<&Elsewhere>,
        ask: impl Fn(u32) -> *mut u8,
    ) -> *mut u8 {
        if !self.backing.is_bounded() {
            return ptr::null_mut();
        }
        let first = elsewhere.map_or(0, Elsewhere::first);
        let others = self.arenas.existing_from(first);
        for (slot, arena) in others.filter(|(_, arena)| *arena != own).take(most) {
            let block = ask(arena);
            if let Some(elsewhere) = elsewhere {
                elsewhere.note(slot, !block.is_null());
            }
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
