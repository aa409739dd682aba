//! The home node of a place: memory comes from its nodes in the order of their distance from it.
//!
//! Of several nodes that memory is bound to, Linux takes the one nearest to the CPU that first
//! touches a page. That is right where all CPUs share a heap, or the nodes are equally near to
//! the CPUs of the heap. Otherwise a heap is for the CPUs of one place, and memory has to come
//! from the node nearest to these, whichever CPU touches it first: a home node tells which.
#![forbid(unsafe_code)]

use crate::topology::nodes::{Machine, Node};
use crate::topology::targets::Targets;

/// Gives each place its home node, if it has one.
pub(super) fn give_homes(machine: &Machine, mut targets: Targets) -> Targets {
    if targets.n_places() > 1 {
        for place in 0..targets.n_places() {
            if let Some(home) = home(machine, &targets, place) {
                targets.set_home(place, home);
            }
        }
    }
    targets
}

fn home(machine: &Machine, targets: &Targets, place: usize) -> Option<u16> {
    let here = |node: &&Node| {
        let mut cpus = node.cpus.iter().chain(&node.offline);
        cpus.any(|cpu| targets.place_of_cpu(*cpu) == place)
    };
    let mut nodes = machine.nodes.iter().filter(here);
    let (Some(home), None) = (nodes.next(), nodes.next()) else {
        return None;
    };
    let distance = |node| machine.distance(home.number, node);
    let mut distances = targets.of_place(place).iter().map(distance);
    let first = distances.next()?;
    distances.any(|other| other != first).then_some(home.number)
}
