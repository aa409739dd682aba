//! Made-up machines, and the question put to one.

use super::super::{Choice, Facts, Settings, select};
use crate::error::Error;
use crate::topology::NodeMask;
use crate::topology::nodes::{Attributes, Initiator, Machine, Node, Target};

/// A machine under construction, with its attributes and DAX nodes.
pub(super) struct Fake {
    pub(super) machine: Machine,
    pub(super) attributes: Attributes,
    dax: NodeMask,
    prefers_many: bool,
}

pub(super) type Row<'a> = (u16, &'a [usize], u64);

pub(super) fn mask(nodes: &[u16]) -> NodeMask {
    nodes.iter().copied().collect()
}

/// Nodes as (number, CPUs, capacity), and the matrix of distances.
pub(super) fn fake(nodes: &[Row<'_>], distances: &[&[u32]]) -> Fake {
    let node = |(row, distances): (&Row<'_>, &&[u32])| Node {
        number: row.0,
        cpus: row.1.to_vec(),
        offline: Vec::new(),
        capacity: row.2,
        distances: distances.to_vec(),
    };
    let target = |row: &Row<'_>| Target {
        node: row.0,
        bandwidth: None,
        latency: None,
        local: false,
    };
    let initiator = |row: &Row<'_>| Initiator {
        node: row.0,
        has_cpus: !row.1.is_empty(),
        targets: nodes.iter().map(target).collect(),
    };
    Fake {
        machine: Machine {
            nodes: nodes.iter().zip(distances).map(node).collect(),
            allowed: nodes
                .iter()
                .filter(|row| row.2 > 0)
                .map(|row| row.0)
                .collect(),
            knights: false,
        },
        attributes: Attributes {
            initiators: nodes.iter().map(initiator).collect(),
        },
        dax: NodeMask::EMPTY,
        prefers_many: true,
    }
}

impl Fake {
    pub(super) fn pair(&mut self, from: u16, to: u16) -> &mut Target {
        let mut initiators = self.attributes.initiators.iter_mut();
        let initiator = initiators.find(|i| i.node == from).expect("initiator");
        let mut targets = initiator.targets.iter_mut();
        targets.find(|t| t.node == to).expect("target")
    }

    /// Makes a target local to a node's CPUs, with bandwidth and latency.
    pub(super) fn local(mut self, from: u16, to: u16, bandwidth: u64, latency: u64) -> Self {
        *self.pair(from, to) = Target {
            node: to,
            bandwidth: Some(bandwidth),
            latency: Some(latency),
            local: true,
        };
        self
    }

    /// Makes a target local without known attributes.
    pub(super) fn near(mut self, from: u16, to: u16) -> Self {
        self.pair(from, to).local = true;
        self
    }

    /// Leaves only the first `n_online` of a node's CPUs online.
    pub(super) fn online(mut self, node: u16, n_online: usize) -> Self {
        let mut nodes = self.machine.nodes.iter_mut();
        let node = nodes.find(|n| n.number == node).expect("node");
        node.offline = node.cpus.split_off(n_online);
        if n_online == 0 {
            let initiators = &mut self.attributes.initiators;
            initiators.retain(|initiator| initiator.node != node.number);
        }
        self
    }

    pub(super) fn knights(mut self) -> Self {
        self.machine.knights = true;
        self
    }

    /// Gives the machine a kernel that can prefer one node only.
    pub(super) fn old_kernel(mut self) -> Self {
        self.prefers_many = false;
        self
    }

    pub(super) fn dax(mut self, nodes: &[u16]) -> Self {
        self.dax = mask(nodes);
        self
    }

    pub(super) fn allow(mut self, nodes: &[u16]) -> Self {
        self.machine.allowed = mask(nodes);
        self
    }

    /// The nodes per CPU as text, or the error; and the remarks.
    pub(super) fn ask(
        &self,
        settings: Settings<'_>,
        choice: Choice,
    ) -> (Result<String, Error>, Vec<String>) {
        let facts = Facts {
            machine: &self.machine,
            attributes: &|| Ok(&self.attributes),
            dax_kmem: &|| self.dax,
            prefers_many: &|| self.prefers_many,
        };
        let mut notes = Vec::new();
        let targets = select(&facts, &settings, choice, &mut |note| {
            notes.push(note.to_string());
        });
        let n_cpus = self
            .machine
            .nodes
            .iter()
            .flat_map(|node| node.cpus.iter().chain(&node.offline))
            .count();
        let text = targets.map(|targets| {
            assert!(targets.n_places() >= 1);
            let cpus = (0..n_cpus).map(|cpu| targets.of_cpu(cpu).to_string());
            cpus.collect::<Vec<_>>().join(" ")
        });
        (text, notes)
    }

    pub(super) fn is(&self, choice: Choice, expected: &str) {
        let (result, notes) = self.ask(Settings::default(), choice);
        assert_eq!(result.as_deref(), Ok(expected), "{choice:?} {notes:?}");
    }

    pub(super) fn fails(&self, choice: Choice, error: Error) {
        let (result, _) = self.ask(Settings::default(), choice);
        assert_eq!(result, Err(error), "{choice:?}");
    }
}
