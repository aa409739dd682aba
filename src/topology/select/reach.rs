//! The nodes of a choice that a CPU may use, and those near enough to it.
#![forbid(unsafe_code)]

use super::choice::{Choice, Reach, Take};
use crate::error::Error;
use crate::topology::mask::NodeMask;
use crate::topology::nodes::Machine;
use crate::topology::note::Note;
use crate::topology::targets::Targets;

/// The nodes of a set that the process may use.
pub(super) fn allowed(
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

/// Reports that there are such nodes but the cpuset forbids them.
pub(super) fn explain_cpuset(
    machine: &Machine,
    nodes: &NodeMask,
    report: &mut dyn FnMut(Note<'_>),
) {
    let allowed = &machine.allowed;
    if !nodes.is_empty() && nodes.intersection(allowed).is_empty() {
        report(Note::NoneAllowed { nodes, allowed });
    }
}

/// The nodes within the choice's reach, for every CPU.
pub(super) fn reach(
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
    // CPUs that come later get the nodes that are nearest to them, too, but a tie there is no
    // error for the others.
    for node in machine.nodes.iter().filter(|node| node.cpus.is_empty()) {
        let near = within_reach(machine, node.number, nodes, choice, &mut |_| ());
        if let (Ok(near), false) = (near, node.offline.is_empty()) {
            targets.add(&node.offline, near);
        }
    }
    Ok(targets)
}

/// The nodes of a set within the choice's reach from one node.
pub(super) fn within_reach(
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
