//! Whether the kernel is asked for transparent huge pages: by MEMKIND_THP and by the kind.

use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use crate::backing::base::{UNIT, page_size};
use crate::env;
use crate::log::{self, Bytes};
use crate::topology::Left;

/// What the variable says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The variable asks for nothing: the system's setting decides.
    System,
    /// Huge pages, also where the system gives them only to those who ask.
    Always,
    /// No huge pages, also where the system gives them to all.
    Never,
}

const UNREAD: u8 = 0;
/// What has been read, plus 1.
static STATE: AtomicU8 = AtomicU8::new(UNREAD);

/// What the variable says; it is read at the first call, when the first kind takes memory.
pub fn wanted() -> Wanted {
    let state = match STATE.load(Ordering::Relaxed) {
        UNREAD => read(),
        state => state,
    };
    match state - 1 {
        0 => Wanted::System,
        1 => Wanted::Always,
        _ => Wanted::Never,
    }
}

/// Whether the kernel may use transparent huge pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransparentHuge {
    /// The kernel decides, by the system's settings.
    AsSystem,
    /// Never: pages must alternate between nodes.
    Never,
}

impl TransparentHuge {
    /// What is asked of the kernel for mappings of a kind of ordinary pages.
    pub fn wanted(self) -> Wanted {
        match self {
            Self::AsSystem => wanted(),
            Self::Never => Wanted::Never,
        }
    }
}

/// Bytes of a transparent huge page; `usize::MAX` before the kernel is asked.
static SIZE: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Whether the kernel's transparent huge pages are larger than the units in which memory of nodes
/// is counted: 32 MiB with pages of 16 KiB, 512 MiB with pages of 64 KiB. One touch of memory that
/// is counted would take more than it was promised, so there are none.
pub(super) fn are_too_large() -> bool {
    if page_size() == 4096 {
        return false;
    }
    let mut size = SIZE.load(Ordering::Relaxed);
    if size == usize::MAX {
        size = Left::HOST.huge_page_size();
        SIZE.store(size, Ordering::Relaxed);
    }
    size > UNIT
}

#[cold]
fn read() -> u8 {
    let value = env::get(env::THP).unwrap_or_default();
    let known = match value.to_bytes() {
        b"" | b"system" => Some(1),
        b"always" => Some(2),
        b"never" => Some(3),
        _ => None,
    };
    let state = known.unwrap_or(1);
    let first = STATE.compare_exchange(UNREAD, state, Ordering::Relaxed, Ordering::Relaxed);
    if first.is_ok() && known.is_none() {
        log::error!(
            "Environment variable MEMKIND_THP is \"{}\" and has no effect; its values are \"system\", \"always\" and \"never\".",
            Bytes(value.to_bytes())
        );
    }
    state
}
