//! What is known of each block that is checked: a table by the block's address.
//!
//! The table, the lists of freed blocks and the places share one lock, which is held for a few
//! hundred instructions and never while a heap or the program is called. All memory is mapped.

use core::cell::UnsafeCell;
use core::ptr;

use super::record::{Record, State};
use super::ring::{RING, Ring};
use super::trace::{Places, Steps};
use super::trails::Trails;
use crate::backing::map_zeroes;
use crate::heap::lock::{Guard, Lock};

/// What is known of all blocks and objects: a table by address.
pub(super) struct Records {
    slots: *mut Record,
    /// The binary logarithm of the number of slots.
    bits: u32,
    /// The number of slots with a record.
    used: usize,
    /// Blocks that are kept back.
    pub(super) kept: Ring,
    /// Bytes of the blocks that are kept back.
    pub(super) kept_bytes: usize,
    /// Freed blocks with a page without access that are kept back.
    pub(super) kept_guarded: Ring,
    /// Blocks that the heap has again, but of which it is still known that they were freed.
    gone: Ring,
    pub(super) places: Places,
    trails: Trails,
    /// Objects on their way home: a pool that goes waits for its own.
    pub(super) flying: usize,
}

struct Shared(UnsafeCell<Records>);

// SAFETY: used under the lock alone.
unsafe impl Sync for Shared {}

static SHARED: Shared = Shared(UnsafeCell::new(Records {
    slots: ptr::null_mut(),
    bits: 0,
    used: 0,
    kept: Ring::new(),
    kept_bytes: 0,
    kept_guarded: Ring::new(),
    gone: Ring::new(),
    places: Places::new(),
    trails: Trails::new(),
    flying: 0,
}));
static LOCK: Lock = Lock::new();

/// The records while the lock is held.
pub(super) struct Held(#[allow(dead_code, reason = "lets go of the lock")] Guard);

impl core::ops::Deref for Held {
    type Target = Records;
    fn deref(&self) -> &Records {
        // SAFETY: the lock is held as long as `self` lives.
        unsafe { &*SHARED.0.get() }
    }
}

impl core::ops::DerefMut for Held {
    fn deref_mut(&mut self) -> &mut Records {
        // SAFETY: the lock is held as long as `self` lives, and this is its only reference.
        unsafe { &mut *SHARED.0.get() }
    }
}

/// Waits for the records.
pub(super) fn hold() -> Held {
    Held(LOCK.hold())
}

/// The records, unless another thread has them.
pub(super) fn try_hold() -> Option<Held> {
    LOCK.try_hold().map(Held)
}

/// Before fork(2).
pub(super) fn hold_over_fork() {
    LOCK.hold_over_fork();
}

/// After fork(2), in parent and child.
pub(super) fn release() {
    LOCK.release();
}

/// The number of the place where the library was called, in the calling thread.
#[inline(never)]
pub(crate) fn here() -> u32 {
    let stack = stack();
    // SAFETY: this function's frame.
    if let Some(number) = unsafe { hold().trails.find(stack) } {
        return number;
    }
    let steps = Steps::from(stack);
    let mut records = hold();
    let number = records.places.number(&steps.addresses());
    records.trails.note(stack, &steps, number);
    number
}

/// Where the frame of the function that this is written into is.
#[inline(always)]
fn stack() -> usize {
    #[cfg(target_arch = "x86_64")]
    {
        let stack: usize;
        // SAFETY: a register is read.
        unsafe {
            core::arch::asm!("mov {}, rsp", out(reg) stack, options(pure, nomem, nostack));
        }
        stack
    }
    #[cfg(not(target_arch = "x86_64"))]
    0
}

impl Records {
    const fn capacity(&self) -> usize {
        if self.slots.is_null() {
            0
        } else {
            1 << self.bits
        }
    }

    fn start(&self, key: usize) -> usize {
        (!key >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (usize::BITS - self.bits)
    }

    /// The place where a key is, or where it would be put. There is always an empty one.
    fn place(&self, key: usize) -> usize {
        let mask = self.capacity() - 1;
        let mut index = self.start(key);
        loop {
            // SAFETY: an index below the capacity.
            let found = unsafe { (*self.slots.add(index)).key };
            if found == key || found == 0 {
                return index;
            }
            index = (index + 1) & mask;
        }
    }

    /// The record of a block, by its very address.
    pub(super) fn find(&mut self, block: *const u8) -> Option<&mut Record> {
        let key = !block.addr();
        if self.slots.is_null() || key == 0 {
            return None;
        }
        // SAFETY: an index below the capacity; zeroes are a record too.
        let record = unsafe { &mut *self.slots.add(self.place(key)) };
        (record.key == key).then_some(record)
    }

    /// Adds a record, in place of an older one of that address. `false` without memory.
    pub(super) fn insert(&mut self, record: Record) -> bool {
        if (self.used + 1) * 4 > self.capacity() * 3 && !self.grow() {
            return false;
        }
        // SAFETY: an index below the capacity.
        unsafe {
            let slot = self.slots.add(self.place(record.key));
            if (*slot).key == 0 {
                self.used += 1;
            }
            *slot = record;
        }
        true
    }

    fn grow(&mut self) -> bool {
        let (old, count) = (self.slots, self.capacity());
        let bits = if old.is_null() { 12 } else { self.bits + 1 };
        let Some(fresh) = map_zeroes(size_of::<Record>() << bits) else {
            // As long as one place is empty, nothing is lost.
            return self.used + 1 < count;
        };
        self.slots = fresh.cast();
        self.bits = bits;
        for index in 0..count {
            // SAFETY: indices below the old and the new capacity; the old table was mapped so.
            unsafe {
                let record = *old.add(index);
                if record.key != 0 {
                    *self.slots.add(self.place(record.key)) = record;
                }
            }
        }
        if count != 0 {
            // SAFETY: the old table, which no thread looks at any more.
            unsafe { libc::munmap(old.cast(), count * size_of::<Record>()) };
        }
        true
    }

    /// Forgets a block.
    pub(super) fn remove(&mut self, block: *const u8) {
        let key = !block.addr();
        if self.find(block).is_none() {
            return;
        }
        let mask = self.capacity() - 1;
        let mut hole = self.place(key);
        let mut index = hole;
        self.used -= 1;
        loop {
            index = (index + 1) & mask;
            // SAFETY: indices below the capacity.
            unsafe {
                let next = *self.slots.add(index);
                if next.key == 0 {
                    self.slots.add(hole).write_bytes(0, 1);
                    return;
                }
                // One that would be looked for from behind the hole stays.
                let distance = index.wrapping_sub(self.start(next.key)) & mask;
                if distance >= index.wrapping_sub(hole) & mask {
                    *self.slots.add(hole) = next;
                    hole = index;
                }
            }
        }
    }

    /// Notes that the heap has a block again. That it was freed stays known for a while.
    pub(super) fn has_gone(&mut self, record: &Record) {
        let block = record.block();
        self.flying += usize::from(record.home.is_some());
        if let Some(record) = self.find(block) {
            record.set_state(State::Gone);
        }
        if self.gone.len() == RING {
            let oldest = self.gone.pop().unwrap_or(ptr::null_mut());
            if self
                .find(oldest)
                .is_some_and(|record| record.state() == State::Gone)
            {
                self.remove(oldest);
            }
        }
        if !self.gone.push(block) {
            self.remove(block);
        }
    }

    /// All records. Looks at the whole table.
    pub(super) fn all(&self) -> &[Record] {
        if self.slots.is_null() {
            return &[];
        }
        // SAFETY: the table has `capacity` records, empty ones among them.
        unsafe { core::slice::from_raw_parts(self.slots, self.capacity()) }
    }

    /// Notes that another process may write to the blocks of file-backed kinds, and that what
    /// other threads were freeing is lost.
    pub(super) fn after_fork_in_child(&mut self) {
        self.flying = 0;
        if self.slots.is_null() {
            return;
        }
        // SAFETY: the table has `capacity` records, and this is the only reference.
        let all = unsafe { core::slice::from_raw_parts_mut(self.slots, self.capacity()) };
        for record in all {
            record.shared |= record.of_file;
            if record.state() == State::Freeing {
                record.set_state(State::Gone);
            }
        }
    }

    /// The next record that is wanted, with its place, from a place on; then from the first, to
    /// where removing may have moved some.
    pub(super) fn next_where(
        &self,
        from: usize,
        wanted: impl Fn(&Record) -> bool,
    ) -> Option<(usize, Record)> {
        let wanted = |(_, record): &(usize, &Record)| record.is_used() && wanted(record);
        let all = || self.all().iter().enumerate();
        let found = all().skip(from).find(wanted).or_else(|| all().find(wanted));
        found.map(|(index, record)| (index, *record))
    }

    /// The block that an address lies in, or beside which it lies: live ones first.
    pub(super) fn around(&self, address: usize) -> Option<Record> {
        let near = |record: &&Record| {
            record.is_used() && (record.base().addr()..record.end()).contains(&address)
        };
        self.all()
            .iter()
            .filter(near)
            .min_by_key(|record| record.state)
            .copied()
    }
}
