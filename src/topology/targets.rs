//! The answer to a choice: for each CPU the nodes to take memory from.
#![forbid(unsafe_code)]

use super::mask::NodeMask;

/// The nodes to take memory from, for each CPU.
///
/// CPUs with the same nodes share a *place*, numbered from 0: a heap that keeps
/// memory apart per place keeps local memory local.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Targets {
    places: Vec<NodeMask>,
    /// The home node of each place; places past the end have none.
    homes: Vec<Option<u16>>,
    /// [`NOWHERE`] for a CPU that was not added.
    place_of_cpu: Vec<u16>,
    /// The place of a CPU that is added to a node later, by the node's number; [`NOWHERE`] for a
    /// node that was not there.
    place_of_node: Vec<u16>,
    all: NodeMask,
}

/// The place of a CPU that was not there when the choice was made.
const NOWHERE: u16 = u16::MAX;

impl Targets {
    /// The nodes for a CPU; those of place 0 for a CPU that was not there when the
    /// choice was made. An empty mask means that there is nothing to allocate from.
    pub fn of_cpu(&self, cpu: usize) -> &NodeMask {
        self.of_place(self.place_of_cpu(cpu))
    }

    /// The place of a CPU, below [`Targets::n_places`].
    pub fn place_of_cpu(&self, cpu: usize) -> usize {
        self.known_place(cpu).unwrap_or(0).into()
    }

    /// The place of the CPU `cpu`. A CPU that was not there when the choice was made has the place
    /// of its node, which `node` tells, or place 0 if the node was not there either.
    pub fn place_here(&self, cpu: usize, node: impl FnOnce() -> u16) -> usize {
        let place = self.known_place(cpu).or_else(|| {
            let place = self.place_of_node.get(usize::from(node())).copied();
            place.filter(|place| *place != NOWHERE)
        });
        place.unwrap_or(0).into()
    }

    fn known_place(&self, cpu: usize) -> Option<u16> {
        let place = self.place_of_cpu.get(cpu).copied();
        place.filter(|place| *place != NOWHERE)
    }

    /// The nodes of a place; no nodes for a number that is not below [`Targets::n_places`].
    pub fn of_place(&self, place: usize) -> &NodeMask {
        const NOTHING: &NodeMask = &NodeMask::EMPTY;
        self.places.get(place).unwrap_or(NOTHING)
    }

    /// The node from which a place's nodes are taken nearest first, whichever CPU touches
    /// the memory; `None` where that CPU decides.
    pub fn home(&self, place: usize) -> Option<u16> {
        self.homes.get(place).copied().flatten()
    }

    /// Number of places, at least 1.
    pub fn n_places(&self) -> usize {
        self.places.len()
    }

    /// The nodes of all CPUs together.
    pub fn all(&self) -> NodeMask {
        self.all
    }

    /// Targets of one place: every CPU takes memory from `nodes`.
    pub fn everywhere(nodes: NodeMask) -> Self {
        Self {
            places: vec![nodes],
            homes: Vec::new(),
            place_of_cpu: Vec::new(),
            place_of_node: Vec::new(),
            all: nodes,
        }
    }

    /// Targets without CPUs, to be filled by [`Targets::add`].
    pub(super) fn nowhere() -> Self {
        Self {
            places: Vec::new(),
            homes: Vec::new(),
            place_of_cpu: Vec::new(),
            place_of_node: Vec::new(),
            all: NodeMask::EMPTY,
        }
    }

    /// Whether no CPU was added.
    pub(super) fn is_nowhere(&self) -> bool {
        self.places.is_empty()
    }

    /// Sets the home node of a place.
    pub(super) fn set_home(&mut self, place: usize, home: u16) {
        self.homes.resize(self.places.len(), None);
        if let Some(slot) = self.homes.get_mut(place) {
            *slot = Some(home);
        }
    }

    /// Targets in which `nodes` are those of each CPU, beginning with CPU 0.
    #[cfg(test)]
    pub fn of_cpus(nodes: &[NodeMask]) -> Self {
        let mut targets = Self::nowhere();
        for (cpu, nodes) in nodes.iter().enumerate() {
            targets.add(&[cpu], *nodes);
        }
        targets
    }

    /// Sets the nodes of some CPUs.
    pub(super) fn add(&mut self, cpus: &[usize], nodes: NodeMask) {
        let place = self.places.iter().position(|place| *place == nodes);
        let place = place.unwrap_or_else(|| {
            self.places.push(nodes);
            self.places.len() - 1
        });
        self.all = self.all.union(&nodes);
        // At most one place per node, so the number fits.
        self.put(cpus, u16::try_from(place).unwrap_or(0));
    }

    /// Gives some CPUs the nodes of the CPU `other`; not those that have nodes already.
    pub(super) fn add_beside(&mut self, cpus: &[usize], other: usize) {
        if let Some(place) = self.known_place(other) {
            let known = |cpu: &&usize| self.known_place(**cpu).is_none();
            let cpus: Vec<usize> = cpus.iter().filter(known).copied().collect();
            self.put(&cpus, place);
        }
    }

    /// Gives the CPUs that are added to `node` later the nodes of the CPU `other`.
    pub(super) fn add_node_beside(&mut self, node: u16, other: usize) {
        if let Some(place) = self.known_place(other) {
            put(&mut self.place_of_node, node.into(), place);
        }
    }

    fn put(&mut self, cpus: &[usize], place: u16) {
        for cpu in cpus {
            put(&mut self.place_of_cpu, *cpu, place);
        }
    }
}

/// Sets an entry of a table that is as long as it has to be.
fn put(table: &mut Vec<u16>, index: usize, place: u16) {
    if table.len() <= index {
        table.resize(index + 1, NOWHERE);
    }
    table[index] = place;
}
