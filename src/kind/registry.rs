//! All kinds, static and dynamic, without a lock.
//!
//! A kind's number finds it in constant time, and a pointer from C is checked against
//! the places where kinds can be, so a bogus one is never followed. Slots of destroyed
//! kinds stay readable: a stale pointer is recognised, not a fault.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU8, Ordering};

use super::{Kind, checks, places, table};
use crate::error::Error;
use crate::heap::{self, KINDS, fast, page_map, spare};
use crate::log;

/// The most kinds that can exist, static ones included (`MEMKIND_MAX_KIND`). The three
/// deprecated GBTLB kinds do not count.
pub const MAX: usize = 512;
/// The most dynamic kinds.
pub const MAX_DYNAMIC: usize = MAX - (table::COUNT - 3);
/// Kind numbers are below this.
pub const NUMBERS: usize = table::COUNT + MAX_DYNAMIC;

/// The state of a slot without a kind.
const FREE: u8 = 0;
/// The state of a slot whose kind one thread is making or destroying.
const BUSY: u8 = 1;
/// The state of a slot with a kind that may be used.
const LIVE: u8 = 2;

/// The memory of one kind. All slots are side by side, so that the fast path finds a kind's
/// number from its address.
#[repr(C, align(512))]
struct Slot {
    kind: UnsafeCell<MaybeUninit<Kind>>,
    state: AtomicU8,
}

const _: () = assert!(size_of::<Slot>() == 1 << fast::SLOT_BITS && NUMBERS == KINDS);

// SAFETY: the kind is written only between FREE and LIVE, by the thread that made the
// slot BUSY; after that it is shared as `&Kind`, which is Sync.
unsafe impl Sync for Slot {}

static SLOTS: [Slot; NUMBERS] = {
    let mut slots = [const {
        Slot {
            kind: UnsafeCell::new(MaybeUninit::zeroed()),
            state: AtomicU8::new(FREE),
        }
    }; NUMBERS];
    let mut number = 0;
    while number < table::COUNT {
        let (name, spec) = table::ROWS[number];
        slots[number] = Slot {
            kind: UnsafeCell::new(MaybeUninit::new(Kind::of_row(number as u32, name, spec))),
            state: AtomicU8::new(LIVE),
        };
        number += 1;
    }
    slots
};

impl Slot {
    #[inline]
    fn live(&'static self) -> Option<&'static Kind> {
        if self.state.load(Ordering::Acquire) != LIVE {
            return None;
        }
        // SAFETY: LIVE says that the kind has been written; a
        // program does not use a kind after memkind_destroy_kind.
        Some(unsafe { (*self.kind.get()).assume_init_ref() })
    }
}

/// The address of the kind with this number, whether it lives or not.
pub const fn address(number: usize) -> *const Kind {
    SLOTS[number].kind.get().cast::<Kind>()
}

/// The kind with this number, if it lives.
pub fn by_number(number: usize) -> Option<&'static Kind> {
    SLOTS.get(number)?.live()
}

/// The live kind at this address; `None` for null, a bogus or a destroyed kind.
pub fn by_address(address: *const Kind) -> Option<&'static Kind> {
    let offset = (address as usize).wrapping_sub(SLOTS.as_ptr() as usize);
    let kind = SLOTS.get(offset / size_of::<Slot>())?.live()?;
    core::ptr::eq(kind, address).then_some(kind)
}

/// The static kind with this number, below [`table::COUNT`].
pub fn static_kind(number: usize) -> &'static Kind {
    // SAFETY: static kinds are in their slots from the start and never leave them.
    unsafe { &*static_address(number) }
}

/// The address of the static kind with this number, below [`table::COUNT`].
pub const fn static_address(number: usize) -> *const Kind {
    assert!(number < table::COUNT);
    address(number)
}

/// All static kinds, by number.
pub fn statics() -> impl Iterator<Item = &'static Kind> {
    (0..table::COUNT).map(static_kind)
}

/// The kind that owns the address `ptr`; `None` when the library does not own it.
#[inline]
pub fn detect(ptr: *const u8) -> Option<&'static Kind> {
    // Right for a kind's own heap; a page without an owner gives no number.
    let number = page_map::owner_of_page(ptr as usize).wrapping_sub(1);
    if number >= KINDS {
        return detect_elsewhere(ptr);
    }
    // SAFETY: pages belong only to heaps of live kinds.
    Some(unsafe { &*address(number) })
}

/// The kind that owns the address `ptr`, which is not in a page of a kind's own heap.
#[cold]
#[inline(never)]
fn detect_elsewhere(ptr: *const u8) -> Option<&'static Kind> {
    let number = match heap::blocks::owner(ptr as usize) {
        // MEMKIND_DEFAULT.
        spare::ID => 0,
        id @ 1..=KINDS => id - 1,
        id => places::kind_number(id)?,
    };
    // SAFETY: pages belong only to heaps of live kinds.
    Some(unsafe { &*address(number) })
}

/// All dynamic kinds that live.
pub fn dynamic() -> impl Iterator<Item = &'static Kind> {
    SLOTS[table::COUNT..].iter().filter_map(Slot::live)
}

/// All kinds.
pub fn all() -> impl Iterator<Item = &'static Kind> {
    SLOTS.iter().filter_map(Slot::live)
}

/// Adds a kind; `make` is given its number. Nothing is left behind if it fails.
///
/// # Errors
/// `TooMany` when every number is taken, `Malloc` without memory for records, or the error of
/// `make`.
pub fn add(make: impl FnOnce(u32) -> Result<Kind, Error>) -> Result<&'static Kind, Error> {
    let free = SLOTS.iter().enumerate().find(|(_, slot)| {
        slot.state
            .compare_exchange(FREE, BUSY, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    });
    let Some((index, slot)) = free else {
        log::error!("Attempted to initialize more than maximum ({MAX}) number of kinds.");
        return Err(Error::TooMany);
    };
    match make(index as u32) {
        Ok(kind) => {
            // SAFETY: BUSY makes the slot ours; no reference to its kind exists. Slots are
            // static, and the kind stays there until `remove`.
            let kind: &'static Kind = unsafe { (*slot.kind.get()).write(kind) };
            kind.placed();
            kind.open_dynamic();
            if kind.heap.is_open() {
                slot.state.store(LIVE, Ordering::Release);
                return Ok(kind);
            }
            // SAFETY: the slot is BUSY, so no other thread has seen the kind.
            unsafe { take_down(slot) };
            log::error!("No memory for the records of a kind.");
            Err(Error::Malloc)
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
    let Some(slot) = SLOTS.get(kind.partition()).filter(|_| kind.is_dynamic()) else {
        return;
    };
    checks::forget(&kind.head);
    if slot
        .state
        .compare_exchange(LIVE, BUSY, Ordering::AcqRel, Ordering::Relaxed)
        .is_err()
    {
        return;
    }
    // SAFETY: the slot is BUSY, and no other thread uses the kind now or later.
    unsafe { take_down(slot) };
}

/// Destroys the kind in `slot` with its heap, and frees the slot.
///
/// # Safety
/// The caller has made the slot BUSY; it holds a kind, and no reference to that is used any more.
unsafe fn take_down(slot: &'static Slot) {
    // SAFETY: the slot holds a kind that no other reference uses. Its bytes stay, so that a stale
    // pointer can be recognised.
    unsafe {
        (*slot.kind.get()).assume_init_ref().heap.destroy();
        (*slot.kind.get()).assume_init_drop();
    }
    slot.state.store(FREE, Ordering::Release);
}
