//! What a thread keeps: a cache for each heap that it has used.
//!
//! Records are never unmapped; a thread that ends leaves its record, with empty
//! caches, to the next one. Another thread may take a cache away (to reclaim memory,
//! or because the kind is destroyed): it swaps the pointer, makes every thread pass a
//! barrier (membarrier(2)) and waits until the owner is in no operation (`busy.rs`).

pub(crate) mod beat;
pub(crate) mod busy;
pub(crate) mod exhausted;
pub(crate) mod growing;
pub(crate) mod refused;
pub(crate) mod tally;
#[cfg_attr(not(target_arch = "x86_64"), path = "tls_portable.rs")]
pub(crate) mod tls;

use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering};

use crate::boxed::boxed;
use crate::error::Error;
use crate::heap::cache::Cache;
use crate::heap::exhausted::Exhausted;
use crate::heap::growing::Growing;
use crate::heap::objects::cache::Table;
use crate::heap::refused::Refused;
use crate::heap::tally::Tally;
use crate::heap::thread::beat::Beat;
use crate::heap::thread::busy::Busy;
use crate::heap::{HEAPS, Heap, je, spare};
use once_cell::race::OnceBox;

/// See the module.
#[repr(C)]
pub(crate) struct Thread {
    busy: Busy,
    /// When it next looks at the clock.
    pub(crate) beat: Beat,
    /// Whether a thread owns the record.
    owned: AtomicBool,
    /// Records are numbered as they are made; the number picks the thread's arenas.
    number: AtomicU32,
    /// The next record.
    next: AtomicPtr<Thread>,
    /// The cache of each heap; [`Cache::none`] for none. Index 0 is nobody's.
    caches: [AtomicPtr<Cache>; HEAPS],
    /// Its caches of pools' objects.
    pools: AtomicPtr<Table>,
    /// What it has handed out, for those who count.
    pub(crate) tally: Tally,
    /// What it has not been given.
    pub(crate) refused: Refused,
    /// What a full heap has refused it.
    pub(crate) exhausted: Exhausted,
    /// What it has moved in order to enlarge it.
    pub(crate) growing: Growing,
    /// Whether the thread is inside the allocator of pools (`tbb.rs`).
    pub(crate) inside_pool: AtomicBool,
}

/// The record of a thread that has none yet: no caches.
pub(crate) static EMPTY: Thread = Thread::without_caches();
/// The same for one that has given up its own. What it still does, as the C library when it
/// frees what the thread has left to it, may come after all destructors of keys: nothing
/// would give up another record.
static ENDED: Thread = Thread::without_caches();

/// The record of a thread that is in the middle of a start, below which it allocates.
static NESTED: Thread = Thread::without_caches();

/// All records, newest first.
static ALL: AtomicPtr<Thread> = AtomicPtr::new(ptr::null_mut());
/// A record that was free a moment ago.
static SPARE: AtomicPtr<Thread> = AtomicPtr::new(ptr::null_mut());
/// The key whose destructor runs when a thread ends, plus one.
static KEY: AtomicUsize = AtomicUsize::new(0);

impl Thread {
    const fn without_caches() -> Self {
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
            inside_pool: AtomicBool::new(false),
        }
    }

    /// Says that there is no cache.
    fn empty(&self) {
        for cache in &self.caches {
            cache.store(Cache::none(), Ordering::Release);
        }
    }

    /// The calling thread's record, made on first use; `None` when memory is short or the
    /// thread is about to be gone.
    pub(crate) fn current() -> Option<&'static Thread> {
        if ptr::eq(current_or_nested(), &EMPTY) {
            return if spare::is_inside() { None } else { attach() };
        }
        Self::attached()
    }

    /// The calling thread's record, if it has one.
    pub(crate) fn attached() -> Option<&'static Thread> {
        let thread = current_or_nested();
        let none = [&EMPTY, &ENDED, &NESTED]
            .iter()
            .any(|none| ptr::eq(thread, *none));
        // SAFETY: a record is never unmapped.
        (!none).then(|| unsafe { &*thread })
    }

    /// Its caches of pools' objects.
    #[inline(always)]
    pub(crate) fn pools(&self) -> &AtomicPtr<Table> {
        &self.pools
    }

    /// The record's number.
    pub(crate) fn number(&self) -> usize {
        self.number.load(Ordering::Relaxed) as usize
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

    /// The cache of heap `id`.
    #[inline(always)]
    pub(crate) fn cache(&self, id: usize) -> *mut Cache {
        // SAFETY: ids are below HEAPS, by their making.
        unsafe { self.caches.get_unchecked(id) }.load(Ordering::Relaxed)
    }

    /// Replaces the cache of a heap.
    pub(crate) fn swap_cache(&self, id: usize, cache: *mut Cache) -> *mut Cache {
        self.caches[id].swap(cache, Ordering::AcqRel)
    }

    /// Begins an operation on the thread's own caches.
    #[inline(always)]
    pub(crate) fn enter(&self) {
        self.busy.enter();
    }

    /// Ends it.
    #[inline(always)]
    pub(crate) fn leave(&self) {
        self.busy.leave();
    }
}

/// The calling thread's record. The first time, the loader may have to allocate for it: what
/// comes back here meanwhile is to do without.
#[inline]
fn current_or_nested() -> *const Thread {
    if let Some(thread) = tls::current_if_fast() {
        return thread;
    }
    if spare::is_inside() {
        return &raw const NESTED;
    }
    let _inside = spare::enter();
    tls::current()
}

/// See [`crate::heap::may_enter`]. The thread's variables, jemalloc's too, are there afterwards.
#[inline]
pub(crate) fn may_enter() -> bool {
    !spare::is_inside() && !ptr::eq(current_or_nested(), &NESTED)
}

/// Fills the shared empty record; before this the fast paths are not to be used.
pub(crate) fn prepare() {
    EMPTY.empty();
}

/// The record of threads that have ended, filled when the first one does: a program without
/// threads has no use for it.
fn ended() -> &'static Thread {
    // The last is filled last. Two threads may both fill it, with the same.
    if ENDED.caches[HEAPS - 1].load(Ordering::Acquire) != Cache::none() {
        ENDED.empty();
    }
    &ENDED
}

#[cold]
fn attach() -> Option<&'static Thread> {
    let thread = take_free().or_else(map)?;
    tls::set_current(thread);
    je::attach();
    // The key's memory may come from a malloc that is built on this library: by now
    // the thread has its record.
    if let Some(key) = key() {
        // SAFETY: a live key; the value is only handed to `detach`.
        unsafe { libc::pthread_setspecific(key, ptr::from_ref(thread).cast()) };
    }
    Some(thread)
}

fn take_free() -> Option<&'static Thread> {
    let free = |thread: &&'static Thread| {
        !thread.owned.load(Ordering::Relaxed) && !thread.owned.swap(true, Ordering::AcqRel)
    };
    let spare = SPARE.swap(ptr::null_mut(), Ordering::AcqRel);
    // SAFETY: null or a record, which is never unmapped.
    unsafe { spare.as_ref() }
        .filter(free)
        .or_else(|| Thread::all().find(free))
}

fn map() -> Option<&'static Thread> {
    // SAFETY: a fresh anonymous mapping; zeroes are a valid record.
    let thread = unsafe {
        let memory = libc::mmap(
            ptr::null_mut(),
            size_of::<Thread>(),
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        if memory == libc::MAP_FAILED {
            return None;
        }
        &*memory.cast::<Thread>()
    };
    static COUNT: AtomicU32 = AtomicU32::new(0);
    thread.owned.store(true, Ordering::Relaxed);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    thread.number.store(number, Ordering::Relaxed);
    thread.pools.store(Table::none(), Ordering::Relaxed);
    for cache in &thread.caches {
        cache.store(Cache::none(), Ordering::Relaxed);
    }
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

fn key() -> Option<libc::pthread_key_t> {
    match KEY.load(Ordering::Acquire) {
        0 => {
            let mut key: libc::pthread_key_t = 0;
            // SAFETY: `key` is writable; the destructor is a function of the library,
            // which is never unloaded.
            if unsafe { libc::pthread_key_create(&raw mut key, Some(detach)) } != 0 {
                return None;
            }
            match KEY.compare_exchange(0, key as usize + 1, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => Some(key),
                Err(theirs) => {
                    // SAFETY: our own key, which nobody uses.
                    unsafe { libc::pthread_key_delete(key) };
                    Some((theirs - 1) as libc::pthread_key_t)
                }
            }
        }
        key => Some((key - 1) as libc::pthread_key_t),
    }
}

/// What else is to be done for a thread that ends.
static AT_END: OnceBox<fn(&Thread)> = OnceBox::new();

/// Has `work` done whenever a thread ends, before its record is another's. No lock is held then.
///
/// # Errors
/// `Malloc`.
pub(crate) fn at_end(work: fn(&Thread)) -> Result<(), Error> {
    AT_END.get_or_try_init(|| boxed(work)).map(|_| ())
}

/// Runs when a thread ends. What it does from then on goes without a record.
unsafe extern "C" fn detach(thread: *mut libc::c_void) {
    tls::set_current(ended());
    // SAFETY: the key's value is the thread's record.
    let thread = unsafe { &*thread.cast::<Thread>() };
    if let Some(work) = AT_END.get() {
        work(thread);
    }
    let _still = crate::heap::reclaim::lock();
    hand_over(thread);
    thread.owned.store(false, Ordering::Release);
    SPARE.store(ptr::from_ref(thread).cast_mut(), Ordering::Release);
}

/// Gives the blocks in the caches of the calling thread, whose record this is, to the depots and
/// frees the caches. The caller holds the lock of `reclaim` and is in no operation on its caches.
pub(crate) fn hand_over(thread: &Thread) {
    for id in 1..HEAPS {
        if thread.cache(id) != Cache::none() {
            let cache = thread.swap_cache(id, Cache::none());
            if cache != Cache::none() {
                // SAFETY: whoever swaps a cache out owns it.
                unsafe { Cache::retire(cache) };
            }
        }
    }
}

/// In a child just forked: the records of threads that are gone are free, with what
/// is in their caches.
pub(crate) fn after_fork_in_child() {
    let own = tls::current();
    for thread in Thread::all().filter(|thread| !ptr::eq(*thread, own)) {
        thread.busy.leave();
        thread.owned.store(false, Ordering::Relaxed);
    }
}

/// Whether the calling thread is in the middle of an operation on its caches.
pub(crate) fn is_at_work() -> bool {
    Thread::attached().is_some_and(|thread| thread.busy.is_set())
}

/// Whether any thread has a cache of a heap.
pub(crate) fn has_caches(heap: &Heap) -> bool {
    Thread::all().any(|thread| thread.cache(heap.id()) != Cache::none())
}

/// Takes the caches of a heap from all threads; they are the caller's afterwards,
/// linked through their `next`. `unused` says that no other thread uses the heap or its
/// blocks any more. If they may, none are taken where the kernel has no membarrier(2): an
/// owner might still be at work.
pub(crate) fn take_caches(heap: &Heap, unused: bool) -> *mut Cache {
    let able = has_barrier();
    if !able && !unused {
        return ptr::null_mut();
    }
    let id = heap.id();
    let mut taken: *mut Cache = ptr::null_mut();
    for thread in Thread::all() {
        if thread.cache(id) == Cache::none() {
            continue;
        }
        let cache = thread.swap_cache(id, Cache::none());
        if cache != Cache::none() {
            // SAFETY: whoever swaps a cache out owns it; the owner does not use `next`.
            unsafe { Cache::link(cache, taken) };
            taken = cache;
        }
    }
    if !taken.is_null() && able && !quiesce() && !unused {
        // The kernel has the barrier, but not the memory for it: the blocks are lost.
        return ptr::null_mut();
    }
    taken
}

fn membarrier(command: libc::c_int) -> bool {
    // SAFETY: barriers have no preconditions.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0) == 0 }
}

/// Whether the kernel has membarrier(2); it is then ready for use.
pub(crate) fn has_barrier() -> bool {
    const REGISTER: libc::c_int = 1 << 4;
    membarrier(REGISTER)
}

/// Waits until no thread uses a cache that has been swapped out; whether that is so.
pub(crate) fn quiesce() -> bool {
    const EXPEDITED: libc::c_int = 1 << 3;
    let done = membarrier(EXPEDITED);
    if done {
        let own = tls::current();
        for thread in Thread::all().filter(|thread| !ptr::eq(*thread, own)) {
            while thread.busy.is_set() {
                // SAFETY: no preconditions.
                unsafe { libc::sched_yield() };
            }
        }
    }
    done
}
