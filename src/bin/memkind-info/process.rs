//! A running process: which of its memory is of which kind, from /proc.
//!
//! The library names its mappings after their kinds (`[anon:memkind_hbw]`), where the kernel has
//! names of mappings. A file-backed kind is a shared mapping of a file without a name, a kind that other processes can
//! map is one of a file in memory.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;

use crate::words::reason;

/// How the names of the library's mappings begin.
const NAME: &str = "[anon:memkind_";

/// The mappings of one kind, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Addresses.
    pub(crate) mapped: u64,
    /// Memory behind them.
    pub(crate) resident: u64,
    /// Part of `resident` in huge pages, transparent ones and those of the pool.
    pub(crate) huge: u64,
    /// What was written to swap.
    pub(crate) swapped: u64,
    /// `resident` by node, where the kernel tells.
    pub(crate) nodes: BTreeMap<u16, u64>,
}

/// What a process has of each kind, by name.
pub(crate) type Process = BTreeMap<String, Usage>;

/// Reads the process with this number; `None` if there is none, or it has ended and is only not waited for.
///
/// # Errors
/// A sentence for the user: it may not be looked at.
pub(crate) fn read(pid: u32) -> Result<Option<Process>, String> {
    let file = format!("/proc/{pid}/smaps");
    let smaps = match fs::read(&file) {
        Ok(smaps) if smaps.is_empty() && is_zombie(pid) => return Ok(None),
        Ok(smaps) => smaps,
        Err(error) => {
            return match (error.kind(), error.raw_os_error()) {
                (ErrorKind::NotFound, _) | (_, Some(libc::ESRCH)) => Ok(None),
                (ErrorKind::PermissionDenied, _) => Err(format!(
                    "{file}: {}. It takes the user of the process, or CAP_SYS_PTRACE.",
                    reason(&error)
                )),
                _ => Err(format!("{file}: {}.", reason(&error))),
            };
        }
    };
    let numa = fs::read(format!("/proc/{pid}/numa_maps")).unwrap_or_default();
    // Names of files need not be UTF-8.
    let (smaps, numa) = (
        String::from_utf8_lossy(&smaps),
        String::from_utf8_lossy(&numa),
    );
    Ok(Some(of(&smaps, &numa)))
}

/// Whether a process has ended, but its parent has not taken its status yet.
fn is_zombie(pid: u32) -> bool {
    // The name of the program stands before the state, in brackets, and may hold any bytes.
    let stat = fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
    let behind_name = stat.rsplit(|byte| *byte == b')').next().unwrap_or_default();
    matches!(behind_name, [b' ', b'Z' | b'X', ..])
}

/// The kind of a mapping by the end of its first line; `None` for one that is not the library's.
fn kind_of(permissions: &str, name: &str) -> Option<String> {
    if let Some(name) = name.strip_prefix(NAME) {
        return Some(name.trim_end_matches(']').to_owned());
    }
    // O_TMPFILE gives "/dir/#123 (deleted)", mkostemp "/dir/memkind.abcdef (deleted)".
    let path = name.strip_suffix(" (deleted)")?;
    if path == "/memfd:memkind" {
        return Some("shared memory".to_owned());
    }
    let (directory, file) = path.rsplit_once('/')?;
    let is_ours = file.starts_with('#') || file.starts_with("memkind.");
    let directory = if directory.is_empty() { "/" } else { directory };
    (is_ours && permissions.ends_with('s')).then(|| format!("file in {directory}"))
}

/// [`read`] on the texts of smaps and numa_maps.
fn of(smaps: &str, numa: &str) -> Process {
    let nodes = by_start(numa);
    let mut process = Process::new();
    let mut current: Option<String> = None;
    for line in smaps.lines() {
        let mut words = line.split_ascii_whitespace();
        let first = words.next().unwrap_or("");
        if let Some((start, end)) = first.split_once('-') {
            let bounds = (u64::from_str_radix(start, 16), u64::from_str_radix(end, 16));
            let (Ok(start), Ok(end)) = bounds else {
                continue;
            };
            let permissions = words.next().unwrap_or("");
            // Offset, device and inode stand before the name.
            let name = words.skip(3).collect::<Vec<_>>().join(" ");
            current = kind_of(permissions, &name);
            if let Some(kind) = &current {
                let usage = process.entry(kind.clone()).or_default();
                usage.mapped += end - start;
                for (node, bytes) in nodes.get(&start).into_iter().flatten() {
                    *usage.nodes.entry(*node).or_default() += bytes;
                }
            }
            continue;
        }
        let Some(kind) = &current else { continue };
        let kib: u64 = words
            .next()
            .and_then(|number| number.parse().ok())
            .unwrap_or(0);
        let usage = process.entry(kind.clone()).or_default();
        match first {
            "Rss:" => usage.resident += kib << 10,
            "AnonHugePages:" | "ShmemPmdMapped:" | "FilePmdMapped:" => usage.huge += kib << 10,
            // These are not in Rss.
            "Private_Hugetlb:" | "Shared_Hugetlb:" => {
                usage.huge += kib << 10;
                usage.resident += kib << 10;
            }
            "Swap:" => usage.swapped += kib << 10,
            _ => {}
        }
    }
    process
}

/// Bytes by node of each mapping of numa_maps, by its first address.
fn by_start(numa: &str) -> BTreeMap<u64, Vec<(u16, u64)>> {
    let mapping = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let start = u64::from_str_radix(words.next()?, 16).ok()?;
        let mut page = memkind::backing::page_size() as u64;
        let mut nodes = Vec::new();
        for word in words {
            if let Some(kib) = word.strip_prefix("kernelpagesize_kB=") {
                page = kib.parse::<u64>().ok()? << 10;
            } else if let Some((node, pages)) =
                word.strip_prefix('N').and_then(|w| w.split_once('='))
            {
                if let (Ok(node), Ok(pages)) = (node.parse(), pages.parse::<u64>()) {
                    nodes.push((node, pages));
                }
            }
        }
        let bytes = nodes.into_iter().map(|(node, pages)| (node, pages * page));
        Some((start, bytes.collect()))
    };
    numa.lines().filter_map(mapping).collect()
}

#[cfg(test)]
mod tests {
    use super::{Usage, of};
    use std::collections::BTreeMap;

    const SMAPS: &str = "\
7f0000000000-7f0000400000 rw-p 00000000 00:00 0                          [anon:memkind_hbw]
Size:               4096 kB
Rss:                2048 kB
AnonHugePages:      2048 kB
Swap:                  4 kB
7f0000400000-7f0000800000 rw-p 00000000 00:00 0                          [anon:memkind_hbw]
Rss:                   8 kB
7f0001000000-7f0001200000 rw-p 00000000 00:0f 12                         [anon:memkind_hugetlb]
Rss:                   0 kB
Private_Hugetlb:    2048 kB
7f0002000000-7f0002100000 rw-s 00000000 fe:00 77                         /mnt/my pmem/#77 (deleted)
Rss:                 100 kB
7f0003000000-7f0003100000 rw-s 00000000 fe:00 78                         /tmp/other (deleted)
Rss:                 100 kB
7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                          [stack]
Rss:                  24 kB
";
    const NUMA: &str = "\
7f0000000000 bind:1 anon=512 dirty=512 N0=2 N1=510 kernelpagesize_kB=4
7f0000400000 bind:1 anon=2 dirty=2 N1=2 kernelpagesize_kB=4
7f0001000000 default anon=1 dirty=1 N0=1 kernelpagesize_kB=2048
";

    #[test]
    fn mappings_are_summed_by_kind() {
        let process = of(SMAPS, NUMA);
        let names: Vec<_> = process.keys().map(String::as_str).collect();
        assert_eq!(names, ["file in /mnt/my pmem", "hbw", "hugetlb"]);
        let hbw = Usage {
            mapped: 8 << 20,
            resident: (2 << 20) + (8 << 10),
            huge: 2 << 20,
            swapped: 4 << 10,
            nodes: BTreeMap::from([(0, 2 * 4096), (1, 512 * 4096)]),
        };
        assert_eq!(process["hbw"], hbw);
        let huge = &process["hugetlb"];
        assert_eq!((huge.resident, huge.huge), (2 << 20, 2 << 20));
        assert_eq!(huge.nodes, BTreeMap::from([(0, 2 << 20)]));
        assert_eq!(process["file in /mnt/my pmem"].resident, 100 << 10);
    }

    #[test]
    fn what_is_not_the_librarys_is_left_out() {
        assert!(of("7ffc0-7ffd0 rw-p 0 00:00 0 [heap]\nRss: 4 kB\n", "").is_empty());
        assert!(of("nonsense\n", "nonsense").is_empty());
    }
}
