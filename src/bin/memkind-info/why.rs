//! Puts the question of a kind's nodes, and says in words why there is no answer.

use std::ffi::CStr;

use memkind::env;
use memkind::error::Error;
use memkind::topology::nodes::Attributes;
use memkind::topology::note::Note;
use memkind::topology::select::{Facts, Settings, select};
use memkind::topology::{self, Attribute, Choice, NodeMask, Nodes, Take, Targets};

use crate::report::Source;
use crate::text::cpus_in_words;

/// MiB/s, unless MEMKIND_HBW_THRESHOLD is set (memkind(3), ENVIRONMENT).
const DEFAULT_THRESHOLD: u64 = 204_800;

/// Why a kind is not available.
pub(crate) struct Reason {
    pub(crate) error: Error,
    pub(crate) text: String,
}

/// What the choice remarked last, as far as it explains a failure.
enum Remark {
    Nothing,
    /// A malformed list, in libnuma's words.
    List(String),
    Threshold,
    /// The CPUs of this node have no such memory.
    NoNode(u16),
    /// Several nodes are equally near to this one.
    Tie(u16),
    /// Anything else is clear as it is.
    Text(String),
}

impl Remark {
    fn of(note: Note<'_>) -> Option<Self> {
        match note {
            Note::NodeList(problem) => Some(Self::List(problem.to_string())),
            Note::ThresholdInvalid => Some(Self::Threshold),
            Note::NoFastNode(node) | Note::NoLocalNode(node) => Some(Self::NoNode(node)),
            Note::DistanceTie(node) => Some(Self::Tie(node)),
            Note::NoneAllowed { .. } | Note::TiesInvalid(_) => Some(Self::Text(note.to_string())),
            _ => None,
        }
    }
}

/// What can be done about a tie.
fn ties_advice() -> &'static str {
    if topology::prefers_many() {
        "MEMKIND_PREFERRED_TIES=many prefers all of them"
    } else {
        "to prefer all of them (MEMKIND_PREFERRED_TIES=many) takes Linux 5.15"
    }
}

/// The question, ready to be put for any choice.
pub(crate) struct Question<'a> {
    source: &'a Source<'a>,
    settings: Settings<'a>,
}

impl<'a> Question<'a> {
    pub(crate) fn new(source: &'a Source<'a>) -> Self {
        let settings = Settings {
            hbw_nodes: env::get(env::HBW_NODES),
            hbw_threshold: env::get(env::HBW_THRESHOLD),
            dax_kmem_nodes: env::get(env::DAX_KMEM_NODES),
            preferred_ties: env::get(env::PREFERRED_TIES),
        };
        Self { source, settings }
    }

    /// The nodes for each CPU, or why there are none.
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

    fn decide(&self, choice: Choice, report: &mut dyn FnMut(Note<'_>)) -> Result<Targets, Error> {
        let facts = Facts {
            machine: self.source.machine,
            attributes: &|| topology::attributes(),
            dax_kmem: &|| self.source.dax_kmem,
            prefers_many: &topology::prefers_many,
        };
        select(&facts, &self.settings, choice, report)
    }

    /// The variable that names the nodes of a choice, and its value.
    fn variable(&self, nodes: Nodes) -> (&'static str, Option<&'a CStr>) {
        match nodes {
            Nodes::DaxKmem => ("MEMKIND_DAX_KMEM_NODES", self.settings.dax_kmem_nodes),
            _ => ("MEMKIND_HBW_NODES", self.settings.hbw_nodes),
        }
    }

    fn why(&self, choice: Choice, error: Error, remark: &Remark) -> String {
        let (variable, value) = self.variable(choice.nodes);
        let shown = |value: Option<&CStr>| value.unwrap_or_default().to_string_lossy().into_owned();
        match (remark, choice.nodes) {
            (Remark::Text(text), _) => text.trim_end_matches('.').to_owned(),
            (Remark::List(problem), _) if !problem.is_empty() => {
                format!("{variable}={}: {problem}", shown(value))
            }
            (Remark::List(_), _) => format!("{variable}={} is no list of nodes", shown(value)),
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

    fn nodes_of(&self, choice: Choice) -> NodeMask {
        let targets = self.decide(choice, &mut |_| ());
        targets.map_or(NodeMask::EMPTY, |targets| targets.all())
    }

    /// The CPUs of a node in words.
    fn cpus(&self, node: u16) -> String {
        let node = self.source.machine.node(node);
        cpus_in_words(node.map_or(&[][..], |node| &node.cpus))
    }

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

    /// Why the CPUs of a node have no high-bandwidth memory.
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
                "the firmware tells no bandwidth from {cpus} (HMAT); name the nodes with MEMKIND_HBW_NODES"
            ),
        }
    }

    fn threshold(&self) -> u64 {
        let text = self.settings.hbw_threshold;
        let number = text.and_then(|text| env::parse_decimal(text, u32::MAX.into()));
        number.unwrap_or(DEFAULT_THRESHOLD)
    }

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
