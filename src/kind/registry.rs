//! All kinds, static and dynamic, without a lock.
//!
//! A kind's number finds it in constant time, and a pointer from C is checked against
//! the places where kinds can be, so a bogus one is never followed. Slots of destroyed
//! kinds stay readable: a stale pointer is recognised, not a fault.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU8, Ordering};

use super::{Kind, table};
use crate::error::Error;
use crate::log;

/// The most kinds that can exist, static ones included (`MEMKIND_MAX_KIND`). The three
/// deprecated GBTLB kinds do not count.
pub const MAX: usize = 512;
/// The most dynamic kinds.
pub const MAX_DYNAMIC: usize = MAX - (table::COUNT - 3);
/// Kind numbers are below this.
pub const NUMBERS: usize = table::COUNT + MAX_DYNAMIC;

const FREE: u8 = 0;
const BUSY: u8 = 1;
const LIVE: u8 = 2;

/// The place of a dynamic kind.
struct Slot {
    state: AtomicU8,
    kind: UnsafeCell<MaybeUninit<Kind>>,
}

// SAFETY: the kind is written only between FREE and LIVE, by the thread that made the
// slot BUSY; after that it is shared as `&Kind`, which is Sync.
unsafe impl Sync for Slot {}

static DYNAMIC: [Slot; MAX_DYNAMIC] = [const {
    Slot {
        state: AtomicU8::new(FREE),
        kind: UnsafeCell::new(MaybeUninit::zeroed()),
    }
}; MAX_DYNAMIC];

impl Slot {
    fn live(&'static self) -> Option<&'static Kind> {
        if self.state.load(Ordering::Acquire) != LIVE {
            return None;
        }
        // SAFETY: LIVE says that the kind has been written; the caller of
        // memkind_destroy_kind promises that nobody uses it any more.
        Some(unsafe { (*self.kind.get()).assume_init_ref() })
    }
}

/// The kind with this number, if it lives.
#[inline]
pub fn by_number(number: usize) -> Option<&'static Kind> {
    match table::KINDS.get(number) {
        Some(kind) => Some(kind),
        None => DYNAMIC.get(number - table::COUNT)?.live(),
    }
}

/// The live kind at this address; `None` for null, a bogus or a destroyed one.
#[inline]
pub fn by_address(address: *const Kind) -> Option<&'static Kind> {
    let address = address as usize;
    let offset = address.wrapping_sub(table::KINDS.as_ptr() as usize);
    if offset < size_of_val(&table::KINDS) {
        let index = offset / size_of::<Kind>();
        return (index * size_of::<Kind>() == offset).then(|| &table::KINDS[index]);
    }
    let offset = address.wrapping_sub(DYNAMIC[0].kind.get() as usize);
    if offset < size_of_val(&DYNAMIC) {
        let index = offset / size_of::<Slot>();
        if index * size_of::<Slot>() == offset {
            return DYNAMIC.get(index)?.live();
        }
    }
    None
}

/// All dynamic kinds that live.
pub fn dynamic() -> impl Iterator<Item = &'static Kind> {
    DYNAMIC.iter().filter_map(Slot::live)
}

/// All kinds.
pub fn all() -> impl Iterator<Item = &'static Kind> {
    table::KINDS.iter().chain(dynamic())
}

/// Adds a kind; `make` is given its number. Nothing is left behind if it fails.
///
/// # Errors
/// `TooMany` when every number is taken, else what `make` says.
pub fn add(make: impl FnOnce(u32) -> Result<Kind, Error>) -> Result<&'static Kind, Error> {
    let free = DYNAMIC.iter().enumerate().find(|(_, slot)| {
        slot.state
            .compare_exchange(FREE, BUSY, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    });
    let Some((index, slot)) = free else {
        log::error!("Attempted to initialize more than maximum ({MAX}) number of kinds.");
        return Err(Error::TooMany);
    };
    match make((table::COUNT + index) as u32) {
        Ok(kind) => {
            // SAFETY: BUSY makes the slot ours; no reference to its kind exists.
            let kind = unsafe { (*slot.kind.get()).write(kind) };
            kind.placed();
            slot.state.store(LIVE, Ordering::Release);
            slot.live().ok_or(Error::Runtime)
        }
        Err(error) => {
            slot.state.store(FREE, Ordering::Release);
            Err(error)
        }
    }
}

/// Destroys a dynamic kind with all its blocks; a static kind stays as it is.
///
/// # Safety
/// No other thread uses the kind or its blocks, now or later.
pub unsafe fn remove(kind: &'static Kind) {
    let Some(slot) = kind
        .partition()
        .checked_sub(table::COUNT)
        .and_then(|i| DYNAMIC.get(i))
    else {
        return;
    };
    if slot
        .state
        .compare_exchange(LIVE, BUSY, Ordering::AcqRel, Ordering::Relaxed)
        .is_err()
    {
        return;
    }
    kind.heap.destroy();
    // SAFETY: BUSY makes the slot ours, and by the caller's promise no reference to the
    // kind is used any more. The bytes stay, so that a stale pointer can be looked at.
    unsafe { (*slot.kind.get()).assume_init_drop() };
    slot.state.store(FREE, Ordering::Release);
}
