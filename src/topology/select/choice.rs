//! The part of a kind's row that decides its nodes.
#![forbid(unsafe_code)]

/// The property of the nodes that a kind means.
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

/// The attribute by which a local node is best.
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
    /// The nodes nearest to the allocating CPU.
    Local,
    /// Every node that is meant.
    All,
}

/// How many nodes may be equally good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// Any number of nodes.
    Many,
    /// A single node; a tie is an error, unless MEMKIND_PREFERRED_TIES allows it.
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

    /// The number of the choice, which no other choice has.
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
