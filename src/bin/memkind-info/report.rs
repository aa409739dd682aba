//! Gathers the report: facts of the nodes, and for each kind its nodes or the reason for having none.
//!
//! The kinds are the library's own rows, so a new kind appears without a change here.

use std::ffi::CStr;
use std::path::Path;

use memkind::backing::thp::Wanted;
use memkind::backing::{Bind, PageSize};
use memkind::env;
use memkind::kind::spec::{From, Spec};
use memkind::kind::{registry, weights};
use memkind::topology::huge;
use memkind::topology::nodes::{Attributes, Node};
use memkind::topology::select;
use memkind::topology::sysfs::{Memory, Sysfs};
use memkind::topology::{self, NodeMask, Targets};

use crate::source::{HUGE_PAGE, Limit, Source};
use crate::why::{Question, Reason};

/// The whole report.
pub(crate) struct Report {
    /// The nodes, by number.
    pub(crate) nodes: Vec<NodeRow>,
    /// The static kinds, by number.
    pub(crate) kinds: Vec<KindRow>,
    /// Bytes in 2 MiB pages of all nodes.
    pub(crate) huge_pages: u64,
    /// The limits of the control groups of this process.
    pub(crate) limits: Vec<Limit>,
    /// The environment variables that are set and concern the report.
    pub(crate) variables: Vec<Variable>,
}

/// An environment variable that is set and concerns the report.
pub(crate) struct Variable {
    /// Name of the variable.
    pub(crate) name: String,
    /// Value of the variable.
    pub(crate) value: String,
    /// Why the variable has no effect; empty if it has one.
    pub(crate) remark: &'static str,
}

/// A node.
pub(crate) struct NodeRow {
    /// The kernel's number of the node.
    pub(crate) number: u16,
    /// Numbers of the node's CPUs.
    pub(crate) cpus: Vec<usize>,
    /// Memory of the node, in bytes.
    pub(crate) memory: Memory,
    /// The kernel's rank of the memory; a smaller number is faster.
    pub(crate) tier: Option<u32>,
    /// Whether the cpuset of this process has the node.
    pub(crate) allowed: bool,
    /// Whether the memory is a DAX device.
    pub(crate) dax_kmem: bool,
    /// Highest known bandwidth in MiB/s, after the node whose CPUs have it.
    pub(crate) bandwidth: Option<(u16, u64)>,
    /// Lowest known latency in ns, after the node whose CPUs have it.
    pub(crate) latency: Option<(u16, u64)>,
}

/// The places of a kind as (CPUs, nodes).
pub(crate) type Places = Vec<(Vec<usize>, NodeMask)>;

/// A kind.
pub(crate) struct KindRow {
    /// Name of the kind in C, without MEMKIND_.
    pub(crate) name: String,
    /// The mode of mbind(2); if CPUs have different ones, that for several nodes.
    pub(crate) policy: &'static str,
    /// Bytes of one page of the kind.
    pub(crate) page_bytes: u64,
    /// What the kernel is asked about transparent huge pages for its memory.
    pub(crate) thp: Wanted,
    /// The nodes for each group of CPUs, or the reason for having none.
    pub(crate) places: Result<Places, Reason>,
    /// Memory of all nodes of the kind, in bytes: of a kind with huge pages, those pages. Not
    /// more than a limit allows.
    pub(crate) memory: Memory,
    /// Path of the file with the limit, if the capacity is one.
    pub(crate) limit: Option<String>,
}

impl Report {
    /// Reports on this machine, as a program with this environment finds it.
    ///
    /// # Errors
    /// A sentence for the user when the nodes cannot be read.
    pub(crate) fn of_host() -> Result<Self, String> {
        Ok(Self::of(&Source::host()?))
    }

    /// Reports on the machine whose `/sys` was copied to `dir`, without a cpuset.
    ///
    /// # Errors
    /// A sentence for the user when `dir` has no nodes.
    pub(crate) fn of_tree(dir: &str) -> Result<Self, String> {
        let sysfs = &Sysfs::at(dir);
        let machine = Source::machine_of(dir, sysfs)?;
        Ok(Self::of(&Source::tree(Path::new(dir), sysfs, &machine)))
    }

    fn of(source: &Source<'_>) -> Self {
        let nothing = Attributes::default();
        let attributes = topology::attributes().unwrap_or(&nothing);
        let tiers = source.tiers();
        let nodes = source.machine.nodes.iter();
        Self {
            nodes: nodes
                .map(|node| node_row(source, node, attributes, &tiers))
                .collect(),
            kinds: registry::statics()
                .map(|kind| kind_row(source, kind.name(), &kind.spec))
                .collect(),
            huge_pages: huge::capacity(source.sysfs),
            limits: source.limits.clone(),
            variables: variables(),
        }
    }
}

/// The environment variables that are set and concern the report.
fn variables() -> Vec<Variable> {
    let remark = |name, value: &CStr| {
        if name == env::PREFERRED_TIES && value == select::TIES_MANY && !topology::prefers_many() {
            "no effect: to prefer several nodes takes Linux 5.15"
        } else if name == env::INTERLEAVE && value == weights::BY_WEIGHT && !weights::in_use() {
            "no effect: interleaving by weights takes Linux 6.9"
        } else {
            ""
        }
    };
    let variable = |name: &'static CStr| {
        let value = env::get(name)?;
        Some(Variable {
            name: name.to_string_lossy().into_owned(),
            value: value.to_string_lossy().into_owned(),
            remark: remark(name, value),
        })
    };
    let names = [
        env::HBW_NODES,
        env::HBW_THRESHOLD,
        env::DAX_KMEM_NODES,
        env::PREFERRED_TIES,
        env::INTERLEAVE,
        env::THP,
    ];
    names.into_iter().filter_map(variable).collect()
}

/// The row of `node`.
fn node_row(
    source: &Source<'_>,
    node: &Node,
    attributes: &Attributes,
    tiers: &[(u32, NodeMask)],
) -> NodeRow {
    let number = node.number;
    let seen = || {
        let initiators = attributes.initiators.iter();
        initiators.flat_map(|initiator| {
            let targets = initiator.targets.iter();
            let this = targets.filter(|target| target.node == number);
            this.map(|target| (initiator.node, *target))
        })
    };
    let tier = tiers.iter().find(|(_, nodes)| nodes.contains(number));
    NodeRow {
        number,
        cpus: node.cpus.clone(),
        memory: source.sysfs.memory(number).unwrap_or_default(),
        tier: tier.map(|(tier, _)| *tier),
        allowed: source.machine.allowed.contains(number),
        dax_kmem: source.dax_kmem.contains(number),
        bandwidth: seen()
            .filter_map(|(from, target)| Some((from, target.bandwidth?)))
            .max_by_key(|(from, value)| (*value, u16::MAX - from)),
        latency: seen()
            .filter_map(|(from, target)| Some((from, target.latency?)))
            .min_by_key(|(from, value)| (*value, *from)),
    }
}

/// The row of the kind with this name and row of the library's table.
fn kind_row(source: &Source<'_>, name: &str, spec: &Spec) -> KindRow {
    let places = places(source, spec);
    let nodes = places.iter().flatten();
    let nodes = nodes.fold(NodeMask::EMPTY, |all, (_, nodes)| all.union(nodes));
    let is_huge = spec.page != PageSize::Base;
    let mut memory = Memory::default();
    for node in &nodes {
        let more = match is_huge {
            true => source.huge_pages_of(node),
            false => source.sysfs.memory(node).unwrap_or_default(),
        };
        memory.total += more.total;
        memory.free += more.free;
    }
    let mut limits = source.limits.iter();
    let limit = limits.find(|limit| limit.is_huge == is_huge);
    let limit = limit.filter(|limit| limit.bytes < memory.total);
    if let Some(limit) = limit {
        memory.total = limit.bytes;
        memory.free = memory.free.min(limit.left);
    }
    let several = places.iter().flatten().map(|(_, nodes)| *nodes);
    let most = several.max_by_key(NodeMask::count);
    let most = most.unwrap_or(NodeMask::EMPTY);
    KindRow {
        name: name.trim_start_matches("memkind_").to_uppercase(),
        policy: spec.bind.name(&most),
        page_bytes: if is_huge {
            HUGE_PAGE
        } else {
            memkind::backing::page_size() as u64
        },
        thp: if is_huge {
            Wanted::System
        } else {
            spec.thp.wanted()
        },
        places,
        memory,
        limit: limit.map(|limit| limit.file.clone()),
    }
}

/// The nodes for each group of CPUs, or the reason for having none.
fn places(source: &Source<'_>, spec: &Spec) -> Result<Places, Reason> {
    if spec.bind == Bind::Interleave {
        weights::heed().map_err(Reason::unknown_interleaving)?;
    }
    let question = Question::new(source);
    let cpus = || source.machine.nodes.iter().flat_map(|node| &node.cpus);
    let targets = match spec.from {
        From::Any => Targets::everywhere(source.machine.allowed),
        From::Chosen(choice) => question.ask(choice)?,
        From::Exactly(targets) => targets.clone(),
    };
    if spec.page != PageSize::Base {
        let meant = spec.huge_page_nodes(Some(&targets));
        let available = source.huge_pages.available(2 << 20, meant.as_ref());
        available.map_err(|error| Reason::no_huge_pages(error, meant.as_ref()))?;
    }
    spec.bind.check().map_err(Reason::mbind_forbidden)?;
    let mut places: Places = (0..targets.n_places())
        .map(|place| (Vec::new(), *targets.of_place(place)))
        .collect();
    for cpu in cpus() {
        places[targets.place_of_cpu(*cpu)].0.push(*cpu);
    }
    Ok(places)
}
