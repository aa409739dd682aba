//! The rules of `topology::select` against the original library, on made-up machines.
//!
//! `tests/topology/machine.c` gives the installed memkind 1.14.0 any topology;
//! `tests/topology/ask.c` prints what it does there, kind by kind and CPU by CPU, and
//! the remarks that it logs on the way. Skipped where the original, its headers, those
//! of libnuma and libhwloc or a C compiler are missing.

mod topology;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use memkind::topology::nodes::{Attributes, Initiator, Machine, Node, Target};
use memkind::topology::select::{Facts, Settings, select};
use memkind::topology::{Attribute, Choice, NodeMask, Nodes, Reach, Take};
use topology::{compile, original};

const N_MACHINES: u64 = 150;

const fn row(nodes: Nodes, reach: Reach, take: Take) -> Choice {
    Choice { nodes, reach, take }
}

const KINDS: [(&str, Choice); 12] = [
    ("REGULAR", row(Nodes::WithCpus, Reach::All, Take::Many)),
    ("HBW", row(Nodes::HighBandwidth, Reach::Local, Take::Many)),
    ("HBW_ALL", row(Nodes::HighBandwidth, Reach::All, Take::Many)),
    (
        "HBW_PREFERRED",
        row(Nodes::HighBandwidth, Reach::Local, Take::One),
    ),
    ("DAX_KMEM", row(Nodes::DaxKmem, Reach::Local, Take::Many)),
    ("DAX_KMEM_ALL", row(Nodes::DaxKmem, Reach::All, Take::Many)),
    (
        "DAX_KMEM_PREFERRED",
        row(Nodes::DaxKmem, Reach::Local, Take::One),
    ),
    (
        "HIGHEST_CAPACITY",
        row(Nodes::MostCapacity, Reach::All, Take::Many),
    ),
    (
        "HIGHEST_CAPACITY_PREFERRED",
        row(Nodes::MostCapacity, Reach::All, Take::One),
    ),
    (
        "HIGHEST_CAPACITY_LOCAL",
        row(Nodes::Best(Attribute::Capacity), Reach::Local, Take::Many),
    ),
    (
        "LOWEST_LATENCY_LOCAL",
        row(Nodes::Best(Attribute::Latency), Reach::Local, Take::Many),
    ),
    (
        "HIGHEST_BANDWIDTH_LOCAL",
        row(Nodes::Best(Attribute::Bandwidth), Reach::Local, Take::Many),
    ),
];

/// A random number generator (xorshift), so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let index = self.below(from.len() as u64);
        from[usize::try_from(index).expect("index")]
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// What both sides are asked about.
struct Question {
    machine: Machine,
    attributes: Attributes,
    hbw_nodes: Option<String>,
    dax_kmem_nodes: Option<String>,
    threshold: Option<&'static str>,
}

fn question(random: &mut Random) -> Question {
    let n_nodes = 1 + random.below(6);
    let (mut number, mut cpu) = (0u16, 0usize);
    let mut nodes: Vec<Node> = Vec::new();
    for _ in 0..n_nodes {
        let n_cpus = if nodes.is_empty() {
            1
        } else {
            random.pick(&[0, 0, 1, 2])
        };
        nodes.push(Node {
            number,
            cpus: (cpu..cpu + n_cpus).collect(),
            // The original knows the CPUs that are online.
            offline: Vec::new(),
            capacity: random.pick(&[1000, 2000, 3000]),
            distances: (0..n_nodes)
                .map(|_| random.pick(&[11, 13, 17, 21]))
                .collect(),
        });
        number += 1 + if random.one_in(6) { 3 } else { 0 };
        cpu += n_cpus;
    }
    for (index, node) in nodes.iter_mut().enumerate() {
        node.distances[index] = 10;
    }
    // hwloc lists nodes in the order of its tree, which is not that of the numbers.
    let mut order: Vec<u16> = nodes.iter().map(|node| node.number).collect();
    if random.one_in(2) {
        order.reverse();
    }
    let informed = !random.one_in(4);
    let mut target = |from: u16, node: u16| Target {
        node,
        bandwidth: (informed && !random.one_in(6))
            .then(|| random.pick(&[100_000, 204_800, 300_000])),
        latency: (informed && !random.one_in(6)).then(|| random.pick(&[90, 100, 120])),
        local: from == node || random.one_in(3),
    };
    let initiators = order.iter().map(|from| Initiator {
        node: *from,
        has_cpus: true,
        targets: order.iter().map(|node| target(*from, *node)).collect(),
    });
    let attributes = Attributes {
        initiators: initiators.collect(),
    };
    let allowed: NodeMask = nodes.iter().map(|node| node.number).collect();
    let mut listed = |chance| {
        let some = allowed
            .iter()
            .filter(|_| random.one_in(2))
            .map(|node| node.to_string());
        let text = some.collect::<Vec<_>>().join(",");
        random.one_in(chance).then_some(text)
    };
    let (hbw_nodes, dax_kmem_nodes) = (listed(4), listed(1));
    let threshold = random.pick(&[
        None,
        None,
        Some("100000"),
        Some("250000"),
        Some("x"),
        Some(""),
    ]);
    Question {
        machine: Machine {
            nodes,
            allowed,
            knights: false,
        },
        attributes,
        hbw_nodes,
        dax_kmem_nodes,
        threshold,
    }
}

impl Question {
    /// The machine as machine.c reads it.
    fn text(&self) -> String {
        let mut text = String::new();
        for initiator in &self.attributes.initiators {
            let node = self.machine.node(initiator.node).expect("node");
            let cpus = node.cpus.iter().fold(0u64, |bits, cpu| bits | 1 << cpu);
            let _ = writeln!(text, "node {} {} {cpus:x}", node.number, node.capacity);
        }
        for initiator in &self.attributes.initiators {
            let from = initiator.node;
            for target in &initiator.targets {
                let to = target.node;
                let distance = self.machine.distance(from, to);
                let _ = writeln!(text, "distance {from} {to} {distance}");
                let value = |value: Option<u64>| {
                    value.map_or(-1, |value| i64::try_from(value).expect("small"))
                };
                let (bandwidth, latency) = (value(target.bandwidth), value(target.latency));
                let _ = writeln!(text, "attribute {from} {to} {bandwidth} {latency}");
                if target.local {
                    let _ = writeln!(text, "local {from} {to}");
                }
            }
        }
        text
    }

    fn cpus(&self) -> impl Iterator<Item = usize> + '_ {
        self.machine
            .nodes
            .iter()
            .flat_map(|node| node.cpus.iter().copied())
    }

    /// What our rules say, in the words of ask.c.
    fn ours(&self) -> String {
        let owned = |text: &str| std::ffi::CString::new(text).expect("no NUL");
        let hbw_nodes = self.hbw_nodes.as_deref().map(owned);
        let dax_kmem_nodes = self.dax_kmem_nodes.as_deref().map(owned);
        let threshold = self.threshold.map(owned);
        let settings = Settings {
            hbw_nodes: hbw_nodes.as_deref(),
            dax_kmem_nodes: dax_kmem_nodes.as_deref(),
            hbw_threshold: threshold.as_deref(),
            preferred_ties: None,
        };
        let facts = Facts {
            machine: &self.machine,
            attributes: &|| Ok(&self.attributes),
            dax_kmem: &|| NodeMask::EMPTY,
            prefers_many: &|| false,
        };
        let mut text = String::new();
        for (name, choice) in KINDS {
            let mut report = |note: memkind::topology::note::Note<'_>| {
                let _ = writeln!(text, "{note}");
            };
            let targets = select(&facts, &settings, choice, &mut report);
            let code = targets.as_ref().map_or_else(|error| error.code(), |_| 0);
            let _ = write!(text, "kind {name} {code}");
            if let Ok(targets) = targets {
                for cpu in self.cpus() {
                    let _ = write!(text, " {cpu}:{:x}", targets.of_cpu(cpu).as_words()[0]);
                }
            }
            text.push('\n');
        }
        text
    }

    /// What the original says; `None` when the installed library is another one.
    fn original(&self, dir: &Path) -> Option<String> {
        let file = dir.join("machine");
        fs::write(&file, self.text()).expect("machine");
        let cpus = self.cpus().fold(0u64, |bits, cpu| bits | 1 << cpu);
        let mut command = Command::new(dir.join("ask"));
        command
            .env_remove("LD_LIBRARY_PATH")
            .env("LD_PRELOAD", dir.join("machine.so"))
            .env("FAKE_MACHINE", &file)
            .env("FAKE_CPUS", format!("{cpus:x}"))
            .env("MEMKIND_DEBUG", "1")
            .env("MEMKIND_ARENA_NUM_PER_KIND", "1");
        for (name, value) in [
            ("MEMKIND_HBW_NODES", self.hbw_nodes.as_deref()),
            ("MEMKIND_DAX_KMEM_NODES", self.dax_kmem_nodes.as_deref()),
            ("MEMKIND_HBW_THRESHOLD", self.threshold),
        ] {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let output = command.output().expect("the program starts");
        if output.status.code() == Some(77) {
            return None;
        }
        let text = String::from_utf8(output.stderr).expect("text");
        assert!(
            output.status.success(),
            "{}\n{text}\n{}",
            output.status,
            self.text()
        );
        Some(without_the_rest(&text))
    }
}

/// Leaves the answers and the remarks about nodes; a first allocation logs in the
/// middle of an answer's line.
fn without_the_rest(text: &str) -> String {
    let mut result = String::new();
    for line in text.split_inclusive('\n') {
        if let Some((before, _)) = line.split_once("MEMKIND_INFO: Initializing") {
            result.push_str(before);
        } else if let Some((before, _)) = line.split_once("MEMKIND_ERROR: syscall mbind") {
            result.push_str(before);
        } else {
            let line = line.strip_prefix("MEMKIND_INFO: ").unwrap_or(line);
            result.push_str(line.strip_prefix("MEMKIND_ERROR: ").unwrap_or(line));
        }
    }
    result
}

/// Compiles the two C files; false when that is not possible here.
fn compiled(dir: &Path) -> bool {
    let owned = |text: &[&str]| -> Vec<String> { text.iter().map(|t| (*t).to_owned()).collect() };
    let shim = owned(&["-shared", "-fPIC", "-lhwloc", "-lnuma", "-ldl"]);
    let ask = [original(), owned(&["-ldl"])].concat();
    compile("machine.c", &dir.join("machine.so"), &shim) && compile("ask.c", &dir.join("ask"), &ask)
}

#[test]
fn the_original_chooses_the_same_nodes() {
    let dir = std::env::temp_dir().join(format!("memkind-original-{}", std::process::id()));
    fs::create_dir_all(&dir).expect("temporary directory");
    if !compiled(&dir) {
        eprintln!("skipped: needs cc, hwloc.h, numa.h, memkind.h and libmemkind.so.0");
        return;
    }
    for seed in 1..=N_MACHINES {
        let question = question(&mut Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let Some(original) = question.original(&dir) else {
            eprintln!("skipped: the installed library is not memkind 1.14.0");
            break;
        };
        assert_eq!(
            question.ours(),
            original,
            "left is ours; seed {seed}, HBW_NODES {:?}, DAX_KMEM_NODES {:?}, THRESHOLD {:?}\n{}",
            question.hbw_nodes,
            question.dax_kmem_nodes,
            question.threshold,
            question.text()
        );
    }
    fs::remove_dir_all(&dir).expect("temporary directory");
}
