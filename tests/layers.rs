//! The layers of ARCHITECTURE.md: reads every `crate::` path below `src` and fails on an
//! arrow that points up, and keeps jemalloc, C names and hwloc in the files they belong to.

use std::fs;
use std::path::{Path, PathBuf};

/// Lowest first. A file may use its own layer and those before it.
const LAYERS: [&[&str]; 7] = [
    &["error", "env", "log", "clock", "cancel", "boxed"],
    &["topology"],
    &["backing"],
    &["heap"],
    &["kind", "global"],
    &["tier"],
    &["ffi"],
];

fn rank(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("src is readable") {
        let path = entry.expect("src is readable").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every module of the library with its source text; `bin` and lib.rs are not layers.
fn modules() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    files
        .into_iter()
        .filter_map(|path| {
            let inside = path.strip_prefix(&root).ok()?;
            let first = inside.components().next()?.as_os_str().to_str()?;
            let module = first.trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).expect("sources are UTF-8");
            (module != "bin" && module != "lib").then_some((module, path, text))
        })
        .collect()
}

/// The first words of all `crate::` paths in a file, `crate::{a, b}` included.
fn used(text: &str) -> Vec<&str> {
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let mut found = Vec::new();
    for line in code {
        for (at, _) in line.match_indices("crate::") {
            let rest = &line[at + "crate::".len()..];
            let inner = rest
                .strip_prefix('{')
                .map_or(rest, |list| list.split('}').next().unwrap_or(list));
            let several = rest.starts_with('{');
            let parts: Vec<&str> = if several {
                inner.split(',').collect()
            } else {
                vec![inner]
            };
            for part in parts {
                let name = part
                    .trim()
                    .split(|c: char| !c.is_alphanumeric() && c != '_')
                    .next();
                found.extend(name.filter(|name| !name.is_empty()));
            }
        }
    }
    found
}

#[test]
fn no_layer_uses_one_above_it() {
    let modules = modules();
    assert!(modules.len() > 20, "the sources have moved");
    for (module, path, text) in &modules {
        let own = rank(module).unwrap_or_else(|| panic!("{module} is in no layer: add it"));
        for name in used(text) {
            let Some(other) = rank(name) else { continue };
            assert!(
                other <= own,
                "{}: {module} may not use {name}",
                path.display()
            );
        }
    }
}

#[test]
fn the_check_sees_arrows() {
    assert_eq!(
        used("use crate::{a, b::c};\n    crate::d::e(); // crate::f\n"),
        ["a", "b", "d", "f"]
    );
    assert!(used("//! crate::ffi").is_empty());
}

#[test]
fn foreign_names_stay_where_they_belong() {
    for (module, path, text) in &modules() {
        let file = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or("");
        let owners = [
            ("tikv_jemalloc_sys", file == "je.rs"),
            ("no_mangle", module == "ffi"),
            ("fn hwloc_", file == "hwloc_sys.rs"),
            ("std::env::", module == "bin"),
            ("println!", module == "bin"),
        ];
        for (needle, allowed) in owners {
            // Unit tests may print and read their environment.
            let code = text.split("#[cfg(test)]").next().unwrap_or("");
            assert!(
                allowed || !code.contains(needle),
                "{}: {needle}",
                path.display()
            );
        }
    }
}
