//! Each `// SAFETY:` line states what makes its block sound. One that names the caller's promise,
//! or another line, says nothing once the function or that line has changed.

use std::fs;
use std::path::{Path, PathBuf};

/// How a line begins that points elsewhere instead.
const POINTERS: [&str; 6] = [
    "the caller's promise",
    "the promise of",
    "as above",
    "as below",
    "as for ",
    "as of ",
];

fn points_elsewhere(line: &str) -> bool {
    let reason = line.trim_start().strip_prefix("// SAFETY:");
    reason.is_some_and(|reason| {
        POINTERS
            .iter()
            .any(|start| reason.trim().starts_with(start))
    })
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("sources are readable") {
        let path = entry.expect("sources are readable").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn safety_lines_state_an_invariant() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in [
        "src",
        "preload/autohbw/src",
        "preload/interpose/src",
        "preload/memtier/src",
        "bindings/rust/memkind/src",
    ] {
        sources(&root.join(folder), &mut files);
    }
    assert!(files.len() > 100, "the sources have moved");
    for file in files {
        let text = fs::read_to_string(&file).expect("sources are UTF-8");
        for (number, line) in text.lines().enumerate() {
            let at = file.display();
            assert!(!points_elsewhere(line), "{at}:{}: {line}", number + 1);
        }
    }
}

#[test]
fn the_check_sees_lines() {
    assert!(points_elsewhere(
        "    // SAFETY: the caller's promise; it is live."
    ));
    assert!(!points_elsewhere(
        "    // SAFETY: it is live, by the caller's promise."
    ));
}
