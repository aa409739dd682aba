//! Gathers what is shown: facts of the nodes, and for each kind its nodes or the reason.
//!
//! The kinds are the library's own rows, so a new one shows up by itself.

use std::ffi::CStr;
use std::fs;
use std::path::{Path, PathBuf};

use memkind::backing::{Bind, PageSize, TransparentHuge};
use memkind::env;
use memkind::error::Error;
use memkind::kind::spec::{From, Spec};
use memkind::kind::{table, weights};
use memkind::topology::huge::{self, HugePages};
use memkind::topology::nodes::{Attributes, Machine, Node};
use memkind::topology::select;
use memkind::topology::sysfs::{self, Memory, Sysfs};
use memkind::topology::{self, Container, NodeMask, Targets};

use crate::why::{Question, Reason};

/// Bytes of the huge pages that the library uses.
const HUGE_PAGE: u64 = 2 << 20;

/// All that is shown.
pub(crate) struct Report {
    pub(crate) nodes: Vec<NodeRow>,
    pub(crate) kinds: Vec<KindRow>,
    pub(crate) huge_pages: u64,
    pub(crate) limits: Vec<Limit>,
    pub(crate) variables: Vec<Variable>,
}

/// What a control group of the process may have at most.
#[derive(Clone)]
pub(crate) struct Limit {
    /// Of 2 MiB pages, or of memory.
    pub(crate) is_huge: bool,
    pub(crate) bytes: u64,
    pub(crate) left: u64,
    /// The file that has it.
    pub(crate) file: String,
}

/// A variable that is set and counts here.
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) value: String,
    /// Why it has no effect, if it has none.
    pub(crate) remark: &'static str,
}

/// A node.
pub(crate) struct NodeRow {
    pub(crate) number: u16,
    pub(crate) cpus: Vec<usize>,
    pub(crate) memory: Memory,
    /// The kernel's rank of the memory; a smaller number is faster.
    pub(crate) tier: Option<u32>,
    pub(crate) allowed: bool,
    pub(crate) dax_kmem: bool,
    /// From the CPUs of which node, MiB/s, ns; the best that is known.
    pub(crate) bandwidth: Option<(u16, u64)>,
    pub(crate) latency: Option<(u16, u64)>,
}

/// The places of a kind as (CPUs, nodes).
pub(crate) type Places = Vec<(Vec<usize>, NodeMask)>;

/// A kind.
pub(crate) struct KindRow {
    /// As C programs write it, without MEMKIND_.
    pub(crate) name: String,
    /// The mode of mbind(2); if CPUs have different ones, that for several nodes.
    pub(crate) policy: &'static str,
    pub(crate) page_bytes: u64,
    /// Whether the kernel may use transparent huge pages.
    pub(crate) may_be_huge: bool,
    pub(crate) places: Result<Places, Reason>,
    /// Memory of all its nodes; of huge pages, what those nodes have of them. Not more than
    /// a limit allows.
    pub(crate) memory: Memory,
    /// The file with the limit that the capacity is.
    pub(crate) limit: Option<String>,
}

/// Where everything is read from.
pub(crate) struct Source<'a> {
    root: &'a Path,
    sysfs: &'a Sysfs<'a>,
    pub(crate) machine: &'a Machine,
    pub(crate) dax_kmem: NodeMask,
    huge_pages: HugePages,
    limits: Vec<Limit>,
}

/// The limits of this process.
fn limits() -> Vec<Limit> {
    let groups = Container::read("/proc");
    let limit = |is_huge, limit: Option<(u64, String)>, left: Option<u64>| {
        let (bytes, file) = limit?;
        let left = left.unwrap_or(bytes);
        Some(Limit {
            is_huge,
            bytes,
            left,
            file,
        })
    };
    let memory = limit(false, groups.memory_limit(), groups.memory_left());
    let huge_pages = limit(true, groups.huge_page_limit(), groups.huge_pages_left());
    memory.into_iter().chain(huge_pages).collect()
}

impl Report {
    /// Of this machine, as a program with this environment finds it.
    pub(crate) fn of_host() -> Result<Self, String> {
        let failed = |_| "The nodes of this machine cannot be read.".to_owned();
        Ok(Self::of(&Source {
            root: Path::new("/sys"),
            sysfs: &Sysfs::HOST,
            machine: topology::machine().map_err(failed)?,
            dax_kmem: topology::dax_kmem_nodes().map_err(failed)?,
            huge_pages: HugePages::read(&Sysfs::HOST),
            limits: limits(),
        }))
    }

    /// Of a machine whose `/sys` was copied, without a cpuset.
    pub(crate) fn of_tree(dir: &str) -> Result<Self, String> {
        let sysfs = &Sysfs::at(dir);
        let machine = Machine::read(sysfs, None, false);
        if machine.nodes.iter().all(|node| node.distances.is_empty()) {
            return Err("The directory has no devices/system/node as /sys has.".to_owned());
        }
        Ok(Self::of(&Source {
            root: Path::new(dir),
            sysfs,
            machine: &machine,
            dax_kmem: sysfs.dax_kmem_nodes(),
            huge_pages: HugePages::read(sysfs),
            limits: Vec::new(),
        }))
    }

    fn of(source: &Source<'_>) -> Self {
        let nothing = Attributes::default();
        let attributes = topology::attributes().unwrap_or(&nothing);
        let tiers = source.tiers();
        let node = |node| source.node(node, attributes, &tiers);
        let kinds = table::all();
        Self {
            nodes: source.machine.nodes.iter().map(node).collect(),
            kinds: kinds
                .map(|kind| source.kind(kind.name(), &kind.spec))
                .collect(),
            huge_pages: huge::capacity(source.sysfs),
            limits: source.limits.clone(),
            variables: variables(),
        }
    }
}

/// The variables that are set.
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
    ];
    names.into_iter().filter_map(variable).collect()
}

impl Source<'_> {
    fn node(&self, node: &Node, attributes: &Attributes, tiers: &[(u32, NodeMask)]) -> NodeRow {
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
            memory: self.sysfs.memory(number).unwrap_or_default(),
            tier: tier.map(|(tier, _)| *tier),
            allowed: self.machine.allowed.contains(number),
            dax_kmem: self.dax_kmem.contains(number),
            bandwidth: seen()
                .filter_map(|(from, target)| Some((from, target.bandwidth?)))
                .max_by_key(|(from, value)| (*value, u16::MAX - from)),
            latency: seen()
                .filter_map(|(from, target)| Some((from, target.latency?)))
                .min_by_key(|(from, value)| (*value, *from)),
        }
    }

    /// The kernel's memory tiers with their nodes.
    fn tiers(&self) -> Vec<(u32, NodeMask)> {
        let tier = |dir: PathBuf| {
            let name = dir.file_name()?.to_str()?;
            let number = name.strip_prefix("memory_tier")?.parse().ok()?;
            let text = fs::read_to_string(dir.join("nodelist")).ok()?;
            let nodes = sysfs::list(&text).filter_map(|node| u16::try_from(node).ok());
            Some((number, nodes.collect()))
        };
        self.entries("devices/virtual/memory_tiering")
            .filter_map(tier)
            .collect()
    }

    /// The DAX devices that are not in use as RAM, ascending.
    pub(crate) fn other_dax_devices(&self) -> Vec<String> {
        let name = |dir: PathBuf| {
            let driver = fs::read_link(dir.join("driver")).ok();
            let is_kmem = driver.is_some_and(|link| link.ends_with("kmem"));
            let name = dir.file_name()?.to_string_lossy().into_owned();
            (!is_kmem).then_some(name)
        };
        let mut names: Vec<String> = self.entries("bus/dax/devices").filter_map(name).collect();
        names.sort();
        names
    }

    fn entries(&self, dir: &str) -> impl Iterator<Item = PathBuf> + use<> {
        let entries = fs::read_dir(self.root.join(dir)).into_iter().flatten();
        entries.filter_map(|entry| Some(entry.ok()?.path()))
    }

    fn kind(&self, name: &str, spec: &Spec) -> KindRow {
        let places = self.places(spec);
        let nodes = places.iter().flatten();
        let nodes = nodes.fold(NodeMask::EMPTY, |all, (_, nodes)| all.union(nodes));
        let is_huge = spec.page != PageSize::Base;
        let mut memory = Memory::default();
        for node in &nodes {
            let more = match is_huge {
                true => self.huge_pages_of(node),
                false => self.sysfs.memory(node).unwrap_or_default(),
            };
            memory.total += more.total;
            memory.free += more.free;
        }
        let mut limits = self.limits.iter();
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
            page_bytes: if is_huge { HUGE_PAGE } else { 4096 },
            may_be_huge: !is_huge && spec.thp == TransparentHuge::AsSystem,
            places,
            memory,
            limit: limit.map(|limit| limit.file.clone()),
        }
    }

    /// All and free 2 MiB pages of a node.
    fn huge_pages_of(&self, node: u16) -> Memory {
        let dir = format!("devices/system/node/node{node}/hugepages/hugepages-2048kB");
        let bytes = |file: &str| {
            let text = fs::read_to_string(self.root.join(&dir).join(file)).ok()?;
            text.trim().parse::<u64>().ok()?.checked_mul(HUGE_PAGE)
        };
        Memory {
            total: bytes("nr_hugepages").unwrap_or(0),
            free: bytes("free_hugepages").unwrap_or(0),
        }
    }

    fn places(&self, spec: &Spec) -> Result<Places, Reason> {
        if spec.bind == Bind::Interleave {
            weights::heed().map_err(Reason::unknown_interleaving)?;
        }
        let question = Question::new(self);
        let cpus = || self.machine.nodes.iter().flat_map(|node| &node.cpus);
        let targets = match spec.from {
            From::Any => Targets::everywhere(self.machine.allowed),
            From::Chosen(choice) => question.ask(choice)?,
            From::Exactly(targets) => targets.clone(),
        };
        if spec.page != PageSize::Base {
            let meant = spec.huge_page_nodes(Some(&targets));
            let available = self.huge_pages.available(2 << 20, meant.as_ref());
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
}

/// The code and the reason of an error in one line.
impl Reason {
    fn unknown_interleaving(error: Error) -> Self {
        let value = env::get(env::INTERLEAVE).unwrap_or_default();
        let text = format!(
            "MEMKIND_INTERLEAVE is \"{}\"; its one value is \"weighted\"",
            value.to_string_lossy()
        );
        Self { error, text }
    }

    fn mbind_forbidden(error: Error) -> Self {
        let text = "this process may not bind memory to nodes (mbind): in a container, add the \
                    capability SYS_NICE or a seccomp profile that allows it";
        let text = text.to_owned();
        Self { error, text }
    }

    fn no_huge_pages(error: Error, nodes: Option<&NodeMask>) -> Self {
        let place = match nodes {
            Some(nodes) if nodes.count() == 1 => format!(" on node {nodes}"),
            Some(nodes) => format!(" on nodes {nodes}"),
            None => String::new(),
        };
        Self {
            error,
            text: format!(
                "no 2 MiB pages{place}; vm.nr_hugepages or, per node, nr_hugepages in /sys/devices/system/node makes some"
            ),
        }
    }
}
