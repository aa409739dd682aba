//! Blocks straight from jemalloc: from the thread's own arena, from another one, and once
//! more when others have given back what they do not use.

pub(crate) mod full;
pub mod reclaim;
pub(crate) mod throttle;

use core::ffi::c_int;
use core::ptr;
use core::sync::atomic::Ordering;

use crate::error::Error;
use crate::heap::exhausted::Counts;
use crate::heap::thread::Thread;
use crate::heap::{Heap, class, je};

/// Requests of more bytes, and of this alignment, are refused as such: with the page that
/// jemalloc adds they are more than half of the 2^47 bytes of addresses that a program has.
pub(crate) const MOST: usize = (1 << 46) - je::PAGE;

/// Blocks from this size on are counted when they are freed.
pub(crate) const LARGE: usize = 8 << 20;
/// How many bytes of freed large blocks a heap keeps, for as long as jemalloc keeps
/// unused pages: a program that frees and takes such blocks in turn would otherwise
/// unmap and fault them each time.
pub(crate) const LARGE_KEPT: usize = 256 << 20;

/// A request that no cache has served.
#[derive(Clone, Copy)]
pub(crate) struct Request {
    /// Bytes.
    size: usize,
    /// The alignment, in bytes, if it is beyond that of the size's class; 0 otherwise.
    align: usize,
    /// What the heap had counted before it was asked.
    counts: Counts,
}

impl Request {
    /// The number of the class of which a block is asked for; 0 for none that is cached.
    fn class(self) -> usize {
        class_of(self.size, self.align)
    }

    /// The fewest bytes, in whole pages, that a new place for the block takes.
    fn least(self) -> usize {
        match self.align {
            0 => class::least_pages(self.size),
            _ => self.size,
        }
    }

    fn flags(self, zeroed: bool) -> c_int {
        let align = if self.align == 0 {
            0
        } else {
            je::align(self.align)
        };
        align | if zeroed { je::ZERO } else { 0 }
    }
}

fn class_of(size: usize, align: usize) -> usize {
    match align {
        0 => class::offset(size) >> class::BIN_BITS,
        _ => 0,
    }
}

impl Heap {
    /// A request of `size` bytes, aligned to `align` beyond its class if that is not 0.
    /// `NoMemory` without a search, if no machine has as much or the thread has just been refused
    /// it.
    #[inline]
    pub(crate) fn request(&self, size: usize, align: usize) -> Result<Request, Error> {
        if size > MOST || align > MOST {
            return Err(Error::NoMemory);
        }
        let request = Request {
            size,
            align,
            counts: self.full.counts(class_of(size, align)),
        };
        let about = |thread: &&Thread| thread.exhausted.is_about(request.counts.turn);
        match Thread::attached().filter(about) {
            Some(thread) if self.refuses_again(thread, request) => Err(Error::NoMemory),
            _ => Ok(request),
        }
    }

    #[cold]
    fn refuses_again(&self, thread: &Thread, request: Request) -> bool {
        let least = request.least();
        let refuses = self.is_at_its_limit(least)
            && !reclaim::is_cached(self)
            && thread
                .exhausted
                .covers(request.class(), least, request.counts);
        if refuses {
            self.full.begin();
        }
        refuses
    }

    /// A block straight from jemalloc, of zeroes if `zeroed`. `tried` says that the thread's own
    /// arena has just had none.
    pub(crate) fn uncached_block(
        &'static self,
        request: Request,
        zeroed: bool,
        tried: bool,
    ) -> Result<*mut u8, Error> {
        let own = self.arenas.current(self)?;
        let flags = request.flags(zeroed);
        let ask = |arena| je::mallocx(request.size, flags | je::arena(arena) | je::TCACHE_NONE);
        let mut block = if tried { ptr::null_mut() } else { ask(own) };
        if block.is_null() {
            block = self.block_when_full(own, request, ask);
        }
        let is_aligned = request.align != 0;
        self.after_growth(request.size, is_aligned);
        if block.is_null() {
            return Err(Error::NoMemory);
        }
        self.note(block, !is_aligned);
        if request.size >= LARGE {
            self.large_taken(request.size);
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
    pub(crate) fn large_freed(&self, size: usize) {
        if self.idle_large.fetch_add(size, Ordering::Relaxed) + size > LARGE_KEPT {
            self.idle_large.store(0, Ordering::Relaxed);
            for arena in self.arenas() {
                je::purge(arena);
            }
        }
    }

    /// Bytes that arenas hold and do not use; `None` when that cannot be told.
    pub(crate) fn idle_bytes(&self) -> Option<usize> {
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
    pub(crate) fn is_at_its_limit(&self, least: usize) -> bool {
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

    /// A block although the arena `own`, the thread's, has none: from other arenas of the heap,
    /// from what is cached, and from other heaps on the same memory. `ask` asks an arena for it.
    /// Null if there is none, or if to search this heap is not worth the time.
    #[cold]
    fn block_when_full(
        &'static self,
        own: u32,
        request: Request,
        ask: impl Fn(u32) -> *mut u8,
    ) -> *mut u8 {
        let least = request.least();
        let others = || self.block_of_others(own, &ask);
        let all = || match ask(own) {
            block if block.is_null() => others(),
            block => block,
        };
        let mut block = ptr::null_mut();
        let searches = !self.is_in_use(least) || self.effort.is_due() || reclaim::is_cached(self);
        if searches {
            let turn = request.counts.turn;
            let brief = !self.backing.gives_back();
            block = self.effort.spend(brief, || match others() {
                block if block.is_null() && reclaim::for_request(self, least, turn) => all(),
                block => block,
            });
        }
        if block.is_null() {
            self.full.begin();
            if reclaim::beside(self, least) {
                block = all();
            }
        }
        if let (true, Some(thread)) = (block.is_null(), Thread::attached()) {
            // For a smaller request jemalloc may leave a larger extent alone that was used lately.
            let pages = if searches && request.align == 0 {
                least
            } else {
                0
            };
            let (class, counts) = (request.class(), request.counts);
            thread.exhausted.note(class, pages, counts);
        }
        block
    }

    /// A block from another arena than `own`, if the heap is bounded: then each may have what
    /// the others lack.
    fn block_of_others(&self, own: u32, ask: impl Fn(u32) -> *mut u8) -> *mut u8 {
        if !self.backing.is_bounded() {
            return ptr::null_mut();
        }
        let others = self.arenas().filter(|arena| *arena != own);
        others
            .map(ask)
            .find(|block| !block.is_null())
            .unwrap_or(ptr::null_mut())
    }

    /// A block of a class for a cache, without taking anything from other caches.
    pub(crate) fn block_for_cache(&'static self, size: usize) -> *mut u8 {
        let Ok(own) = self.arenas.current(self) else {
            return ptr::null_mut();
        };
        je::mallocx(size, je::arena(own) | je::TCACHE_NONE)
    }
}
