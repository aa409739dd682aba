//! The kernel's answers in `/sys`, read at the moment of the question.
//!
//! The root directory is a value, so a test can put a made-up machine under it.
//! Nothing is cached here. Only the search for DAX devices lists a directory (and so
//! lets libc allocate); everything else reads files whose names are known.
#![forbid(unsafe_code)]

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::mask::NodeMask;
use super::trouble;

/// A directory that is laid out as `/sys`.
#[derive(Clone, Copy, Debug)]
pub struct Sysfs<'a> {
    root: &'a str,
}

/// Memory of a node in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// All memory of the node (MemTotal).
    pub total: u64,
    /// Unused memory of the node (MemFree).
    pub free: u64,
}

impl Sysfs<'static> {
    /// The `/sys` of the running kernel.
    pub const HOST: Self = Self { root: "/sys" };
}

impl<'a> Sysfs<'a> {
    /// The tree under another directory.
    pub const fn at(root: &'a str) -> Self {
        Self { root }
    }

    /// The nodes that are online, with memory or CPUs or neither; node 0 alone on a
    /// kernel without NUMA.
    pub fn online_nodes(&self) -> NodeMask {
        match self.text("devices/system/node/online") {
            Some(text) => list(&text).filter_map(|n| u16::try_from(n).ok()).collect(),
            None => NodeMask::single(0),
        }
    }

    /// The nodes that have memory.
    pub fn nodes_with_memory(&self) -> NodeMask {
        match self.text("devices/system/node/has_memory") {
            Some(text) => list(&text).filter_map(|n| u16::try_from(n).ok()).collect(),
            None => self.online_nodes(),
        }
    }

    /// The online CPUs of a node, ascending.
    pub fn cpus_of_node(&self, node: u16) -> Vec<usize> {
        let text = self.text(&format!("devices/system/node/node{node}/cpulist"));
        text.map_or_else(Vec::new, |text| list(&text).collect())
    }

    /// The CPUs of the machine, online or not, ascending.
    pub fn cpus(&self) -> Vec<usize> {
        let text = self.text("devices/system/cpu/present");
        text.map_or_else(Vec::new, |text| list(&text).collect())
    }

    /// Those among `cpus` that belong to `node`; the kernel also tells it of offline ones.
    pub fn those_of_node(&self, node: u16, cpus: &[usize]) -> Vec<usize> {
        let is_there = |cpu: &&usize| {
            let link = self.path(&format!("devices/system/node/node{node}/cpu{cpu}"));
            trouble::noted(fs::symlink_metadata(link)).is_ok()
        };
        cpus.iter().filter(is_there).copied().collect()
    }

    /// The distances from a node to each online node, ascending by node number.
    pub fn distances(&self, node: u16) -> Vec<u32> {
        let text = self.text(&format!("devices/system/node/node{node}/distance"));
        let parse = |text: String| {
            text.split_ascii_whitespace()
                .map_while(|word| word.parse().ok())
                .collect()
        };
        text.map_or_else(Vec::new, parse)
    }

    /// The memory of a node; `None` when there is no such node.
    pub fn memory(&self, node: u16) -> Option<Memory> {
        let text = self.text(&format!("devices/system/node/node{node}/meminfo"))?;
        Some(Memory {
            total: meminfo(&text, "MemTotal:").unwrap_or(0),
            free: meminfo(&text, "MemFree:").unwrap_or(0),
        })
    }

    /// Number of CPUs that the machine has, online or not; allocates nothing.
    pub fn n_cpus(&self) -> Option<usize> {
        // The buffer is on the stack of the first allocating thread, which may be small. A longer
        // list would be cut, but the kernel's has only as many ranges as there are packages.
        let mut buffer = [0; 1024];
        let mut path = [0; 512];
        let path = join(&mut path, self.root, "/devices/system/cpu/present")?;
        let read = File::open(path).and_then(|mut file| file.read(&mut buffer));
        let n_bytes = trouble::noted(read).ok()?;
        let count = list(core::str::from_utf8(&buffer[..n_bytes]).ok()?).count();
        (count > 0).then_some(count)
    }

    /// The nodes of the DAX devices that the kernel uses as RAM.
    pub fn dax_kmem_nodes(&self) -> NodeMask {
        let devices = trouble::noted(fs::read_dir(self.path("bus/dax/devices")));
        let Ok(devices) = devices else {
            return NodeMask::EMPTY;
        };
        let node = |device: &Path| {
            let driver = trouble::noted(fs::read_link(device.join("driver"))).ok()?;
            if driver.file_name()? != "kmem" {
                return None;
            }
            let text = fs::read_to_string(device.join("target_node"));
            let text = trouble::noted(text).ok()?;
            text.trim().parse().ok()
        };
        devices
            .filter_map(|entry| node(&entry.ok()?.path()))
            .collect()
    }

    /// Persistent huge pages of `size_kib` KiB on a node; `None` when that size or
    /// that node is unknown.
    pub fn huge_pages_of_node(&self, size_kib: usize, node: u16) -> Option<u64> {
        self.number(&format!(
            "devices/system/node/node{node}/hugepages/hugepages-{size_kib}kB/nr_hugepages"
        ))
    }

    /// Persistent huge pages of `size_kib` KiB on the whole machine.
    pub fn huge_pages(&self, size_kib: usize) -> Option<u64> {
        self.number(&format!(
            "kernel/mm/hugepages/hugepages-{size_kib}kB/nr_hugepages"
        ))
    }

    /// Huge pages of `size_kib` KiB that may be made on demand; `None` when the
    /// kernel has no such size.
    pub fn huge_pages_overcommit(&self, size_kib: usize) -> Option<u64> {
        self.number(&format!(
            "kernel/mm/hugepages/hugepages-{size_kib}kB/nr_overcommit_hugepages"
        ))
    }

    fn path(&self, file: &str) -> PathBuf {
        Path::new(self.root).join(file)
    }

    fn text(&self, file: &str) -> Option<String> {
        trouble::noted(fs::read_to_string(self.path(file))).ok()
    }

    fn number(&self, file: &str) -> Option<u64> {
        self.text(file)?.trim().parse().ok()
    }
}

/// Joins two parts of a path in a buffer; `None` when they do not fit.
fn join<'b>(buffer: &'b mut [u8], root: &str, rest: &str) -> Option<&'b str> {
    let len = root.len() + rest.len();
    buffer
        .get_mut(..root.len())?
        .copy_from_slice(root.as_bytes());
    buffer
        .get_mut(root.len()..len)?
        .copy_from_slice(rest.as_bytes());
    core::str::from_utf8(&buffer[..len]).ok()
}

/// More than any kernel has CPUs or nodes.
const MOST: usize = 1 << 16;

/// The numbers of a list such as `0-3,8`; other text is skipped, and so are ranges that no kernel writes, which a damaged
/// copy of `/sys` may have.
pub fn list(text: &str) -> impl Iterator<Item = usize> + '_ {
    text.trim().split(',').flat_map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        match (first.trim().parse(), last.trim().parse()) {
            (Ok(first), Ok::<usize, _>(last)) if last < MOST => first..last + 1,
            _ => 0..0,
        }
    })
}

/// A value of a `meminfo` file in bytes: `Node 0 MemTotal:  475896 kB`, or without a node.
pub(super) fn meminfo(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.contains(name))?;
    let (_, value) = line.split_once(name)?;
    let kib: u64 = value.split_ascii_whitespace().next()?.parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::{Sysfs, list, meminfo};

    #[test]
    fn lists_are_read() {
        for (text, numbers) in [
            ("0\n", &[0][..]),
            ("0-3,8\n", &[0, 1, 2, 3, 8]),
            ("\n", &[]),
            ("x,1", &[1]),
            ("3-1", &[]),
            ("0-2000000,2", &[2]),
            ("18446744073709551615,3", &[3]),
        ] {
            assert_eq!(list(text).collect::<Vec<_>>(), numbers, "{text}");
        }
    }

    #[test]
    fn meminfo_is_in_bytes() {
        let text = "\nNode 12 MemTotal:        2048 kB\nNode 12 MemFree:  1 kB\n";
        assert_eq!(meminfo(text, "MemTotal:"), Some(2 << 20));
        assert_eq!(meminfo(text, "MemFree:"), Some(1024));
        assert_eq!(meminfo(text, "MemUsed:"), None);
    }

    #[test]
    fn a_tree_that_is_missing_is_a_machine_of_one_node() {
        let sysfs = Sysfs::at("/nonexistent");
        assert_eq!(sysfs.online_nodes().to_string(), "0");
        assert_eq!(sysfs.n_cpus(), None);
        assert!(sysfs.memory(0).is_none());
        assert!(sysfs.dax_kmem_nodes().is_empty());
    }
}
