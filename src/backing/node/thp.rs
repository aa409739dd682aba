//! MEMKIND_THP: whether the kernel is asked for transparent huge pages.

use core::sync::atomic::{AtomicU8, Ordering};

use crate::env;
use crate::log::{self, Bytes};

/// What the variable says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Nothing: the system's setting decides.
    System,
    /// Huge pages, also where the system gives them only to those who ask.
    Always,
    /// None, also where the system gives them to everybody.
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
