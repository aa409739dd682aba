//! What happens when the arena of a thread has no room for a request: other arenas of the heap are
//! asked, what is cached goes back to them, unused pages go back to the system, and other heaps on
//! the same memory give back what they do not use.

pub mod reclaim;
mod throttle;

use core::ffi::c_int;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::arena::Arenas;
use super::base::{class, je};
use super::cache::Store;
use super::thread::Thread;
use super::thread::exhausted::Counts;
use crate::backing::Room;
use crate::error::Error;
use throttle::Throttle;

/// A heap of which less than one in this number of bytes is free is in use: to find room for one
/// block may mean to give back all that is free of a file and to take it again, or to ask many
/// arenas, which is too much for each block of a program that makes room itself.
const FREE_PART: usize = 2;

/// A request that no cache has met.
#[derive(Clone, Copy)]
pub(crate) struct Request {
    /// Bytes of the block.
    pub(crate) size: usize,
    /// The alignment, in bytes, if it is beyond that of the size's class; 0 otherwise.
    pub(crate) align: usize,
    /// What the heap had counted before it was asked.
    counts: Counts,
}

impl Request {
    /// The number of the class of which a block is asked for; 0 for one that takes pages of its
    /// own.
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

    /// The block from an arena, or as a mapping of its own, of zeroes if `zeroed`; null when there
    /// is none.
    pub(crate) fn ask(self, arenas: &Arenas, arena: u32, zeroed: bool) -> *mut u8 {
        if arenas.maps(self.size) {
            return arenas.map_block(self.size, self.align, zeroed);
        }
        let align: c_int = match self.align {
            0 => 0,
            _ => je::align(self.align),
        };
        let zero = if zeroed { je::ZERO } else { 0 };
        let flags = align | zero | je::arena(arena) | je::TCACHE_NONE;
        je::mallocx(self.size, flags)
    }
}

fn class_of(size: usize, align: usize) -> usize {
    if align == 0 && size <= class::MAX {
        class::offset(size) >> class::BIN_BITS
    } else {
        0
    }
}

/// What a heap remembers of its searches for room.
pub(crate) struct Pressure {
    throttle: Throttle,
    /// Bytes in use in heaps that draw on the same memory, when they were last counted.
    active_beside: AtomicUsize,
}

impl Pressure {
    pub(crate) const fn new() -> Self {
        Self {
            throttle: Throttle::new(),
            active_beside: AtomicUsize::new(0),
        }
    }

    /// Whether it is known that enough of what the heap may hold is in use, now that there is no
    /// room for a request of `least` bytes in pages: that more is hard to find.
    fn is_in_use(&self, store: &Store, least: usize) -> bool {
        let arenas = &store.arenas;
        let (idle, held, left) = match arenas.backing.room() {
            Room::Own { held, left } => (arenas.idle_bytes(), held, left),
            room => {
                let promised = arenas.backing.promised().unwrap_or(0);
                let idle = self.idle_bytes_of_all(store);
                (idle, promised, room.left())
            }
        };
        let Some(idle) = idle else {
            return false;
        };
        // A file may have a limit that its file system does not reach.
        let left = if left < least { left } else { 0 };
        idle + left < (held + left) / FREE_PART
    }

    /// Whether a search for `least` bytes in pages is worth its time.
    fn is_worth_a_search(&self, store: &Store, least: usize) -> bool {
        !self.is_in_use(store, least) || self.throttle.is_due() || store.is_cached()
    }

    /// Idle bytes of the memory that this heap shares with others; `None` when that cannot be told.
    fn idle_bytes_of_all(&self, store: &Store) -> Option<usize> {
        let promised = store.arenas.backing.promised()?;
        let active = store.arenas.active_pages()? * je::PAGE;
        let beside = self.active_beside.load(Ordering::Relaxed);
        // What others use may have become less since.
        promised.checked_sub(active.saturating_add(beside))
    }

    /// Makes room for a block that has no memory for `least` bytes more, in whole pages, if a search
    /// is worth the time; whether anything may have been given back.
    #[cold]
    pub(crate) fn make_room(&self, store: &'static Store, least: usize) -> bool {
        let turn = store.arenas.turn.get();
        let search = || reclaim::for_request(store, &self.active_beside, least, turn);
        self.is_worth_a_search(store, least) && self.throttle.spend(false, search)
    }

    /// A block although the arena `own`, the thread's, has none: from other arenas of the heap,
    /// from what is cached, and from other heaps on the same memory; of zeroes if `zeroed`. Null if
    /// there is none, or if to search this heap is not worth the time.
    #[cold]
    pub(crate) fn search(
        &self,
        store: &'static Store,
        own: u32,
        request: Request,
        zeroed: bool,
    ) -> *mut u8 {
        let least = request.least();
        let ask = |arena| request.ask(&store.arenas, arena, zeroed);
        let others = || {
            if store.arenas.maps(request.size) {
                ptr::null_mut()
            } else {
                block_of_others(store, own, ask)
            }
        };
        let all = || match ask(own) {
            block if block.is_null() => others(),
            block => block,
        };
        let mut block = ptr::null_mut();
        let searches = self.is_worth_a_search(store, least);
        if searches {
            let turn = request.counts.turn;
            let brief = !store.arenas.backing.gives_back();
            block = self.throttle.spend(brief, || match others() {
                block
                    if block.is_null()
                        && reclaim::for_request(store, &self.active_beside, least, turn) =>
                {
                    all()
                }
                block => block,
            });
        }
        if block.is_null() {
            begin_full(store);
            if reclaim::beside(store, least) {
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
}

/// A block by `ask` from another arena than `own`, if the heap is bounded: then each may have what
/// the others lack.
fn block_of_others(store: &Store, own: u32, ask: impl Fn(u32) -> *mut u8) -> *mut u8 {
    if let Room::Open = store.arenas.backing.room() {
        return ptr::null_mut();
    }
    let others = store.arenas.existing().filter(|arena| *arena != own);
    others
        .map(ask)
        .find(|block| !block.is_null())
        .unwrap_or(ptr::null_mut())
}

fn begin_full(store: &Store) {
    store.full.begin();
    store.arenas.turn.count_blocks();
}

/// A request of `size` bytes, aligned to `align` beyond its class if that is not 0.
/// `NoMemory` without a search, if no machine has as much or the thread has just been refused
/// it.
#[inline]
pub(crate) fn request(store: &Store, size: usize, align: usize) -> Result<Request, Error> {
    if size > class::REQUEST_MAX || align > class::REQUEST_MAX {
        return Err(Error::NoMemory);
    }
    let request = Request {
        size,
        align,
        counts: store.arenas.turn.counts(class_of(size, align)),
    };
    let about = |thread: &&Thread| thread.exhausted.is_about(request.counts.turn);
    match Thread::attached().filter(about) {
        Some(thread) if refuses_again(store, thread, request) => Err(Error::NoMemory),
        _ => Ok(request),
    }
}

#[cold]
fn refuses_again(store: &Store, thread: &Thread, request: Request) -> bool {
    let least = request.least();
    let refuses = store.arenas.is_at_its_limit(least)
        && !store.is_cached()
        && thread
            .exhausted
            .covers(request.class(), least, request.counts);
    if refuses {
        begin_full(store);
    }
    refuses
}
