//! The static kinds, one row each (memkind(3), KINDS).
//!
//! Availability, capacity, mapping flags and policy all follow from a row. A new
//! static kind is a new row here, a variable in `ffi` and a line in exports.txt.

use super::spec::{From, Source, Spec};
use crate::backing::PageSize::{Base, Huge1G, Huge2M};
use crate::backing::TransparentHuge::{AsSystem, Never};
use crate::backing::{Bind, PageSize, TransparentHuge};
use crate::topology::Attribute::{Bandwidth, Capacity, Latency};
use crate::topology::Nodes::{Best, DaxKmem, HighBandwidth, MostCapacity, WithCpus};
use crate::topology::Reach::{All, Local};
use crate::topology::Take::{Many, One};
use crate::topology::{Choice, Nodes, Reach, Take};

/// Number of static kinds.
pub const COUNT: usize = 26;

/// The static kinds: name, nodes, policy, page, transparent huge pages. The position is
/// the kind's number.
#[rustfmt::skip]
pub(super) const ROWS: [(&str, Spec); COUNT] = [
    ("memkind_default", SYSTEM),
    row("memkind_hbw", of(HighBandwidth, Local, Many), Bind::Bind, Base, AsSystem),
    row("memkind_hbw_hugetlb", of(HighBandwidth, Local, Many), Bind::Bind, Huge2M, AsSystem),
    row("memkind_hbw_preferred", of(HighBandwidth, Local, One), Bind::Preferred, Base, AsSystem),
    row("memkind_hbw_preferred_hugetlb", of(HighBandwidth, Local, One), Bind::Preferred, Huge2M, AsSystem),
    row("memkind_hugetlb", From::Any, Bind::None, Huge2M, AsSystem),
    row("memkind_hbw_gbtlb", of(HighBandwidth, Local, Many), Bind::Bind, Huge1G, AsSystem),
    row("memkind_hbw_preferred_gbtlb", of(HighBandwidth, Local, One), Bind::Preferred, Huge1G, AsSystem),
    row("memkind_gbtlb", From::Any, Bind::None, Huge1G, AsSystem),
    row("memkind_hbw_interleave", of(HighBandwidth, All, Many), Bind::Interleave, Base, Never),
    row("memkind_interleave", From::Any, Bind::Interleave, Base, Never),
    row("memkind_regular", of(WithCpus, All, Many), Bind::Bind, Base, AsSystem),
    row("memkind_hbw_all", of(HighBandwidth, All, Many), Bind::Bind, Base, AsSystem),
    row("memkind_hbw_all_hugetlb", of(HighBandwidth, All, Many), Bind::Bind, Huge2M, AsSystem),
    row("memkind_dax_kmem", of(DaxKmem, Local, Many), Bind::Bind, Base, AsSystem),
    row("memkind_dax_kmem_all", of(DaxKmem, All, Many), Bind::Bind, Base, AsSystem),
    row("memkind_dax_kmem_preferred", of(DaxKmem, Local, One), Bind::Preferred, Base, AsSystem),
    row("memkind_dax_kmem_interleave", of(DaxKmem, All, Many), Bind::Interleave, Base, AsSystem),
    row("memkind_highest_capacity", of(MostCapacity, All, Many), Bind::Bind, Base, AsSystem),
    row("memkind_highest_capacity_preferred", of(MostCapacity, All, One), Bind::Preferred, Base, AsSystem),
    row("memkind_highest_capacity_local", of(Best(Capacity), Local, Many), Bind::Bind, Base, AsSystem),
    row("memkind_highest_capacity_local_preferred", of(Best(Capacity), Local, Many), Bind::Preferred, Base, AsSystem),
    row("memkind_lowest_latency_local", of(Best(Latency), Local, Many), Bind::Bind, Base, AsSystem),
    row("memkind_lowest_latency_local_preferred", of(Best(Latency), Local, Many), Bind::Preferred, Base, AsSystem),
    row("memkind_highest_bandwidth_local", of(Best(Bandwidth), Local, Many), Bind::Bind, Base, AsSystem),
    row("memkind_highest_bandwidth_local_preferred", of(Best(Bandwidth), Local, Many), Bind::Preferred, Base, AsSystem),
];

/// MEMKIND_DEFAULT: standard memory, no policy.
const SYSTEM: Spec = Spec {
    source: Source::System,
    from: From::Any,
    bind: Bind::None,
    page: Base,
    thp: AsSystem,
};

const fn of(nodes: Nodes, reach: Reach, take: Take) -> From {
    From::Chosen(Choice::new(nodes, reach, take))
}

const fn row(
    name: &'static str,
    from: From,
    bind: Bind,
    page: PageSize,
    thp: TransparentHuge,
) -> (&'static str, Spec) {
    let spec = Spec {
        source: Source::Anonymous,
        from,
        bind,
        page,
        thp,
    };
    (name, spec)
}
