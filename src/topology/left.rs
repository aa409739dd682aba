//! Memory that nodes have left. It is read during an allocation, so nothing here allocates, but
//! for [`Left::kept`], which is called once.
//!
//! The kernel kills a process that touches memory of a full node that it is bound to. Memory
//! counts as left if the kernel would find it before that: free pages above the highest
//! watermark of their zone, page cache and slabs that it can drop, and swap space. The estimate
//! of droppable memory is that of MemAvailable in proc(5), made for some nodes instead of all.
#![forbid(unsafe_code)]

use core::fmt::Write;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};

use super::mask::NodeMask;
use super::sysfs::meminfo;
use super::trouble;
use crate::log::Line;
use crate::sys::page_size;

/// The kernel's default for `watermark_boost_factor`, in parts of 10,000.
const BOOST_FACTOR: u64 = 15_000;

/// Directories laid out as `/sys` and `/proc`, with the kernel's figures.
#[derive(Clone, Copy, Debug)]
pub struct Left<'a> {
    sys: &'a str,
    proc: &'a str,
}

impl Left<'static> {
    /// The directories of the running kernel.
    pub const HOST: Self = Self {
        sys: "/sys",
        proc: "/proc",
    };
}

/// Bytes of a buffer for the text of a file, twice the longest of a node; a longer text is cut.
/// One buffer at a time lies on the stack of the allocating thread, which may be small.
pub(super) struct Text([u8; 2048]);

impl Text {
    pub(super) const fn new() -> Self {
        Self([0; 2048])
    }

    pub(super) fn read(&mut self, path: &str) -> Option<&str> {
        // A short path is made a C string on the stack.
        let read = File::open(path).and_then(|mut file| file.read(&mut self.0));
        let len = trouble::noted(read).ok()?;
        Some(core::str::from_utf8(&self.0[..len]).unwrap_or(""))
    }
}

impl<'a> Left<'a> {
    /// Figures read from other directories than /sys and /proc: copies of these.
    pub const fn at(sys: &'a str, proc: &'a str) -> Self {
        Self { sys, proc }
    }

    /// Bytes left on the nodes together, without `kept`, the bytes of [`Left::kept`]. `None` when
    /// the kernel does not tell.
    pub fn memory(&self, nodes: &NodeMask, kept: u64) -> Option<u64> {
        let mut file = Text::new();
        let mut sum = self.swap(&mut file);
        let n_nodes = nodes.count().max(1) as u64;
        for node in nodes {
            let text = self.node_file(&mut file, node, "meminfo")?;
            let value = |name| meminfo(text, name).unwrap_or(0);
            let part = kept / n_nodes;
            // Half of a cache stays, or the bytes that the kernel keeps free if these are fewer.
            let droppable = |bytes: u64| bytes - part.min(bytes / 2);
            let cache = value("Active(file):") + value("Inactive(file):");
            sum += meminfo(text, "MemFree:")?
                + droppable(cache)
                + droppable(value("KReclaimable:").max(value("SReclaimable:")));
        }
        Some(sum.saturating_sub(kept))
    }

    /// Bytes left on the whole machine; `None` when the kernel does not tell. More reliable than
    /// the sum of the nodes, to which memory may be added.
    pub fn memory_of_all(&self) -> Option<u64> {
        let mut file = Text::new();
        let text = self.proc_file(&mut file, "meminfo")?;
        Some(meminfo(text, "MemAvailable:")? + meminfo(text, "SwapFree:").unwrap_or(0))
    }

    /// The numbers of unused 2 MiB pages of the nodes together, and of those that may be made on demand.
    pub fn huge_pages(&self, nodes: &NodeMask) -> (u64, u64) {
        let mut file = Text::new();
        let number = |text: Option<&str>| {
            text.and_then(|text| text.trim().parse().ok())
                .unwrap_or(0_u64)
        };
        let mut of = |name: &str| {
            let mut path = Line::new();
            let _ = write!(
                path,
                "{}/kernel/mm/hugepages/hugepages-2048kB/{name}",
                self.sys
            );
            number(file.read(path.text()))
        };
        let made = of("surplus_hugepages");
        let on_demand = of("nr_overcommit_hugepages").saturating_sub(made);
        let mut on = |node| {
            let name = "hugepages/hugepages-2048kB/free_hugepages";
            number(self.node_file(&mut file, node, name))
        };
        (nodes.iter().map(&mut on).sum(), on_demand)
    }

    /// Whether the kernel uses transparent huge pages without being asked by madvise(2).
    pub fn huge_pages_unasked(&self) -> bool {
        let mut path = Line::new();
        let _ = write!(path, "{}/kernel/mm/transparent_hugepage/enabled", self.sys);
        let mut file = Text::new();
        file.read(path.text())
            .is_some_and(|text| text.contains("[always]"))
    }

    /// Bytes of a transparent huge page; 0 where there are none.
    pub fn huge_page_size(&self) -> usize {
        let mut path = Line::new();
        let _ = write!(
            path,
            "{}/kernel/mm/transparent_hugepage/hpage_pmd_size",
            self.sys
        );
        let mut file = Text::new();
        let text = file.read(path.text());
        text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }

    /// Bytes of the nodes together that the kernel keeps for itself: the high watermarks of their
    /// zones, as high as they may become, and memory reserved for requests that only lower zones
    /// can satisfy; and the bytes among these that may be added to watermarks.
    pub fn kept(&self, nodes: &NodeMask) -> Option<(u64, u64)> {
        let zones = fs::read_to_string(format!("{}/zoneinfo", self.proc));
        let text = trouble::noted(zones).ok()?;
        let boost = format!("{}/sys/vm/watermark_boost_factor", self.proc);
        let factor = match trouble::noted(fs::read_to_string(boost)) {
            Ok(text) => text.trim().parse().unwrap_or(BOOST_FACTOR),
            // Kernels before 5.0 boost nothing.
            Err(error) if error.kind() == ErrorKind::NotFound => 0,
            Err(_) => BOOST_FACTOR,
        };
        let page = page_size() as u64;
        let kept = kept_of(&text, nodes, factor, page);
        Some((kept, kept - kept_of(&text, nodes, 0, page)))
    }

    /// Unused bytes of swap space.
    pub(super) fn swap(&self, file: &mut Text) -> u64 {
        self.proc_file(file, "meminfo")
            .and_then(|text| meminfo(text, "SwapFree:"))
            .unwrap_or(0)
    }

    fn node_file<'t>(&self, file: &'t mut Text, node: u16, name: &str) -> Option<&'t str> {
        let mut path = Line::new();
        let _ = write!(path, "{}/devices/system/node/node{node}/{name}", self.sys);
        file.read(path.text())
    }

    fn proc_file<'t>(&self, file: &'t mut Text, name: &str) -> Option<&'t str> {
        let mut path = Line::new();
        let _ = write!(path, "{}/{name}", self.proc);
        file.read(path.text())
    }
}

/// [`Left::kept`] on the text of `/proc/zoneinfo`, whose unit are pages of `page` bytes.
fn kept_of(text: &str, nodes: &NodeMask, boost_factor: u64, page: u64) -> u64 {
    let (mut sum, mut meant, mut movable) = (0, false, false);
    let (mut boost, mut high, mut managed) = (0, 0, 0);
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        match (words.next(), words.next()) {
            (Some("Node"), Some(node)) => {
                let node = node.trim_end_matches(',').parse();
                meant = node.is_ok_and(|node| nodes.contains(node));
                movable = words.next_back() == Some("Movable");
                (boost, high, managed) = (0, 0, 0);
            }
            (Some("boost"), Some(value)) => boost = value.parse().unwrap_or(0),
            (Some("high"), Some(value)) => high = value.parse().unwrap_or(0),
            (Some("managed"), Some(value)) => managed = value.parse().unwrap_or(0),
            (Some("protection:"), Some(_)) if meant => {
                let list = line.split_once(':').map_or("", |(_, list)| list);
                let numbers = list.split(|c: char| !c.is_ascii_digit());
                let reserved = numbers.filter_map(|n| n.parse::<u64>().ok()).max();
                // The watermark includes the present boost.
                let high: u64 = high - boost.min(high);
                // A movable zone has pages of one kind only, so it is not boosted.
                let factor = if movable { 0 } else { boost_factor };
                let highest = high + most_boost(high, managed, factor, page);
                sum += managed.min(highest + reserved.unwrap_or(0)) * page;
            }
            _ => {}
        }
    }
    sum
}

/// Pages by which the kernel may raise the watermarks of a zone. It does so each time that
/// it puts pages of one kind (movable, unmovable) into a block of another, which is what
/// filling a node ends with, and lowers them once kswapd has run. On a node where there is
/// nothing to reclaim, kswapd gives up and they stay: what was free above the watermark
/// no longer is.
fn most_boost(high: u64, managed: u64, factor: u64, page: u64) -> u64 {
    // Pages of a block that the kernel keeps for one kind of page: those of a huge page, whose
    // entries of eight bytes fill a page.
    let block = page / 8;
    let most = high.saturating_mul(factor) / 10_000;
    if most == 0 || managed < 4 * block {
        0
    } else {
        most.max(block)
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
        boost    0
        min      49
        low      61
        high     73
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
        let kept = |node| kept_of(ZONES, &NodeMask::single(node), 0, 4096);
        // Pages of the zone that no ordinary request gets, and a watermark.
        assert_eq!(kept(0), (3840 + 10212) * 4096);
        assert_eq!(kept(2), 32 * 4096);
        assert_eq!(kept(1), 0);
        let both = NodeMask::single(0).union(&NodeMask::single(2));
        assert_eq!(kept_of(ZONES, &both, 0, 4096), kept(0) + kept(2));
    }

    #[test]
    fn watermarks_count_as_high_as_they_may_become() {
        let kept = |node, factor| kept_of(ZONES, &NodeMask::single(node), factor, 4096);
        assert_eq!(kept(0, 15_000), (3840 + 10212 + 15318) * 4096);
        // Blocks of a movable zone are all of one kind.
        assert_eq!(kept(2, 15_000), 32 * 4096);
        let zone = |boost, high, managed| {
            let text = format!(
                "Node 3, zone  DMA32\n boost {boost}\n high {high}\n managed {managed}\n protection: (0, 0)\n"
            );
            kept_of(&text, &NodeMask::single(3), 15_000, 4096) / 4096
        };
        // At least a block; the present boost is not counted twice.
        assert_eq!(zone(0, 87, 15829), 87 + 512);
        assert_eq!(zone(512, 599, 15829), 87 + 512);
        assert_eq!(zone(0, 1000, 15829), 1000 + 1500);
        // Too small to be boosted.
        assert_eq!(zone(0, 87, 2047), 87);
        // Without a watermark there is nothing to raise.
        assert_eq!(zone(0, 0, 15829), 0);
        // With pages of 64 KiB a block has 512 MiB.
        let zone = |managed| {
            let text =
                format!("Node 3, zone Normal\n high 87\n managed {managed}\n protection: (0)\n");
            kept_of(&text, &NodeMask::single(3), 15_000, 64 << 10) >> 16
        };
        assert_eq!(zone(4 * 8192), 87 + 8192);
        assert_eq!(zone(4 * 8192 - 1), 87);
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
        // The kernel keeps some free pages, and at most half of the caches.
        assert_eq!(left.memory(&one, 6 << 10), kib(1000 + 94 + 4 + 300 - 6));
        assert_eq!(left.memory(&one, 1 << 40), Some(0));
        assert_eq!(left.memory(&NodeMask::single(2), 0), None);
        assert_eq!(left.memory_of_all(), kib(5300));
        assert_eq!(left.huge_pages(&one), (5, 4));
        assert_eq!(left.huge_pages(&NodeMask::single(2)), (0, 4));
        assert_eq!(left.kept(&one), None);
        let zone = "Node 1, zone Normal\n high 800\n managed 65536\n protection: (0, 0)\n";
        write(root.join("proc/zoneinfo"), zone);
        assert_eq!(left.kept(&one), Some((800 << 12, 0)));
        let vm = root.join("proc/sys/vm");
        fs::create_dir_all(&vm).expect("a temporary directory");
        write(vm.join("watermark_boost_factor"), "10000\n");
        assert_eq!(left.kept(&one), Some((1600 << 12, 800 << 12)));
        write(vm.join("watermark_boost_factor"), "0\n");
        assert_eq!(left.kept(&one), Some((800 << 12, 0)));
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
