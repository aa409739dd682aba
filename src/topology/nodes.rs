//! The facts of the machine's nodes: plain tables that `select` decides on.
#![forbid(unsafe_code)]

use super::mask::NodeMask;
use super::sysfs::Sysfs;

/// A node of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The kernel's number; numbers may be missing in between.
    pub number: u16,
    /// The node's online CPUs, ascending; none for a node of memory only.
    pub cpus: Vec<usize>,
    /// The node's CPUs that are offline, ascending: they may come later.
    pub offline: Vec<usize>,
    /// Bytes of memory (MemTotal); 0 for a node of CPUs only.
    pub capacity: u64,
    /// The distance to each node of [`Machine::nodes`], in that order; 10 is itself.
    pub distances: Vec<u32>,
}

/// The nodes of a machine, and those that the process may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The online nodes, ascending.
    pub nodes: Vec<Node>,
    /// The nodes with memory that the cpuset of the process allows.
    pub allowed: NodeMask,
    /// Whether the CPU is a Xeon Phi (Knights Landing, Knights Mill), whose
    /// high-bandwidth nodes are those without CPUs.
    pub knights: bool,
}

impl Machine {
    /// Reads the nodes. `mems_allowed` is the mask of the process's cpuset, or `None`
    /// when the kernel has none.
    pub fn read(sysfs: &Sysfs<'_>, mems_allowed: Option<NodeMask>, knights: bool) -> Self {
        let online: Vec<u16> = sysfs.online_nodes().iter().collect();
        let cpus: Vec<_> = online
            .iter()
            .map(|node| sysfs.cpus_of_node(*node))
            .collect();
        let mut offline = sysfs.cpus();
        offline.retain(|cpu| !cpus.iter().any(|cpus| cpus.contains(cpu)));
        let node = |(number, cpus)| Node {
            number,
            cpus,
            offline: sysfs.those_of_node(number, &offline),
            capacity: sysfs.memory(number).unwrap_or_default().total,
            distances: sysfs.distances(number),
        };
        let with_memory = sysfs.nodes_with_memory();
        Self {
            nodes: online.iter().copied().zip(cpus).map(node).collect(),
            allowed: mems_allowed.map_or(with_memory, |mask| mask.intersection(&with_memory)),
            knights,
        }
    }

    /// The nodes that exist.
    pub fn online(&self) -> NodeMask {
        self.nodes.iter().map(|node| node.number).collect()
    }

    /// The nodes that have CPUs online.
    pub fn with_cpus(&self) -> NodeMask {
        let with_cpus = self.nodes.iter().filter(|node| !node.cpus.is_empty());
        with_cpus.map(|node| node.number).collect()
    }

    /// The node of that number, if it exists.
    pub fn node(&self, number: u16) -> Option<&Node> {
        self.nodes.iter().find(|node| node.number == number)
    }

    /// The distance between two nodes; the largest number when the kernel does not tell.
    pub fn distance(&self, from: u16, to: u16) -> u32 {
        let to = self.nodes.iter().position(|node| node.number == to);
        self.node(from)
            .and_then(|node| node.distances.get(to?))
            .copied()
            .unwrap_or(u32::MAX)
    }
}

/// Bandwidth, latency and locality of memory for the CPUs of each node, from libhwloc.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// A row per node, in hwloc's order, which is that of the machine's tree.
    pub initiators: Vec<Initiator>,
}

/// The view from the CPUs of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Initiator {
    /// The node whose CPUs access memory.
    pub node: u16,
    /// Whether the process may use any CPU there.
    pub has_cpus: bool,
    /// Every node as seen from there, in hwloc's order.
    pub targets: Vec<Target>,
}

/// A node as memory for an initiator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The node whose memory is meant.
    pub node: u16,
    /// MiB/s, mean of reading and writing; `None` when the firmware does not tell.
    pub bandwidth: Option<u64>,
    /// Nanoseconds, mean of reading and writing; `None` when the firmware does not tell.
    pub latency: Option<u64>,
    /// Whether the node belongs to exactly the same CPUs as the initiator.
    pub local: bool,
}

#[cfg(test)]
mod tests {
    use super::{Machine, Sysfs};
    use std::fs;

    #[test]
    fn offline_cpus_belong_to_nodes() {
        let root = std::env::temp_dir().join(format!("memkind-nodes-{}", std::process::id()));
        let put = |path: &str, text: &str| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().expect("a directory")).expect("made");
            fs::write(path, text).expect("written");
        };
        put("devices/system/cpu/present", "0-4\n");
        put("devices/system/node/online", "0,2\n");
        put("devices/system/node/node0/cpulist", "0\n");
        put("devices/system/node/node2/cpulist", "2\n");
        for link in ["node0/cpu0", "node0/cpu1", "node2/cpu2", "node2/cpu3"] {
            put(&format!("devices/system/node/{link}"), "");
        }
        let machine = Machine::read(&Sysfs::at(root.to_str().expect("text")), None, false);
        fs::remove_dir_all(&root).expect("removed");
        let cpus = |node| {
            let node = machine.node(node).expect("a node");
            (node.cpus.as_slice(), node.offline.as_slice())
        };
        assert_eq!(cpus(0), (&[0][..], &[1][..]));
        assert_eq!(cpus(2), (&[2][..], &[3][..]));
    }
}
