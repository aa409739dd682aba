//! How many regions and pools stand on each kind: it cannot be destroyed before them.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, Ordering};

use crate::kind::{Kind, registry};

static USERS: [AtomicU32; registry::NUMBERS] = [const { AtomicU32::new(0) }; registry::NUMBERS];

fn of(kind: &Kind) -> &'static AtomicU32 {
    &USERS[kind.partition()]
}

/// Counts one more on the kind.
pub(super) fn add(kind: &Kind) {
    of(kind).fetch_add(1, Ordering::Relaxed);
}

/// Counts one less.
pub(super) fn remove(kind: &Kind) {
    of(kind).fetch_sub(1, Ordering::Release);
}

/// Whether any region or pool stands on the kind.
pub fn any(kind: &Kind) -> bool {
    of(kind).load(Ordering::Acquire) != 0
}
