//! CPUs that were offline or absent when the choice was made, for which it is not made again.
#![forbid(unsafe_code)]

use crate::topology::nodes::{Machine, Node};
use crate::topology::targets::Targets;

/// Gives each offline CPU that has no nodes yet those of the online CPUs that are nearest to it:
/// of its own node or, if all are offline there, of the node that is nearest to that. CPUs that
/// are added to a node later, as machines with pluggable CPUs do, get the nodes of the same CPUs.
pub(super) fn add_offline(machine: &Machine, mut targets: Targets) -> Targets {
    for node in &machine.nodes {
        let distance = |other: &&Node| machine.distance(node.number, other.number);
        let with_cpus = machine.nodes.iter().filter(|node| !node.cpus.is_empty());
        if let Some(cpu) = with_cpus
            .min_by_key(distance)
            .and_then(|node| node.cpus.first())
        {
            targets.add_beside(&node.offline, *cpu);
            targets.add_node_beside(node.number, *cpu);
        }
    }
    targets
}
