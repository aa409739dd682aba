//! The source of the facts in the report: this machine, or a copy of another's `/sys`.

use std::fs;
use std::path::{Path, PathBuf};

use memkind::topology::huge::HugePages;
use memkind::topology::nodes::Machine;
use memkind::topology::sysfs::{self, Memory, Sysfs};
use memkind::topology::{self, Container, NodeMask};

use crate::words::reason;

/// Bytes of one huge page of the size that the library uses.
pub(crate) const HUGE_PAGE: u64 = 2 << 20;

/// The most memory that a control group of this process may have.
#[derive(Clone)]
pub(crate) struct Limit {
    /// Whether the limit is one of 2 MiB pages; else it is one of all memory.
    pub(crate) is_huge: bool,
    /// The limit, in bytes.
    pub(crate) bytes: u64,
    /// Bytes that the group can still take.
    pub(crate) left: u64,
    /// Path of the file that states the limit.
    pub(crate) file: String,
}

/// A machine to report on.
pub(crate) struct Source<'a> {
    /// `/sys`, or the directory with its copy.
    root: &'a Path,
    /// The reader of `root`.
    pub(crate) sysfs: &'a Sysfs<'a>,
    /// The nodes of the machine.
    pub(crate) machine: &'a Machine,
    /// The nodes whose memory is a DAX device.
    pub(crate) dax_kmem: NodeMask,
    /// The 2 MiB pages of the machine.
    pub(crate) huge_pages: HugePages,
    /// The limits of this process; none for a copy.
    pub(crate) limits: Vec<Limit>,
}

impl Source<'_> {
    /// This machine, as a program with this environment finds it.
    ///
    /// # Errors
    /// A sentence for the user when the nodes cannot be read.
    pub(crate) fn host() -> Result<Source<'static>, String> {
        let failed = |_| "The nodes of this machine cannot be read.".to_owned();
        Ok(Source {
            root: Path::new("/sys"),
            sysfs: &Sysfs::HOST,
            machine: topology::machine().map_err(failed)?,
            dax_kmem: topology::dax_kmem_nodes().map_err(failed)?,
            huge_pages: HugePages::read(&Sysfs::HOST),
            limits: limits(),
        })
    }

    /// The nodes in `sysfs`, a copy of another machine's `/sys` in the directory `dir`; a cpuset does
    /// not restrict them.
    ///
    /// # Errors
    /// A sentence for the user when `sysfs` has no nodes.
    pub(crate) fn machine_of(dir: &str, sysfs: &Sysfs<'_>) -> Result<Machine, String> {
        let machine = Machine::read(sysfs, None, false);
        if machine.nodes.iter().all(|node| node.distances.is_empty()) {
            return Err(match fs::read_dir(dir) {
                Ok(_) => format!("{dir}: it has no devices/system/node as /sys has."),
                Err(error) => format!("{dir}: {}.", reason(&error)),
            });
        }
        Ok(machine)
    }

    /// The kernel's memory tiers: rank (a smaller one is faster memory) and nodes.
    pub(crate) fn tiers(&self) -> Vec<(u32, NodeMask)> {
        let tier = |dir: PathBuf| {
            let name = dir.file_name()?.to_str()?;
            let number = name.strip_prefix("memory_tier")?.parse().ok()?;
            let text = fs::read_to_string(dir.join("nodelist")).ok()?;
            let nodes = sysfs::list(&text).filter_map(|node| u16::try_from(node).ok());
            Some((number, nodes.collect()))
        };
        self.entries("devices/virtual/memory_tiering")
            .filter_map(tier)
            .collect()
    }

    /// Names of the DAX devices that are not in use as RAM, in ascending order.
    pub(crate) fn other_dax_devices(&self) -> Vec<String> {
        let name = |dir: PathBuf| {
            let driver = fs::read_link(dir.join("driver")).ok();
            let is_kmem = driver.is_some_and(|link| link.ends_with("kmem"));
            let name = dir.file_name()?.to_string_lossy().into_owned();
            (!is_kmem).then_some(name)
        };
        let mut names: Vec<String> = self.entries("bus/dax/devices").filter_map(name).collect();
        names.sort();
        names
    }

    /// Paths of the entries of `dir`, a directory below the root; none when it cannot be read.
    fn entries(&self, dir: &str) -> impl Iterator<Item = PathBuf> + use<> {
        let entries = fs::read_dir(self.root.join(dir)).into_iter().flatten();
        entries.filter_map(|entry| Some(entry.ok()?.path()))
    }

    /// Bytes in 2 MiB pages of the node with the number `node`.
    pub(crate) fn huge_pages_of(&self, node: u16) -> Memory {
        let dir = format!("devices/system/node/node{node}/hugepages/hugepages-2048kB");
        let bytes = |file: &str| {
            let text = fs::read_to_string(self.root.join(&dir).join(file)).ok()?;
            text.trim().parse::<u64>().ok()?.checked_mul(HUGE_PAGE)
        };
        Memory {
            total: bytes("nr_hugepages").unwrap_or(0),
            free: bytes("free_hugepages").unwrap_or(0),
        }
    }
}

impl<'a> Source<'a> {
    /// The nodes of `machine`, which [`Source::machine_of`] has read below the directory `root`
    /// by `sysfs`.
    pub(crate) fn tree(root: &'a Path, sysfs: &'a Sysfs<'a>, machine: &'a Machine) -> Self {
        Self {
            root,
            sysfs,
            machine,
            dax_kmem: sysfs.dax_kmem_nodes(),
            huge_pages: HugePages::read(sysfs),
            limits: Vec::new(),
        }
    }
}

/// The limits of the control groups of this process.
fn limits() -> Vec<Limit> {
    let groups = Container::read("/proc");
    let limit = |is_huge, limit: Option<(u64, String)>, left: Option<u64>| {
        let (bytes, file) = limit?;
        let left = left.unwrap_or(bytes);
        Some(Limit {
            is_huge,
            bytes,
            left,
            file,
        })
    };
    let memory = limit(false, groups.memory_limit(), groups.memory_left());
    let huge_pages = limit(true, groups.huge_page_limit(), groups.huge_pages_left());
    memory.into_iter().chain(huge_pages).collect()
}
