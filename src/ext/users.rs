//! The number of regions and pools on each kind, which can only be destroyed after them.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, Ordering};

use crate::kind::{Kind, registry};

static USERS: [AtomicU32; registry::NUMBERS] = [const { AtomicU32::new(0) }; registry::NUMBERS];

fn of(kind: &Kind) -> &'static AtomicU32 {
    &USERS[kind.partition()]
}

/// Counts a new region or pool on the kind.
pub(super) fn add(kind: &Kind) {
    of(kind).fetch_add(1, Ordering::Relaxed);
}

/// Counts a destroyed region or pool on the kind.
pub(super) fn remove(kind: &Kind) {
    of(kind).fetch_sub(1, Ordering::Release);
}

/// Whether any region or pool stands on the kind.
pub fn any(kind: &Kind) -> bool {
    of(kind).load(Ordering::Acquire) != 0
}
