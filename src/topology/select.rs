//! Which nodes a kind takes memory from: pure rules on facts, environment and row.
//!
//! The rules are those of memkind(3), KINDS and ENVIRONMENT. Nothing is read and
//! nothing printed here: facts come in as tables, remarks go out as [`Note`] values.
#![forbid(unsafe_code)]

mod attributes;
mod home;
mod ties;

pub use ties::TIES_MANY;

use core::ffi::CStr;

use super::mask::NodeMask;
use super::nodes::{Attributes, Machine};
use super::nodestring;
use super::note::Note;
use super::targets::Targets;
use crate::env;
use crate::error::Error;

/// MiB/s from which memory is high-bandwidth memory, unless MEMKIND_HBW_THRESHOLD says otherwise.
const DEFAULT_THRESHOLD: u64 = 200 * 1024;

/// Which nodes are meant at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nodes {
    /// Nodes that have CPUs: ordinary memory.
    WithCpus,
    /// High-bandwidth memory.
    HighBandwidth,
    /// Persistent memory that the kernel uses as RAM.
    DaxKmem,
    /// The node, or the nodes tied, with the most memory of the machine.
    MostCapacity,
    /// The node local to the CPU that is best by an attribute.
    Best(Attribute),
}

/// What a local node is best at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// The most memory.
    Capacity,
    /// The lowest latency.
    Latency,
    /// The highest bandwidth.
    Bandwidth,
}

/// How far a kind reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Nearest to the CPU that asks.
    Local,
    /// Every node that is meant.
    All,
}

/// How many nodes may be equally good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// Any number.
    Many,
    /// One; a tie is an error, unless MEMKIND_PREFERRED_TIES allows it.
    One,
}

/// The part of a kind's row that decides its nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Which nodes are meant.
    pub nodes: Nodes,
    /// How far the kind reaches.
    pub reach: Reach,
    /// Whether a tie is an error.
    pub take: Take,
}

impl Choice {
    /// The choice of a row.
    pub const fn new(nodes: Nodes, reach: Reach, take: Take) -> Self {
        Self { nodes, reach, take }
    }

    /// Number of distinct choices; [`Choice::index`] is below it.
    pub const COUNT: usize = 28;

    /// A number of its own for each choice.
    pub const fn index(self) -> usize {
        let nodes = match self.nodes {
            Nodes::WithCpus => 0,
            Nodes::HighBandwidth => 1,
            Nodes::DaxKmem => 2,
            Nodes::MostCapacity => 3,
            Nodes::Best(Attribute::Capacity) => 4,
            Nodes::Best(Attribute::Latency) => 5,
            Nodes::Best(Attribute::Bandwidth) => 6,
        };
        nodes * 4 + self.reach as usize * 2 + self.take as usize
    }
}

/// What the environment asks; `None` where a variable is unset.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings<'a> {
    /// MEMKIND_HBW_NODES.
    pub hbw_nodes: Option<&'a CStr>,
    /// MEMKIND_HBW_THRESHOLD.
    pub hbw_threshold: Option<&'a CStr>,
    /// MEMKIND_DAX_KMEM_NODES.
    pub dax_kmem_nodes: Option<&'a CStr>,
    /// MEMKIND_PREFERRED_TIES.
    pub preferred_ties: Option<&'a CStr>,
}

/// What a choice is decided on.
///
/// What is expensive to find is a function, since most choices do not need it; each is
/// called at most once.
pub struct Facts<'a> {
    /// The nodes.
    pub machine: &'a Machine,
    /// Bandwidth, latency and locality.
    pub attributes: &'a dyn Fn() -> Result<&'a Attributes, Error>,
    /// The nodes of DAX devices in use as RAM.
    pub dax_kmem: &'a dyn Fn() -> NodeMask,
    /// Whether the kernel can prefer several nodes at once.
    pub prefers_many: &'a dyn Fn() -> bool,
}

/// Decides for each CPU which nodes a kind takes memory from. A remark for the person
/// who debugs goes to `report` at the moment it arises.
///
/// Only nodes that have memory and are allowed by the cpuset are chosen from, so the
/// nearest allowed node is found even where a nearer one is not allowed. An empty list
/// in the environment is a valid wish: the kind is then available and has nothing.
///
/// # Errors
/// * [`Error::Environ`]: a variable that decides is malformed
/// * [`Error::MemtypeNotAvailable`]: some CPUs have no such memory within reach, or
///   [`Take::One`] meets several nodes of the most capacity
/// * [`Error::Unavailable`]: no node is meant, or none is allowed, or libhwloc failed
/// * [`Error::Runtime`]: [`Take::One`] meets several nodes equally near
pub fn select(
    facts: &Facts<'_>,
    settings: &Settings<'_>,
    choice: Choice,
    report: &mut dyn FnMut(Note<'_>),
) -> Result<Targets, Error> {
    let choice = ties::with_ties(facts, settings, choice, report)?;
    let targets = nodes_for_cpus(facts, settings, choice, report)?;
    Ok(home::give_homes(facts.machine, targets))
}

fn nodes_for_cpus(
    facts: &Facts<'_>,
    settings: &Settings<'_>,
    choice: Choice,
    report: &mut dyn FnMut(Note<'_>),
) -> Result<Targets, Error> {
    let machine = facts.machine;
    match choice.nodes {
        Nodes::WithCpus => allowed(machine, &machine.with_cpus(), report)
            .and_then(|nodes| reach(machine, &nodes, choice, report)),
        Nodes::MostCapacity => most_capacity(machine, choice, report),
        Nodes::DaxKmem => {
            let nodes = match settings.dax_kmem_nodes {
                Some(text) => listed(machine, text, report)?,
                None => allowed(machine, &(facts.dax_kmem)(), report)?,
            };
            reach(machine, &nodes, choice, report)
        }
        Nodes::HighBandwidth => {
            if let Some(text) = settings.hbw_nodes {
                let nodes = listed(machine, text, report)?;
                reach(machine, &nodes, choice, report)
            } else if machine.knights {
                let nodes = knights(machine, report)?;
                reach(machine, &nodes, choice, report)
            } else {
                let threshold = threshold(settings, report)?;
                attributes::fast(machine, (facts.attributes)()?, threshold, choice, report)
            }
        }
        Nodes::Best(attribute) => {
            attributes::best(machine, (facts.attributes)()?, attribute, report)
        }
    }
}

/// The nodes of a list in the environment.
fn listed(
    machine: &Machine,
    text: &CStr,
    report: &mut dyn FnMut(Note<'_>),
) -> Result<NodeMask, Error> {
    nodestring::parse(text.to_bytes(), &machine.allowed, &machine.online())
        .map(|nodes| nodes.intersection(&machine.allowed))
        .map_err(|problem| {
            report(Note::NodeList(problem));
            report(Note::InvalidVariable(text));
            Error::Environ
        })
}

/// The bandwidth in MiB/s from which memory counts.
fn threshold(settings: &Settings<'_>, report: &mut dyn FnMut(Note<'_>)) -> Result<u64, Error> {
    let Some(text) = settings.hbw_threshold else {
        return Ok(DEFAULT_THRESHOLD);
    };
    report(Note::ThresholdDetected(text));
    env::parse_decimal(text, u32::MAX.into()).ok_or_else(|| {
        report(Note::ThresholdInvalid);
        Error::Environ
    })
}

/// Those of the nodes that the process may use.
fn allowed(
    machine: &Machine,
    nodes: &NodeMask,
    report: &mut dyn FnMut(Note<'_>),
) -> Result<NodeMask, Error> {
    let usable = nodes.intersection(&machine.allowed);
    if !usable.is_empty() {
        return Ok(usable);
    }
    explain_cpuset(machine, nodes, report);
    Err(Error::Unavailable)
}

/// Says that there are such nodes, where only the cpuset forbids them.
fn explain_cpuset(machine: &Machine, nodes: &NodeMask, report: &mut dyn FnMut(Note<'_>)) {
    let allowed = &machine.allowed;
    if !nodes.is_empty() && nodes.intersection(allowed).is_empty() {
        report(Note::NoneAllowed { nodes, allowed });
    }
}

/// The high-bandwidth nodes of a Xeon Phi: those without CPUs.
fn knights(machine: &Machine, report: &mut dyn FnMut(Note<'_>)) -> Result<NodeMask, Error> {
    let with_memory = machine.nodes.iter().filter(|node| node.capacity > 0);
    let with_memory: NodeMask = with_memory.map(|node| node.number).collect();
    let fast = with_memory.difference(&machine.with_cpus());
    let nodes = fast.intersection(&machine.allowed);
    if nodes.is_empty() {
        report(Note::KnightsWithout);
        explain_cpuset(machine, &fast, report);
        return Err(Error::MemtypeNotAvailable);
    }
    report(Note::KnightsDetected);
    Ok(nodes)
}

/// The nodes with the most memory.
fn most_capacity(
    machine: &Machine,
    choice: Choice,
    report: &mut dyn FnMut(Note<'_>),
) -> Result<Targets, Error> {
    let usable = |mask: &NodeMask| {
        let nodes = machine.nodes.iter();
        let mask = *mask;
        nodes.filter(move |node| mask.contains(node.number))
    };
    let most = usable(&machine.allowed).map(|node| node.capacity).max();
    let nodes: NodeMask = usable(&machine.allowed)
        .filter(|node| Some(node.capacity) == most)
        .map(|node| node.number)
        .collect();
    if nodes.is_empty() {
        return Err(Error::Unavailable);
    }
    if choice.take == Take::One && nodes.count() > 1 {
        report(Note::CapacityTie);
        return Err(Error::MemtypeNotAvailable);
    }
    reach(machine, &nodes, choice, report)
}

/// The nodes within the choice's reach, for every CPU.
fn reach(
    machine: &Machine,
    nodes: &NodeMask,
    choice: Choice,
    report: &mut dyn FnMut(Note<'_>),
) -> Result<Targets, Error> {
    let mut targets = Targets::nowhere();
    for node in machine.nodes.iter().filter(|node| !node.cpus.is_empty()) {
        let near = within_reach(machine, node.number, nodes, choice, report)?;
        targets.add(&node.cpus, near);
    }
    if targets.is_nowhere() {
        return Ok(Targets::everywhere(*nodes));
    }
    Ok(targets)
}

/// Those of the nodes within the choice's reach from one node.
fn within_reach(
    machine: &Machine,
    from: u16,
    nodes: &NodeMask,
    choice: Choice,
    report: &mut dyn FnMut(Note<'_>),
) -> Result<NodeMask, Error> {
    let near = match choice.reach {
        Reach::All => *nodes,
        Reach::Local => {
            let distance = |node: u16| machine.distance(from, node);
            let shortest = nodes.iter().map(distance).min();
            nodes
                .iter()
                .filter(|node| Some(distance(*node)) == shortest)
                .collect()
        }
    };
    if choice.take == Take::One && near.count() > 1 {
        report(Note::DistanceTie(from));
        return Err(Error::Runtime);
    }
    Ok(near)
}

#[cfg(test)]
mod tests;
