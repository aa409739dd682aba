//! The library's handlers for fork(2). jemalloc has registered its own before.

pub(crate) type Handler = unsafe extern "C" fn();

/// Whether jemalloc's handlers are called by the library's.
pub(crate) const ARE_KEPT: bool = false;

/// Registers the library's own handlers, functions that are never unloaded.
pub(crate) fn handle(prepare: Handler, parent: Handler, child: Handler) {
    // SAFETY: the three functions are never unloaded.
    unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) };
}

/// Before a fork: nothing.
pub(crate) fn prepare() {}

/// Does nothing in the parent after a fork.
pub(crate) fn in_parent() {}

/// Does nothing in a child just forked.
pub(crate) fn in_child() {}
