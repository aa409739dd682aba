//! jemalloc's handlers for fork(2), which it registers when it starts. The library's own call
//! them: whenever jemalloc starts, its locks are taken last and released first.

use core::ffi::{c_int, c_void};
use core::mem::transmute;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

pub(crate) type Handler = unsafe extern "C" fn();

/// Whether jemalloc's handlers are called by the library's.
pub(crate) const ARE_KEPT: bool = true;

unsafe extern "C" {
    fn __register_atfork(
        prepare: Option<Handler>,
        parent: Option<Handler>,
        child: Option<Handler>,
        library: *mut c_void,
    ) -> c_int;
}

/// jemalloc's handlers for before the fork, the parent and the child; null before it has started.
static KEPT: [AtomicPtr<c_void>; 3] = [const { AtomicPtr::new(ptr::null_mut()) }; 3];
/// Whether jemalloc's first handler has been called in the fork that is going on, whose thread alone
/// uses this.
static PREPARED: AtomicBool = AtomicBool::new(false);

/// What jemalloc calls as pthread_atfork(3).
pub(super) extern "C" fn keep(
    prepare: Option<Handler>,
    parent: Option<Handler>,
    child: Option<Handler>,
) -> c_int {
    // The first comes last: who sees it sees the others.
    for (place, handler) in KEPT.iter().zip([prepare, parent, child]).rev() {
        let address = handler.map_or(ptr::null_mut(), |handler| handler as *mut c_void);
        place.store(address, Ordering::Release);
    }
    0
}

fn call(place: usize) {
    let handler = KEPT[place].load(Ordering::Acquire);
    // SAFETY: null or a function that `keep` was given.
    if let Some(handler) = unsafe { transmute::<*mut c_void, Option<Handler>>(handler) } {
        // SAFETY: in the middle of a fork, as the handlers expect.
        unsafe { handler() };
    }
}

/// Registers the library's own handlers, functions that are never unloaded.
pub(crate) fn handle(prepare: Handler, parent: Handler, child: Handler) {
    let (prepare, parent, child) = (Some(prepare), Some(parent), Some(child));
    // SAFETY: handlers without a library are never taken out again.
    unsafe { __register_atfork(prepare, parent, child, ptr::null_mut()) };
}

/// Calls jemalloc's handler for before a fork, if jemalloc has started.
pub(crate) fn prepare() {
    let started = !KEPT[0].load(Ordering::Acquire).is_null();
    PREPARED.store(started, Ordering::Relaxed);
    call(0);
}

/// Calls jemalloc's handler for the parent after a fork.
pub(crate) fn in_parent() {
    if PREPARED.swap(false, Ordering::Relaxed) {
        call(1);
    }
}

/// Calls jemalloc's handler for a child just forked.
pub(crate) fn in_child() {
    if PREPARED.swap(false, Ordering::Relaxed) {
        call(2);
    }
}
