//! What nodes have left, asked in the middle of an allocation: nothing here allocates,
//! but for [`Left::kept`], which is asked once.
//!
//! The kernel kills a process that touches memory of a full node that it is bound to.
//! So what counts is what the kernel would find for such a page before it gives up:
//! free pages above the watermark of their zone, page cache and slabs that it can drop,
//! and swap space. The estimate of what can be dropped is that of MemAvailable in
//! proc(5), made for some nodes instead of all.
#![forbid(unsafe_code)]

use core::fmt::Write;
use std::fs::{self, File};
use std::io::Read;

use super::mask::NodeMask;
use super::sysfs::meminfo;
use crate::log::Line;

/// Pages of the processor, in bytes: the unit of `/proc/zoneinfo`.
const PAGE: u64 = 4096;

/// Where the kernel's answers are: directories laid out as `/sys` and `/proc`.
#[derive(Clone, Copy, Debug)]
pub struct Left<'a> {
    sys: &'a str,
    proc: &'a str,
}

impl Left<'static> {
    /// The running kernel's.
    pub const HOST: Self = Self {
        sys: "/sys",
        proc: "/proc",
    };
}

/// The text of a file, as far as it fits.
struct Text {
    bytes: [u8; 4096],
    len: usize,
}

impl Text {
    fn read(path: &str) -> Option<Self> {
        let mut text = Self {
            bytes: [0; 4096],
            len: 0,
        };
        // A short path is made a C string on the stack.
        let mut file = File::open(path).ok()?;
        text.len = file.read(&mut text.bytes).ok()?;
        Some(text)
    }

    fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..self.len]).unwrap_or("")
    }
}

impl<'a> Left<'a> {
    /// The trees under other directories.
    pub const fn at(sys: &'a str, proc: &'a str) -> Self {
        Self { sys, proc }
    }

    /// Bytes that can still be had on the nodes together. `kept` is what [`Left::kept`]
    /// has answered; it does not count. `None` when the kernel does not tell.
    pub fn memory(&self, nodes: &NodeMask, kept: u64) -> Option<u64> {
        let mut sum = self.swap();
        let n_nodes = nodes.count().max(1) as u64;
        for node in nodes {
            let file = self.node_file(node, "meminfo")?;
            let text = file.as_str();
            let value = |name| meminfo(text, name).unwrap_or(0);
            let part = kept / n_nodes;
            // Half of a cache stays, or as much as the kernel keeps free anyway.
            let droppable = |bytes: u64| bytes - part.min(bytes / 2);
            let cache = value("Active(file):") + value("Inactive(file):");
            sum += meminfo(text, "MemFree:")?
                + droppable(cache)
                + droppable(value("KReclaimable:").max(value("SReclaimable:")));
        }
        Some(sum.saturating_sub(kept))
    }

    /// Bytes that can still be had on the whole machine; `None` when the kernel does not
    /// tell. It knows better than the sum of its nodes, to which memory may be added.
    pub fn memory_of_all(&self) -> Option<u64> {
        let file = self.proc_file("meminfo")?;
        Some(meminfo(file.as_str(), "MemAvailable:")? + self.swap())
    }

    /// Unused 2 MiB pages of the nodes together, and those that may be made on demand.
    pub fn huge_pages(&self, nodes: &NodeMask) -> (u64, u64) {
        let number = |text: Option<Text>| {
            text.and_then(|text| text.as_str().trim().parse().ok())
                .unwrap_or(0_u64)
        };
        let on = |node| number(self.node_file(node, "hugepages/hugepages-2048kB/free_hugepages"));
        let of = |name: &str| {
            let mut path = Line::new();
            let _ = write!(
                path,
                "{}/kernel/mm/hugepages/hugepages-2048kB/{name}",
                self.sys
            );
            number(Text::read(path.text()))
        };
        let made = of("surplus_hugepages");
        let on_demand = of("nr_overcommit_hugepages").saturating_sub(made);
        (nodes.iter().map(on).sum(), on_demand)
    }

    /// Whether the kernel puts transparent huge pages where nobody has asked for them.
    pub fn huge_pages_unasked(&self) -> bool {
        let mut path = Line::new();
        let _ = write!(path, "{}/kernel/mm/transparent_hugepage/enabled", self.sys);
        Text::read(path.text()).is_some_and(|text| text.as_str().contains("[always]"))
    }

    /// Bytes of the nodes together that the kernel keeps for itself: the high watermarks
    /// of their zones, as far up as it may raise them, and what is reserved for requests
    /// that only lower zones can serve; and how much of it is that rise.
    pub fn kept(&self, nodes: &NodeMask) -> Option<(u64, u64)> {
        let text = fs::read_to_string(format!("{}/zoneinfo", self.proc)).ok()?;
        let boost = fs::read_to_string(format!("{}/sys/vm/watermark_boost_factor", self.proc));
        let boost = boost.ok().and_then(|text| text.trim().parse().ok());
        let kept = kept_of(&text, boost.unwrap_or(0), nodes);
        Some((kept, kept - kept_of(&text, 0, nodes)))
    }

    fn swap(&self) -> u64 {
        self.proc_file("meminfo")
            .and_then(|file| meminfo(file.as_str(), "SwapFree:"))
            .unwrap_or(0)
    }

    fn node_file(&self, node: u16, name: &str) -> Option<Text> {
        let mut path = Line::new();
        let _ = write!(path, "{}/devices/system/node/node{node}/{name}", self.sys);
        Text::read(path.text())
    }

    fn proc_file(&self, name: &str) -> Option<Text> {
        let mut path = Line::new();
        let _ = write!(path, "{}/{name}", self.proc);
        Text::read(path.text())
    }
}

/// Pages of the block by which the kernel raises the watermarks of a zone when it has to
/// take memory from a block of another sort (`vm.watermark_boost_factor`).
const BLOCK: u64 = 512;

/// [`Left::kept`] on the text of `/proc/zoneinfo`; `boost` is how far watermarks may be
/// raised, in ten-thousandths of the high one.
fn kept_of(text: &str, boost: u64, nodes: &NodeMask) -> u64 {
    let (mut sum, mut meant) = (0, false);
    let (mut high, mut managed, mut raised) = (0_u64, 0, 0);
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let (name, value) = (words.next(), words.next());
        let number = || value.and_then(|value| value.parse().ok()).unwrap_or(0);
        match (name, value) {
            (Some("Node"), Some(node)) => {
                let node = node.trim_end_matches(',').parse();
                meant = node.is_ok_and(|node| nodes.contains(node));
                (high, managed, raised) = (0, 0, 0);
            }
            (Some("boost"), _) => raised = number(),
            (Some("high"), _) => high = number(),
            (Some("managed"), _) => managed = number(),
            (Some("protection:"), Some(_)) if meant => {
                let list = line.split_once(':').map_or("", |(_, list)| list);
                let numbers = list.split(|c: char| !c.is_ascii_digit());
                let reserved = numbers.filter_map(|n| n.parse::<u64>().ok()).max();
                let high = high.saturating_sub(raised);
                let highest = high + may_rise(high, managed, boost);
                sum += managed.min(highest + reserved.unwrap_or(0)) * PAGE;
            }
            _ => {}
        }
    }
    sum
}

/// By how many pages the kernel may raise the watermarks of a zone.
fn may_rise(high: u64, managed: u64, boost: u64) -> u64 {
    // A zone of less than four blocks is left as it is.
    match high.saturating_mul(boost) / 10_000 {
        0 => 0,
        _ if managed < 4 * BLOCK => 0,
        pages => pages.max(BLOCK),
    }
}

#[cfg(test)]
mod tests {
    use super::{Left, NodeMask, kept_of};
    use std::fs;

    const ZONES: &str = "\
Node 0, zone      DMA
  per-node stats
      nr_inactive_anon 417
  pages free     3840
        boost    12
        min      49
        low      61
        high     85
        managed  3840
        protection: (0, 3019, 5067, 5067, 5067)
      nr_free_pages 3840
  pagesets
    cpu: 0
              high:  378
Node 0, zone   Normal
        high     10212
        managed  524288
        protection: (0, 0, 0, 0, 0)
Node 2, zone  Movable
        high     32
        managed  16384
        protection: (0, 0, 0, 0, 0)
";

    #[test]
    fn what_the_kernel_keeps_is_read() {
        let kept = |node, boost| kept_of(ZONES, boost, &NodeMask::single(node)) / 4096;
        // All of the zone that no ordinary request is served from, and a watermark.
        assert_eq!(kept(0, 0), 3840 + 10212);
        assert_eq!(kept(2, 0), 32);
        assert_eq!(kept(1, 0), 0);
        // Which may rise to two and a half of it, or by a block.
        assert_eq!(kept(0, 15000), 3840 + 10212 + 15318);
        assert_eq!(kept(2, 15000), 32 + 512);
        assert_eq!(kept(2, 1), 32);
        let both = NodeMask::single(0).union(&NodeMask::single(2));
        assert_eq!(kept_of(ZONES, 0, &both) / 4096, kept(0, 0) + kept(2, 0));
    }

    #[test]
    fn a_raised_watermark_counts_once() {
        let zone = |boost: u64, high: u64| {
            format!(
                "Node 1, zone Normal\n boost {boost}\n high {high}\n managed 15829\n \
                 protection: (0, 0)\n"
            )
        };
        let kept = |text: &str| kept_of(text, 15000, &NodeMask::single(1)) / 4096;
        assert_eq!(kept(&zone(0, 87)), 87 + 512);
        assert_eq!(kept(&zone(512, 87 + 512)), 87 + 512);
        // Too small a zone to be worth it.
        let small = zone(0, 87).replace("15829", "2047");
        assert_eq!(kept(&small), 87);
    }

    #[test]
    fn a_made_up_machine() {
        let root = std::env::temp_dir().join(format!("memkind-left-{}", std::process::id()));
        let node = root.join("sys/devices/system/node/node1");
        let huge = node.join("hugepages/hugepages-2048kB");
        let all = root.join("sys/kernel/mm/hugepages/hugepages-2048kB");
        for directory in [&huge, &all, &root.join("proc")] {
            fs::create_dir_all(directory).expect("a temporary directory");
        }
        let write = |path, text: &str| fs::write(path, text).expect("a temporary file");
        write(
            node.join("meminfo"),
            "Node 1 MemTotal: 9000 kB\nNode 1 MemFree: 1000 kB\nNode 1 Active(file): 60 kB\n\
             Node 1 Inactive(file): 40 kB\nNode 1 KReclaimable: 8 kB\nNode 1 SReclaimable: 8 kB\n",
        );
        write(huge.join("free_hugepages"), "5\n");
        write(all.join("nr_overcommit_hugepages"), "7\n");
        write(all.join("surplus_hugepages"), "3\n");
        write(
            root.join("proc/meminfo"),
            "MemAvailable: 5000 kB\nSwapFree: 300 kB\n",
        );
        let (sys, proc) = (root.join("sys"), root.join("proc"));
        let left = Left::at(sys.to_str().expect("UTF-8"), proc.to_str().expect("UTF-8"));
        let one = NodeMask::single(1);
        let kib = |kib: u64| Some(kib * 1024);
        assert_eq!(left.memory(&one, 0), kib(1000 + 100 + 8 + 300));
        // A little is kept, of the caches too, but of those never more than half.
        assert_eq!(left.memory(&one, 6 << 10), kib(1000 + 94 + 4 + 300 - 6));
        assert_eq!(left.memory(&one, 1 << 40), Some(0));
        assert_eq!(left.memory(&NodeMask::single(2), 0), None);
        assert_eq!(left.memory_of_all(), kib(5300));
        assert_eq!(left.huge_pages(&one), (5, 4));
        assert_eq!(left.huge_pages(&NodeMask::single(2)), (0, 4));
        assert_eq!(left.kept(&one), None);
        assert!(!left.huge_pages_unasked());
        let thp = root.join("sys/kernel/mm/transparent_hugepage");
        fs::create_dir(&thp).expect("a temporary directory");
        write(thp.join("enabled"), "[always] madvise never\n");
        assert!(left.huge_pages_unasked());
        write(thp.join("enabled"), "always [madvise] never\n");
        assert!(!left.huge_pages_unasked());
        fs::remove_dir_all(root).expect("our own directory");
    }

    #[test]
    fn this_machine() {
        let nodes = super::super::memory_nodes();
        let left = Left::HOST;
        assert!(left.memory_of_all().is_some_and(|bytes| bytes > 0));
        let kept = left.kept(&nodes).map_or(0, |(kept, _)| kept);
        assert!(left.memory(&nodes, kept).is_some());
    }
}
