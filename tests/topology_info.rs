//! memkind-info on machines made of files: nodes from a tree laid out as `/sys`,
//! bandwidth and locality from libhwloc reading `ctest/topology/*.xml`. So sysfs, hwloc
//! and rules are tested together, with the answers that memkind 1.14 gave in virtual
//! machines of the same shape.

use memkind::topology;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A directory laid out as `/sys`, removed at the end.
struct Tree(PathBuf);

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Tree {
    fn new(name: &str) -> Self {
        let name = format!("memkind-info-{}-{name}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn put(&self, file: &str, content: &str) {
        let path = self.0.join(file);
        fs::create_dir_all(path.parent().expect("parent")).expect("directory");
        fs::write(path, content.to_owned() + "\n").expect("file");
    }

    /// A node with CPUs as a list, KiB of memory, and distances.
    fn node(&self, number: u16, cpus: &str, kib: u64, distances: &str) {
        let dir = format!("devices/system/node/node{number}");
        self.put(&format!("{dir}/cpulist"), cpus);
        self.put(&format!("{dir}/distance"), distances);
        let total = format!("Node {number} MemTotal:       {kib} kB");
        let free = format!("Node {number} MemFree:        {} kB", kib / 2);
        self.put(&format!("{dir}/meminfo"), &format!("{total}\n{free}"));
    }

    fn nodes(&self, online: &str) {
        self.put("devices/system/node/online", online);
        self.put("devices/system/node/has_memory", online);
    }

    /// The pool of huge pages of a size, on the machine and on node 0.
    fn huge_pages(&self, size_kib: u32, persistent: u32, overcommit: u32) {
        let pool = format!("hugepages/hugepages-{size_kib}kB");
        let machine = format!("kernel/mm/{pool}");
        self.put(&format!("{machine}/nr_hugepages"), &persistent.to_string());
        self.put(
            &format!("{machine}/nr_overcommit_hugepages"),
            &overcommit.to_string(),
        );
        let node = format!("devices/system/node/node0/{pool}/nr_hugepages");
        self.put(&node, &persistent.to_string());
    }

    fn info(&self, xml: &str, variables: &[(&str, &str)]) -> Output {
        let xml = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("ctest/topology")
            .join(xml);
        let mut command = info();
        command
            .arg("--sysfs")
            .arg(&self.0)
            .env("HWLOC_XMLFILE", xml);
        command.envs(variables.iter().copied());
        command.output().expect("memkind-info starts")
    }

    /// The last column of each kind's row, its nodes or the reason.
    fn rows(&self, xml: &str, variables: &[(&str, &str)]) -> Vec<(String, String)> {
        let output = self.info(xml, variables);
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).expect("text");
        let mut kinds = text.lines().skip_while(|line| !line.starts_with("kind "));
        let last = kinds.next().and_then(|heading| heading.find("nodes"));
        let last = last.expect("a heading");
        let rows = kinds.take_while(|line| !line.is_empty());
        rows.map(|row| {
            let (name, _) = row.split_once(' ').expect("a name");
            (name.to_owned(), row[last..].to_owned())
        })
        .collect()
    }

    fn expect(&self, xml: &str, variables: &[(&str, &str)], expected: &[(&str, &str)]) {
        let rows = self.rows(xml, variables);
        for (kind, nodes) in expected {
            let row = rows.iter().find(|(name, _)| name == kind);
            let (_, found) = row.expect(kind);
            // A reason is compared by its code.
            let found = match found.rsplit_once('(') {
                Some((_, code)) if nodes.starts_with('-') => code.trim_end_matches(')'),
                _ => found,
            };
            assert_eq!(found, *nodes, "{kind} with {variables:?}");
        }
    }
}

fn info() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memkind-info"));
    for name in [
        "MEMKIND_HBW_NODES",
        "MEMKIND_HBW_THRESHOLD",
        "MEMKIND_DAX_KMEM_NODES",
        "MEMKIND_DEBUG",
        "HWLOC_XMLFILE",
    ] {
        command.env_remove(name);
    }
    command
}

fn hbm(name: &str) -> Tree {
    let tree = Tree::new(name);
    tree.nodes("0-3");
    tree.node(0, "0", 476_896, "10 21 13 23");
    tree.node(1, "1", 515_660, "21 10 23 13");
    tree.node(2, "", 257_876, "13 23 10 23");
    tree.node(3, "", 257_708, "23 13 23 10");
    tree
}

#[test]
fn high_bandwidth_memory() {
    let tree = hbm("hbm");
    let local = "2 (CPU 0), 3 (CPU 1)";
    let dram = "0 (CPU 0), 1 (CPU 1)";
    let kinds = [
        ("DEFAULT", "0-3"),
        ("REGULAR", "0-1"),
        ("INTERLEAVE", "0-3"),
        ("HBW", local),
        ("HBW_ALL", local),
        ("HBW_PREFERRED", local),
        ("HBW_INTERLEAVE", local),
        ("HBW_HUGETLB", "-18"),
        ("DAX_KMEM", "-1"),
        ("HIGHEST_CAPACITY", "1"),
        ("HIGHEST_CAPACITY_PREFERRED", "1"),
        ("HIGHEST_CAPACITY_LOCAL", dram),
        ("LOWEST_LATENCY_LOCAL", dram),
        ("HIGHEST_BANDWIDTH_LOCAL", local),
    ];
    tree.expect("hbm.xml", &[], &kinds);
    let listed = [("MEMKIND_HBW_NODES", "2,3")];
    tree.expect("hbm.xml", &listed, &[("HBW", local), ("HBW_ALL", "2-3")]);
    for (threshold, nodes) in [
        ("1", "0,2 (CPU 0), 1,3 (CPU 1)"),
        ("819200", local),
        ("819201", "-20"),
        ("-1", "-12"),
    ] {
        let variable = [("MEMKIND_HBW_THRESHOLD", threshold)];
        tree.expect("hbm.xml", &variable, &[("HBW_ALL", nodes)]);
    }
    for (nodes, code) in [("9", "-12"), ("abc", "-12"), ("", "none")] {
        tree.expect("hbm.xml", &[("MEMKIND_HBW_NODES", nodes)], &[("HBW", code)]);
    }
}

/// Every kind of the library has a row, with the properties that the manual gives it.
#[test]
fn every_kind_is_shown() {
    let tree = hbm("kinds");
    let rows = tree.rows("hbm.xml", &[]);
    let kinds: Vec<_> = memkind::kind::registry::statics().collect();
    assert_eq!(rows.len(), kinds.len());
    for (row, kind) in rows.iter().zip(kinds) {
        assert_eq!(format!("memkind_{}", row.0.to_lowercase()), kind.name());
    }
    let output = tree.info("hbm.xml", &[]);
    let text = String::from_utf8(output.stdout).expect("text");
    for words in [
        "\nHBW                                bind        4 KiB          503.5 MiB  251.7 MiB  2 (",
        "\nHBW_PREFERRED_HUGETLB              preferred   2 MiB ",
        "\nINTERLEAVE                         interleave  4 KiB, no THP ",
        "\nHUGETLB                            default     2 MiB ",
    ] {
        assert!(text.contains(words), "{words} in\n{text}");
    }
}

/// A reason says what is missing, from which CPUs, and what helps.
#[test]
fn reasons_in_words() {
    let slow = "no node reaches 819201 MiB/s from CPU 0; the best is node 2 with 819200; lower it \
                with MEMKIND_HBW_THRESHOLD or name the nodes with MEMKIND_HBW_NODES (-20)";
    let empty: [(&str, &str); 0] = [];
    let tree = hbm("reasons");
    let dax =
        "there is no DAX device that is used as RAM; MEMKIND_DAX_KMEM_NODES can name nodes (-1)";
    for (variables, kind, words) in [
        (&[("MEMKIND_HBW_THRESHOLD", "819201")][..], "HBW", slow),
        (
            &[("MEMKIND_HBW_THRESHOLD", "819201")],
            "HBW_ALL",
            "as HBW (-20)",
        ),
        (
            &[("MEMKIND_HBW_THRESHOLD", "x")],
            "HBW",
            "MEMKIND_HBW_THRESHOLD=x is no number from 0 to 4294967295 (-12)",
        ),
        (
            &[("MEMKIND_HBW_NODES", "9")],
            "HBW",
            "MEMKIND_HBW_NODES=9: there is no node 9 (-12)",
        ),
        (
            &[("MEMKIND_HBW_NODES", "+4")],
            "HBW",
            "MEMKIND_HBW_NODES=+4: after '+', 0 is the first of the nodes that the process may use \
             and 3 the last (-12)",
        ),
        (
            &[("MEMKIND_HBW_NODES", "2x")],
            "HBW",
            "MEMKIND_HBW_NODES=2x: something follows a complete list (-12)",
        ),
        (
            &[("MEMKIND_HBW_NODES", "0,3")],
            "HBW_PREFERRED",
            "0 (CPU 0), 3 (CPU 1)",
        ),
        (
            &[("MEMKIND_DAX_KMEM_NODES", "x")],
            "DAX_KMEM",
            "MEMKIND_DAX_KMEM_NODES=x: unparseable node description `x' (-12)",
        ),
        (&empty, "DAX_KMEM", dax),
        (
            &empty,
            "HBW_HUGETLB",
            "no 2 MiB pages on nodes 2-3; vm.nr_hugepages or, per node, nr_hugepages in \
             /sys/devices/system/node makes some (-18)",
        ),
    ] {
        let rows = tree.rows("hbm.xml", variables);
        let row = rows.iter().find(|(name, _)| name == kind).expect(kind);
        assert_eq!(row.1, words, "{kind} with {variables:?}");
    }
    // A device that a program uses as it is could be switched over.
    tree.put("bus/dax/drivers/device_dax/bind", "");
    tree.put("bus/dax/devices/dax0.0/target_node", "2");
    let link = tree.0.join("bus/dax/devices/dax0.0/driver");
    symlink("../../drivers/device_dax", link).expect("link");
    let rows = tree.rows("hbm.xml", &[]);
    let row = rows.iter().find(|(name, _)| name == "DAX_KMEM");
    let (_, words) = row.expect("a row");
    assert!(
        words.starts_with("dax0.0 is not used as RAM (daxctl "),
        "{words}"
    );
}

/// Ties are named: the nodes, and the CPUs that see them.
#[test]
fn ties_in_words() {
    let tree = Tree::new("ties");
    tree.nodes("0-3");
    tree.node(0, "0", 476_896, "10 21 13 13");
    tree.node(1, "1", 476_896, "21 10 13 17");
    tree.node(2, "", 257_876, "13 13 10 23");
    tree.node(3, "", 257_876, "13 17 23 10");
    let can_prefer_many = topology::prefers_many();
    let advice = match can_prefer_many {
        true => "MEMKIND_PREFERRED_TIES=many prefers all of them",
        false => "to prefer all of them (MEMKIND_PREFERRED_TIES=many) takes Linux 5.15",
    };
    let rows = tree.rows("hbm.xml", &[("MEMKIND_HBW_NODES", "2,3")]);
    for (kind, words) in [
        (
            "HBW_PREFERRED",
            "nodes 2-3 are equally near to CPU 0 and only one can be preferred; \
             MEMKIND_HBW_NODES can name one, {TIES} (-255)",
        ),
        (
            "HIGHEST_CAPACITY_PREFERRED",
            "nodes 0-1 have the same, highest capacity and only one can be preferred; {TIES} (-20)",
        ),
        ("HBW", "2-3 (CPU 0), 2 (CPU 1)"),
    ] {
        let row = rows.iter().find(|(name, _)| name == kind).expect(kind);
        assert_eq!(row.1, words.replace("{TIES}", advice));
    }
    let wanted = [
        ("MEMKIND_HBW_NODES", "2,3"),
        ("MEMKIND_PREFERRED_TIES", "many"),
    ];
    let nodes = |rows: Vec<(String, String)>| {
        let row = rows.into_iter().find(|(name, _)| name == "HBW_PREFERRED");
        row.expect("a row").1
    };
    let chosen = nodes(tree.rows("hbm.xml", &wanted));
    assert_eq!(chosen.starts_with("2-3 (CPU 0), 2"), can_prefer_many);
    let output = tree.info("hbm.xml", &wanted);
    let text = String::from_utf8(output.stdout).expect("text");
    assert_eq!(text.contains(" preferred-many "), can_prefer_many);
    let wrong = tree.rows("hbm.xml", &[("MEMKIND_PREFERRED_TIES", "all")]);
    assert_eq!(
        nodes(wrong),
        "Environment variable MEMKIND_PREFERRED_TIES is \"all\"; its one value is \"many\" (-12)"
    );
}

/// MEMKIND_INTERLEAVE shows in the policy, or is refused.
#[test]
fn interleaving_by_weights() {
    let tree = hbm("weights");
    let output = tree.info("hbm.xml", &[("MEMKIND_INTERLEAVE", "weighted")]);
    let text = String::from_utf8(output.stdout).expect("text");
    let weighted = topology::mbind_mode(6).is_ok();
    assert_eq!(text.contains(" weighted-interleave "), weighted);
    assert_eq!(text.contains(" interleave "), !weighted);
    let shown = match weighted {
        true => "\nMEMKIND_INTERLEAVE=weighted\n",
        false => {
            "\nMEMKIND_INTERLEAVE=weighted (no effect: interleaving by weights takes Linux 6.9)\n"
        }
    };
    assert!(text.ends_with(shown), "{text}");
    let rows = tree.rows("hbm.xml", &[("MEMKIND_INTERLEAVE", "w")]);
    let row = rows.iter().find(|(name, _)| name == "HBW_INTERLEAVE");
    assert_eq!(
        row.expect("a row").1,
        "MEMKIND_INTERLEAVE is \"w\"; its one value is \"weighted\" (-12)"
    );
}

/// MEMKIND_THP shows in the column of pages and among the variables that are set.
#[test]
fn thp_is_shown() {
    let tree = hbm("thp");
    let output = tree.info("hbm.xml", &[("MEMKIND_THP", "never")]);
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(
        text.contains("\nREGULAR                            bind        4 KiB, no THP "),
        "{text}"
    );
    assert!(text.ends_with("\nMEMKIND_THP=never\n"), "{text}");
}

/// Memory tiers and free huge pages are read from the tree.
#[test]
fn tiers_and_huge_pages_of_nodes() {
    let tree = hbm("tiers");
    tree.put(
        "devices/virtual/memory_tiering/memory_tier4/nodelist",
        "0-1",
    );
    tree.put(
        "devices/virtual/memory_tiering/memory_tier0/nodelist",
        "2-3",
    );
    tree.huge_pages(2048, 5, 0);
    let pool = "devices/system/node/node2/hugepages/hugepages-2048kB";
    tree.put(&format!("{pool}/nr_hugepages"), "4");
    tree.put(&format!("{pool}/free_hugepages"), "3");
    let output = tree.info("hbm.xml", &[]);
    let text = String::from_utf8(output.stdout).expect("text");
    let columns = |start: &str| {
        let line = text.lines().find(|line| line.starts_with(start));
        let line = line.unwrap_or_else(|| panic!("no {start} in\n{text}"));
        let columns = line.split("  ").map(str::trim);
        columns.filter(|text| !text.is_empty()).collect::<Vec<_>>()
    };
    assert_eq!(columns("1 ")[4], "4");
    assert_eq!(columns("2 ")[4], "0");
    let kind = [
        "HBW_HUGETLB",
        "bind",
        "2 MiB",
        "8.0 MiB",
        "6.0 MiB",
        "2 (CPU 0), 3 (CPU 1)",
    ];
    assert_eq!(columns("HBW_HUGETLB "), kind);
}

#[test]
fn persistent_memory() {
    let tree = Tree::new("kmem");
    tree.nodes("0-2");
    tree.node(0, "0", 476_896, "10 21 17");
    tree.node(1, "1", 515_248, "21 10 28");
    tree.node(2, "", 524_288, "17 28 10");
    tree.put("bus/dax/drivers/kmem/bind", "");
    tree.put("bus/dax/drivers/device_dax/bind", "");
    for (device, driver, node) in [("dax0.0", "kmem", "2"), ("dax1.0", "device_dax", "1")] {
        tree.put(&format!("bus/dax/devices/{device}/target_node"), node);
        let link = tree.0.join(format!("bus/dax/devices/{device}/driver"));
        symlink(format!("../../drivers/{driver}"), link).expect("link");
    }
    let near = "2 (CPU 0), 1 (CPU 1)";
    let kinds = [
        ("REGULAR", "0-1"),
        ("HBW", "-20"),
        ("DAX_KMEM", "2"),
        ("DAX_KMEM_ALL", "2"),
        ("DAX_KMEM_PREFERRED", "2"),
        ("DAX_KMEM_INTERLEAVE", "2"),
        ("HIGHEST_CAPACITY", "2"),
        ("HIGHEST_CAPACITY_LOCAL", near),
        ("LOWEST_LATENCY_LOCAL", "-20"),
        ("HIGHEST_BANDWIDTH_LOCAL", "-20"),
    ];
    tree.expect("kmem.xml", &[], &kinds);
    let listed = [("MEMKIND_DAX_KMEM_NODES", "0")];
    tree.expect("kmem.xml", &listed, &[("DAX_KMEM_ALL", "0")]);
}

#[test]
fn clusters_of_one_socket() {
    let tree = Tree::new("snc4");
    tree.nodes("0-7");
    for node in 0..8u16 {
        let distance = |other: u16| match (node == other, node % 4 == other % 4) {
            (true, _) => "10",
            (_, true) => "13",
            _ => "21",
        };
        let distances: Vec<&str> = (0..8).map(distance).collect();
        let (cpus, kib) = match node {
            0..4 => (format!("{}-{}", node * 2, node * 2 + 1), 1 << 20),
            _ => (String::new(), 1 << 18),
        };
        tree.node(node, &cpus, kib, &distances.join(" "));
    }
    let fast = "4 (CPUs 0-1), 5 (CPUs 2-3), 6 (CPUs 4-5), 7 (CPUs 6-7)";
    let kinds = [
        ("HBW", fast),
        ("HBW_PREFERRED", fast),
        ("HIGHEST_BANDWIDTH_LOCAL", fast),
        ("HIGHEST_CAPACITY", "0-3"),
        ("HIGHEST_CAPACITY_PREFERRED", "-20"),
    ];
    tree.expect("snc4.xml", &[], &kinds);
}

#[test]
fn huge_pages() {
    for (persistent, overcommit, nodes) in [(0, 0, "-18"), (8, 0, "0-3"), (0, 1, "0-3")] {
        let tree = hbm(&format!("huge-{persistent}-{overcommit}"));
        tree.huge_pages(2048, persistent, overcommit);
        tree.huge_pages(1_048_576, 1, 0);
        tree.expect("hbm.xml", &[], &[("HUGETLB", nodes)]);
        // Those on node 0 are of no use to a kind that takes memory elsewhere.
        let elsewhere = if overcommit == 0 {
            "-18"
        } else {
            "2 (CPU 0), 3 (CPU 1)"
        };
        tree.expect("hbm.xml", &[], &[("HBW_HUGETLB", elsewhere)]);
        let output = tree.info("hbm.xml", &[("MEMKIND_DEBUG", "1")]);
        let messages = String::from_utf8(output.stderr).expect("text");
        let lines = format!(
            "MEMKIND_INFO: Overcommit limit for 2097152 kB hugepages is {overcommit}.\n\
             MEMKIND_INFO: Number of 2097152 kB hugepages on node 0 equals {persistent}.\n\
             MEMKIND_INFO: Overcommit limit for 1073741824 kB hugepages is 0.\n\
             MEMKIND_INFO: Number of 1073741824 kB hugepages on node 0 equals 1.\n"
        );
        assert!(messages.starts_with(&lines), "{messages}");
        let text = String::from_utf8(output.stdout).expect("text");
        let total = if persistent > 0 {
            "16.0 MiB"
        } else if overcommit > 0 {
            "2.0 MiB"
        } else {
            "0"
        };
        assert!(text.ends_with(&format!("2 MiB pages: {total}\n")), "{text}");
    }
}

#[test]
fn the_version_is_that_of_the_library() {
    let output = Command::new(env!("CARGO_BIN_EXE_memkind-info"))
        .arg("--version")
        .output()
        .expect("the program starts");
    assert!(output.status.success());
    let expected = concat!("memkind-info ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
}

#[test]
fn this_machine_and_wrong_options() {
    let output = info().output().expect("memkind-info starts");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(
        text.starts_with("node") && text.contains("\nREGULAR"),
        "{text}"
    );
    let output = info().arg("--json").output().expect("memkind-info starts");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(
        text.starts_with("{\"schema\": 1, \"nodes\": [") && text.ends_with("}\n"),
        "{text}"
    );
    for (arguments, words) in [
        (&["--bad"][..], "Unknown option --bad."),
        (&["extra"], "Unknown argument \"extra\"."),
        (&[""], "Unknown argument \"\"."),
        (&["--svg", "--json"], "--json and --svg do not go together."),
        (
            &["--pid", "0"],
            "Option --pid needs the number of a process.",
        ),
        (&["--sysfs"], "Option --sysfs needs a directory."),
        (
            &["--json=1"],
            "Option --json takes no value, but has \"1\".",
        ),
        (&["--pid"], "Option --pid needs the number of a process."),
        (
            &["--pid", "x"],
            "Option --pid needs the number of a process.",
        ),
        (&["--watch"], "Option --watch needs --pid."),
        (&["--pid=1", "--watch=0"], "a number of seconds, at least 1"),
        (
            &["--pid=1", "--svg"],
            "Option --pid goes with --json and --watch only.",
        ),
    ] {
        let output = info()
            .args(arguments)
            .output()
            .expect("memkind-info starts");
        assert_eq!(output.status.code(), Some(2));
        assert!(output.stdout.is_empty());
        let message = String::from_utf8(output.stderr).expect("text");
        assert!(message.contains(words), "{message}");
    }
    let mut command = info();
    command.arg("--sysfs").arg(OsStr::from_bytes(b"/tmp/\xff"));
    let output = command.output().expect("memkind-info starts");
    let message = String::from_utf8(output.stderr).expect("text");
    assert!(message.contains("needs a name in UTF-8."), "{message}");
    for (arguments, message) in [
        (
            ["--sysfs", "/nonexistent"],
            "ERROR: /nonexistent: No such file or directory.\n",
        ),
        (
            ["--sysfs", "/proc/self/fdinfo"],
            "ERROR: /proc/self/fdinfo: it has no devices/system/node as /sys has.\n",
        ),
        (
            ["--sysfs", "/etc/passwd"],
            "ERROR: /etc/passwd: Not a directory.\n",
        ),
        (
            ["--pid", "4194305"],
            "ERROR: There is no process 4194305.\n",
        ),
    ] {
        let output = info().args(arguments).output();
        let output = output.expect("memkind-info starts");
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(String::from_utf8_lossy(&output.stderr), message);
    }
}

#[test]
fn the_picture_has_every_node_and_kind() {
    let tree = hbm("svg");
    let xml = Path::new(env!("CARGO_MANIFEST_DIR")).join("ctest/topology/hbm.xml");
    let mut command = info();
    command.args(["--svg", "--sysfs"]).arg(&tree.0);
    let output = command.env("HWLOC_XMLFILE", xml).output();
    let svg = String::from_utf8(output.expect("memkind-info starts").stdout).expect("text");
    assert!(
        svg.starts_with("<svg ") && svg.ends_with("</svg>\n"),
        "{svg}"
    );
    for node in 0..4 {
        assert_eq!(svg.matches(&format!(">node {node}<")).count(), 1);
    }
    // On the two nodes of high-bandwidth memory, and among those without memory.
    assert_eq!(svg.matches(">HBW<").count(), 2);
    assert_eq!(svg.matches(">HBW_HUGETLB<").count(), 1);
    assert_eq!(
        svg.matches("<text ").count(),
        svg.matches("</text>").count()
    );
}
