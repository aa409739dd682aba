//! One thread-local pointer, as Rust makes it: for processors for which `tls.rs` has
//! no instructions. The fast paths stay off.

use core::cell::Cell;

use super::record::{EMPTY, Thread};

thread_local! {
    static CURRENT: Cell<*const Thread> = const { Cell::new(&raw const EMPTY) };
}

/// The fast paths may not be used.
pub(crate) fn prepare() -> bool {
    false
}

/// [`current`]: there is no faster way. Not used, as `prepare` has answered false.
pub(crate) fn current_fast() -> *const Thread {
    current()
}

/// Not found the fast way.
pub(crate) fn current_if_fast() -> Option<*const Thread> {
    None
}

/// The thread's record.
pub(crate) fn current() -> *const Thread {
    CURRENT.get()
}

/// Sets the thread's record.
pub(crate) fn set_current(thread: *const Thread) {
    CURRENT.set(thread);
}
