//! The static kinds by name, as settings spell them.

use crate::c::Kind;

/// A name and the exported variable that holds the kind.
struct Named {
    name: &'static str,
    kind: *const Kind,
}

// SAFETY: the pointers are to exported variables that never change.
unsafe impl Sync for Named {}

macro_rules! table {
    ($($variable:ident $name:literal)*) => {
        unsafe extern "C" { $(static $variable: Kind;)* }
        static KINDS: &[Named] = &[$(Named { name: $name, kind: &raw const $variable }),*];
    };
}

table! {
    MEMKIND_DEFAULT "memkind_default"
    MEMKIND_HUGETLB "memkind_hugetlb"
    MEMKIND_INTERLEAVE "memkind_interleave"
    MEMKIND_REGULAR "memkind_regular"
    MEMKIND_HBW "memkind_hbw"
    MEMKIND_HBW_ALL "memkind_hbw_all"
    MEMKIND_HBW_HUGETLB "memkind_hbw_hugetlb"
    MEMKIND_HBW_ALL_HUGETLB "memkind_hbw_all_hugetlb"
    MEMKIND_HBW_PREFERRED "memkind_hbw_preferred"
    MEMKIND_HBW_PREFERRED_HUGETLB "memkind_hbw_preferred_hugetlb"
    MEMKIND_HBW_INTERLEAVE "memkind_hbw_interleave"
    MEMKIND_GBTLB "memkind_gbtlb"
    MEMKIND_HBW_GBTLB "memkind_hbw_gbtlb"
    MEMKIND_HBW_PREFERRED_GBTLB "memkind_hbw_preferred_gbtlb"
    MEMKIND_DAX_KMEM "memkind_dax_kmem"
    MEMKIND_DAX_KMEM_ALL "memkind_dax_kmem_all"
    MEMKIND_DAX_KMEM_PREFERRED "memkind_dax_kmem_preferred"
    MEMKIND_DAX_KMEM_INTERLEAVE "memkind_dax_kmem_interleave"
    MEMKIND_HIGHEST_CAPACITY "memkind_highest_capacity"
    MEMKIND_HIGHEST_CAPACITY_PREFERRED "memkind_highest_capacity_preferred"
    MEMKIND_HIGHEST_CAPACITY_LOCAL "memkind_highest_capacity_local"
    MEMKIND_HIGHEST_CAPACITY_LOCAL_PREFERRED "memkind_highest_capacity_local_preferred"
    MEMKIND_LOWEST_LATENCY_LOCAL "memkind_lowest_latency_local"
    MEMKIND_LOWEST_LATENCY_LOCAL_PREFERRED "memkind_lowest_latency_local_preferred"
    MEMKIND_HIGHEST_BANDWIDTH_LOCAL "memkind_highest_bandwidth_local"
    MEMKIND_HIGHEST_BANDWIDTH_LOCAL_PREFERRED "memkind_highest_bandwidth_local_preferred"
}

fn find(is_it: impl Fn(&str) -> bool) -> Option<(&'static str, Kind)> {
    let found = KINDS.iter().find(|named| is_it(named.name))?;
    // SAFETY: the exported variable is initialised and never changes.
    Some((found.name, unsafe { *found.kind }))
}

/// The kind of exactly this name.
pub fn by_name(name: &[u8]) -> Option<(&'static str, Kind)> {
    find(|known| known.as_bytes() == name)
}

/// The kind of this name, in upper or lower case.
pub fn by_name_any_case(name: &[u8]) -> Option<(&'static str, Kind)> {
    find(|known| known.as_bytes().eq_ignore_ascii_case(name))
}
