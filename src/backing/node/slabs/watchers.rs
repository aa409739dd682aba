//! Who is told of the slabs of a source.

use core::cell::UnsafeCell;
use core::ptr;

use super::growth::Guard;
use super::map::Made;
use crate::error::Error;

/// Who is told of slabs: before anything of one is handed out, and before it goes.
pub trait Watch: Sync {
    /// A slab of pages of `page` bytes; `false` refuses it, and nothing of it is known then.
    fn add(&'static self, start: usize, size: usize, page: usize) -> bool;
    /// A slab that `add` has accepted goes.
    fn remove(&'static self, start: usize, size: usize, page: usize);
}

/// The most watchers of a source.
const WATCHERS: usize = 8;

/// The watchers of a source, which are touched under the lock under which it grows.
pub(super) struct Watchers(UnsafeCell<[Option<&'static dyn Watch>; WATCHERS]>);

// SAFETY: guarded by a lock; a watcher is `Sync`.
unsafe impl Sync for Watchers {}

impl Watchers {
    pub(super) const fn new() -> Self {
        Self(UnsafeCell::new([None; WATCHERS]))
    }

    /// Tells all of a slab; those that have accepted it forget it if one refuses.
    pub(super) fn tell(&self, _guard: &Guard<'_>, made: &Made) -> Result<(), Error> {
        // SAFETY: the lock is held.
        let watchers = unsafe { *self.0.get() };
        let tell = |index: usize| watchers[index].is_none_or(|watcher| add(watcher, made));
        let take_back = |index: usize| {
            watchers[index]
                .iter()
                .for_each(|watcher| remove(*watcher, made))
        };
        all_or_none(WATCHERS, tell, take_back).ok_or(Error::NoMemory)
    }

    /// Tells a watcher of `n_slabs` slabs, in the order of their numbers from 0, and of each one to
    /// come; all or nothing.
    pub(super) fn add(
        &self,
        _guard: &Guard<'_>,
        watcher: &'static dyn Watch,
        n_slabs: usize,
        slab: impl Fn(usize) -> Option<Made>,
    ) -> Result<(), Error> {
        // SAFETY: the lock is held, and its thread cannot come back here.
        let watchers = unsafe { &mut *self.0.get() };
        let place = watchers.iter_mut().find(|place| place.is_none());
        let place = place.ok_or(Error::OperationFailed)?;
        let tell = |index| slab(index).is_none_or(|made| add(watcher, &made));
        let take_back = |index| slab(index).iter().for_each(|made| remove(watcher, made));
        all_or_none(n_slabs, tell, take_back).ok_or(Error::OperationFailed)?;
        *place = Some(watcher);
        Ok(())
    }

    /// Tells a watcher that `slabs` go, and then no more; nothing if it is not one of these.
    pub(super) fn remove(
        &self,
        _guard: &Guard<'_>,
        watcher: &'static dyn Watch,
        slabs: impl Iterator<Item = Made>,
    ) {
        // SAFETY: the lock is held, and its thread cannot come back here.
        let watchers = unsafe { &mut *self.0.get() };
        let is_it = |place: &&mut Option<&'static dyn Watch>| {
            place.is_some_and(|known| ptr::addr_eq(known, watcher))
        };
        if let Some(place) = watchers.iter_mut().find(is_it) {
            *place = None;
            slabs.for_each(|made| remove(watcher, &made));
        }
    }

    /// Forgets the watchers in a child just forked: they are its parent's.
    pub(super) fn after_fork_in_child(&self) {
        // SAFETY: the child has one thread, and the lock is free.
        unsafe { *self.0.get() = [None; WATCHERS] };
    }
}

fn add(watcher: &'static dyn Watch, made: &Made) -> bool {
    watcher.add(made.start, made.size, made.page)
}

fn remove(watcher: &'static dyn Watch, made: &Made) {
    watcher.remove(made.start, made.size, made.page);
}

/// Tells of each of `count` items; where one is refused, takes back what was told before it, the
/// last first, and returns `None`.
fn all_or_none(
    count: usize,
    tell: impl Fn(usize) -> bool,
    take_back: impl Fn(usize),
) -> Option<()> {
    let refused = (0..count).find(|index| !tell(*index));
    let told = refused.map_or(0..0, |refused| 0..refused);
    told.rev().for_each(take_back);
    refused.is_none().then_some(())
}
