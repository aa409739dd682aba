//! memkind-hbw-nodes and memkind-auto-dax-kmem-nodes: what scripts rely on, and the
//! same from the distribution's programs where they are installed.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};

const OURS: [(&str, &str); 2] = [
    ("memkind-hbw-nodes", env!("CARGO_BIN_EXE_memkind-hbw-nodes")),
    (
        "memkind-auto-dax-kmem-nodes",
        env!("CARGO_BIN_EXE_memkind-auto-dax-kmem-nodes"),
    ),
];
const VARIABLES: [&str; 4] = [
    "MEMKIND_HBW_NODES",
    "MEMKIND_HBW_THRESHOLD",
    "MEMKIND_DAX_KMEM_NODES",
    "MEMKIND_DEBUG",
];

fn run(name: &str, program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(program);
    command.arg0(name);
    for name in VARIABLES {
        command.env_remove(name);
    }
    command.args(arguments).envs(variables.iter().copied());
    command.output().expect("the program starts")
}

fn outcome(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    (output.status.code(), out, err)
}

#[test]
fn options() {
    for ((name, program), help_status) in OURS.into_iter().zip([2, 0]) {
        for option in ["-h", "--help"] {
            let (status, out, err) = outcome(&run(name, program, &[option], &[]));
            assert_eq!(status, Some(help_status), "{name} {option}");
            assert!(out.contains(&format!("Usage: {name}")), "{out}");
            assert_eq!(err, "");
        }
        for arguments in [&["-x"][..], &["0"], &["--"], &["-h", "more"]] {
            let words = format!(
                "ERROR: Unknown option {}. More info with \"{name} --help\".\n",
                arguments[0]
            );
            let expected = (Some(2), words, String::new());
            assert_eq!(outcome(&run(name, program, arguments, &[])), expected);
        }
    }
}

#[test]
fn what_cannot_be_written_is_told() {
    for (_, program) in OURS {
        let full = File::options().write(true).open("/dev/full");
        let mut command = Command::new(program);
        command.env("MEMKIND_HBW_NODES", "0");
        command.env("MEMKIND_DAX_KMEM_NODES", "0");
        let status = command.stdout(full.expect("a device")).status();
        assert_eq!(status.expect("the program starts").code(), Some(1));
    }
}

#[test]
fn lists() {
    for ((name, program), variable, none) in [
        (OURS[0], "MEMKIND_HBW_NODES", 1),
        (OURS[1], "MEMKIND_DAX_KMEM_NODES", 3),
    ] {
        for (value, status, out, err) in [
            ("0", Some(0), "0\n", ""),
            ("0,0-0", Some(0), "0\n", ""),
            ("", Some(0), "\n", ""),
            (
                "x",
                Some(none),
                "",
                "libnuma: Warning: unparseable node description `x'\n\n",
            ),
        ] {
            let found = outcome(&run(name, program, &[], &[(variable, value)]));
            assert_eq!(
                found,
                (status, out.to_owned(), err.to_owned()),
                "{name} with {value}"
            );
        }
    }
}

#[test]
fn as_the_distribution_has_it() {
    for (name, program) in OURS {
        let original = Path::new("/usr/bin").join(name);
        if !original.exists() {
            eprintln!("skipped: {} is not installed", original.display());
            continue;
        }
        let original = original.to_str().expect("a plain path");
        for arguments in [&[][..], &["-x"], &["--", "-h"], &["-h", "-h"], &["é"]] {
            for variables in [
                &[][..],
                &[("MEMKIND_HBW_NODES", "0"), ("MEMKIND_DAX_KMEM_NODES", "0")],
                &[("MEMKIND_HBW_NODES", ""), ("MEMKIND_DAX_KMEM_NODES", "")],
                &[
                    ("MEMKIND_HBW_NODES", "abc"),
                    ("MEMKIND_DAX_KMEM_NODES", "1000"),
                ],
                &[("MEMKIND_HBW_THRESHOLD", "-1")],
            ] {
                let ours = outcome(&run(name, program, arguments, variables));
                let theirs = outcome(&run(name, original, arguments, variables));
                assert_eq!(ours, theirs, "{name} {arguments:?} with {variables:?}");
            }
        }
        // The help is in other words, the status is the same.
        let [ours, theirs] =
            [program, original].map(|path| run(name, path, &["-h"], &[]).status.code());
        assert_eq!(ours, theirs, "{name} -h");
    }
}
