//! One thread-local pointer, in two instructions where the loader allows it.
//!
//! The variable uses TLS descriptors, so the library can be dlopened however much
//! static TLS is in use. If the loader placed it in static TLS (as it does for a
//! library that is linked or preloaded), the descriptor's resolver is the two
//! instructions that load and return the constant beside it, which is read once and used from
//! then on. Otherwise the descriptor is called each time.
//!
//! Behind the pointer is a word that `sys/held.rs` has in static TLS.

#[cfg_attr(target_arch = "aarch64", path = "tls/aarch64.rs")]
#[cfg_attr(target_arch = "x86_64", path = "tls/x86_64.rs")]
mod variable;

use core::sync::atomic::{AtomicUsize, Ordering};

use super::record::Thread;
use crate::sys::{held, thread_local};
use variable::{at, static_distance};

/// Distance of the variable from the thread pointer; 0 while unknown.
static DISTANCE: AtomicUsize = AtomicUsize::new(0);

/// Whether [`current_fast`] may be used.
pub(crate) fn prepare() -> bool {
    let distance = static_distance();
    DISTANCE.store(distance, Ordering::Relaxed);
    if distance != 0 {
        held::prepare(distance.wrapping_add(size_of::<*const Thread>()));
    }
    distance != 0
}

/// The thread's record, if `prepare` has answered true.
#[inline(always)]
pub(crate) fn current_fast() -> *const Thread {
    at(DISTANCE.load(Ordering::Relaxed))
}

/// The thread's record if the fast way leads to it.
#[inline(always)]
pub(crate) fn current_if_fast() -> Option<*const Thread> {
    let distance = DISTANCE.load(Ordering::Relaxed);
    (distance != 0).then(|| at(distance))
}

/// Address of the variable in the calling thread.
fn variable() -> *mut *const Thread {
    // SAFETY: the variable of [`mod@variable`], which is a pointer to the thread's record.
    unsafe { thread_local::address!("memkind_thread").cast() }
}

/// The thread's record.
pub(crate) fn current() -> *const Thread {
    if DISTANCE.load(Ordering::Relaxed) != 0 {
        return current_fast();
    }
    // SAFETY: our own variable, which only this thread uses.
    unsafe { *variable() }
}

/// Sets the thread's record.
pub(crate) fn set_current(thread: *const Thread) {
    // SAFETY: our own variable, which only this thread uses.
    unsafe { *variable() = thread }
}
