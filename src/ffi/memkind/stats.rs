//! Statistics.

use core::ffi::{CStr, c_char, c_int, c_void};

use super::super::answer::{kind_of, status};
use super::types::{RawStat, RawStatPrintOptions, memkind_t};
use crate::error::Error;
use crate::heap::je::{self, Stat};
use crate::heap::stats;
use crate::kind::{self, manager};
use crate::log;

/// The code of functions that have no counterpart in pools of TBB.
#[cold]
fn unsupported(what: &str) -> Error {
    log::error!("{what} not supported by TBB");
    Error::OperationFailed
}

/// Takes a new snapshot of all statistics.
///
/// Returns MEMKIND_SUCCESS or MEMKIND_ERROR_OPERATION_FAILED, the latter always with
/// MEMKIND_HEAP_MANAGER=TBB: then the snapshot is of the kinds that jemalloc manages.
/// MT-safe. STANDARD API. See memkind(3), STATISTICS.
#[unsafe(no_mangle)]
pub extern "C" fn memkind_update_cached_stats() -> c_int {
    let done = stats::refresh();
    if manager::uses_tbb() {
        return unsupported("Update cached statistics is").code();
    }
    status(if done {
        Ok(())
    } else {
        Err(Error::OperationFailed)
    })
}

/// Reads a statistic from the last snapshot of memkind_update_cached_stats().
///
/// \param kind   the kind; NULL for the whole library
/// \param stat   which statistic
/// \param value  where the bytes go
///
/// Returns MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for an unknown statistic or kind, and
/// for a kind first used after the snapshot; MEMKIND_ERROR_OPERATION_FAILED with
/// MEMKIND_HEAP_MANAGER=TBB for the whole library and for a kind that TBB manages.
/// MT-safe. STANDARD API. See memkind(3), STATISTICS.
///
/// # Safety
/// `value` must be writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_get_stat(
    kind: memkind_t,
    stat: RawStat,
    value: *mut usize,
) -> c_int {
    let stat = match stat.0 {
        0 => Stat::Resident,
        1 => Stat::Active,
        2 => Stat::Allocated,
        other => {
            log::error!("Unrecognized type of memory statistic {other}");
            return Error::Invalid.code();
        }
    };
    if value.is_null() {
        return Error::Invalid.code();
    }
    let result = if !kind.is_null() {
        kind_of(kind)
            .ok_or(Error::Invalid)
            .and_then(|kind| kind.stat(stat))
    } else if manager::uses_tbb() {
        return unsupported("Get allocator statistic is").code();
    } else {
        kind::stat_of_all(stat)
    };
    let result = result.map_err(|error| match error {
        Error::OperationFailed => unsupported("Get kind statistic is"),
        error => {
            log::error!("Error on getting arena statistic.");
            error
        }
    });
    status(result.map(|bytes| {
        // SAFETY: not null, and writable by the caller's promise.
        unsafe { *value = bytes }
    }))
}

/// Prints statistics of the whole library.
///
/// \param write_cb  function that receives the text in pieces; NULL prints to standard error. It
///                  must not allocate: use write(2) rather than stdio. A C++ exception that leaves it
///                  ends the process.
/// \param cbopaque  first argument of write_cb
/// \param opts      MEMKIND_STAT_PRINT_* combined
///
/// Returns MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for unknown options;
/// MEMKIND_ERROR_OPERATION_FAILED with MEMKIND_HEAP_MANAGER=TBB. MT-safe.
/// STANDARD API. See memkind(3), STATISTICS.
///
/// # Safety
/// `write_cb` must accept `cbopaque`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_stats_print(
    write_cb: Option<unsafe extern "C" fn(*mut c_void, *const c_char)>,
    cbopaque: *mut c_void,
    opts: RawStatPrintOptions,
) -> c_int {
    // jemalloc's letter for each bit. Extents and huge page arenas go together.
    const LETTERS: [&[u8]; 9] = [b"J", b"g", b"m", b"d", b"a", b"b", b"l", b"x", b"eh"];
    if manager::uses_tbb() {
        log::error!("Malloc stats print is not supported in TBB");
        return Error::OperationFailed.code();
    }
    if opts.0 >> LETTERS.len() != 0 {
        log::error!(
            "Printing statistics failed. Unsupported options '{}'",
            opts.0 as c_int
        );
        return Error::Invalid.code();
    }
    let mut text = [0_u8; LETTERS.len() + 2];
    let chosen = LETTERS
        .iter()
        .enumerate()
        .filter(|(bit, _)| opts.0 & (1 << bit) != 0)
        .flat_map(|(_, letters)| letters.iter());
    for (place, letter) in text.iter_mut().zip(chosen) {
        *place = *letter;
    }
    let text = CStr::from_bytes_until_nul(&text).unwrap_or(c"");
    // SAFETY: `write_cb` accepts `cbopaque`.
    unsafe { je::print_stats(write_cb, cbopaque, text) };
    // jemalloc has taken a snapshot, to which the library adds its own figures.
    stats::refresh();
    0
}

/// Starts or stops threads that give unused memory back in the background.
///
/// Returns MEMKIND_SUCCESS or MEMKIND_ERROR_OPERATION_FAILED, the latter always with
/// MEMKIND_HEAP_MANAGER=TBB. MT-safe. STANDARD API. See memkind(3), OTHER FUNCTIONS.
#[unsafe(no_mangle)]
pub extern "C" fn memkind_set_bg_threads(state: bool) -> c_int {
    if manager::uses_tbb() {
        return unsupported("Setting background threads is").code();
    }
    let done = je::set_background_threads(state);
    status(if done {
        Ok(())
    } else {
        Err(Error::OperationFailed)
    })
}
