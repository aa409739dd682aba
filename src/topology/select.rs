//! The nodes from which a kind takes memory: pure rules on facts, environment and row.
//!
//! The rules are those of memkind(3), KINDS and ENVIRONMENT. Nothing is read and
//! nothing printed here: facts come in as tables, remarks go out as [`Note`] values.
#![forbid(unsafe_code)]

mod attributes;
mod choice;
mod facts;
mod home;
mod later;
mod reach;
mod ties;

pub use choice::{Attribute, Choice, Nodes, Reach, Take};
pub use facts::{Facts, Settings};
pub use ties::TIES_MANY;

use core::ffi::CStr;

use super::listed;
use super::mask::NodeMask;
use super::nodes::Machine;
use super::nodestring;
use super::note::Note;
use super::targets::Targets;
use crate::env;
use crate::error::Error;
use reach::{allowed, explain_cpuset, reach};

/// MiB/s from which memory is high-bandwidth memory, unless MEMKIND_HBW_THRESHOLD says otherwise.
pub const DEFAULT_THRESHOLD: u64 = 200 * 1024;

/// Decides for each CPU the nodes from which a kind takes memory. Remarks for a person who debugs
/// go to `report` as they arise.
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
    let targets = later::add_offline(facts.machine, targets);
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
        Nodes::WithCpus => {
            let nodes = machine.with_cpus();
            if nodes.is_empty() {
                report(Note::NoneWithCpus);
            }
            reach(machine, &allowed(machine, &nodes, report)?, choice, report)
        }
        Nodes::MostCapacity => most_capacity(machine, choice, report),
        Nodes::DaxKmem => {
            let nodes = match settings.dax_kmem_nodes {
                Some(text) => nodes_of(machine, env::DAX_KMEM_NODES, text, report)?,
                None => allowed(machine, &(facts.dax_kmem)(), report)?,
            };
            reach(machine, &nodes, choice, report)
        }
        Nodes::HighBandwidth => {
            if let Some(text) = settings.hbw_nodes {
                let nodes = nodes_of(machine, env::HBW_NODES, text, report)?;
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

/// The nodes of `text`, the list in an environment variable.
fn nodes_of(
    machine: &Machine,
    variable: &CStr,
    text: &CStr,
    report: &mut dyn FnMut(Note<'_>),
) -> Result<NodeMask, Error> {
    nodestring::parse(text.to_bytes(), &machine.allowed, &machine.online())
        .map(|nodes| nodes.intersection(&machine.allowed))
        .map_err(|problem| {
            report(Note::NodeList(problem));
            report(Note::InvalidVariable(text));
            if let Err(refused) = listed::read(text.to_bytes(), machine) {
                report(Note::ListRefused { variable, refused });
            }
            Error::Environ
        })
}

/// The bandwidth in MiB/s from which memory is high-bandwidth memory.
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

#[cfg(test)]
mod tests;
