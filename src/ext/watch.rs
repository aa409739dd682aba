//! What is checked of vectors, streams and regions, and what of them is alive, under one lock. A kind, a
//! heap or the program is never called while it is held.

use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};

use super::record_table::Records;
use super::vector_table::Table;
use crate::heap::lock::{Guard, Lock};

/// The vectors, streams and regions that are checked.
pub(super) struct Watched {
    pub(super) vectors: Table,
    pub(super) streams: Records,
    pub(super) regions: Records,
}

struct Shared(UnsafeCell<Watched>);

// SAFETY: used under the lock alone.
unsafe impl Sync for Shared {}

static SHARED: Shared = Shared(UnsafeCell::new(Watched {
    vectors: Table::new(),
    streams: Records::new(),
    regions: Records::new(),
}));
static LOCK: Lock = Lock::new();

/// Access to what is checked, while the lock is held.
pub(super) struct Held(#[allow(dead_code, reason = "lets go of the lock")] Guard);

impl Deref for Held {
    type Target = Watched;
    fn deref(&self) -> &Watched {
        // SAFETY: the lock is held as long as `self` lives.
        unsafe { &*SHARED.0.get() }
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut Watched {
        // SAFETY: the lock is held as long as `self` lives, and this is its only reference.
        unsafe { &mut *SHARED.0.get() }
    }
}

/// Waits for the lock and takes it.
pub(super) fn hold() -> Held {
    Held(LOCK.hold())
}

/// Takes the lock before fork(2), so that nothing is half changed in the child.
pub fn prepare_fork() {
    LOCK.hold_over_fork();
}

/// Lets go of the lock in the parent after fork(2).
pub fn release_after_fork() {
    LOCK.release();
}

/// Notes, in a child just forked, that all vectors are copies of the parent's, and lets go of the lock.
/// The child's thread may use LOCAL ones of any thread.
pub fn after_fork_in_child() {
    // SAFETY: held since `prepare_fork`, by the only thread there is.
    unsafe { (*SHARED.0.get()).vectors.inherit() };
    LOCK.release();
}
