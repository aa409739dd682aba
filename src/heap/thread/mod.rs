//! Threads as the heap knows them: the calling thread's record, and what one thread may do to the
//! record of another.
//!
//! Another thread may take a cache away, to reclaim memory or because the kind is destroyed: it
//! swaps the pointer, makes every thread pass a barrier (membarrier(2)) and waits until the owner
//! is in no operation (`busy.rs`).

pub(crate) mod beat;
pub(crate) mod busy;
pub(crate) mod exhausted;
pub(crate) mod growing;
pub(crate) mod magazine;
mod record;
pub(crate) mod refused;
pub(crate) mod table;
pub(crate) mod tally;
#[cfg_attr(
    not(any(target_arch = "x86_64", target_arch = "aarch64")),
    path = "tls_portable.rs"
)]
pub(crate) mod tls;
pub(crate) mod tops;

use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

use once_cell::race::OnceBox;

use super::base::lock::{self, Guard};
use super::base::pause::Pause;
use super::base::{je, spare};
use crate::boxed::boxed;
use crate::error::Error;
use crate::sys::{held, tools};
use record::EMPTY;
pub(crate) use record::Thread;
use tally::Tally;

/// The record of a thread that has given up its own. What it still does, as the C library when it
/// frees what the thread has left to it, may come after all destructors of keys: nothing would
/// give up another record.
static ENDED: Thread = Thread::without_caches();
/// The record of a thread that is in the middle of a start, below which it allocates.
static NESTED: Thread = Thread::without_caches();

/// The key whose destructor runs when a thread ends, plus one.
static KEY: AtomicUsize = AtomicUsize::new(0);

impl Thread {
    /// The calling thread's record, made on first use; `None` when memory is short or the
    /// thread is about to be gone.
    pub(crate) fn current() -> Option<&'static Thread> {
        let thread = Self::attached().or_else(begin);
        je::catch_up();
        thread
    }

    /// The calling thread's record, if it has one.
    #[inline]
    pub(crate) fn attached() -> Option<&'static Thread> {
        // SAFETY: the thread-local pointer holds a record, and none is ever unmapped.
        let thread = unsafe { &*current_or_nested() };
        thread.is_of_a_thread().then_some(thread)
    }
}

impl Tally {
    /// The calling thread's own; `None` when memory for its record is short.
    pub(crate) fn own() -> Option<&'static Self> {
        Thread::current().map(|thread| &thread.tally)
    }

    /// The tallies of all threads that have a record.
    pub(crate) fn all() -> impl Iterator<Item = &'static Self> {
        Thread::all().map(|thread| &thread.tally)
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

/// Whether the calling thread may use heaps: not while jemalloc or its thread-local variables are
/// started below it. The variables, jemalloc's too, are there afterwards.
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
    // Two threads may both fill it, with equal values.
    if !ENDED.is_empty() {
        ENDED.empty();
    }
    &ENDED
}

/// Makes the record of a thread that has none; `None` where it is to do without.
#[cold]
fn begin() -> Option<&'static Thread> {
    if ptr::eq(current_or_nested(), &EMPTY) && !spare::is_inside() {
        attach()
    } else {
        None
    }
}

#[cold]
fn attach() -> Option<&'static Thread> {
    let thread = Thread::take_free().or_else(Thread::map)?;
    tls::set_current(thread);
    je::meet();
    // The key's memory may come from a malloc that is built on this library: by now
    // the thread has its record.
    if let Some(key) = key() {
        // SAFETY: a live key; the value is only handed to `detach`.
        unsafe { libc::pthread_setspecific(key, ptr::from_ref(thread).cast()) };
    }
    Some(thread)
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
                    // SAFETY: our own key, which no other thread has seen.
                    unsafe { libc::pthread_key_delete(key) };
                    Some((theirs - 1) as libc::pthread_key_t)
                }
            }
        }
        key => Some((key - 1) as libc::pthread_key_t),
    }
}

/// The two functions that are called with the record of a thread that has ended: one for the caches of
/// heaps, one for those of pools.
static AT_END: [OnceBox<fn(&Thread)>; 2] = [const { OnceBox::new() }; 2];

/// Registers `work`, which is called with the record of a thread that has ended, while no lock is held.
/// `place` 1 is for caches of pools: called when the thread ends. `place` 0 is for caches of heaps:
/// called when the next thread has ended and no thread has taken the record over.
///
/// # Errors
/// `Malloc`.
pub(crate) fn at_end(place: usize, work: fn(&Thread)) -> Result<(), Error> {
    AT_END[place].get_or_try_init(|| boxed(work)).map(|_| ())
}

/// Runs when a thread ends. What the thread does from then on goes without a record.
///
/// # Safety
/// `thread` is the calling thread's record.
unsafe extern "C" fn detach(thread: *mut libc::c_void) {
    let _inside = tools::Inside::new();
    tls::set_current(ended());
    // SAFETY: the key's value is the thread's record, none of which is ever unmapped.
    let thread: &'static Thread = unsafe { &*thread.cast::<Thread>() };
    let [caches, pools] = &AT_END;
    if let Some(work) = pools.get() {
        work(thread);
    }
    thread.end_all();
    if let Some(before) = thread.leave_caches() {
        if let Some(work) = caches.get() {
            work(before);
        }
        before.abandon();
    }
}

/// Leaves, in a child just forked, the records of threads that the child does not have to its next
/// threads, with what is in their caches.
pub(crate) fn after_fork_in_child() {
    let own = tls::current();
    Thread::all()
        .filter(|thread| !ptr::eq(*thread, own))
        .for_each(Thread::abandon_after_fork);
}

/// Whether the calling thread is in the middle of an operation on its caches.
pub(crate) fn is_at_work() -> bool {
    Thread::attached().is_some_and(|thread| thread.busy.is_set())
}

/// Whether the calling thread is in the middle of something on which other threads may wait, which
/// a signal handler has interrupted: it holds a lock, is in an operation on its caches, or in a start.
pub fn is_interrupted() -> bool {
    held::any() || spare::is_inside() || is_at_work()
}

/// Takes the lock under which caches change hands. The caller is in no operation on its caches.
pub(crate) fn hold_caches() -> Guard {
    debug_assert!(!is_at_work(), "would wait for itself");
    lock::CACHES.hold()
}

fn membarrier(command: libc::c_int) -> bool {
    // SAFETY: membarrier(2) touches no memory of ours.
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
            let mut pause = Pause::new();
            while thread.busy.is_set() {
                pause.wait();
            }
        }
    }
    done
}
