//! Gathers what is shown: facts of the nodes, and for each kind its nodes or the reason.

use memkind::env;
use memkind::error::Error;
use memkind::topology::huge::{self, HugePages};
use memkind::topology::nodes::{Attributes, Machine};
use memkind::topology::note::Note;
use memkind::topology::select::{Facts, Settings, select};
use memkind::topology::sysfs::{Memory, Sysfs};
use memkind::topology::{self, Attribute, Choice, NodeMask, Nodes, Reach, Take};

/// The part of a kind's row that matters here.
pub(crate) struct Kind {
    /// As C programs write it, without MEMKIND_.
    pub(crate) name: &'static str,
    /// Which nodes; `None` for any.
    pub(crate) choice: Option<Choice>,
    /// Bytes of a huge page; `None` for base pages.
    pub(crate) huge_page: Option<usize>,
}

const fn kind(name: &'static str, nodes: Nodes, reach: Reach, take: Take) -> Kind {
    Kind {
        name,
        choice: Some(Choice::new(nodes, reach, take)),
        huge_page: None,
    }
}

const fn any(name: &'static str, huge_page: Option<usize>) -> Kind {
    Kind {
        name,
        choice: None,
        huge_page,
    }
}

const fn huge(kind: Kind) -> Kind {
    Kind {
        huge_page: Some(2 << 20),
        ..kind
    }
}

const fn local(name: &'static str, attribute: Attribute) -> Kind {
    kind(name, Nodes::Best(attribute), Reach::Local, Take::Many)
}

const FAST: Nodes = Nodes::HighBandwidth;
const DAX: Nodes = Nodes::DaxKmem;
const MOST: Nodes = Nodes::MostCapacity;

/// The static kinds.
pub(crate) const KINDS: [Kind; 23] = [
    any("DEFAULT", None),
    any("INTERLEAVE", None),
    any("HUGETLB", Some(2 << 20)),
    kind("REGULAR", Nodes::WithCpus, Reach::All, Take::Many),
    kind("HBW", FAST, Reach::Local, Take::Many),
    kind("HBW_ALL", FAST, Reach::All, Take::Many),
    kind("HBW_PREFERRED", FAST, Reach::Local, Take::One),
    kind("HBW_INTERLEAVE", FAST, Reach::All, Take::Many),
    huge(kind("HBW_HUGETLB", FAST, Reach::Local, Take::Many)),
    huge(kind("HBW_ALL_HUGETLB", FAST, Reach::All, Take::Many)),
    huge(kind("HBW_PREFERRED_HUGETLB", FAST, Reach::Local, Take::One)),
    kind("DAX_KMEM", DAX, Reach::Local, Take::Many),
    kind("DAX_KMEM_ALL", DAX, Reach::All, Take::Many),
    kind("DAX_KMEM_PREFERRED", DAX, Reach::Local, Take::One),
    kind("DAX_KMEM_INTERLEAVE", DAX, Reach::All, Take::Many),
    kind("HIGHEST_CAPACITY", MOST, Reach::All, Take::Many),
    kind("HIGHEST_CAPACITY_PREFERRED", MOST, Reach::All, Take::One),
    local("HIGHEST_CAPACITY_LOCAL", Attribute::Capacity),
    local("HIGHEST_CAPACITY_LOCAL_PREFERRED", Attribute::Capacity),
    local("LOWEST_LATENCY_LOCAL", Attribute::Latency),
    local("LOWEST_LATENCY_LOCAL_PREFERRED", Attribute::Latency),
    local("HIGHEST_BANDWIDTH_LOCAL", Attribute::Bandwidth),
    local("HIGHEST_BANDWIDTH_LOCAL_PREFERRED", Attribute::Bandwidth),
];

/// All that is shown.
pub(crate) struct Report {
    pub(crate) nodes: Vec<NodeRow>,
    pub(crate) kinds: Vec<KindRow>,
    pub(crate) huge_pages: u64,
}

/// A node.
pub(crate) struct NodeRow {
    pub(crate) number: u16,
    pub(crate) cpus: Vec<usize>,
    pub(crate) memory: Memory,
    pub(crate) allowed: bool,
    pub(crate) dax_kmem: bool,
    /// From the CPUs of which node, MiB/s, ns; the best that is known.
    pub(crate) bandwidth: Option<(u16, u64)>,
    pub(crate) latency: Option<(u16, u64)>,
}

/// The places of a kind as (CPUs, nodes), or the code and the reason in words.
pub(crate) type Places = Result<Vec<(Vec<usize>, NodeMask)>, (Error, String)>;

/// A kind.
pub(crate) struct KindRow {
    pub(crate) name: &'static str,
    pub(crate) places: Places,
    /// Bytes of memory of all its nodes.
    pub(crate) capacity: u64,
}

/// Where everything is read from.
struct Source<'a> {
    sysfs: &'a Sysfs<'a>,
    machine: &'a Machine,
    dax_kmem: NodeMask,
    huge_pages: HugePages,
}

impl Report {
    /// Of this machine, as a program with this environment finds it.
    pub(crate) fn of_host(kinds: &[Kind]) -> Result<Self, String> {
        let failed = |_| "The nodes of this machine cannot be read.".to_owned();
        let source = Source {
            sysfs: &Sysfs::HOST,
            machine: topology::machine().map_err(failed)?,
            dax_kmem: topology::dax_kmem_nodes().map_err(failed)?,
            huge_pages: HugePages::read(&Sysfs::HOST),
        };
        Ok(Self::of(&source, kinds))
    }

    /// Of a machine whose `/sys` was copied, without a cpuset.
    pub(crate) fn of_tree(sysfs: &Sysfs<'_>, kinds: &[Kind]) -> Result<Self, String> {
        let machine = Machine::read(sysfs, None, false);
        if machine.nodes.iter().all(|node| node.distances.is_empty()) {
            return Err("The directory has no devices/system/node as /sys has.".to_owned());
        }
        let source = Source {
            sysfs,
            machine: &machine,
            dax_kmem: sysfs.dax_kmem_nodes(),
            huge_pages: HugePages::read(sysfs),
        };
        Ok(Self::of(&source, kinds))
    }

    fn of(source: &Source<'_>, kinds: &[Kind]) -> Self {
        let nothing = Attributes::default();
        let attributes = topology::attributes().unwrap_or(&nothing);
        Self {
            nodes: source.nodes(attributes),
            kinds: kinds.iter().map(|kind| source.kind(kind)).collect(),
            huge_pages: huge::capacity(source.sysfs),
        }
    }
}

impl Source<'_> {
    fn nodes(&self, attributes: &Attributes) -> Vec<NodeRow> {
        let seen_from = |number: u16| {
            let initiators = attributes.initiators.iter();
            initiators.flat_map(move |initiator| {
                let targets = initiator.targets.iter();
                let this = targets.filter(move |target| target.node == number);
                this.map(move |target| (initiator.node, *target))
            })
        };
        let row = |node: &topology::nodes::Node| NodeRow {
            number: node.number,
            cpus: node.cpus.clone(),
            memory: self.sysfs.memory(node.number).unwrap_or_default(),
            allowed: self.machine.allowed.contains(node.number),
            dax_kmem: self.dax_kmem.contains(node.number),
            bandwidth: seen_from(node.number)
                .filter_map(|(from, target)| Some((from, target.bandwidth?)))
                .max_by_key(|(from, value)| (*value, u16::MAX - from)),
            latency: seen_from(node.number)
                .filter_map(|(from, target)| Some((from, target.latency?)))
                .min_by_key(|(from, value)| (*value, *from)),
        };
        self.machine.nodes.iter().map(row).collect()
    }

    fn kind(&self, kind: &Kind) -> KindRow {
        let places = self.places(kind);
        let nodes = places.iter().flatten();
        let nodes = nodes.fold(NodeMask::EMPTY, |all, (_, nodes)| all.union(nodes));
        let total = |node| self.sysfs.memory(node).unwrap_or_default().total;
        KindRow {
            name: kind.name,
            places,
            capacity: nodes.iter().map(total).sum(),
        }
    }

    fn places(&self, kind: &Kind) -> Places {
        let facts = Facts {
            machine: self.machine,
            attributes: &|| topology::attributes(),
            dax_kmem: &|| self.dax_kmem,
        };
        let settings = Settings {
            hbw_nodes: env::get(env::HBW_NODES),
            hbw_threshold: env::get(env::HBW_THRESHOLD),
            dax_kmem_nodes: env::get(env::DAX_KMEM_NODES),
        };
        let cpus = self.machine.nodes.iter().flat_map(|node| &node.cpus);
        let Some(choice) = kind.choice else {
            self.has_huge_pages(kind, None)?;
            return Ok(vec![(cpus.copied().collect(), self.machine.allowed)]);
        };
        let mut remark = String::new();
        let mut keep = |note: Note<'_>| match note {
            // Of the two remarks on a malformed list, libnuma's tells more.
            Note::InvalidVariable(_) if !remark.is_empty() => {}
            note => remark = note.to_string(),
        };
        let targets = select(&facts, &settings, choice, &mut keep);
        let targets = targets.map_err(|error| (error, why(choice, error, &remark)))?;
        self.has_huge_pages(kind, Some(&targets.all()))?;
        let mut places: Vec<(Vec<usize>, NodeMask)> = (0..targets.n_places())
            .map(|place| (Vec::new(), *targets.of_place(place)))
            .collect();
        for cpu in cpus {
            places[targets.place_of_cpu(*cpu)].0.push(*cpu);
        }
        Ok(places)
    }

    fn has_huge_pages(&self, kind: &Kind, nodes: Option<&NodeMask>) -> Result<(), (Error, String)> {
        let Some(page_size) = kind.huge_page else {
            return Ok(());
        };
        let missing = "no huge pages there; see vm.nr_hugepages and vm.nr_overcommit_hugepages";
        let available = self.huge_pages.available(page_size, nodes);
        available.map_err(|error| (error, missing.to_owned()))
    }
}

/// Why a choice failed, in words; `remark` is the last thing that was logged.
fn why(choice: Choice, error: Error, remark: &str) -> String {
    let cause = match (error, choice.nodes) {
        (Error::Environ, _) => "the environment is malformed",
        (Error::Runtime, _) => "several nodes are equally near and only one can be preferred",
        (Error::MemtypeNotAvailable, Nodes::MostCapacity) => {
            "several nodes are equally large and only one can be preferred"
        }
        (Error::MemtypeNotAvailable, Nodes::HighBandwidth) => {
            "no memory known as high-bandwidth; MEMKIND_HBW_NODES can name it"
        }
        (Error::MemtypeNotAvailable, Nodes::Best(Attribute::Capacity)) => "no local memory",
        (Error::MemtypeNotAvailable, Nodes::Best(Attribute::Latency)) => {
            "the firmware tells no latency (HMAT)"
        }
        (Error::MemtypeNotAvailable, Nodes::Best(Attribute::Bandwidth)) => {
            "the firmware tells no bandwidth (HMAT)"
        }
        (Error::Unavailable, Nodes::DaxKmem) if remark.is_empty() => {
            "no DAX device is used as RAM; MEMKIND_DAX_KMEM_NODES can name nodes"
        }
        (Error::Unavailable, Nodes::HighBandwidth | Nodes::Best(_)) => "libhwloc failed",
        _ => "none that this process may use",
    };
    match (error, remark) {
        (_, "") => cause.to_owned(),
        (Error::Unavailable | Error::Environ, remark) => format!("{cause}: {remark}"),
        _ => cause.to_owned(),
    }
}
