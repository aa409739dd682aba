//! Node lists against the installed libnuma: same nodes, same warning, for every text
//! that can be put together from a few pieces. Skipped without libnuma's headers.

mod topology;

use std::fs::{self, File};
use std::process::{Command, Stdio};

use memkind::topology::{machine, nodestring};
use topology::compile;

/// Pieces of node lists, good and bad.
const PIECES: [&str; 16] = [
    "0",
    "1",
    "9",
    "-",
    ",",
    "!",
    "+",
    "all",
    "x",
    " ",
    "0x0",
    "00",
    "-1",
    "1024",
    "18446744073709551615",
    "99999999999999999999",
];

/// Every text of up to three pieces.
fn texts() -> Vec<String> {
    let mut texts = vec![String::new()];
    let mut from = 0;
    for _ in 0..3 {
        let until = texts.len();
        for shorter in from..until {
            for piece in PIECES {
                texts.push(format!("{}{piece}", texts[shorter]));
            }
        }
        from = until;
    }
    for more in [
        "!0-1", "0,0-0", "+0,+0", "0-0,all", "all,0", "0,all,0", "0;1", "+all", "!+0",
    ] {
        texts.push(more.to_owned());
    }
    texts
}

#[test]
fn libnuma_reads_the_same_nodes() {
    let dir = std::env::temp_dir().join(format!("memkind-nodestring-{}", std::process::id()));
    fs::create_dir_all(&dir).expect("temporary directory");
    let program = dir.join("libnuma");
    if !compile("libnuma.c", &program, &["-lnuma".to_owned()]) {
        eprintln!("skipped: needs cc, numa.h and libnuma");
        return;
    }
    let texts = texts();
    let input = dir.join("texts");
    fs::write(&input, texts.join("\n") + "\n").expect("texts");
    let mut says = Command::new(&program);
    says.stdin(Stdio::from(File::open(&input).expect("texts")));
    let says = says.output().expect("the program starts");
    fs::remove_dir_all(&dir).expect("temporary directory");
    if says.status.code() == Some(77) {
        eprintln!("skipped: the kernel has no NUMA system calls");
        return;
    }
    let says = String::from_utf8(says.stdout).expect("text");
    assert_eq!(says.lines().count(), texts.len());
    let machine = machine().expect("nodes");
    for (text, theirs) in texts.iter().zip(says.lines()) {
        let ours = match nodestring::parse(text.as_bytes(), &machine.allowed, &machine.online()) {
            Ok(nodes) => {
                let nodes: Vec<String> = nodes.iter().map(|node| node.to_string()).collect();
                format!("{}|", nodes.join(" "))
            }
            Err(problem) => format!("-|{problem}"),
        };
        assert_eq!(ours, theirs, "{text:?} (left is ours)");
    }
}
