//! The facts and choices that are kept, and the lock under which they are read.
//!
//! A kept one is returned without a lock. The lock is held while facts are read, and over
//! fork(2); [`LOADER`] names the thread that holds it for loading.

use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::fs;

use once_cell::race::OnceBox;
use parking_lot::RawMutex;
use parking_lot::lock_api::RawMutex as _;

use super::container::Container;
use super::huge::HugePages;
use super::mask::NodeMask;
use super::nodes::{Attributes, Machine};
use super::select::{self, Choice, Facts, Nodes, Settings};
use super::sysfs::Sysfs;
use super::targets::Targets;
use super::{hwloc, linux, trouble};
use crate::boxed::boxed;
use crate::cancel::{self, Deferred};
use crate::env;
use crate::error::Error;
use crate::log;

static TARGETS: [OnceBox<Result<Targets, Error>>; Choice::COUNT] =
    [const { OnceBox::new() }; Choice::COUNT];
static MACHINE: OnceBox<Machine> = OnceBox::new();
static ATTRIBUTES: OnceBox<Result<Attributes, Error>> = OnceBox::new();
static DAX_KMEM: OnceBox<NodeMask> = OnceBox::new();
static HUGE_PAGES: OnceBox<HugePages> = OnceBox::new();
static EVERYWHERE: OnceBox<Targets> = OnceBox::new();
static CONTAINER: OnceBox<Container> = OnceBox::new();

/// The thread that is loading, 0 when none is. A thread can find its own number here
/// only if it put it there, so relaxed order is enough.
static LOADER: AtomicUsize = AtomicUsize::new(0);
/// Whether `prepare_fork` took the lock.
static HELD_OVER_FORK: AtomicBool = AtomicBool::new(false);
static LOCK: Lock = Lock(UnsafeCell::new(RawMutex::INIT));

/// A mutex that the child of a fork can initialise again.
struct Lock(UnsafeCell<RawMutex>);

// SAFETY: the mutex synchronises itself; it is overwritten only by the child of a
// fork, which has one thread.
unsafe impl Sync for Lock {}

impl Lock {
    fn mutex(&self) -> &RawMutex {
        // SAFETY: valid and initialised for the life of the process; overwritten only
        // while the process has one thread, which then holds no reference.
        unsafe { &*self.0.get() }
    }
}

/// The lock, held by the calling thread for loading. Reading files and libhwloc may fail: `errno`
/// is kept.
struct Loading {
    errno: i32,
    _deferred: Deferred,
    stays: PhantomData<*const ()>,
}

impl Loading {
    /// Takes the lock; `OperationFailed` when this thread has it already.
    fn begin() -> Result<Self, Error> {
        let thread = linux::thread();
        if LOADER.load(Ordering::Relaxed) == thread {
            return Err(Error::OperationFailed);
        }
        let deferred = cancel::defer();
        let errno = log::errno();
        LOCK.mutex().lock();
        LOADER.store(thread, Ordering::Relaxed);
        Ok(Self {
            errno,
            _deferred: deferred,
            stays: PhantomData,
        })
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        LOADER.store(0, Ordering::Relaxed);
        // SAFETY: `begin` locked the mutex in this thread, and the value cannot leave the thread.
        unsafe { LOCK.mutex().unlock() };
        log::set_errno(self.errno);
    }
}

/// The value kept in `place`, which the first caller finds under the lock.
///
/// # Errors
/// [`Error::OperationFailed`] when this thread is just loading, or a file could not be read
/// for a reason that passes; the next call tries again.
fn kept<T>(place: &'static OnceBox<T>, find: impl FnOnce() -> T) -> Result<&'static T, Error> {
    if let Some(answer) = place.get() {
        return Ok(answer);
    }
    let _loading = Loading::begin()?;
    keep(place, find)
}

/// The value kept in `place`, found now if there is none. The caller holds the lock.
fn keep<T>(place: &'static OnceBox<T>, find: impl FnOnce() -> T) -> Result<&'static T, Error> {
    if let Some(answer) = place.get() {
        return Ok(answer);
    }
    let failures = trouble::count();
    let found = find();
    if trouble::count() != failures {
        log::error!(
            "The nodes of this machine could not be read: no descriptor or memory was left, or a read failed. The next call tries again."
        );
        return Err(Error::OperationFailed);
    }
    let found = boxed(found)?;
    Ok(place.get_or_init(|| found))
}

/// Whether a choice may be decided by bandwidth, latency or locality.
fn needs_attributes(choice: Choice) -> bool {
    match choice.nodes {
        Nodes::HighBandwidth => env::get(env::HBW_NODES).is_none(),
        Nodes::Best(_) => true,
        Nodes::WithCpus | Nodes::DaxKmem | Nodes::MostCapacity => false,
    }
}

/// Opens libhwloc before the lock is taken, as the dynamic linker has a lock too: a constructor
/// of another library, which runs under that one, may use a kind.
fn open_hwloc() {
    if ATTRIBUTES.get().is_none() && LOADER.load(Ordering::Relaxed) != linux::thread() {
        hwloc::prepare();
    }
}

/// The nodes for each CPU, found at the first call for a choice and kept, errors too.
/// The environment is read at that first call.
///
/// MT-safe. The first call for a choice reads files and may load libhwloc; later ones
/// cost one load.
///
/// # Errors
/// Those of [`select::select`], and [`Error::OperationFailed`] when the calling thread
/// is just reading the topology, that is, when it comes from a preloaded malloc; this
/// one is not kept.
pub fn targets(choice: Choice) -> Result<&'static Targets, Error> {
    if TARGETS[choice.index()].get().is_none() && needs_attributes(choice) {
        open_hwloc();
    }
    kept(&TARGETS[choice.index()], || find(choice))?
        .as_ref()
        .map_err(|error| *error)
}

/// The nodes of this machine, read at the first call.
///
/// # Errors
/// [`Error::OperationFailed`] as for [`targets`].
pub fn machine() -> Result<&'static Machine, Error> {
    kept(&MACHINE, read_machine)
}

/// Bandwidth, latency and locality on this machine, read at the first call.
///
/// # Errors
/// [`Error::Unavailable`] when libhwloc fails, [`Error::OperationFailed`] as for [`targets`].
pub fn attributes() -> Result<&'static Attributes, Error> {
    open_hwloc();
    kept(&ATTRIBUTES, read_attributes)?
        .as_ref()
        .map_err(|error| *error)
}

/// The nodes of the DAX devices that the kernel uses as RAM, read at the first call.
///
/// # Errors
/// [`Error::OperationFailed`] as for [`targets`].
pub fn dax_kmem_nodes() -> Result<NodeMask, Error> {
    kept(&DAX_KMEM, || Sysfs::HOST.dax_kmem_nodes()).copied()
}

/// All nodes with memory for every CPU, read at the first call.
///
/// # Errors
/// [`Error::OperationFailed`] as for [`targets`].
pub fn everywhere() -> Result<&'static Targets, Error> {
    kept(&EVERYWHERE, || {
        Targets::everywhere(Sysfs::HOST.nodes_with_memory())
    })
}

/// The control groups that the process is in, found at the first call.
///
/// # Errors
/// [`Error::OperationFailed`] as for [`targets`].
pub fn container() -> Result<&'static Container, Error> {
    kept(&CONTAINER, || Container::read("/proc"))
}

/// Whether huge pages of `page_size` bytes can be had, on the given nodes or on any.
/// The numbers of pages are read at the first call and kept.
///
/// # Errors
/// [`Error::HugeTlb`] when there are no persistent ones and no overcommit is allowed;
/// [`Error::OperationFailed`] as for [`targets`].
pub fn huge_pages_available(page_size: usize, nodes: Option<&NodeMask>) -> Result<(), Error> {
    kept(&HUGE_PAGES, || HugePages::read(&Sysfs::HOST))?.available(page_size, nodes)
}

/// Decides a choice. The caller holds the lock.
fn find(choice: Choice) -> Result<Targets, Error> {
    let facts = Facts {
        machine: keep(&MACHINE, read_machine)?,
        attributes: &|| {
            keep(&ATTRIBUTES, read_attributes)?
                .as_ref()
                .map_err(|error| *error)
        },
        // If a fact could not be read, the choice is not kept.
        dax_kmem: &|| {
            keep(&DAX_KMEM, || Sysfs::HOST.dax_kmem_nodes()).map_or(NodeMask::EMPTY, |nodes| *nodes)
        },
        prefers_many: &linux::prefers_many,
    };
    let settings = Settings {
        hbw_nodes: env::get(env::HBW_NODES),
        hbw_threshold: env::get(env::HBW_THRESHOLD),
        dax_kmem_nodes: env::get(env::DAX_KMEM_NODES),
        preferred_ties: env::get(env::PREFERRED_TIES),
    };
    select::select(&facts, &settings, choice, &mut |note| note.log())
}

/// Reads the attributes, and then notes a failure that passes if six files cannot be opened:
/// libhwloc opens several at a time, and does not report that it could not.
fn read_attributes() -> Result<Attributes, Error> {
    let found = hwloc::read();
    let descriptors: [_; 6] = core::array::from_fn(|_| trouble::noted(fs::File::open("/")));
    drop(descriptors);
    found
}

fn read_machine() -> Machine {
    Machine::read(&Sysfs::HOST, linux::mems_allowed(), linux::knights())
}

/// Takes the lock before fork(2), so that the child has whole tables. [`parent_after_fork`] or
/// [`child_after_fork`] follows.
pub fn prepare_fork() {
    // A thread that forks while it is loading holds the lock already.
    let mine = LOADER.load(Ordering::Relaxed) == linux::thread();
    if !mine {
        LOCK.mutex().lock();
    }
    HELD_OVER_FORK.store(!mine, Ordering::Relaxed);
}

/// Releases the lock in the parent after fork(2).
pub fn parent_after_fork() {
    if HELD_OVER_FORK.swap(false, Ordering::Relaxed) {
        // SAFETY: `prepare_fork` locked the mutex in this thread.
        unsafe { LOCK.mutex().unlock() };
    }
}

/// Initialises the lock again in the child after fork(2).
pub fn child_after_fork() {
    if HELD_OVER_FORK.swap(false, Ordering::Relaxed) {
        // Threads that waited for the lock are not in the child, but parking_lot's
        // table still lists them: unlocking might hand the lock to one of them.
        // SAFETY: the child has this one thread, so no other uses the mutex or unlocks the old one.
        unsafe { *LOCK.0.get() = RawMutex::INIT };
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, LOCK, Loading, kept, targets};
    use super::{parent_after_fork, prepare_fork};
    use crate::topology::{Choice, Nodes, Reach, Take};
    use once_cell::race::OnceBox;
    use parking_lot::lock_api::RawMutex as _;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    const REGULAR: Choice = Choice::new(Nodes::WithCpus, Reach::All, Take::Many);

    #[test]
    fn a_thread_that_comes_back_while_loading_is_sent_away() {
        static ANSWER: OnceBox<Result<i32, Error>> = OnceBox::new();
        static NEVER: OnceBox<i32> = OnceBox::new();
        let answer = kept(&ANSWER, || kept(&NEVER, || 1).copied());
        assert_eq!(answer, Ok(&Err(Error::OperationFailed)));
        // Sending away is not an answer that is kept.
        assert_eq!(kept(&NEVER, || 2), Ok(&2));
        assert!(targets(REGULAR).is_ok());
    }

    #[test]
    fn threads_wait_for_one_answer() {
        static ANSWER: OnceBox<usize> = OnceBox::new();
        static N_FOUND: AtomicUsize = AtomicUsize::new(0);
        let find = || N_FOUND.fetch_add(1, Ordering::Relaxed) + 1;
        let ask = move || kept(&ANSWER, find).copied();
        let threads: Vec<_> = (0..8).map(|_| thread::spawn(ask)).collect();
        for thread in threads {
            assert_eq!(thread.join().expect("no panic"), Ok(1));
        }
        assert_eq!(N_FOUND.load(Ordering::Relaxed), 1);
    }

    // The library's fork handlers hold the lock over each of these forks.
    #[test]
    fn parent_and_child_of_a_fork_can_load() {
        static STOP: AtomicUsize = AtomicUsize::new(0);
        let busy = thread::spawn(|| {
            while STOP.load(Ordering::Relaxed) == 0 {
                assert!(Loading::begin().is_ok());
            }
        });
        for _ in 0..50 {
            // SAFETY: the child calls nothing but the function under test and _exit.
            let child = unsafe { libc::fork() };
            if child == 0 {
                let free = LOCK.mutex().try_lock();
                // SAFETY: ends the child without running anything of the parent's.
                unsafe { libc::_exit(if free { 0 } else { 1 }) };
            }
            let mut status = 0;
            // SAFETY: `child` is a child of this process and `status` is writable.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            assert_eq!(status, 0);
        }
        STOP.store(1, Ordering::Relaxed);
        assert!(busy.join().is_ok());
        let loading = Loading::begin();
        assert!(loading.is_ok());
        // Within loading the lock is there already, and stays.
        prepare_fork();
        parent_after_fork();
        assert!(LOCK.mutex().is_locked());
    }
}
