//! Maps: a handle for each range of memory that a device was told of, and for each address of it.
//!
//! An address is looked up in a table by pages: two loads lead to the record of its range. Records
//! of ranges that have gone stay until the map goes, since a look-up may still be reading them.

use core::ffi::{c_int, c_void};
use core::ptr;
use core::sync::atomic::{AtomicI32, AtomicPtr, Ordering};

use parking_lot::Mutex;

use crate::backing::{Options, PAGE, Watch, map_zeroes, round_up};
use crate::boxed::boxed;
use crate::error::Error;
use crate::heap::page_map::END;
use crate::kind::Kind;

const PAGE_BITS: u32 = PAGE.trailing_zeros();
const LEAF_BITS: u32 = 18;
const ROOT_SIZE: usize = END >> (PAGE_BITS + LEAF_BITS);

type Leaf = [AtomicPtr<Range>; 1 << LEAF_BITS];
type Root = [AtomicPtr<Leaf>; ROOT_SIZE];

/// The program's function for a new range: nonzero refuses it.
pub type Add = unsafe extern "C" fn(*mut c_void, *mut c_void, usize, *mut *mut c_void) -> c_int;
/// The program's function for a range that goes.
pub type Remove = unsafe extern "C" fn(*mut c_void, *mut c_void, usize, *mut c_void);

/// A range with its handle; laid out as C has it.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Range {
    /// Its start.
    pub address: *mut c_void,
    /// Its bytes.
    pub size: usize,
    /// What the program's function has made of it.
    pub handle: *mut c_void,
}

#[allow(
    clippy::vec_box,
    reason = "entries of the table point to the records, which must not move"
)]
struct State {
    /// Ranges that the map knows, oldest first.
    live: Vec<Box<Range>>,
    /// Those that have gone.
    gone: Vec<Box<Range>>,
}

/// A map.
pub struct Map {
    add: Add,
    remove: Option<Remove>,
    max_size: usize,
    context: *mut c_void,
    root: *const Root,
    /// The process that made it: a forked child calls nothing.
    process: c_int,
    state: Mutex<State>,
    /// The kinds it is attached to.
    kinds: Mutex<Vec<&'static Kind>>,
}

// SAFETY: the context is only handed to the program's functions, which any thread may call by
// the promise of who made the map; the table is atomic, and all else constant or behind a lock.
unsafe impl Sync for Map {}

/// All maps.
struct Maps(Mutex<Vec<*const Map>>);
// SAFETY: maps are Sync, and leave the list before they go.
unsafe impl Sync for Maps {}
static MAPS: Maps = Maps(Mutex::new(Vec::new()));
/// The process that has made maps last: a forked child's locks may be held by threads that are gone.
static PROCESS: AtomicI32 = AtomicI32::new(0);

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
        let root = map_zeroes(size_of::<Root>()).ok_or(Error::Malloc)?;
        let map = boxed(Map {
            add,
            remove,
            max_size: if max_size == 0 { usize::MAX } else { max_size },
            context,
            root: root.cast(),
            // SAFETY: no preconditions.
            process: unsafe { libc::getpid() },
            state: Mutex::new(State {
                live: Vec::new(),
                gone: Vec::new(),
            }),
            kinds: Mutex::new(Vec::new()),
        })?;
        PROCESS.store(map.process, Ordering::Relaxed);
        let map = Box::into_raw(map);
        if let Err(error) = push(&mut MAPS.0.lock(), map.cast_const()) {
            // SAFETY: just made, and seen by no other thread.
            drop(unsafe { Box::from_raw(map) });
            return Err(error);
        }
        Ok(map)
    }

    /// Detaches the map from all kinds, tells of all ranges that they go, and frees it.
    ///
    /// # Safety
    /// The map is from `create`, and no thread uses it any more.
    pub unsafe fn destroy(map: *mut Map) {
        MAPS.0.lock().retain(|known| !ptr::eq(*known, map));
        // SAFETY: the caller's promise.
        let this: &'static Map = unsafe { &*map };
        loop {
            let last = this.kinds.lock().last().copied();
            let Some(kind) = last else { break };
            // It is attached, and no other thread detaches it.
            let _ = this.detach(kind);
        }
        loop {
            let last = this.state.lock().live.last().map(|range| **range);
            let Some(range) = last else { break };
            this.forget(range.address as usize);
        }
        // SAFETY: made by `into_raw`.
        drop(unsafe { Box::from_raw(map) });
    }

    fn is_ours(&self) -> bool {
        // SAFETY: no preconditions.
        unsafe { libc::getpid() == self.process }
    }

    /// The range that has an address.
    #[inline]
    pub fn find(&self, address: usize) -> Option<&Range> {
        // SAFETY: the mapping of `create`.
        let root = unsafe { &*self.root };
        let leaf = root.get(address >> (PAGE_BITS + LEAF_BITS))?;
        // SAFETY: null or a leaf, which stays as long as the map.
        let leaf = unsafe { leaf.load(Ordering::Acquire).as_ref() }?;
        let entry = &leaf[(address >> PAGE_BITS) & ((1 << LEAF_BITS) - 1)];
        // SAFETY: null or a record, which stays as long as the map.
        unsafe { entry.load(Ordering::Acquire).as_ref() }
    }

    /// Sets the entries of a range. Without memory for the table some may be set already.
    fn enter(&self, start: usize, size: usize, record: *mut Range) -> Result<(), Error> {
        // SAFETY: the mapping of `create`.
        let root = unsafe { &*self.root };
        for page in start >> PAGE_BITS..(start + size) >> PAGE_BITS {
            let place = root.get(page >> LEAF_BITS).ok_or(Error::NoMemory)?;
            let mut leaf = place.load(Ordering::Acquire);
            if leaf.is_null() {
                if record.is_null() {
                    continue;
                }
                leaf = map_zeroes(size_of::<Leaf>()).ok_or(Error::NoMemory)?.cast();
                place.store(leaf, Ordering::Release);
            }
            // SAFETY: a leaf, which stays as long as the map; entries change under the lock.
            let entry = unsafe { &(*leaf)[page & ((1 << LEAF_BITS) - 1)] };
            entry.store(record, Ordering::Release);
        }
        Ok(())
    }

    /// Tells the program of one range, and remembers it.
    fn learn(&self, start: usize, size: usize) -> Result<(), Error> {
        let mut handle = ptr::null_mut();
        let address = start as *mut c_void;
        // SAFETY: the promise of who made the map.
        if unsafe { (self.add)(self.context, address, size, &raw mut handle) } != 0 {
            return Err(Error::OperationFailed);
        }
        let range = Range {
            address,
            size,
            handle,
        };
        let mut state = self.state.lock();
        let known = boxed(range).and_then(|mut record| {
            let place: *mut Range = &raw mut *record;
            push(&mut state.live, record)?;
            self.enter(start, size, place)
        });
        if known.is_err() {
            drop(state);
            self.forget(start);
            return Err(Error::NoMemory);
        }
        Ok(())
    }

    /// Tells the program that the range with this start goes, and forgets it.
    fn forget(&self, start: usize) {
        let range = {
            let mut state = self.state.lock();
            let is_it = |range: &Range| range.address as usize == start;
            let Some(index) = state.live.iter().rposition(|range| is_it(range)) else {
                return;
            };
            let record = state.live.remove(index);
            let range = *record;
            // Clearing takes no memory.
            let _ = self.enter(start, range.size, ptr::null_mut());
            if let Err(_full) = state.gone.try_reserve(1) {
                // A look-up may be reading it: it is lost instead.
                let _ = Box::into_raw(record);
            } else {
                state.gone.push(record);
            }
            range
        };
        if let Some(remove) = self.remove.filter(|_| self.is_ours()) {
            // SAFETY: the promise of who made the map.
            unsafe { remove(self.context, range.address, range.size, range.handle) };
        }
    }

    /// The parts that a range is split into, as offsets and sizes.
    fn parts(&self, size: usize, page: usize) -> impl DoubleEndedIterator<Item = (usize, usize)> {
        let most = (self.max_size / page).max(1).saturating_mul(page).min(size);
        (0..size.div_ceil(most)).map(move |n| (n * most, most.min(size - n * most)))
    }

    /// Tells the program of a range in parts. All or nothing.
    fn learn_all(&self, start: usize, size: usize, page: usize) -> Result<(), Error> {
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

    fn forget_all(&self, start: usize, size: usize, page: usize) {
        let parts = self.parts(size, page).rev();
        parts.for_each(|(offset, _)| self.forget(start + offset));
    }

    /// Adds memory of the program's.
    ///
    /// # Errors
    /// `Invalid` for what is not whole pages, or known in part; `OperationFailed` if the program's
    /// function refuses; `NoMemory`.
    pub fn add(&self, start: usize, size: usize) -> Result<(), Error> {
        let end = start.checked_add(size).ok_or(Error::Invalid)?;
        let whole = start != 0 && size != 0 && (start | size) % PAGE == 0 && end <= END;
        if !whole || !self.is_ours() {
            return Err(Error::Invalid);
        }
        let overlaps = |range: &Range| {
            let other = range.address as usize;
            other < end && start < other + range.size
        };
        if self.state.lock().live.iter().any(|range| overlaps(range)) {
            return Err(Error::Invalid);
        }
        self.learn_all(start, size, PAGE)
    }

    /// Removes what [`Map::add`] has added.
    ///
    /// # Errors
    /// `Invalid` for anything else.
    pub fn remove(&self, start: usize, size: usize) -> Result<(), Error> {
        let is_known = |(offset, part): (usize, usize)| {
            let known = self.find(start.wrapping_add(offset));
            known.is_some_and(|known| {
                known.address as usize == start.wrapping_add(offset) && known.size == part
            })
        };
        if size == 0 || start.checked_add(size).is_none() || !self.parts(size, PAGE).all(is_known) {
            return Err(Error::Invalid);
        }
        self.forget_all(start, size, PAGE);
        Ok(())
    }

    /// Tells of all ranges of a kind, and of each to come. All or nothing.
    ///
    /// # Errors
    /// `Invalid` for a kind that is neither pinned nor fixed, or attached; `OperationFailed` if the
    /// program's function refuses; `Malloc`.
    pub fn attach(&'static self, kind: &'static Kind) -> Result<(), Error> {
        let mut kinds = self.kinds.lock();
        if !self.is_ours() || kinds.iter().any(|known| ptr::eq(*known, kind)) {
            return Err(Error::Invalid);
        }
        kinds.try_reserve(1).map_err(|_| Error::Malloc)?;
        let told = match (kind.slabs(), whole_pages(kind)) {
            (Some(slabs), _) if slabs.plan().options.has(Options::PIN) => slabs.watch(self),
            (_, Some((start, size))) => self.learn_all(start, size, PAGE),
            _ => return Err(Error::Invalid),
        };
        told.map_err(|error| match error {
            Error::Invalid => error,
            _ => Error::OperationFailed,
        })?;
        kinds.push(kind);
        Ok(())
    }

    /// Tells that all ranges of a kind go, and then no more of it.
    ///
    /// # Errors
    /// `Invalid` for a kind that is not attached.
    pub fn detach(&'static self, kind: &'static Kind) -> Result<(), Error> {
        let mut kinds = self.kinds.lock();
        let place = kinds.iter().position(|known| ptr::eq(*known, kind));
        let place = place.ok_or(Error::Invalid)?;
        match (kind.slabs(), whole_pages(kind)) {
            (Some(slabs), _) => slabs.unwatch(self)?,
            (None, Some((start, size))) => self.forget_all(start, size, PAGE),
            (None, None) => {}
        }
        kinds.remove(place);
        Ok(())
    }
}

impl Watch for Map {
    fn add(&self, start: usize, size: usize, page: usize) -> bool {
        self.learn_all(start, size, page).is_ok()
    }

    fn remove(&self, start: usize, size: usize, page: usize) {
        self.forget_all(start, size, page);
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: the mappings of this map, which no thread reads any more.
        unsafe {
            for leaf in &*self.root {
                let leaf = leaf.load(Ordering::Acquire);
                if !leaf.is_null() {
                    libc::munmap(leaf.cast(), size_of::<Leaf>());
                }
            }
            libc::munmap(self.root.cast_mut().cast(), size_of::<Root>());
        }
    }
}

/// The whole pages of the user's area that a kind is on.
fn whole_pages(kind: &Kind) -> Option<(usize, usize)> {
    let (start, size) = kind.area()?;
    let first = round_up(start, PAGE)?;
    let end = start.checked_add(size)? & !(PAGE - 1);
    (first < end && end <= END).then(|| (first, end - first))
}

/// A kind is about to go: all maps forget it.
pub fn forget_kind(kind: &'static Kind) {
    // SAFETY: no preconditions.
    if PROCESS.load(Ordering::Relaxed) != unsafe { libc::getpid() } {
        return;
    }
    let maps = MAPS.0.lock();
    for map in maps.iter() {
        // SAFETY: a map leaves the list before it goes.
        let map: &'static Map = unsafe { &**map };
        let _ = map.detach(kind);
    }
}
