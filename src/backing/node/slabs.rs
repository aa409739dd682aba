//! Slabs: memory that is made ready in large pieces before the heap cuts extents from it.
//!
//! jemalloc asks for extents with its locks held, so an extent is only cut from what is ready:
//! a few atomics. [`Slabs::grow`] makes a slab ready. It maps, binds, fills, and tells the
//! watchers, any of which may take long, fail or call the program; the heap calls it where it
//! holds no lock.

mod growth;
mod map;
mod plan;
mod returned;
mod watchers;

use core::ffi::{CStr, c_int};
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

use super::account::{Account, Pages};
use super::known::Refusal;
use super::names::Name;
use super::policy::Bind;
use crate::backing::base::{Extent, cut, page_size, round_up};
use crate::boxed::boxed;
use crate::clock::nanoseconds;
use crate::error::Error;
use crate::topology;
use growth::{Growth, Guard};
use map::Made;
pub use plan::{Options, Plan};
pub use watchers::Watch;
use watchers::Watchers;

/// A slab. It stays until the source goes.
struct Slab {
    made: Made,
    /// Bytes of it that have been cut off from its start.
    cut: AtomicUsize,
    older: *const Slab,
}

/// A source of slabs.
pub struct Slabs {
    plan: Plan,
    /// Where base pages are counted; `None` where nothing is.
    account: Option<&'static Account>,
    /// The newest slab.
    newest: AtomicPtr<Slab>,
    /// Bytes of all slabs.
    mapped: AtomicUsize,
    /// Bytes that have been cut off slabs.
    cut: AtomicUsize,
    /// Bytes of what was cut off that have been given back.
    given: AtomicUsize,
    /// The most bytes that have been taken from the system at a time.
    peak: AtomicUsize,
    /// The number of slabs.
    n_slabs: AtomicUsize,
    growth: Growth,
    /// The slabs that could not be had a moment ago.
    refusal: Refusal,
    watchers: Watchers,
    /// Whether this is a child of the process that made the slabs.
    inherited: AtomicBool,
    name: Name,
}

// SAFETY: slabs are made before they are published and stay; all else is atomic, constant or `Sync`.
unsafe impl Sync for Slabs {}
// SAFETY: owns its slabs, wherever it is.
unsafe impl Send for Slabs {}

impl Slabs {
    /// A source; it takes nothing yet.
    ///
    /// # Errors
    /// `OperationFailed` when the kernel could not be asked how much memory there is, for a
    /// reason that passes; `Malloc`.
    pub fn new(plan: Plan) -> Result<Box<Self>, Error> {
        let account = match plan.bind {
            _ if !plan.populates() => None,
            Bind::Bind => Account::of(&plan.nodes, Pages::Base)?,
            _ => Account::of(&topology::machine()?.allowed, Pages::Base)?,
        };
        boxed(Self {
            plan,
            account,
            newest: AtomicPtr::new(ptr::null_mut()),
            mapped: AtomicUsize::new(0),
            cut: AtomicUsize::new(0),
            given: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            n_slabs: AtomicUsize::new(0),
            growth: Growth::new(),
            refusal: Refusal::new(),
            watchers: Watchers::new(),
            inherited: AtomicBool::new(false),
            name: Name::new(),
        })
    }

    /// Names the slabs to come in /proc, as anonymous mappings can be; `name` lives as long.
    pub fn set_name(&self, name: &'static CStr) {
        self.name.set(name);
    }

    /// What the slabs are to be like.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    fn all(&self) -> impl Iterator<Item = &Slab> {
        let mut next: *const Slab = self.newest.load(Ordering::Acquire);
        core::iter::from_fn(move || {
            // SAFETY: null or a slab, which stays until the source goes.
            let slab = unsafe { next.as_ref() }?;
            next = slab.older;
            Some(slab)
        })
    }

    /// Cuts an extent from what is ready.
    pub(in crate::backing) fn take(&self, size: usize, align: usize) -> Result<Extent, Error> {
        for slab in self.all() {
            let area = (slab.made.start, slab.made.size);
            if let Some(cut) = cut(&slab.cut, area, size, align) {
                let more = cut.after - cut.before;
                self.cut.fetch_add(more, Ordering::Relaxed);
                return Ok(Extent {
                    address: cut.address,
                    zeroed: true,
                    memory: true,
                });
            }
        }
        Err(Error::NoMemory)
    }

    /// The number of slabs: what [`Slabs::grow`] is told.
    pub fn turn(&self) -> usize {
        self.n_slabs.load(Ordering::Acquire)
    }

    /// Makes a slab ready from which `need` bytes can be cut, unless there is a new one since
    /// `seen`. `publish` is told of its addresses first, and `retract` if it is taken down again.
    ///
    /// # Errors
    /// `NoMemory`: the limit, the nodes, the pool of huge pages, a watcher, a lock that the
    /// calling thread holds itself.
    pub fn grow(
        &self,
        need: usize,
        seen: usize,
        publish: impl Fn(usize, usize) -> Result<(), Error>,
        retract: impl Fn(usize, usize),
    ) -> Result<(), Error> {
        let left = self.plan.most() - self.mapped.load(Ordering::Relaxed);
        if need > left || self.is_gone() || self.refusal.of(need).is_some() {
            return Err(Error::NoMemory);
        }
        let guard = self.growth.hold().ok_or(Error::NoMemory)?;
        if self.turn() != seen {
            return Ok(());
        }
        self.add_slab(&guard, need, publish, retract)
    }

    /// Whether a slab has `need` bytes that have not been cut off.
    pub fn has_room(&self, need: usize) -> bool {
        self.all()
            .any(|slab| slab.made.size - slab.cut.load(Ordering::Relaxed) >= need)
    }

    /// Notes that room was made: what was refused may be had now.
    pub fn forget_refusal(&self) {
        self.refusal.end();
    }

    fn add_slab(
        &self,
        guard: &Guard<'_>,
        need: usize,
        publish: impl Fn(usize, usize) -> Result<(), Error>,
        retract: impl Fn(usize, usize),
    ) -> Result<(), Error> {
        let left = self.plan.most() - self.mapped.load(Ordering::Relaxed);
        let (start, turn) = (nanoseconds(), self.refusal.turn());
        let made = self.make(need, left);
        let made = made.inspect_err(|_| self.refusal.note(need, left, start, turn))?;
        self.refusal.end();
        if !self.plan.options.has(Options::SHARED) {
            self.name.give(made.start, made.size);
        }
        let record = boxed(Slab {
            made,
            cut: AtomicUsize::new(0),
            older: self.newest.load(Ordering::Relaxed),
        });
        let known = record.and_then(|record| {
            publish(made.start, made.size)?;
            self.watchers.tell(guard, &made)?;
            Ok(record)
        });
        let record = known.inspect_err(|_| {
            retract(made.start, made.size);
            // SAFETY: our own mapping, of which the heap has been given nothing.
            unsafe { map::unmake(&made, self.account) };
        })?;
        self.mapped.fetch_add(made.size, Ordering::Relaxed);
        self.note_peak();
        self.newest.store(Box::into_raw(record), Ordering::Release);
        self.n_slabs.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// Memory for a slab: as planned, or at least what is needed, in smaller pages if need be.
    fn make(&self, need: usize, left: usize) -> Result<Made, Error> {
        const HUGE: usize = 2 << 20;
        for page in [self.plan.page, HUGE, page_size()] {
            let smaller = page < self.plan.page;
            if page > self.plan.page || (smaller && self.plan.required) {
                continue;
            }
            let Some(least) = round_up(need, page).filter(|least| *least <= left) else {
                continue;
            };
            let step = self.plan.step().min(left) & !(page - 1);
            for size in [step.max(least), least] {
                if let Ok(made) = map::make(&self.plan, page, size, self.account) {
                    return Ok(made);
                }
                if size == least {
                    break;
                }
            }
        }
        Err(Error::NoMemory)
    }

    /// Tells a watcher of all slabs, and of each one to come. All or nothing.
    ///
    /// # Errors
    /// `OperationFailed` if it refuses one, or there are too many watchers; `Invalid` from within
    /// a watcher.
    pub fn watch(&self, watcher: &'static dyn Watch) -> Result<(), Error> {
        let guard = self.growth.hold().ok_or(Error::Invalid)?;
        let n_slabs = self.turn();
        // Oldest first, as it is told of those to come.
        let slab = |index| self.all().nth(n_slabs - 1 - index).map(|slab| slab.made);
        self.watchers.add(&guard, watcher, n_slabs, slab)
    }

    /// A watcher is told that all slabs go, the newest first, and then no more.
    ///
    /// # Errors
    /// `Invalid` from within a watcher.
    pub fn unwatch(&self, watcher: &'static dyn Watch) -> Result<(), Error> {
        let guard = self.growth.hold().ok_or(Error::Invalid)?;
        let slabs = self.all().map(|slab| slab.made);
        self.watchers.remove(&guard, watcher, slabs);
        Ok(())
    }

    /// Bytes that can be cut off without growing, but for what does not fit.
    pub fn ready(&self) -> usize {
        let cut = self.cut.load(Ordering::Relaxed);
        self.mapped.load(Ordering::Relaxed).saturating_sub(cut)
    }

    /// Whether it is worth the try to make `bytes` ready at once. Of huge pages that is not
    /// known, since smaller ones may do.
    pub fn may_have(&self, bytes: usize) -> bool {
        let nodes_have = |account: &Account| account.has_left(bytes);
        bytes <= self.room() && (self.plan.required || self.account.is_none_or(nodes_have))
    }

    /// Bytes by which the source may still grow.
    pub fn room(&self) -> usize {
        self.plan.most() - self.mapped.load(Ordering::Relaxed)
    }

    /// The most bytes that an arena should take at a time beyond what it needs: what it takes
    /// at different times it does not join, so that a large block may not fit.
    pub(in crate::backing) fn growth_of_heap(&self) -> usize {
        (self.plan.step() / 2).max(page_size())
    }

    /// Bytes that the heap has been given and has not given back.
    pub(in crate::backing) fn held(&self) -> usize {
        let given = self.given.load(Ordering::Relaxed);
        self.cut.load(Ordering::Relaxed).saturating_sub(given)
    }

    /// Bytes that the heap could have besides.
    pub(in crate::backing) fn left(&self) -> usize {
        let given = self.given.load(Ordering::Relaxed);
        self.room()
            .saturating_add(self.ready())
            .saturating_add(given)
    }

    /// Bytes taken from the system: now, and the most so far.
    pub fn taken(&self) -> (usize, usize) {
        let now = self.note_peak();
        (now, self.peak.load(Ordering::Relaxed))
    }

    /// Notes the bytes that are taken from the system now, which it returns.
    fn note_peak(&self) -> usize {
        let given = self.given.load(Ordering::Relaxed);
        let now = self.mapped.load(Ordering::Relaxed).saturating_sub(given);
        self.peak.fetch_max(now, Ordering::Relaxed);
        now
    }

    /// The smallest page there is, in bytes, and the number of slabs.
    pub fn pages_and_slabs(&self) -> (usize, usize) {
        let pages = self.all().map(|slab| slab.made.page);
        let smallest = pages.min().unwrap_or(self.plan.page);
        (smallest, self.turn())
    }

    /// The page size at an address, the file there and the place in it, if it is in a slab.
    pub fn look_up(&self, address: usize) -> Option<(usize, c_int, usize)> {
        let here = |slab: &&Slab| address.wrapping_sub(slab.made.start) < slab.made.size;
        let made = self.all().find(here)?.made;
        Some((made.page, made.file, address - made.start))
    }

    pub(in crate::backing) fn for_each_range(&self, mut each: impl FnMut(usize, usize)) {
        self.all()
            .for_each(|slab| each(slab.made.start, slab.made.size));
    }

    /// Whether the process has no use of the slabs: it is a child that does not have them, or
    /// whose parent manages them.
    pub fn is_gone(&self) -> bool {
        self.inherited.load(Ordering::Relaxed) && self.is_lost_by_fork()
    }

    /// Whether a forked child must not use the slabs.
    fn is_lost_by_fork(&self) -> bool {
        self.plan.options.has(Options::NO_FORK | Options::SHARED)
    }

    /// Frees the lock and forgets the watchers in a child just forked; whether it must not use the slabs.
    pub fn after_fork_in_child(&self) -> bool {
        self.growth.after_fork_in_child();
        self.watchers.after_fork_in_child();
        self.inherited.store(true, Ordering::Relaxed);
        self.is_lost_by_fork()
    }
}

impl Drop for Slabs {
    fn drop(&mut self) {
        // Whatever a child has at those addresses is not a slab.
        let unmapped = self.is_gone() && self.plan.options.has(Options::NO_FORK);
        let mut next = *self.newest.get_mut();
        while !next.is_null() {
            // SAFETY: made by `into_raw`; no reference to the source is left.
            let slab = unsafe { Box::from_raw(next) };
            if unmapped {
                map::close(slab.made.file);
            } else {
                // SAFETY: our own mapping, in which no block lives: the heap is gone.
                unsafe { map::unmake(&slab.made, self.account) };
            }
            next = slab.older.cast_mut();
        }
    }
}
