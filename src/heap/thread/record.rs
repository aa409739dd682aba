//! What a thread keeps: a cache for each heap that it has used, and what it has counted.
//!
//! Records are never unmapped; a thread that ends leaves its record to the next one. What is in the
//! caches of the last that has ended stays there: a program that starts thread after thread has
//! them made and filled once. The record before it gives its caches up.

use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};

use super::beat::Beat;
use super::busy::Busy;
use super::exhausted::Exhausted;
use super::growing::Growing;
use super::refused::Refused;
use super::table::Table;
use super::tally::Tally;
use super::tops::{self, Tops};
use crate::backing::map_zeroes;
use crate::heap::base::HEAPS;

/// A thread's record.
#[repr(C)]
pub(crate) struct Thread {
    pub(super) busy: Busy,
    /// Counts down to the thread's next look at the clock.
    pub(crate) beat: Beat,
    /// Whether a thread owns the record.
    owned: AtomicBool,
    /// Records are numbered from 1 as they are made; 0 in those that stand for none.
    number: AtomicU32,
    /// The next record in the list of all.
    next: AtomicPtr<Thread>,
    /// The cache of each heap, by its first field; [`tops::none`] for none.
    caches: [AtomicPtr<Tops>; HEAPS],
    /// The caches of pools' objects.
    pools: AtomicPtr<Table>,
    /// Bytes handed out, for layers that count them.
    pub(crate) tally: Tally,
    /// The memory that a heap did not get for the thread.
    pub(crate) refused: Refused,
    /// The requests that a full heap has refused the thread.
    pub(crate) exhausted: Exhausted,
    /// The blocks that have moved in order to grow.
    pub(crate) growing: Growing,
    /// Whether the next request that finds its bin empty is to take the slow path.
    pub(crate) detour: AtomicBool,
    /// Whether the thread is inside TBB's allocator.
    pub(crate) inside_pool: AtomicBool,
    /// Whether the thread is in a function of the program's that a request has called.
    pub(crate) inside_program: AtomicBool,
}

/// The record of a thread that has none yet: no caches.
pub(super) static EMPTY: Thread = Thread::without_caches();

/// All records, newest first.
static ALL: AtomicPtr<Thread> = AtomicPtr::new(ptr::null_mut());
/// The record that a thread has left a moment ago, with its caches.
static SPARE: AtomicPtr<Thread> = AtomicPtr::new(ptr::null_mut());

impl Thread {
    pub(super) const fn without_caches() -> Self {
        Self {
            busy: Busy {
                flag: AtomicU32::new(0),
            },
            beat: Beat::new(),
            owned: AtomicBool::new(true),
            number: AtomicU32::new(0),
            next: AtomicPtr::new(ptr::null_mut()),
            caches: [const { AtomicPtr::new(ptr::null_mut()) }; HEAPS],
            pools: AtomicPtr::new(Table::none()),
            tally: Tally::new(),
            refused: Refused::new(),
            exhausted: Exhausted::new(),
            growing: Growing::new(),
            detour: AtomicBool::new(false),
            inside_pool: AtomicBool::new(false),
            inside_program: AtomicBool::new(false),
        }
    }

    /// Says that there is no cache of any heap. (In an initializer, each entry would be a
    /// relocation for the loader.)
    pub(super) fn empty(&self) {
        for cache in &self.caches {
            cache.store(tops::none(), Ordering::Release);
        }
    }

    /// Whether [`Thread::empty`] has run, with all it has stored.
    pub(super) fn is_empty(&self) -> bool {
        self.caches[HEAPS - 1].load(Ordering::Acquire) == tops::none()
    }

    /// The caches of pools' objects.
    #[inline(always)]
    pub(crate) fn pools(&self) -> &AtomicPtr<Table> {
        &self.pools
    }

    /// The record's number, from 0 on, which picks the thread's arenas.
    pub(crate) fn number(&self) -> usize {
        (self.number.load(Ordering::Relaxed) as usize).saturating_sub(1)
    }

    /// Whether the record is a thread's, and does not stand for none.
    #[inline]
    pub(super) fn is_of_a_thread(&self) -> bool {
        self.number.load(Ordering::Relaxed) != 0
    }

    /// All records.
    pub(crate) fn all() -> impl Iterator<Item = &'static Thread> {
        let mut next = ALL.load(Ordering::Acquire);
        core::iter::from_fn(move || {
            // SAFETY: null or a record, which is never unmapped.
            let thread = unsafe { next.as_ref() }?;
            next = thread.next.load(Ordering::Acquire);
            Some(thread)
        })
    }

    /// The cache of heap `id`, which is below [`HEAPS`].
    #[inline(always)]
    pub(crate) fn cache(&self, id: usize) -> *mut Tops {
        debug_assert!(id < HEAPS);
        // SAFETY: ids of heaps are below HEAPS: `Heap::new` and the page map have no others.
        unsafe { self.caches.get_unchecked(id) }.load(Ordering::Relaxed)
    }

    /// Replaces the cache of heap `id`.
    pub(crate) fn swap_cache(&self, id: usize, cache: *mut Tops) -> *mut Tops {
        self.caches[id].swap(cache, Ordering::AcqRel)
    }

    /// Begins an operation on the thread's own caches.
    #[inline(always)]
    pub(crate) fn enter(&self) {
        self.busy.enter();
    }

    /// Ends an operation on the thread's own caches.
    #[inline(always)]
    pub(crate) fn leave(&self) {
        self.busy.leave();
    }

    /// Makes the record the caller's, if it has no owner.
    fn claim(&self) -> bool {
        !self.owned.load(Ordering::Relaxed) && !self.owned.swap(true, Ordering::AcqRel)
    }

    /// A record without an owner, now the caller's.
    pub(super) fn take_free() -> Option<&'static Thread> {
        Self::take_left().or_else(|| Thread::all().find(|record| record.claim()))
    }

    /// The record that was left last, if it has no owner yet; now the caller's, with its caches.
    pub(crate) fn take_left() -> Option<&'static Thread> {
        let left = SPARE.swap(ptr::null_mut(), Ordering::AcqRel);
        // SAFETY: null or a record, which is never unmapped.
        unsafe { left.as_ref() }.filter(|left| left.claim())
    }

    /// Leaves the record to the next thread that needs one, with its caches. Returns the one that
    /// was left so before, if it has no owner yet; it is the caller's now, which is to empty it.
    pub(super) fn leave_caches(&'static self) -> Option<&'static Thread> {
        // A thread that looks through all records may take it from here on, and leave it again.
        self.owned.store(false, Ordering::Release);
        let before = SPARE.swap(ptr::from_ref(self).cast_mut(), Ordering::AcqRel);
        // SAFETY: null or a record, which is never unmapped.
        let before = unsafe { before.as_ref() };
        before.filter(|before| !ptr::eq(*before, self) && before.claim())
    }

    /// Forgets what the record's thread was doing: it is gone, also if it has ended in the middle of it.
    pub(super) fn end_all(&self) {
        for mark in [&self.detour, &self.inside_pool, &self.inside_program] {
            mark.store(false, Ordering::Relaxed);
        }
    }

    /// Leaves, in a child just forked, the record of a thread that the child does not have to another,
    /// with its caches.
    pub(super) fn abandon_after_fork(&self) {
        self.busy.leave();
        self.end_all();
        self.owned.store(false, Ordering::Relaxed);
    }

    /// Leaves the record, whose caches are empty, to a thread that needs one.
    pub(crate) fn abandon(&self) {
        self.owned.store(false, Ordering::Release);
    }

    /// A new record, the caller's; `None` when memory is short.
    pub(super) fn map() -> Option<&'static Thread> {
        let memory = map_zeroes(size_of::<Thread>())?;
        // SAFETY: fresh memory of that size, aligned as pages are; zeroes are valid for every field.
        let thread = unsafe { &*memory.cast::<Thread>() };
        static COUNT: AtomicU32 = AtomicU32::new(0);
        thread.owned.store(true, Ordering::Relaxed);
        let number = COUNT.fetch_add(1, Ordering::Relaxed) + 1;
        thread.number.store(number, Ordering::Relaxed);
        thread.pools.store(Table::none(), Ordering::Relaxed);
        thread.empty();
        let mut head = ALL.load(Ordering::Relaxed);
        loop {
            thread.next.store(head, Ordering::Relaxed);
            let address = ptr::from_ref(thread).cast_mut();
            match ALL.compare_exchange_weak(head, address, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return Some(thread),
                Err(now) => head = now,
            }
        }
    }
}
