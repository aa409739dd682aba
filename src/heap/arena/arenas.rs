//! The jemalloc arenas of a heap: which one a thread uses, and creating it when it is first needed.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};

use once_cell::race::OnceBox;

use super::kept::Mappings;
use super::records::METADATA;
use super::turn::Turn;
use crate::backing::Backing;
use crate::boxed::boxed;
use crate::error::Error;
use crate::heap::base::{class, je, lock, page_map};
use crate::heap::thread::Thread;
use crate::log;
use crate::sys::ahead;

/// The most arenas a kind can have.
pub(crate) const MAX: usize = 256;

/// How many bytes of freed large blocks a heap keeps for as long as jemalloc keeps unused pages: a
/// program that frees and takes such blocks in turn would otherwise unmap and fault them each
/// time. Pages of a single larger block go back at once. No code looks at that time while the program
/// does nothing: a program that waits keeps this many bytes.
pub(crate) const LARGE_KEPT: usize = 256 << 20;

/// Bytes of addresses that jemalloc takes for the records of a new arena.
const FIRST_RECORDS: usize = 2 << 20;

/// The `decay_ms` of a kind that gives memory back the moment it is freed: nothing is cached.
const AT_ONCE: Option<isize> = Some(0);

/// The arenas of a heap on one source of extents. They must not move once there is an arena:
/// jemalloc holds their address.
#[repr(C)]
pub(crate) struct Arenas {
    /// First, so that a hook finds the arenas through its own address.
    hooks: UnsafeCell<je::ExtentHooks>,
    /// Where extents come from.
    pub(crate) backing: Backing,
    /// The owner of the heap's pages in the page map.
    id: u32,
    /// The heap id that owned a user's area before, plus 1; 0 = unset.
    pub(super) previous: AtomicU32,
    /// The time in milliseconds after which unused pages go back; `None` for jemalloc's default.
    decay_ms: Option<isize>,
    /// Whether blocks are overwritten when they are freed. Then nothing is cached.
    pub(crate) wipes: bool,
    /// Whether small blocks come from the first memory while that has some: of one heap only.
    pub(crate) is_first: bool,
    /// The binary logarithm of what every block is aligned to.
    pub(crate) align_bits: u8,
    pub(crate) turn: Turn,
    /// Blocks that are in no arena.
    pub(crate) mappings: Mappings,
    /// The arena that last took many addresses at a time; 0 = none. Of several arenas the others
    /// will grow again.
    pub(crate) grown: AtomicU32,
    /// Arenas by number; 0 where there is none yet.
    slots: OnceBox<[AtomicU32; MAX]>,
    /// Number of slots in use, a power of two; 0 before the limit is known.
    count: AtomicU32,
    /// Where each arena counts its active pages, once that was asked for.
    pub(super) active: OnceBox<[AtomicPtr<AtomicUsize>; MAX]>,
}

// SAFETY: the hooks are never written after creation; everything else is atomic, constant or Sync
// itself.
unsafe impl Sync for Arenas {}

impl Arenas {
    /// Arenas that have taken nothing yet. `id` is from 1 to `HEAPS - 1`.
    pub(super) const fn with_hooks(
        hooks: je::ExtentHooks,
        backing: Backing,
        id: u32,
        decay_ms: Option<isize>,
    ) -> Self {
        Self {
            hooks: UnsafeCell::new(hooks),
            backing,
            id,
            previous: AtomicU32::new(0),
            decay_ms,
            wipes: false,
            is_first: false,
            align_bits: 0,
            turn: Turn::new(),
            mappings: Mappings::new(),
            grown: AtomicU32::new(0),
            slots: OnceBox::new(),
            count: AtomicU32::new(0),
            active: OnceBox::new(),
        }
    }

    /// The heap's id.
    #[inline]
    pub(crate) const fn id(&self) -> usize {
        self.id as usize
    }

    /// Whether blocks of the heap may be cached.
    pub(crate) fn caches(&self) -> bool {
        self.decay_ms != AT_ONCE && !self.wipes
    }

    /// Allows `count` arenas, a power of two, if there is memory for the list of them.
    pub(crate) fn open(&self, count: u32) {
        let list = || boxed([const { AtomicU32::new(0) }; MAX]);
        if self.slots.get_or_try_init(list).is_ok() {
            self.count.store(count, Ordering::Release);
        }
    }

    /// Allows no arena any more: those that exist are not used again, and stay.
    pub(crate) fn close(&self) {
        self.count.store(0, Ordering::Release);
    }

    /// How many arenas are allowed; 0 before [`Arenas::open`].
    pub(crate) fn count(&self) -> u32 {
        self.count.load(Ordering::Acquire)
    }

    pub(super) fn slots(&self) -> &[AtomicU32] {
        let slots = self.slots.get().map_or(&[][..], |slots| &slots[..]);
        &slots[..slots.len().min(self.count() as usize)]
    }

    /// All arenas that exist.
    pub(crate) fn existing(&self) -> impl Iterator<Item = u32> + '_ {
        self.slots()
            .iter()
            .map(|slot| slot.load(Ordering::Acquire))
            .filter(|arena| *arena != 0)
    }

    /// Where the calling thread's arena is, if there is one.
    #[inline]
    fn slot(&self) -> Option<&AtomicU32> {
        let slots = self.slots();
        let number = Thread::current().map_or(0, Thread::number);
        slots.get(number & slots.len().wrapping_sub(1))
    }

    /// Whether an arena is the calling thread's.
    pub(crate) fn is_current(&self, arena: u32) -> bool {
        self.slot()
            .is_some_and(|slot| slot.load(Ordering::Acquire) == arena)
    }

    /// The calling thread's arena, made on first use.
    #[inline]
    pub(crate) fn current(&'static self) -> Result<u32, Error> {
        let slot = self.slot().ok_or(Error::NoMemory)?;
        match slot.load(Ordering::Acquire) {
            0 => self.create(slot),
            arena => Ok(arena),
        }
    }

    #[cold]
    fn create(&'static self, slot: &AtomicU32) -> Result<u32, Error> {
        let _still = lock::ARENAS.hold();
        // Where jemalloc has no memory for an arena's records, it loses the arena's number, and what it
        // keeps for that: so they are there before.
        let make = || {
            // SAFETY: both sets of hooks are valid and never go: these arenas are static.
            unsafe { je::create_arena(METADATA.as_ptr(), self.hooks.get()) }
        };
        let Some(fresh) = ahead::map(FIRST_RECORDS).then(make).flatten() else {
            log::error!("Could not create arena.");
            // jemalloc has 4095: another arena of this kind will do.
            return self.existing().next().ok_or(Error::ArenasCreate);
        };
        je::set_oversize_threshold(fresh, LARGE_KEPT);
        if let Some(bytes) = self.backing.growth() {
            je::set_retain_grow_limit(fresh, bytes);
        }
        // There is no point in waiting for other uses of pages that cannot go back: jemalloc joins extents of
        // those that count as unused for long, and keeps extents of a few pages apart that were used lately.
        let decay_ms = if self.backing.gives_back() {
            self.decay_ms
        } else {
            AT_ONCE
        };
        if let Some(milliseconds) = decay_ms {
            je::set_decay(fresh, milliseconds);
        }
        match slot.compare_exchange(0, fresh, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Ok(fresh),
            Err(theirs) => {
                // SAFETY: no block was ever taken from it.
                unsafe { je::destroy_arena(fresh) };
                Ok(theirs)
            }
        }
    }

    /// Gives all unused pages back. jemalloc then joins extents of a few pages, also where the
    /// pages could not go back.
    pub(crate) fn purge(&self) {
        for arena in self.existing() {
            je::purge(arena);
        }
        self.give_unused_mappings_back();
    }

    /// Destroys all arenas and with them every block, and forgets the heap's pages.
    ///
    /// # Safety
    /// No block of the heap is used any more, and none is in a cache.
    pub(crate) unsafe fn destroy(&self) {
        {
            let _still = lock::ARENAS.hold();
            for slot in self.slots() {
                let arena = slot.swap(0, Ordering::AcqRel);
                // SAFETY: no block of the arena is used, and none is in a cache.
                if arena != 0 && !unsafe { je::destroy_arena(arena) } {
                    log::error!("jemalloc cannot destroy arena {arena}.");
                }
            }
        }
        let before = self.previous.load(Ordering::Relaxed).saturating_sub(1);
        self.backing.for_each_range(|start, size| {
            page_map::forget_mapping(start, size, before as usize);
        });
    }

    /// Whether a block that jemalloc gave is from these arenas. In a thread whose destructors
    /// run, after jemalloc's own has, jemalloc takes its arena 0 whatever it is told. Such a block
    /// is not cached; the page map is told whose it is, so that it can be freed.
    pub(crate) fn owns(&self, block: *mut u8) -> bool {
        if page_map::owner(block as usize) == self.id() {
            return true;
        }
        let page = block as usize & !(je::PAGE - 1);
        // Without memory for the map the block is taken for a foreign one, and lost.
        let _ = page_map::set_owner(page, je::PAGE, self.id());
        false
    }

    /// Tells the page map the class of a block straight from jemalloc. A block that is aligned
    /// beyond its class is not `cached`: caches would not hand it out as such again, and the
    /// next request like it would need addresses of its own.
    ///
    /// # Safety
    /// `block` is a live block that jemalloc gave.
    pub(crate) unsafe fn note(&self, block: *mut u8, cached: bool) {
        if !self.owns(block) {
            return;
        }
        // SAFETY: a live block that jemalloc gave.
        let size = unsafe { je::sallocx(block) };
        let offset = if cached && self.caches() {
            class::offset(size)
        } else {
            0
        };
        page_map::set_class(block, self.id(), offset);
    }

    /// A block of `size` bytes from the thread's arena, or from the first memory, of a class that
    /// the page map does not yet know; null when there is none.
    pub(crate) fn raw_block(&'static self, size: usize) -> *mut u8 {
        self.source(class::offset(size), size).raw_block()
    }

    /// Where the calling thread gets blocks of `size` bytes, the class at `offset`.
    #[inline]
    pub(crate) fn source(&'static self, offset: usize, size: usize) -> Source {
        Source {
            arenas: self,
            offset,
            size,
            own: None,
            page: 0,
        }
    }
}

/// Where a thread gets blocks of one size: for several in a row, the arena is looked for once, and the
/// page map is asked about a page once.
pub(crate) struct Source {
    arenas: &'static Arenas,
    offset: usize,
    size: usize,
    /// The thread's arena, once it has been asked.
    own: Option<u32>,
    /// The page of the last block, whose class the page map knows.
    page: usize,
}

impl Source {
    /// A block of a class that the page map does not yet know; null when there is none.
    #[inline]
    fn raw_block(&mut self) -> *mut u8 {
        if self.arenas.is_first {
            let block = je::first_block(self.offset, self.arenas.id());
            if !block.is_null() {
                return block;
            }
        }
        if self.own.is_none() {
            self.own = self.arenas.current().ok();
        }
        let Some(own) = self.own else {
            return ptr::null_mut();
        };
        je::mallocx(self.size, je::arena(own) | je::TCACHE_NONE)
    }

    /// Fills `places` with blocks that caches may have; returns how many, from the first place on:
    /// fewer when there is no room, and none where blocks have to be asked for one by one.
    pub(crate) fn blocks(&mut self, places: &mut [MaybeUninit<*mut u8>]) -> usize {
        let Some(own) = self.own.filter(|_| je::can_fill(self.offset)) else {
            return 0;
        };
        let count = je::fill(own, self.offset, places);
        for place in &places[..count] {
            // SAFETY: the first `count` places have been filled.
            let block = unsafe { place.assume_init() };
            let page = block as usize / page_map::UNIT;
            if page != self.page {
                page_map::set_class(block, self.arenas.id(), self.offset);
                self.page = page;
            }
        }
        count
    }

    /// A block, and whether caches may have it.
    #[inline]
    pub(crate) fn block(&mut self) -> Option<(*mut u8, bool)> {
        let block = self.raw_block();
        if block.is_null() {
            return None;
        }
        // A page with a live block stays as it is.
        let page = block as usize / page_map::UNIT;
        if page == self.page {
            return Some((block, true));
        }
        let owned = self.arenas.owns(block);
        if owned {
            page_map::set_class(block, self.arenas.id(), self.offset);
            self.page = page;
        }
        Some((block, owned))
    }
}
