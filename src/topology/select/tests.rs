//! The rules on tables, one machine at a time.

mod cpusets;
mod fake;
mod modes;
mod places;

use super::{Attribute, Choice, Facts, Nodes, Reach, Settings, Take, select};
use crate::error::Error;
use crate::topology::NodeMask;
use crate::topology::nodes::Target;
use crate::topology::nodestring::Problem;
use core::ffi::CStr;
use fake::{Fake, Row, fake};

const fn choice(nodes: Nodes, reach: Reach, take: Take) -> Choice {
    Choice { nodes, reach, take }
}

const REGULAR: Choice = choice(Nodes::WithCpus, Reach::All, Take::Many);
const HBW: Choice = choice(Nodes::HighBandwidth, Reach::Local, Take::Many);
const HBW_ALL: Choice = choice(Nodes::HighBandwidth, Reach::All, Take::Many);
const HBW_ONE: Choice = choice(Nodes::HighBandwidth, Reach::Local, Take::One);
const DAX: Choice = choice(Nodes::DaxKmem, Reach::Local, Take::Many);
const DAX_ALL: Choice = choice(Nodes::DaxKmem, Reach::All, Take::Many);
const DAX_ONE: Choice = choice(Nodes::DaxKmem, Reach::Local, Take::One);
const MOST: Choice = choice(Nodes::MostCapacity, Reach::All, Take::Many);
const MOST_ONE: Choice = choice(Nodes::MostCapacity, Reach::All, Take::One);
const CAPACITY: Choice = choice(Nodes::Best(Attribute::Capacity), Reach::Local, Take::Many);
const LATENCY: Choice = choice(Nodes::Best(Attribute::Latency), Reach::Local, Take::Many);
const BANDWIDTH: Choice = choice(Nodes::Best(Attribute::Bandwidth), Reach::Local, Take::Many);

fn one_node() -> Fake {
    fake(&[(0, &[0, 1], 1000)], &[&[10]]).near(0, 0)
}

/// Two sockets with these CPUs, DRAM in nodes 0 and 1, HBM in 2 and 3.
fn sockets(first: &[usize], second: &[usize]) -> Fake {
    fake(
        &[
            (0, first, 500),
            (1, second, 600),
            (2, &[], 200),
            (3, &[], 200),
        ],
        &[
            &[10, 21, 13, 23],
            &[21, 10, 23, 13],
            &[13, 23, 10, 23],
            &[23, 13, 23, 10],
        ],
    )
    .local(0, 0, 131_072, 100)
    .local(0, 2, 819_200, 120)
    .local(1, 1, 131_072, 100)
    .local(1, 3, 819_200, 120)
}

fn hbm() -> Fake {
    sockets(&[0], &[1])
}

fn hbw_nodes(text: &CStr) -> Settings<'_> {
    Settings {
        hbw_nodes: Some(text),
        ..Settings::default()
    }
}

fn threshold(text: &CStr) -> Settings<'_> {
    Settings {
        hbw_threshold: Some(text),
        ..Settings::default()
    }
}

#[test]
fn choices_have_different_numbers() {
    let mut seen = [false; Choice::COUNT];
    for nodes in [
        Nodes::WithCpus,
        Nodes::HighBandwidth,
        Nodes::DaxKmem,
        Nodes::MostCapacity,
        Nodes::Best(Attribute::Capacity),
        Nodes::Best(Attribute::Latency),
        Nodes::Best(Attribute::Bandwidth),
    ] {
        for reach in [Reach::Local, Reach::All] {
            for take in [Take::Many, Take::One] {
                let index = choice(nodes, reach, take).index();
                assert!(!seen[index]);
                seen[index] = true;
            }
        }
    }
}

#[test]
fn one_node_without_firmware_tables() {
    let machine = one_node();
    for choice in [REGULAR, MOST, MOST_ONE, CAPACITY] {
        machine.is(choice, "0 0");
    }
    for choice in [HBW, HBW_ALL, HBW_ONE, LATENCY, BANDWIDTH] {
        machine.fails(choice, Error::MemtypeNotAvailable);
    }
    for choice in [DAX, DAX_ALL, DAX_ONE] {
        machine.fails(choice, Error::Unavailable);
    }
    let unknown = "Node skipped - cannot read initiator Node 0 and target Node 0.";
    let (_, notes) = machine.ask(Settings::default(), HBW);
    assert_eq!(notes, [unknown, "No HBW Nodes for init node 0."]);
    let (_, notes) = machine.ask(Settings::default(), LATENCY);
    assert_eq!(
        notes,
        [unknown, "No memory attribute Nodes for init node 0."]
    );
    let (_, notes) = machine.ask(Settings::default(), DAX);
    assert!(notes.is_empty());
}

#[test]
fn high_bandwidth_memory_of_two_sockets() {
    let machine = hbm();
    machine.is(REGULAR, "0-1 0-1");
    machine.is(HBW, "2 3");
    // Firmware shows a target from its best initiator only, so "all" is the own one.
    machine.is(HBW_ALL, "2 3");
    machine.is(HBW_ONE, "2 3");
    machine.is(MOST, "1 1");
    machine.is(MOST_ONE, "1 1");
    machine.is(CAPACITY, "0 1");
    machine.is(LATENCY, "0 1");
    machine.is(BANDWIDTH, "2 3");
    let (_, notes) = machine.ask(Settings::default(), HBW);
    assert_eq!(
        notes[2],
        "Node skipped - cannot read initiator Node 1 and target Node 0."
    );
    assert_eq!(
        notes[4],
        "Node 2 skipped - no CPU detected in initiator Node."
    );
    let (targets, _) = machine.ask(Settings::default(), BANDWIDTH);
    assert_eq!(targets.as_deref(), Ok("2 3"));
}

#[test]
fn the_threshold_decides_what_is_high() {
    let machine = hbm();
    for (text, expected) in [
        (c"131072", Ok("0 1")),
        (c"131073", Ok("2 3")),
        (c"819200", Ok("2 3")),
        (c"", Ok("0 1")),
        (c"819201", Err(Error::MemtypeNotAvailable)),
        (c"-1", Err(Error::Environ)),
        (c"abc", Err(Error::Environ)),
        (c"1x", Err(Error::Environ)),
        (c"4294967296", Err(Error::Environ)),
    ] {
        let (result, notes) = machine.ask(threshold(text), HBW);
        assert_eq!(result.as_deref(), expected.as_ref().map(|s| *s), "{text:?}");
        let detected = format!(
            "Environment variable MEMKIND_HBW_THRESHOLD detected: {}.",
            text.to_string_lossy()
        );
        assert_eq!(notes[0], detected);
        let invalid = "Environment variable MEMKIND_HBW_THRESHOLD is invalid value.";
        assert_eq!(notes[1] == invalid, expected == Err(Error::Environ));
    }
    let (result, _) = machine.ask(threshold(c"1"), HBW_ALL);
    assert_eq!(result.as_deref(), Ok("0,2 1,3"));
    // Other kinds do not look at it.
    let (result, notes) = machine.ask(threshold(c"abc"), BANDWIDTH);
    assert_eq!(result.as_deref(), Ok("2 3"));
    assert!(!notes.iter().any(|note| note.contains("THRESHOLD")));
}

#[test]
fn a_socket_without_high_bandwidth_memory_ends_it_for_all() {
    let mut machine = hbm();
    *machine.pair(1, 3) = Target {
        node: 3,
        bandwidth: None,
        latency: None,
        local: true,
    };
    for choice in [HBW, HBW_ALL, HBW_ONE] {
        machine.fails(choice, Error::MemtypeNotAvailable);
    }
    let (_, notes) = machine.ask(Settings::default(), HBW);
    assert_eq!(
        notes.last().map(String::as_str),
        Some("No HBW Nodes for init node 1.")
    );
    machine.is(BANDWIDTH, "2 1");
}

#[test]
fn listed_nodes_need_no_firmware_tables() {
    let machine = hbm();
    for (text, local, all) in [
        (c"2,3", "2 3", "2-3 2-3"),
        (c"0", "0 0", "0 0"),
        (c"0-3", "0 1", "0-3 0-3"),
        (c"", " ", " "),
        (c"!all", " ", " "),
    ] {
        let (result, notes) = machine.ask(hbw_nodes(text), HBW);
        assert_eq!(result.as_deref(), Ok(local), "{text:?}");
        assert!(notes.is_empty());
        let (result, _) = machine.ask(hbw_nodes(text), HBW_ALL);
        assert_eq!(result.as_deref(), Ok(all), "{text:?}");
        let (result, _) = machine.ask(hbw_nodes(text), HBW_ONE);
        assert_eq!(result.as_deref(), Ok(local), "{text:?}");
    }
    for text in [c"9", c"abc", c"2,x", c"-1", c"0;1"] {
        let (result, notes) = machine.ask(hbw_nodes(text), HBW);
        assert_eq!(result, Err(Error::Environ), "{text:?}");
        let value = text.to_string_lossy();
        assert_eq!(
            notes[1],
            format!("Invalid value of environment variable {value}.")
        );
    }
    let (_, notes) = machine.ask(hbw_nodes(c"9"), HBW);
    assert_eq!(notes[0], Problem::OutOfRange(9).to_string());
    assert_eq!(
        notes[2],
        "Cannot use MEMKIND_HBW_NODES: there is no node 9."
    );
}

#[test]
fn ties() {
    let tied = || {
        fake(
            &[(0, &[0, 1], 900), (1, &[], 900), (2, &[], 900)],
            &[&[10, 17, 17], &[17, 10, 20], &[17, 20, 10]],
        )
        .local(0, 0, 1, 100)
        .local(0, 1, 900_000, 100)
        .local(0, 2, 900_000, 100)
    };
    let machine = tied().dax(&[1, 2]);
    machine.is(HBW, "1-2 1-2");
    machine.fails(HBW_ONE, Error::Runtime);
    machine.is(DAX, "1-2 1-2");
    machine.fails(DAX_ONE, Error::Runtime);
    machine.is(MOST, "0-2 0-2");
    machine.fails(MOST_ONE, Error::MemtypeNotAvailable);
    // Local kinds take one node: the more distant, then the first.
    machine.is(CAPACITY, "1 1");
    machine.is(LATENCY, "0 0");
    machine.is(BANDWIDTH, "1 1");
    let (_, notes) = machine.ask(Settings::default(), HBW_ONE);
    assert_eq!(notes, ["Invalid Numa Configuration for Node 0"]);
    let (_, notes) = machine.ask(Settings::default(), MOST_ONE);
    assert_eq!(
        notes,
        ["Multiple NUMA Nodes have the same highest capacity."]
    );

    // The smaller memory wins a tie of latency or bandwidth.
    let mut machine = tied();
    machine.machine.nodes[2].capacity = 800;
    machine.is(LATENCY, "2 2");
    machine.is(BANDWIDTH, "2 2");
    machine.is(MOST, "0-1 0-1");
}

#[test]
fn persistent_memory_as_ram() {
    let machine = || {
        fake(
            &[(0, &[0], 500), (1, &[1], 500), (2, &[], 512)],
            &[&[10, 21, 17], &[21, 10, 28], &[17, 28, 10]],
        )
    };
    for choice in [DAX, DAX_ALL, DAX_ONE] {
        machine().dax(&[2]).is(choice, "2 2");
        // A device whose memory is not online is not memory.
        machine().dax(&[7]).fails(choice, Error::Unavailable);
    }
    let settings = Settings {
        dax_kmem_nodes: Some(c"1,2"),
        ..Settings::default()
    };
    assert_eq!(machine().ask(settings, DAX).0.as_deref(), Ok("2 1"));
    assert_eq!(machine().ask(settings, DAX_ALL).0.as_deref(), Ok("1-2 1-2"));
    let settings = Settings {
        dax_kmem_nodes: Some(c""),
        ..Settings::default()
    };
    assert_eq!(machine().ask(settings, DAX).0.as_deref(), Ok(" "));
}

#[test]
fn knights_landing() {
    let machine = fake(&[(0, &[0, 1], 700), (1, &[], 250)], &[&[10, 31], &[31, 10]]).knights();
    machine.is(HBW, "1 1");
    machine.is(HBW_ONE, "1 1");
    let (result, notes) = machine.ask(threshold(c"abc"), HBW_ALL);
    assert_eq!(result.as_deref(), Ok("1 1"));
    assert_eq!(notes, ["Detected High Bandwidth Memory."]);
    let (result, _) = machine.ask(hbw_nodes(c"0"), HBW);
    assert_eq!(result.as_deref(), Ok("0 0"));
    // In cache mode the fast memory is no node.
    let cache_mode = one_node().knights();
    cache_mode.fails(HBW, Error::MemtypeNotAvailable);
}

#[test]
fn sub_numa_clusters_with_eight_nodes() {
    // SNC4 of one socket: DRAM in 0 to 3, HBM in 4 to 7, each near its cluster.
    let cpus = [[0], [1], [2], [3]];
    let mut rows: Vec<Row<'_>> = Vec::new();
    for (number, cpus) in (0u16..).zip(&cpus) {
        rows.push((number, cpus, 1000));
    }
    rows.extend((4..8).map(|number| (number, &[][..], 250)));
    let distance = |a: usize, b: usize| match (a % 4 == b % 4, a == b) {
        (_, true) => 10,
        (true, false) => 13,
        (false, _) if b < 4 => 12,
        (false, _) => 14,
    };
    let matrix: Vec<Vec<u32>> = (0..8)
        .map(|a| (0..8).map(|b| distance(a, b)).collect())
        .collect();
    let matrix: Vec<&[u32]> = matrix.iter().map(Vec::as_slice).collect();
    let mut machine = fake(&rows, &matrix);
    for node in 0..4 {
        machine = machine.local(node, node, 70_000, 100);
        machine = machine.local(node, node + 4, 300_000, 130);
    }
    machine.is(REGULAR, "0-3 0-3 0-3 0-3");
    machine.is(HBW, "4 5 6 7");
    machine.is(HBW_ALL, "4 5 6 7");
    machine.is(BANDWIDTH, "4 5 6 7");
    machine.is(LATENCY, "0 1 2 3");
    machine.is(MOST, "0-3 0-3 0-3 0-3");
    let (result, _) = machine.ask(hbw_nodes(c"4-7"), HBW_ALL);
    assert_eq!(result.as_deref(), Ok("4-7 4-7 4-7 4-7"));
    let (result, _) = machine.ask(hbw_nodes(c"4-7"), HBW_ONE);
    assert_eq!(result.as_deref(), Ok("4 5 6 7"));
}

#[test]
fn node_numbers_may_be_missing_and_nodes_without_memory() {
    let machine = fake(
        &[(0, &[0], 500), (8, &[1], 0), (252, &[], 300)],
        &[&[10, 40, 80], &[40, 10, 80], &[80, 80, 10]],
    )
    .local(0, 0, 300_000, 100)
    .dax(&[252]);
    machine.is(REGULAR, "0 0");
    machine.is(DAX, "252 252");
    machine.is(MOST_ONE, "0 0");
    let (result, _) = machine.ask(hbw_nodes(c"252"), HBW);
    assert_eq!(result.as_deref(), Ok("252 252"));
    let (result, _) = machine.ask(hbw_nodes(c"8"), HBW);
    assert_eq!(result, Err(Error::Environ));
    // The CPUs of node 8 have no local memory at all.
    machine.fails(CAPACITY, Error::MemtypeNotAvailable);
    machine.fails(HBW, Error::MemtypeNotAvailable);
}

#[test]
fn a_machine_without_cpus_is_one_that_could_not_be_read() {
    let machine = fake(&[(0, &[], 0)], &[&[10]]);
    let (result, notes) = machine.ask(Settings::default(), REGULAR);
    assert_eq!(result, Err(Error::Unavailable));
    assert_eq!(
        notes,
        ["No node with CPUs was found in /sys/devices/system/node: is /sys mounted?"]
    );
}

#[test]
fn a_failure_of_the_facts_is_passed_on() {
    let machine = hbm();
    let facts = Facts {
        machine: &machine.machine,
        attributes: &|| Err(Error::Unavailable),
        dax_kmem: &|| NodeMask::EMPTY,
        prefers_many: &|| false,
    };
    let result = select(&facts, &Settings::default(), HBW, &mut |_| ());
    assert_eq!(result, Err(Error::Unavailable));
}
