//! This machine as it is, against the original library: the codes of
//! `memkind_check_available` and every message, for many settings of the environment.
//!
//! The test runs itself as a child, since answers and warnings are kept per process.
//! Skipped where memkind 1.14.0 or a C compiler is missing.

mod topology;

use std::path::Path;
use std::process::Command;

use memkind::error::Error;
use memkind::topology::{Attribute, Choice, Nodes, Reach, Take, huge_pages_available, targets};
use topology::{compile, original};

const HBW: Nodes = Nodes::HighBandwidth;
const DAX: Nodes = Nodes::DaxKmem;
const MOST: Nodes = Nodes::MostCapacity;
const LOCAL: Choice = Choice::new(Nodes::Best(Attribute::Capacity), Reach::Local, Take::Many);
const LATENCY: Choice = Choice::new(Nodes::Best(Attribute::Latency), Reach::Local, Take::Many);
const FASTEST: Choice = Choice::new(Nodes::Best(Attribute::Bandwidth), Reach::Local, Take::Many);

/// What check.c asks: name, nodes, and whether huge pages are wanted.
const KINDS: [(&str, Option<Choice>, bool); 14] = [
    (
        "HBW",
        Some(Choice::new(HBW, Reach::Local, Take::Many)),
        false,
    ),
    (
        "HBW_ALL",
        Some(Choice::new(HBW, Reach::All, Take::Many)),
        false,
    ),
    (
        "HBW_PREFERRED",
        Some(Choice::new(HBW, Reach::Local, Take::One)),
        false,
    ),
    (
        "DAX_KMEM",
        Some(Choice::new(DAX, Reach::Local, Take::Many)),
        false,
    ),
    (
        "DAX_KMEM_ALL",
        Some(Choice::new(DAX, Reach::All, Take::Many)),
        false,
    ),
    (
        "DAX_KMEM_PREFERRED",
        Some(Choice::new(DAX, Reach::Local, Take::One)),
        false,
    ),
    (
        "HIGHEST_CAPACITY",
        Some(Choice::new(MOST, Reach::All, Take::Many)),
        false,
    ),
    (
        "HIGHEST_CAPACITY_PREFERRED",
        Some(Choice::new(MOST, Reach::All, Take::One)),
        false,
    ),
    ("HIGHEST_CAPACITY_LOCAL", Some(LOCAL), false),
    ("LOWEST_LATENCY_LOCAL", Some(LATENCY), false),
    ("HIGHEST_BANDWIDTH_LOCAL", Some(FASTEST), false),
    ("HUGETLB", None, true),
    ("HUGETLB", None, true),
    (
        "HBW_HUGETLB",
        Some(Choice::new(HBW, Reach::Local, Take::Many)),
        true,
    ),
];

/// Variables and values; each is tried with messages off and on.
const SETTINGS: [&[(&str, &str)]; 20] = [
    &[],
    &[("MEMKIND_HBW_THRESHOLD", "1")],
    &[("MEMKIND_HBW_THRESHOLD", "")],
    &[("MEMKIND_HBW_THRESHOLD", "-1")],
    &[("MEMKIND_HBW_THRESHOLD", "abc")],
    &[("MEMKIND_HBW_THRESHOLD", "4294967296")],
    &[("MEMKIND_HBW_NODES", "0")],
    &[("MEMKIND_HBW_NODES", "")],
    &[("MEMKIND_HBW_NODES", "!0")],
    &[("MEMKIND_HBW_NODES", "+0")],
    &[("MEMKIND_HBW_NODES", "all")],
    &[("MEMKIND_HBW_NODES", "-1")],
    &[("MEMKIND_HBW_NODES", "0x")],
    &[("MEMKIND_HBW_NODES", "0-1000")],
    &[("MEMKIND_HBW_NODES", "0"), ("MEMKIND_HBW_THRESHOLD", "x")],
    &[("MEMKIND_DAX_KMEM_NODES", "0")],
    &[("MEMKIND_DAX_KMEM_NODES", "")],
    &[("MEMKIND_DAX_KMEM_NODES", "-1")],
    &[("MEMKIND_DAX_KMEM_NODES", "abc")],
    &[
        ("MEMKIND_HBW_NODES", "abc"),
        ("MEMKIND_DAX_KMEM_NODES", "-1"),
    ],
];

/// Our side, in a process of its own.
#[test]
#[ignore = "the child of the next test"]
fn child() {
    for (name, choice, huge) in KINDS {
        let nodes = choice.map(targets).transpose();
        let result = nodes.and_then(|targets| match huge {
            true => huge_pages_available(2 << 20, targets.map(|targets| targets.all()).as_ref()),
            false => Ok(()),
        });
        eprintln!("{name} {}", result.map_or_else(Error::code, |()| 0));
    }
}

fn says(
    program: &Path,
    arguments: &[&str],
    debug: bool,
    variables: &[(&str, &str)],
) -> (Option<i32>, String) {
    let mut command = Command::new(program);
    command.args(arguments).env_remove("LD_LIBRARY_PATH");
    for name in ["HBW_THRESHOLD", "HBW_NODES", "DAX_KMEM_NODES", "DEBUG"] {
        command.env_remove(format!("MEMKIND_{name}"));
    }
    command.envs(variables.iter().copied());
    if debug {
        command.env("MEMKIND_DEBUG", "1");
    }
    let output = command.output().expect("the program starts");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), text)
}

/// `text` without the lines that ours has besides the original's, which say what is wrong with a variable's value.
fn without_explanations(text: &str) -> String {
    text.split_inclusive('\n')
        .filter(|line| !line.starts_with("MEMKIND_ERROR: Cannot use "))
        .collect()
}

#[test]
fn codes_and_messages_are_those_of_the_original() {
    let program = std::env::temp_dir().join(format!("memkind-check-{}", std::process::id()));
    if !compile("check.c", &program, &original()) {
        eprintln!("skipped: needs cc, memkind.h and libmemkind.so.0");
        return;
    }
    let ourselves = std::env::current_exe().expect("a path");
    let child = [
        "--ignored",
        "--exact",
        "child",
        "--nocapture",
        "--test-threads=1",
    ];
    for debug in [false, true] {
        for variables in SETTINGS {
            let (code, original) = says(&program, &[], debug, variables);
            if code == Some(77) {
                eprintln!("skipped: the installed library is not memkind 1.14.0");
                break;
            }
            let (_, ours) = says(&ourselves, &child, debug, variables);
            let ours = without_explanations(&ours);
            assert_eq!(ours, original, "left is ours, {variables:?}");
        }
    }
    std::fs::remove_file(&program).expect("temporary file");
}
