//! Which nodes a kind takes memory from: pure rules on facts, environment and row.
#![forbid(unsafe_code)]

use super::mask::NodeMask;

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
    /// One; a tie is an error.
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

/// For each CPU the nodes to take memory from.
///
/// CPUs with the same nodes share a *place*, numbered from 0: a heap that keeps
/// memory apart per place keeps local memory local.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Targets {
    places: Vec<NodeMask>,
    place_of_cpu: Vec<u16>,
    all: NodeMask,
}

impl Targets {
    /// The nodes for a CPU; those of place 0 for a CPU that was not there when the
    /// choice was made. An empty mask means that there is nothing to allocate from.
    pub fn of_cpu(&self, cpu: usize) -> &NodeMask {
        self.of_place(self.place_of_cpu(cpu))
    }

    /// The place of a CPU, below [`Targets::n_places`].
    pub fn place_of_cpu(&self, cpu: usize) -> usize {
        self.place_of_cpu.get(cpu).copied().unwrap_or(0).into()
    }

    /// The nodes of a place; no nodes for a number that is not below [`Targets::n_places`].
    pub fn of_place(&self, place: usize) -> &NodeMask {
        const NOTHING: &NodeMask = &NodeMask::EMPTY;
        self.places.get(place).unwrap_or(NOTHING)
    }

    /// Number of places, at least 1.
    pub fn n_places(&self) -> usize {
        self.places.len()
    }

    /// The nodes of all CPUs together.
    pub fn all(&self) -> NodeMask {
        self.all
    }

    /// The same nodes for every CPU.
    pub fn everywhere(nodes: NodeMask) -> Self {
        Self {
            places: vec![nodes],
            place_of_cpu: Vec::new(),
            all: nodes,
        }
    }
}
