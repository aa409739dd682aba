//! Asks for the nodes of a kind, and explains in words why there are none.

use std::ffi::CStr;

use memkind::env;
use memkind::error::Error;
use memkind::topology::listed;
use memkind::topology::nodes::Attributes;
use memkind::topology::note::Note;
use memkind::topology::select::{DEFAULT_THRESHOLD, Facts, Settings, select};
use memkind::topology::{self, Attribute, Choice, NodeMask, Nodes, Take, Targets};

use crate::source::Source;
use crate::words::cpus_in_words;

/// Why a kind is not available.
pub(crate) struct Reason {
    /// The error of memkind_check_available().
    pub(crate) error: Error,
    /// The reason in one line of words.
    pub(crate) text: String,
}

impl Reason {
    /// MEMKIND_INTERLEAVE has an unknown value.
    pub(crate) fn unknown_interleaving(error: Error) -> Self {
        let value = env::get(env::INTERLEAVE).unwrap_or_default();
        let text = format!(
            "MEMKIND_INTERLEAVE is \"{}\"; its one value is \"weighted\"",
            value.to_string_lossy()
        );
        Self { error, text }
    }

    /// The process may not bind memory to nodes.
    pub(crate) fn mbind_forbidden(error: Error) -> Self {
        let text = "this process may not bind memory to nodes (mbind): in a container, add the \
                    capability SYS_NICE or a seccomp profile that allows it";
        let text = text.to_owned();
        Self { error, text }
    }

    /// There are no 2 MiB pages on `nodes`; `None` stands for all nodes.
    pub(crate) fn no_huge_pages(error: Error, nodes: Option<&NodeMask>) -> Self {
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

/// The last remark of the choice that explains a failure.
enum Remark {
    /// No remark.
    Nothing,
    /// A malformed list of nodes, or one of nodes that cannot be named.
    List,
    /// A malformed MEMKIND_HBW_THRESHOLD.
    Threshold,
    /// The CPUs of this node have no such memory.
    NoNode(u16),
    /// Several nodes are equally near to this one.
    Tie(u16),
    /// A remark that needs no further words.
    Text(String),
}

impl Remark {
    fn of(note: Note<'_>) -> Option<Self> {
        match note {
            Note::NodeList(_) => Some(Self::List),
            Note::ThresholdInvalid => Some(Self::Threshold),
            Note::NoFastNode(node) | Note::NoLocalNode(node) => Some(Self::NoNode(node)),
            Note::DistanceTie(node) => Some(Self::Tie(node)),
            Note::NoneAllowed { .. } | Note::NoneWithCpus | Note::TiesInvalid(_) => {
                Some(Self::Text(note.to_string()))
            }
            _ => None,
        }
    }
}

/// Advice for a kind that prefers one of several equal nodes.
fn ties_advice() -> &'static str {
    if topology::prefers_many() {
        "MEMKIND_PREFERRED_TIES=many prefers all of them"
    } else {
        "to prefer all of them (MEMKIND_PREFERRED_TIES=many) takes Linux 5.15"
    }
}

/// Asks for the nodes of any choice on one machine.
pub(crate) struct Question<'a> {
    /// The machine.
    source: &'a Source<'a>,
    /// The values of the environment variables.
    settings: Settings<'a>,
}

impl<'a> Question<'a> {
    /// Reads the environment for questions about the machine of `source`.
    pub(crate) fn new(source: &'a Source<'a>) -> Self {
        let settings = Settings {
            hbw_nodes: env::get(env::HBW_NODES),
            hbw_threshold: env::get(env::HBW_THRESHOLD),
            dax_kmem_nodes: env::get(env::DAX_KMEM_NODES),
            preferred_ties: env::get(env::PREFERRED_TIES),
        };
        Self { source, settings }
    }

    /// The nodes of `choice` for each CPU, or the reason for having none.
    pub(crate) fn ask(&self, choice: Choice) -> Result<Targets, Reason> {
        let mut remark = Remark::Nothing;
        self.decide(choice, &mut |note| {
            remark = Remark::of(note).unwrap_or(core::mem::replace(&mut remark, Remark::Nothing));
        })
        .map_err(|error| Reason {
            error,
            text: self.why(choice, error, &remark),
        })
    }

    /// Chooses as the library does, and hands its remarks to `report`.
    fn decide(&self, choice: Choice, report: &mut dyn FnMut(Note<'_>)) -> Result<Targets, Error> {
        let facts = Facts {
            machine: self.source.machine,
            attributes: &|| topology::attributes(),
            dax_kmem: &|| self.source.dax_kmem,
            prefers_many: &topology::prefers_many,
        };
        select(&facts, &self.settings, choice, report)
    }

    /// The environment variable that names `nodes`, and its value.
    fn variable(&self, nodes: Nodes) -> (&'static str, Option<&'a CStr>) {
        match nodes {
            Nodes::DaxKmem => ("MEMKIND_DAX_KMEM_NODES", self.settings.dax_kmem_nodes),
            _ => ("MEMKIND_HBW_NODES", self.settings.hbw_nodes),
        }
    }

    /// The reason in words for `error`, after `remark`.
    fn why(&self, choice: Choice, error: Error, remark: &Remark) -> String {
        let (variable, value) = self.variable(choice.nodes);
        let shown = |value: Option<&CStr>| value.unwrap_or_default().to_string_lossy().into_owned();
        match (remark, choice.nodes) {
            (Remark::Text(text), _) => text.trim_end_matches('.').to_owned(),
            (Remark::List, _) => {
                let list = value.unwrap_or_default().to_bytes();
                let problem = match listed::read(list, self.source.machine) {
                    Ok(_) => "it is no list of nodes".to_owned(),
                    Err(refused) => refused.to_string(),
                };
                format!("{variable}={}: {problem}", shown(value))
            }
            (Remark::Threshold, _) => format!(
                "MEMKIND_HBW_THRESHOLD={} is no number from 0 to {}",
                shown(self.settings.hbw_threshold),
                u32::MAX
            ),
            (Remark::Tie(node), _) => self.tie(choice, *node, variable),
            (Remark::NoNode(node), Nodes::HighBandwidth) => self.too_slow(*node),
            (Remark::NoNode(node), Nodes::Best(attribute)) => {
                let what = match attribute {
                    Attribute::Capacity => {
                        return format!("no memory is local to {}", self.cpus(*node));
                    }
                    Attribute::Latency => "latency",
                    Attribute::Bandwidth => "bandwidth",
                };
                format!(
                    "the firmware tells no {what} of the memory local to {} (HMAT)",
                    self.cpus(*node)
                )
            }
            (_, Nodes::DaxKmem) if error == Error::Unavailable => self.no_dax(),
            (_, Nodes::MostCapacity) if error == Error::MemtypeNotAvailable => {
                let all = Choice {
                    take: Take::Many,
                    ..choice
                };
                let nodes = self.nodes_of(all);
                format!(
                    "nodes {nodes} have the same, highest capacity and only one can be preferred; {}",
                    ties_advice()
                )
            }
            (_, Nodes::HighBandwidth) if self.source.machine.knights => {
                "every node has CPUs: the fast memory is a cache".to_owned()
            }
            (_, Nodes::HighBandwidth | Nodes::Best(_)) if error == Error::Unavailable => {
                "libhwloc cannot read this machine".to_owned()
            }
            _ => "there are no such nodes that this process may use".to_owned(),
        }
    }

    /// All nodes of `choice`; empty without any.
    fn nodes_of(&self, choice: Choice) -> NodeMask {
        let targets = self.decide(choice, &mut |_| ());
        targets.map_or(NodeMask::EMPTY, |targets| targets.all())
    }

    /// The CPUs of the node with the number `node`, in words.
    fn cpus(&self, node: u16) -> String {
        let node = self.source.machine.node(node);
        cpus_in_words(node.map_or(&[][..], |node| &node.cpus))
    }

    /// The reason in words for several nodes being equally near to `node`; `variable` can name one.
    fn tie(&self, choice: Choice, node: u16, variable: &str) -> String {
        let many = Choice {
            take: Take::Many,
            ..choice
        };
        let targets = self.decide(many, &mut |_| ());
        let cpus = self.source.machine.node(node).map(|node| node.cpus.first());
        let near = match (targets, cpus.flatten()) {
            (Ok(targets), Some(cpu)) => targets.of_cpu(*cpu).to_string(),
            _ => String::new(),
        };
        format!(
            "nodes {near} are equally near to {} and only one can be preferred; {variable} can name one, {}",
            self.cpus(node),
            ties_advice()
        )
    }

    /// The reason why the CPUs of the node with the number `node` have no high-bandwidth memory.
    fn too_slow(&self, node: u16) -> String {
        let nothing = Attributes::default();
        let attributes = topology::attributes().unwrap_or(&nothing);
        let mut initiators = attributes.initiators.iter();
        let initiator = initiators.find(|initiator| initiator.node == node);
        let targets = initiator.map_or(&[][..], |initiator| &initiator.targets);
        let known = targets
            .iter()
            .filter_map(|target| Some((target.bandwidth?, target.node)));
        let allowed = self.source.machine.allowed;
        let best = known
            .filter(|(_, node)| allowed.contains(*node))
            .max_by_key(|(bandwidth, node)| (*bandwidth, u16::MAX - node));
        let threshold = self.threshold();
        let cpus = self.cpus(node);
        match best {
            Some((bandwidth, best)) => format!(
                "no node reaches {threshold} MiB/s from {cpus}; the best is node {best} with {bandwidth}; \
                 lower it with MEMKIND_HBW_THRESHOLD or name the nodes with MEMKIND_HBW_NODES"
            ),
            None => format!(
                "the firmware reports no bandwidth from {cpus} (HMAT); name the nodes with MEMKIND_HBW_NODES"
            ),
        }
    }

    /// The bandwidth in MiB/s from which memory counts as fast.
    fn threshold(&self) -> u64 {
        let text = self.settings.hbw_threshold;
        let number = text.and_then(|text| env::parse_decimal(text, u32::MAX.into()));
        number.unwrap_or(DEFAULT_THRESHOLD)
    }

    /// The reason in words for having no node on a DAX device.
    fn no_dax(&self) -> String {
        let advice = "MEMKIND_DAX_KMEM_NODES can name nodes";
        match self.source.other_dax_devices().as_slice() {
            [] => format!("there is no DAX device that is used as RAM; {advice}"),
            names => format!(
                "{} is not used as RAM (daxctl reconfigure-device --mode=system-ram makes it so); {advice}",
                names.join(", ")
            ),
        }
    }
}
