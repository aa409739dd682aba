//! Maps: a handle for each range of memory that a device was told of, and for each address of it.
//!
//! No lock is held while the program's functions run. A map that its parent has made is only looked
//! up in a forked child, since threads may have been changing it; the list of maps is whole there.

use core::cell::UnsafeCell;
use core::ffi::{c_int, c_void};
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};

pub use super::map_table::Range;
use super::map_table::Table;
use crate::backing::{Options, Watch, page_size, round_up};
use crate::boxed::boxed;
use crate::error::Error;
use crate::heap::lock::Lock;
use crate::heap::page_map::END;
use crate::kind::Kind;
use crate::log::{self, refused};

/// The program's function for a new range: nonzero refuses it.
pub type Add = unsafe extern "C" fn(*mut c_void, *mut c_void, usize, *mut *mut c_void) -> c_int;
/// The program's function for a range that goes.
pub type Remove = unsafe extern "C" fn(*mut c_void, *mut c_void, usize, *mut c_void);

/// A value behind a lock that survives fork(2).
struct Locked<T> {
    lock: Lock,
    value: UnsafeCell<T>,
}

// SAFETY: the value is only touched under the lock, by one thread at a time, whichever it is: what
// is kept here belongs to no thread.
unsafe impl<T> Sync for Locked<T> {}

impl<T> Locked<T> {
    const fn new(value: T) -> Self {
        Self {
            lock: Lock::new(),
            value: UnsafeCell::new(value),
        }
    }

    /// Calls `work` under the lock: it is short, and calls nothing of the program's.
    fn with<R>(&'static self, work: impl FnOnce(&mut T) -> R) -> R {
        let _held = self.lock.hold();
        // SAFETY: the lock is held, and `work` cannot come back here.
        work(unsafe { &mut *self.value.get() })
    }
}

#[allow(
    clippy::vec_box,
    reason = "entries of the table point to the records, which must not move"
)]
struct State {
    /// Ranges that the map knows, oldest first.
    live: Vec<Box<Range>>,
    /// Those that have gone, by start and size.
    gone: Vec<Box<Range>>,
}

impl State {
    fn place_of_gone(&self, start: usize, size: usize) -> Result<usize, usize> {
        let wanted = (start, size);
        self.gone
            .binary_search_by(|range| (range.start, range.size).cmp(&wanted))
    }

    /// A record for a range: the one that it had before, or a fresh one. There is room for it
    /// among those that have gone.
    fn record(&mut self, start: usize, size: usize) -> Result<Box<Range>, Error> {
        if let Ok(place) = self.place_of_gone(start, size) {
            return Ok(self.gone.remove(place));
        }
        let all = self.live.len() + 1;
        self.gone.try_reserve(all).map_err(|_| Error::Malloc)?;
        boxed(Range::new(start, size))
    }

    /// Keeps the record of a range that has gone.
    fn put_away(&mut self, record: Box<Range>) {
        let (Ok(place) | Err(place)) = self.place_of_gone(record.start, record.size);
        self.gone.insert(place, record);
    }
}

/// A kind that a map is attached to, or is just being attached to or detached from.
struct Attached {
    kind: &'static Kind,
    changing: bool,
}

/// Ranges of memory that the program's functions are told of (`struct memkind_map`).
pub struct Map {
    table: Table,
    add: Add,
    remove: Option<Remove>,
    max_size: usize,
    context: *mut c_void,
    /// Whether this is a forked child of the process that made it: it calls nothing.
    inherited: AtomicBool,
    state: Locked<State>,
    kinds: Locked<Vec<Attached>>,
}

// SAFETY: the context is only handed to the program's functions, which any thread may call as
// the maker of the map has promised; the table is atomic, and all else constant or behind a lock.
unsafe impl Sync for Map {}

/// Why a map cannot learn of a range.
const fn why(error: Error) -> &'static str {
    match error {
        Error::OperationFailed => "the function of the program refused",
        _ => "no memory for its record",
    }
}

/// All maps of the process.
static MAPS: Locked<Vec<*const Map>> = Locked::new(Vec::new());

fn push<T>(list: &mut Vec<T>, value: T) -> Result<(), Error> {
    list.try_reserve(1).map_err(|_| Error::Malloc)?;
    list.push(value);
    Ok(())
}

impl Map {
    /// Makes a map.
    ///
    /// # Errors
    /// `Malloc`.
    ///
    /// # Safety
    /// Any thread may call the functions with this context while the map lives.
    pub unsafe fn create(
        add: Add,
        remove: Option<Remove>,
        max_size: usize,
        context: *mut c_void,
    ) -> Result<*mut Map, Error> {
        let map = boxed(Map {
            table: Table::new()?,
            add,
            remove,
            max_size: if max_size == 0 { usize::MAX } else { max_size },
            context,
            inherited: AtomicBool::new(false),
            state: Locked::new(State {
                live: Vec::new(),
                gone: Vec::new(),
            }),
            kinds: Locked::new(Vec::new()),
        })?;
        let map = Box::into_raw(map);
        if let Err(error) = MAPS.with(|maps| push(maps, map.cast_const())) {
            // SAFETY: just made, and seen by no other thread.
            drop(unsafe { Box::from_raw(map) });
            return Err(error);
        }
        Ok(map)
    }

    /// Detaches the map from all kinds, tells of all ranges that they go, and frees it. It stays, as
    /// what it is, if a kind cannot be detached: within a function of its own.
    ///
    /// # Safety
    /// The map is from `create`, and no thread uses it any more.
    pub unsafe fn destroy(map: *mut Map) {
        // SAFETY: from `Box::into_raw` in `create`, and freed at the end of this function alone.
        let this: &'static Map = unsafe { &*map };
        let inherited = this.is_inherited();
        if !inherited {
            while let Some(kind) = this.kinds.with(|kinds| kinds.last().map(|last| last.kind)) {
                if this.detach(kind).is_err() {
                    return;
                }
            }
            while let Some(last) = this.newest() {
                this.forget(last);
            }
        }
        MAPS.with(|maps| maps.retain(|known| !ptr::eq(*known, map)));
        // SAFETY: made by `into_raw`.
        let whole = unsafe { Box::from_raw(map) };
        if inherited {
            // The parent's threads may have been changing the lists.
            let Map { state, kinds, .. } = *whole;
            core::mem::forget((state, kinds));
        }
    }

    fn newest(&'static self) -> Option<usize> {
        let last = |state: &mut State| state.live.last().map(|range| range.start);
        self.state.with(last)
    }

    /// Says that a forked child cannot change the map, if it is one.
    fn refuse_inherited(&self) -> Result<(), Error> {
        if self.is_inherited() {
            return refused!(
                Err(Error::Invalid),
                "Cannot change map: the parent of this process made it."
            );
        }
        Ok(())
    }

    fn is_inherited(&self) -> bool {
        self.inherited.load(Ordering::Relaxed)
    }

    /// The range that has an address.
    #[inline]
    pub fn find(&self, address: usize) -> Option<&Range> {
        self.table.find(address)
    }

    /// Tells the program of one range, and remembers it.
    fn learn(&'static self, start: usize, size: usize) -> Result<(), Error> {
        let mut handle = ptr::null_mut();
        let address = start as *mut c_void;
        // SAFETY: the map's maker has promised that any thread may call its functions.
        if unsafe { (self.add)(self.context, address, size, &raw mut handle) } != 0 {
            return Err(Error::OperationFailed);
        }
        let known = self.state.with(|state| {
            let mut record = state.record(start, size)?;
            record.set_handle(handle);
            let place: *mut Range = &raw mut *record;
            let entered = match state.live.try_reserve(1) {
                Ok(()) => self.table.enter(start, size, place),
                Err(_) => Err(Error::NoMemory),
            };
            if entered.is_ok() {
                state.live.push(record);
            } else {
                // Clearing takes no memory.
                let _ = self.table.enter(start, size, ptr::null_mut());
                state.put_away(record);
            }
            entered
        });
        known.map_err(|_| {
            self.tell_of_end(start, size, handle);
            Error::NoMemory
        })
    }

    /// Forgets the range with this start, if there is one, and tells the program that it goes.
    fn forget(&'static self, start: usize) {
        let found = self.state.with(|state| {
            let place = state.live.iter().rposition(|range| range.start == start)?;
            let record = state.live.remove(place);
            // Clearing takes no memory.
            let _ = self.table.enter(start, record.size, ptr::null_mut());
            let range = (record.size, record.handle());
            state.put_away(record);
            Some(range)
        });
        if let Some((size, handle)) = found {
            self.tell_of_end(start, size, handle);
        }
    }

    fn tell_of_end(&self, start: usize, size: usize, handle: *mut c_void) {
        if let Some(remove) = self.remove {
            // SAFETY: the map's maker has promised that any thread may call its functions.
            unsafe { remove(self.context, start as *mut c_void, size, handle) };
        }
    }

    /// The parts that a range is split into, as offsets and sizes.
    fn parts(&self, size: usize, page: usize) -> impl DoubleEndedIterator<Item = (usize, usize)> {
        let most = (self.max_size / page).max(1).saturating_mul(page).min(size);
        (0..size.div_ceil(most)).map(move |n| (n * most, most.min(size - n * most)))
    }

    /// Tells the program of a range in parts. All or nothing.
    fn learn_all(&'static self, start: usize, size: usize, page: usize) -> Result<(), Error> {
        for (offset, part) in self.parts(size, page) {
            if let Err(error) = self.learn(start + offset, part) {
                let before = self.parts(size, page).rev();
                before
                    .filter(|(earlier, _)| *earlier < offset)
                    .for_each(|(earlier, _)| self.forget(start + earlier));
                return Err(error);
            }
        }
        Ok(())
    }

    fn forget_all(&'static self, start: usize, size: usize, page: usize) {
        let parts = self.parts(size, page).rev();
        parts.for_each(|(offset, _)| self.forget(start + offset));
    }

    /// Adds memory of the program's.
    ///
    /// # Errors
    /// `Invalid` for what is not whole pages, or known in part, and in a forked child;
    /// `OperationFailed` if the program's function refuses; `NoMemory`.
    pub fn add(&'static self, start: usize, size: usize) -> Result<(), Error> {
        self.refuse_inherited()?;
        let end = start.saturating_add(size);
        let whole = start != 0 && size != 0 && (start | size) % page_size() == 0 && end <= END;
        if !whole {
            return refused!(
                Err(Error::Invalid),
                "Cannot add {size} bytes at {start:#x} to map: a range is made of whole pages."
            );
        }
        let overlaps = |range: &Range| range.start < end && start < range.start + range.size;
        let known = |state: &mut State| state.live.iter().any(|range| overlaps(range));
        if self.state.with(known) {
            return refused!(
                Err(Error::Invalid),
                "Cannot add {size} bytes at {start:#x} to map: it has some of them."
            );
        }
        self.learn_all(start, size, page_size())
            .inspect_err(|error| {
                log::error!(
                    "Cannot add {size} bytes at {start:#x} to map: {}.",
                    why(*error)
                )
            })
    }

    /// Removes what [`Map::add`] has added.
    ///
    /// # Errors
    /// `Invalid` for anything else, and in a forked child.
    pub fn remove(&'static self, start: usize, size: usize) -> Result<(), Error> {
        let is_known = |(offset, part): (usize, usize)| {
            let known = self.find(start.wrapping_add(offset));
            known.is_some_and(|known| {
                known.start == start.wrapping_add(offset) && known.size == part
            })
        };
        self.refuse_inherited()?;
        let range = size != 0 && start.checked_add(size).is_some();
        if !range || !self.parts(size, page_size()).all(is_known) {
            return refused!(
                Err(Error::Invalid),
                "Cannot remove {size} bytes at {start:#x} from map: no range of it was added so."
            );
        }
        self.forget_all(start, size, page_size());
        Ok(())
    }

    /// Tells of all ranges of a kind, and of each to come. All or nothing.
    ///
    /// # Errors
    /// `Invalid` for a kind that is neither pinned nor fixed, or attached, and in a forked child;
    /// `OperationFailed` if the program's function refuses; `Malloc`.
    pub fn attach(&'static self, kind: &'static Kind) -> Result<(), Error> {
        self.refuse_inherited()?;
        let name = kind.name();
        self.kinds.with(|kinds| {
            if kinds.iter().any(|known| ptr::eq(known.kind, kind)) {
                return refused!(
                    Err(Error::Invalid),
                    "Cannot attach kind {name} to map: it is attached."
                );
            }
            let changing = true;
            push(kinds, Attached { kind, changing })
        })?;
        let told = match (kind.slabs(), whole_pages(kind)) {
            (Some(slabs), _) if slabs.plan().options.has(Options::PIN) => slabs.watch(self),
            (_, Some((start, size))) => self.learn_all(start, size, page_size()),
            _ => Err(Error::Invalid),
        };
        self.settle(kind, told.is_ok());
        told.map_err(|error| match error {
            Error::Invalid => refused!(
                error,
                "Cannot attach kind {name} to map: it is neither pinned nor fixed."
            ),
            _ => refused!(
                Error::OperationFailed,
                "Cannot attach kind {name} to map: {}.",
                why(error)
            ),
        })
    }

    /// Tells that all ranges of a kind go, and then no more of it.
    ///
    /// # Errors
    /// `Invalid` for a kind that is not attached, or is just being so; from within a function of
    /// the map's; in a forked child.
    pub fn detach(&'static self, kind: &'static Kind) -> Result<(), Error> {
        self.refuse_inherited()?;
        self.kinds.with(|kinds| {
            let is_it = |known: &&mut Attached| ptr::eq(known.kind, kind) && !known.changing;
            let Some(known) = kinds.iter_mut().find(is_it) else {
                return refused!(
                    Err(Error::Invalid),
                    "Cannot detach kind {} from map: it is not attached.",
                    kind.name()
                );
            };
            known.changing = true;
            Ok(())
        })?;
        let told = match (kind.slabs(), whole_pages(kind)) {
            (Some(slabs), _) => slabs.unwatch(self),
            (None, Some((start, size))) => {
                self.forget_all(start, size, page_size());
                Ok(())
            }
            (None, None) => Ok(()),
        };
        self.settle(kind, told.is_err());
        told
    }

    /// Notes that a kind is attached, or is not, after a change.
    fn settle(&'static self, kind: &'static Kind, attached: bool) {
        self.kinds.with(|kinds| {
            if attached {
                let known = kinds.iter_mut().find(|known| ptr::eq(known.kind, kind));
                known.into_iter().for_each(|known| known.changing = false);
            } else {
                kinds.retain(|known| !ptr::eq(known.kind, kind));
            }
        });
    }

    fn is_attached(&'static self, kind: &'static Kind) -> bool {
        let is_it = |known: &Attached| ptr::eq(known.kind, kind) && !known.changing;
        self.kinds.with(|kinds| kinds.iter().any(is_it))
    }
}

impl Watch for Map {
    fn add(&'static self, start: usize, size: usize, page: usize) -> bool {
        self.learn_all(start, size, page).is_ok()
    }

    fn remove(&'static self, start: usize, size: usize, page: usize) {
        self.forget_all(start, size, page);
    }
}

/// The whole pages of the user's area that a kind is on.
fn whole_pages(kind: &Kind) -> Option<(usize, usize)> {
    let (start, size) = kind.area()?;
    let first = round_up(start, page_size())?;
    let end = start.checked_add(size)? & !(page_size() - 1);
    (first < end && end <= END).then(|| (first, end - first))
}

/// A kind is about to go: all maps forget it.
pub fn forget_kind(kind: &'static Kind) {
    let attached = |map: &&'static Map| !map.is_inherited() && map.is_attached(kind);
    // SAFETY: a map leaves the list before it goes.
    let all = |maps: &mut Vec<*const Map>| maps.iter().map(|map| unsafe { &**map }).find(attached);
    // The map's functions are called without the lock of the list.
    while let Some(map) = MAPS.with(all) {
        if map.detach(kind).is_err() {
            return;
        }
    }
}

/// Before fork(2): no map comes or goes.
pub fn prepare_fork() {
    MAPS.lock.hold_over_fork();
}

/// After fork(2), in the parent.
pub fn parent_after_fork() {
    MAPS.lock.release();
}

/// In a child just forked: the maps there are its parent's.
pub fn after_fork_in_child() {
    // SAFETY: the lock is held over the fork; a map leaves the list before it goes.
    for map in unsafe { &*MAPS.value.get() } {
        // SAFETY: a map leaves the list before it goes.
        unsafe { (**map).inherited.store(true, Ordering::Relaxed) };
    }
    MAPS.lock.release();
}
