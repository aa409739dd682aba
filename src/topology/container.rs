//! Memory that the control groups of the process leave it: in a container the limit counts as the
//! size of the node.
//!
//! The kernel ends a process that touches more memory than its group may have, and sends
//! SIGBUS for a huge page. Groups have limits in version 2 of control groups
//! (`memory.max`, `hugetlb.2MB.max`) and in version 1 (`memory.limit_in_bytes`,
//! `hugetlb.2MB.limit_in_bytes`), each group one of its own, and those above count, too.
//! The groups are found once; limits and use are read at each call.
#![forbid(unsafe_code)]

use core::fmt::Write;
use std::fs;

use super::left::{Left, Text};
use super::trouble;
use crate::log::Line;

/// The part of a limit, one in this many, that is not handed out. All memory of the process counts, also
/// the heap's records, 128 bytes for each page of small blocks, and page tables. They grow
/// without a check when mapped memory is cut into smaller blocks.
const KEPT_PART: u64 = 32;
/// Bytes of a limit that are not handed out, besides one [`KEPT_PART`]th.
const KEPT: u64 = 1 << 20;

/// The names of a controller's files.
#[derive(Debug)]
struct Files {
    /// The most bytes that the group may have.
    limit: &'static str,
    /// Bytes that the group uses.
    used: &'static str,
}

const MEMORY_V2: Files = Files {
    limit: "memory.max",
    used: "memory.current",
};
const MEMORY_V1: Files = Files {
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
};
const HUGE_V2: Files = Files {
    limit: "hugetlb.2MB.max",
    used: "hugetlb.2MB.current",
};
const HUGE_V1: Files = Files {
    limit: "hugetlb.2MB.limit_in_bytes",
    used: "hugetlb.2MB.usage_in_bytes",
};

/// Lines of a group's `memory.stat`.
struct Stat {
    cache: [&'static str; 2],
    busy: [&'static str; 2],
}

const STAT_V2: Stat = Stat {
    cache: ["\nactive_file ", "\ninactive_file "],
    busy: ["\nfile_dirty ", "\nfile_writeback "],
};
const STAT_V1: Stat = Stat {
    cache: ["\ntotal_active_file ", "\ntotal_inactive_file "],
    busy: ["\ntotal_dirty ", "\ntotal_writeback "],
};

/// The groups that limit a controller, each directory followed by the one above it.
#[derive(Debug, Default)]
struct Groups {
    directories: Vec<String>,
    is_v1: bool,
}

/// The control groups that a process is in.
#[derive(Debug, Default)]
pub struct Container {
    proc: &'static str,
    memory: Groups,
    huge_pages: Groups,
}

impl Container {
    /// Finds the groups of this process; `proc` is laid out as `/proc`. Without control
    /// groups there are none.
    pub fn read(proc: &'static str) -> Self {
        let file = |name: &str| trouble::noted(fs::read_to_string(format!("{proc}/self/{name}")));
        let own = file("cgroup").unwrap_or_default();
        let mounts = file("mountinfo").unwrap_or_default();
        Self {
            proc,
            memory: groups(&own, &mounts, "memory"),
            huge_pages: groups(&own, &mounts, "hugetlb"),
        }
    }

    /// Bytes of memory that the groups leave the process, with the page cache that the
    /// kernel would take back; `None` without a limit. Allocates nothing.
    pub fn memory_left(&self) -> Option<u64> {
        let groups = &self.memory;
        let stat = if groups.is_v1 { &STAT_V1 } else { &STAT_V2 };
        groups.least(groups.memory_files(), |file, directory, limit, used| {
            let text = read(file, directory, "memory.stat").unwrap_or("");
            let sum = |names: &[&str]| -> u64 {
                let value = |name: &&str| value_after(text, name).unwrap_or(0);
                names.iter().map(value).sum()
            };
            let cache = sum(&stat.cache).saturating_sub(sum(&stat.busy));
            let kept = KEPT + limit / KEPT_PART;
            let left = limit.saturating_add(cache);
            let left = left.saturating_add(self.swap_left(file, directory));
            left.saturating_sub(used.saturating_add(kept))
        })
    }

    /// Bytes of 2 MiB pages that the groups leave the process; `None` without a limit.
    /// Allocates nothing.
    pub fn huge_pages_left(&self) -> Option<u64> {
        let left = |_: &mut Text, _: &str, limit: u64, used: u64| limit.saturating_sub(used);
        self.huge_pages.least(self.huge_pages.huge_files(), left)
    }

    /// The lowest limit of memory, and the file that has it.
    pub fn memory_limit(&self) -> Option<(u64, String)> {
        self.memory.lowest(self.memory.memory_files())
    }

    /// The lowest limit of 2 MiB pages in bytes, and the file that has it.
    pub fn huge_page_limit(&self) -> Option<(u64, String)> {
        self.huge_pages.lowest(self.huge_pages.huge_files())
    }

    /// Bytes of swap space that the group in `directory` may still use.
    fn swap_left(&self, file: &mut Text, directory: &str) -> u64 {
        let used = number(file, directory, "memory.swap.current");
        // A group of version 1 has no such file, so its swap space is not known.
        let Some(used) = used else { return 0 };
        let most = number(file, directory, "memory.swap.max").unwrap_or(u64::MAX);
        let left = most.saturating_sub(used);
        if left == 0 {
            return 0;
        }
        left.min(Left::at("", self.proc).swap(file))
    }
}

impl Groups {
    fn memory_files(&self) -> &'static Files {
        if self.is_v1 { &MEMORY_V1 } else { &MEMORY_V2 }
    }

    fn huge_files(&self) -> &'static Files {
        if self.is_v1 { &HUGE_V1 } else { &HUGE_V2 }
    }

    /// The least that a group leaves by `left`, which is told the directory, the limit and
    /// the use of each one that has a limit, and may read files. Only one text at a time is on
    /// the stack, which may be small.
    fn least(&self, files: &Files, left: impl Fn(&mut Text, &str, u64, u64) -> u64) -> Option<u64> {
        let mut file = Text::new();
        let of = |directory: &String| {
            let limit = limit(&mut file, directory, files)?;
            let used = number(&mut file, directory, files.used)?;
            Some(left(&mut file, directory, limit, used))
        };
        self.directories.iter().filter_map(of).min()
    }

    fn lowest(&self, files: &Files) -> Option<(u64, String)> {
        let mut file = Text::new();
        let of = |directory: &String| {
            let bytes = limit(&mut file, directory, files)?;
            Some((bytes, format!("{directory}/{}", files.limit)))
        };
        let limits = self.directories.iter().filter_map(of);
        limits.min_by_key(|(bytes, _)| *bytes)
    }
}

fn read<'t>(file: &'t mut Text, directory: &str, name: &str) -> Option<&'t str> {
    let mut path = Line::new();
    let _ = write!(path, "{directory}/{name}");
    file.read(path.text())
}

/// The number behind `name` in a text of lines.
fn value_after(text: &str, name: &str) -> Option<u64> {
    let (_, value) = text.split_once(name)?;
    value.lines().next()?.trim().parse().ok()
}

fn number(file: &mut Text, directory: &str, name: &str) -> Option<u64> {
    read(file, directory, name)?.trim().parse().ok()
}

/// The limit of a group; `None` if it has none: "max", or in version 1 a number that no
/// memory has.
fn limit(file: &mut Text, directory: &str, files: &Files) -> Option<u64> {
    number(file, directory, files.limit).filter(|bytes| *bytes < 1 << 60)
}

/// The directories of a controller's groups, from the process's own to the highest that it
/// can see. `own` is the text of `/proc/self/cgroup`, `mounts` that of `/proc/self/mountinfo`.
fn groups(own: &str, mounts: &str, controller: &str) -> Groups {
    // "4:memory:/path", or "0::/path" of version 2.
    let line = |wanted: &dyn Fn(&str) -> bool| {
        own.lines().find_map(|line| {
            let (_, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            wanted(controllers).then_some(path)
        })
    };
    let has_it = |list: &str| list.split(',').any(|word| word == controller);
    let v1 = line(&has_it);
    let is_v1 = v1.is_some();
    let Some(path) = v1.or_else(|| line(&str::is_empty)) else {
        return Groups::default();
    };
    // "36 35 98:0 /root /mount/point rw,noatime master:1 - cgroup cgroup rw,memory"
    let mount = mounts.lines().find_map(|line| {
        let (head, tail) = line.split_once(" - ")?;
        let mut tail = tail.split(' ');
        let (kind, options) = (tail.next()?, tail.nth(1)?);
        let meant = match is_v1 {
            true => kind == "cgroup" && has_it(options),
            false => kind == "cgroup2",
        };
        let mut head = head.split(' ').skip(3);
        let (root, point) = (head.next()?, head.next()?);
        // The mount shows a part of the tree without the process.
        let below = path.strip_prefix(root.trim_end_matches('/'))?;
        let inside = below.is_empty() || below.starts_with('/');
        (meant && inside).then_some((point, below))
    });
    let Some((point, below)) = mount else {
        return Groups::default();
    };
    // Outside of the namespace's root only that root can be seen.
    let below = if below.contains("/..") { "" } else { below };
    let mut directory = format!("{point}{}", below.trim_end_matches('/'));
    let mut directories = vec![directory.clone()];
    while directory.len() > point.len() {
        let end = directory.rfind('/').unwrap_or(0).max(point.len());
        directory.truncate(end);
        directories.push(directory.clone());
    }
    Groups { directories, is_v1 }
}

#[cfg(test)]
mod tests {
    use super::{Container, groups};
    use std::fs;

    const MOUNTS: &str = "\
22 1 0:20 / /sys rw - sysfs sysfs rw
30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/cpu rw shared:5 - cgroup cgroup rw,cpu,cpuacct
32 30 0:28 /docker/1 /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
33 30 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
";

    #[test]
    fn groups_are_found() {
        let v1 = groups("5:cpu:/\n4:memory:/docker/1/a\n0::/x\n", MOUNTS, "memory");
        assert!(v1.is_v1);
        let memory = "/sys/fs/cgroup/memory";
        assert_eq!(v1.directories, [format!("{memory}/a"), memory.to_owned()]);
        let v2 = groups("5:cpu:/\n0::/user/a.scope\n", MOUNTS, "memory");
        assert!(!v2.is_v1);
        let unified = "/sys/fs/cgroup/unified";
        let all = [
            format!("{unified}/user/a.scope"),
            format!("{unified}/user"),
            unified.to_owned(),
        ];
        assert_eq!(v2.directories, all);
        assert_eq!(groups("0::/\n", MOUNTS, "hugetlb").directories, [unified]);
        // Another container's mount, a namespace's root, nothing at all.
        let elsewhere = groups("4:memory:/docker/12\n", MOUNTS, "memory");
        assert!(elsewhere.directories.is_empty());
        assert_eq!(
            groups("0::/../b\n", MOUNTS, "memory").directories,
            [unified]
        );
        assert!(groups("", "", "memory").directories.is_empty());
    }

    #[test]
    fn limits_are_those_of_all_groups_above() {
        let root = std::env::temp_dir().join(format!("memkind-groups-{}", std::process::id()));
        let (proc, outer) = (root.join("proc"), root.join("cgroup"));
        let inner = outer.join("inner");
        for directory in [&proc.join("self"), &inner] {
            fs::create_dir_all(directory).expect("a temporary directory");
        }
        let write = |path, text: &str| fs::write(path, text).expect("a temporary file");
        write(proc.join("self/cgroup"), "0::/inner\n");
        let mount = format!("33 30 0:29 / {} rw - cgroup2 cgroup2 rw\n", outer.display());
        write(proc.join("self/mountinfo"), &mount);
        write(proc.join("meminfo"), "SwapFree: 10240 kB\n");
        let proc = Box::leak(proc.to_str().expect("UTF-8").to_owned().into_boxed_str());
        let container = Container::read(proc);
        assert_eq!(container.memory_left(), None);
        for (file, text) in [
            ("memory.max", "max\n"),
            ("memory.current", "1048576\n"),
            ("hugetlb.2MB.max", "8388608\n"),
            ("hugetlb.2MB.current", "2097152\n"),
        ] {
            write(inner.join(file), text);
        }
        assert_eq!(container.memory_left(), None);
        assert_eq!(container.huge_pages_left(), Some(6 << 20));
        write(outer.join("memory.max"), "134217728\n");
        write(outer.join("memory.current"), "33554432\n");
        // 1 MiB and a 32nd stay.
        assert_eq!(container.memory_left(), Some((128 - 32 - 5) << 20));
        let file = format!("{}/memory.max", outer.display());
        assert_eq!(container.memory_limit(), Some((128 << 20, file)));
        write(
            outer.join("memory.stat"),
            "anon 1\nfile 9\nfile_dirty 1048576\nfile_writeback 0\ninactive_anon 5\n\
             active_file 2097152\ninactive_file 3145728\n",
        );
        assert_eq!(container.memory_left(), Some((128 - 32 - 5 + 4) << 20));
        write(outer.join("memory.swap.current"), "0\n");
        write(outer.join("memory.swap.max"), "5242880\n");
        assert_eq!(container.memory_left(), Some((128 - 32 - 5 + 4 + 5) << 20));
        write(outer.join("memory.swap.max"), "max\n");
        assert_eq!(container.memory_left(), Some((128 - 32 - 5 + 4 + 10) << 20));
        fs::remove_dir_all(root).expect("our own directory");
    }
}
