//! Maps: a handle for each range of memory that a device was told of, and for each address of it.
//!
//! No lock is held while the program's functions run. In a forked child a map that its parent has
//! made can only be searched, since threads may have been changing it; the list of maps is whole
//! there.

mod attach;
mod locked;
mod records;
mod tell;

use core::ffi::{c_int, c_void};
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};

pub use super::map_table::Range;
use super::map_table::Table;
use crate::backing::page_size;
use crate::boxed::boxed;
use crate::error::Error;
use crate::heap::page_map::END;
use crate::kind::Kind;
use crate::log::{self, refused};
use locked::Locked;
use records::State;

/// The program's function for a new range: nonzero refuses it.
pub type Add = unsafe extern "C" fn(*mut c_void, *mut c_void, usize, *mut *mut c_void) -> c_int;
/// The program's function for a range that goes.
pub type Remove = unsafe extern "C" fn(*mut c_void, *mut c_void, usize, *mut c_void);

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
            state: Locked::new(State::new()),
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

    /// Detaches the map from all kinds, tells the program that all ranges go, and frees the map. The
    /// map stays if a kind cannot be detached: when one of the map's functions calls this.
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
        // SAFETY: from `Box::into_raw` in `create`; no thread uses the map any more.
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

    /// Removes a range that [`Map::add`] has added.
    ///
    /// # Errors
    /// `Invalid` for any other range, and in a forked child.
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

/// Marks all maps in a child just forked: they are its parent's.
pub fn after_fork_in_child() {
    // SAFETY: the lock is held over the fork; a map leaves the list before it goes.
    for map in unsafe { &*MAPS.value.get() } {
        // SAFETY: a map leaves the list before it goes.
        unsafe { (**map).inherited.store(true, Ordering::Relaxed) };
    }
    MAPS.lock.release();
}
