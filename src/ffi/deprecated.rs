//! memkind_deprecated.h (the header is written by hand).

use core::ffi::c_int;

use super::answer::{handle_at, handle_of};
use super::memkind::memkind_t;
use crate::error::Error;
use crate::kind::registry;

/// Deprecated: huge pages of high-bandwidth memory in mappings of whole GiB.
#[unsafe(no_mangle)]
pub static mut MEMKIND_HBW_GBTLB: memkind_t = handle_at(6);
/// Deprecated: MEMKIND_HBW_PREFERRED in mappings of whole GiB of huge pages.
#[unsafe(no_mangle)]
pub static mut MEMKIND_HBW_PREFERRED_GBTLB: memkind_t = handle_at(7);
/// Deprecated: huge pages in mappings of whole GiB.
#[unsafe(no_mangle)]
pub static mut MEMKIND_GBTLB: memkind_t = handle_at(8);

/// Stores the kind with the number `partition` in `kind`. Returns MEMKIND_SUCCESS;
/// MEMKIND_ERROR_UNAVAILABLE when there is none, or `kind` is NULL.
///
/// # Safety
/// `kind` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memkind_get_kind_by_partition(
    partition: c_int,
    kind: *mut memkind_t,
) -> c_int {
    let found = usize::try_from(partition)
        .ok()
        .and_then(registry::by_number);
    match found {
        Some(found) if !kind.is_null() => {
            // SAFETY: not null, and writable by the caller's promise.
            unsafe { *kind = handle_of(found) };
            0
        }
        _ => Error::Unavailable.code(),
    }
}
