//! MEMKIND_INTERLEAVE: interleaving by the kernel's weights instead of in turn.

use core::ffi::CStr;
use core::sync::atomic::{AtomicU8, Ordering};

use crate::backing;
use crate::env;
use crate::error::Error;
use crate::log::{self, Bytes};

/// The value that asks for weights.
pub const BY_WEIGHT: &CStr = c"weighted";

const UNREAD: u8 = 0;
const READ: u8 = 1;
const MALFORMED: u8 = 2;
/// Whether the variable has been read, and was well-formed.
static STATE: AtomicU8 = AtomicU8::new(UNREAD);

/// Reads the variable at the first call, before memory is interleaved.
///
/// # Errors
/// [`Error::Environ`] for an unknown value.
pub fn heed() -> Result<(), Error> {
    let state = match STATE.load(Ordering::Acquire) {
        UNREAD => read(),
        state => state,
    };
    if state == MALFORMED {
        return Err(Error::Environ);
    }
    Ok(())
}

/// Whether memory is interleaved by weights; known after [`heed`].
pub fn in_use() -> bool {
    backing::interleaves_by_weights()
}

/// Reads the variable into [`STATE`]. Threads that read at the same time find the same value.
#[cold]
fn read() -> u8 {
    let value = env::get(env::INTERLEAVE).unwrap_or_default();
    let weighted = value == BY_WEIGHT;
    let known = weighted && backing::interleave_by_weights();
    let state = match weighted || value.is_empty() {
        true => READ,
        false => MALFORMED,
    };
    let first = STATE.compare_exchange(UNREAD, state, Ordering::Release, Ordering::Relaxed);
    if first.is_ok() && state == MALFORMED {
        log::error!(
            "Environment variable MEMKIND_INTERLEAVE is \"{}\"; its one value is \"weighted\".",
            Bytes(value.to_bytes())
        );
    }
    if first.is_ok() && weighted && !known {
        log::error!(
            "MEMKIND_INTERLEAVE=weighted has no effect: this kernel cannot interleave by weights (MPOL_WEIGHTED_INTERLEAVE, Linux 6.9)."
        );
    }
    state
}
