//! Choices by bandwidth, latency and locality, as seen from the CPUs of each node.
#![forbid(unsafe_code)]

use super::choice::{Attribute, Choice};
use super::reach::{explain_cpuset, within_reach};
use crate::error::Error;
use crate::topology::mask::NodeMask;
use crate::topology::nodes::{Attributes, Initiator, Machine, Target};
use crate::topology::note::Note;
use crate::topology::targets::Targets;

/// The nodes that reach `threshold` from the CPUs of each node.
pub(super) fn fast(
    machine: &Machine,
    attributes: &Attributes,
    threshold: u64,
    choice: Choice,
    report: &mut dyn FnMut(Note<'_>),
) -> Result<Targets, Error> {
    per_initiator(machine, attributes, report, |initiator, report| {
        let mut nodes = NodeMask::EMPTY;
        for target in &initiator.targets {
            match target.bandwidth {
                Some(bandwidth) if bandwidth < threshold => {}
                Some(_) => nodes.insert(target.node),
                None => report(Note::Unknown {
                    initiator: initiator.node,
                    target: target.node,
                }),
            }
        }
        let fast = nodes;
        let nodes = fast.intersection(&machine.allowed);
        if nodes.is_empty() {
            report(Note::NoFastNode(initiator.node));
            explain_cpuset(machine, &fast, report);
            return Err(Error::MemtypeNotAvailable);
        }
        within_reach(machine, initiator.node, &nodes, choice, report)
    })
}

/// The local node that is best by an attribute.
pub(super) fn best(
    machine: &Machine,
    attributes: &Attributes,
    attribute: Attribute,
    report: &mut dyn FnMut(Note<'_>),
) -> Result<Targets, Error> {
    let capacity = |target: &Target| machine.node(target.node).map_or(0, |node| node.capacity);
    per_initiator(machine, attributes, report, |initiator, report| {
        // The larger of two keys is better; the first of equal keys wins.
        let mut best: Option<((u64, u64), u16)> = None;
        let local = |target: &&Target| target.local && machine.allowed.contains(target.node);
        for target in initiator.targets.iter().filter(local) {
            let smaller = u64::MAX - capacity(target);
            let key = match attribute {
                Attribute::Capacity => {
                    let distance = machine.distance(initiator.node, target.node);
                    Some((capacity(target), distance.into()))
                }
                Attribute::Bandwidth => target.bandwidth.map(|value| (value, smaller)),
                Attribute::Latency => target.latency.map(|value| (u64::MAX - value, smaller)),
            };
            match key {
                Some(key) if best.is_none_or(|(so_far, _)| key > so_far) => {
                    best = Some((key, target.node));
                }
                Some(_) => {}
                None => report(Note::Unknown {
                    initiator: initiator.node,
                    target: target.node,
                }),
            }
        }
        let Some((_, node)) = best else {
            report(Note::NoLocalNode(initiator.node));
            let local = initiator.targets.iter().filter(|target| target.local);
            let local: NodeMask = local
                .filter(|target| capacity(target) > 0)
                .map(|target| target.node)
                .collect();
            explain_cpuset(machine, &local, report);
            return Err(Error::MemtypeNotAvailable);
        };
        Ok(NodeMask::single(node))
    })
}

/// Decides for the CPUs of each node in hwloc's order; the first that fails ends it.
fn per_initiator(
    machine: &Machine,
    attributes: &Attributes,
    report: &mut dyn FnMut(Note<'_>),
    mut decide: impl FnMut(&Initiator, &mut dyn FnMut(Note<'_>)) -> Result<NodeMask, Error>,
) -> Result<Targets, Error> {
    let mut targets = Targets::nowhere();
    for initiator in &attributes.initiators {
        let node = machine.node(initiator.node);
        let cpus = node.map_or(&[][..], |node| &node.cpus);
        if cpus.is_empty() || !initiator.has_cpus {
            report(Note::NoCpus(initiator.node));
            continue;
        }
        targets.add(cpus, decide(initiator, report)?);
    }
    if targets.is_nowhere() {
        return Err(Error::MemtypeNotAvailable);
    }
    Ok(targets)
}
