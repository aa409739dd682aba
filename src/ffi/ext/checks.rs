//! Checks of what a program does with blocks, for memkind_ext.h.

use core::ffi::{c_char, c_int, c_uint, c_void};

use super::super::answer::kind_of;
use super::super::memkind::memkind_t;
use crate::error::Error;
use crate::ext::alive;
use crate::kind::checks;
use crate::log::{Line, refused};

/// What is looked at in blocks of all kinds; combined by |. See memkind_set_checks().
#[repr(C)]
#[allow(
    non_camel_case_types,
    clippy::upper_case_acronyms,
    reason = "the C names"
)]
pub enum memkind_check_t {
    /// Blocks that are freed twice, and addresses that are freed but are no blocks.
    MEMKIND_CHECK_FREE = 1,
    /// Writes before and behind a block, noticed when it is freed or resized, by
    /// memkind_report(), and at exit.
    MEMKIND_CHECK_OVERFLOW = 2,
    /// Writes into freed blocks of up to 1 MiB: the last 16 MiB of them are kept back and
    /// looked at before they are used again.
    MEMKIND_CHECK_USE = 4,
    /// What is alive at exit, and in a kind when it is destroyed, is listed.
    MEMKIND_CHECK_LEAK = 8,
    /// One block in 1000 (or as MEMKIND_CHECKS=guard=N says) lies before a page without
    /// access: reading and writing behind it is SIGSEGV, and so is its use when it is freed.
    /// Not in kinds with huge pages.
    MEMKIND_CHECK_GUARD = 16,
    /// All checks.
    MEMKIND_CHECK_ALL = 31,
}

/// Turns checks on for all kinds, as MEMKIND_CHECKS does.
///
/// A fault is described on standard error, and the process ends by abort(3): see
/// memkind_checks(3).
///
/// \param checks MEMKIND_CHECK_* combined by |; 0 changes nothing
/// \return MEMKIND_SUCCESS; MEMKIND_ERROR_INVALID for unknown checks;
///         MEMKIND_ERROR_OPERATION_FAILED when something has been allocated by this library, or
///         MEMKIND_CHECKS is set; MEMKIND_ERROR_MALLOC without memory
/// \note not MT-safe: call it before other threads allocate
/// \note EXPERIMENTAL API
#[unsafe(no_mangle)]
pub extern "C" fn memkind_set_checks(checks: c_uint) -> c_int {
    match checks::set(checks) {
        Ok(()) => 0,
        Err(Error::NoMemory) => Error::Malloc.code(),
        Err(Error::Invalid) => refused!(
            Error::Invalid.code(),
            "Cannot set checks: {checks:#x} has unknown ones."
        ),
        Err(error) => refused!(
            error.code(),
            "Cannot set checks: memory has been allocated before, or MEMKIND_CHECKS is set."
        ),
    }
}

/// Looks at all blocks that are checked, describes what is wrong, and lists what is alive by
/// kind and place of allocation: blocks, objects, vectors, and regions by the place where they were
/// made, with the number and bytes of their blocks. Writes outside of a region's blocks are found when
/// the region is rewound, reset or destroyed, not here. Does not end the process.
///
/// \param kind     the kind, or NULL for all
/// \param write_cb is given the text line by line, each with its newline; NULL writes to standard
///                 error. It may allocate and free.
/// \param context  passed to write_cb
/// \return the number of blocks something is wrong with, or MEMKIND_ERROR_INVALID for what is
///         not a living kind, MEMKIND_ERROR_OPERATION_FAILED when no checks are on,
///         MEMKIND_ERROR_MALLOC without memory for the list
/// \note MT-safe
/// \note EXPERIMENTAL API
///
/// # Safety
/// `write_cb` must accept `context`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_report(
    kind: memkind_t,
    write_cb: Option<unsafe extern "C" fn(context: *mut c_void, text: *const c_char)>,
    context: *mut c_void,
) -> c_int {
    let found = kind_of(kind);
    if found.is_none() && !kind.is_null() {
        return Error::Invalid.code();
    }
    let mut write = |line: &mut Line| match write_cb {
        // SAFETY: the program's function takes this context; the text is a string.
        Some(write) => line.with_c_text(|text| unsafe { write(context, text.as_ptr()) }),
        None => line.write(),
    };
    match checks::report(found.map(|kind| &kind.head), &mut write) {
        Ok(faults) => {
            alive::tell_alive(found.map(|kind| &kind.head), &mut write);
            c_int::try_from(faults).unwrap_or(c_int::MAX)
        }
        Err(Error::NoMemory) => Error::Malloc.code(),
        Err(error) => error.code(),
    }
}
