//! The exported C functions: check arguments, call the core, turn `Error` into the C code and errno.

pub mod memtier;

use crate::kind::{self, Kind};

/// A kind of memory; C programs hold its address.
#[allow(non_camel_case_types, reason = "the name in C")]
#[allow(dead_code, reason = "only its address is used")]
pub struct memkind(Kind);

/// A kind, as C programs name it.
#[allow(non_camel_case_types, reason = "the name in C")]
pub type memkind_t = *mut memkind;

/// The live kind behind the handle.
pub(crate) fn to_kind(kind: memkind_t) -> Option<&'static Kind> {
    kind::from_ptr(kind.cast_const().cast())
}
