//! memkind-info: shows the memory of this machine and the kinds that it offers.
//!
//! Tables tell a person why a kind is not available; `--json` is for programs. The program
//! allocates no memory of any kind.

mod json;
mod report;
mod source;
mod text;
mod why;
mod words;

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use report::Report;

const HELP: &str = "\
Usage: memkind-info [--json] [--sysfs DIR] | --version
Shows the NUMA nodes of this machine and, for each kind of memory, its policy (the mode
of mbind(2)), its page size, and the nodes that it takes memory from, or the reason why
it is not available with the code of memkind_check_available. Nodes that depend on the
CPU that asks stand with these CPUs. Capacity and free are those of all its nodes
together; of kinds with 2 MiB pages, what is kept for such pages; where a control group of
the process (a container) may have less, its limit, which is shown below. The tier of a node is
the kernel's: a smaller number is faster memory. Bandwidth and latency are those of the
CPUs that reach the node best.

  --json       the same as one JSON document; sizes in bytes
  --sysfs DIR  read the nodes from a copy of /sys; give bandwidth and latency with
               HWLOC_XMLFILE (see hwloc(7))
  --version    the version of memkind that this program belongs to
  -h, --help   this text

MEMKIND_HBW_NODES, MEMKIND_HBW_THRESHOLD, MEMKIND_DAX_KMEM_NODES, MEMKIND_PREFERRED_TIES
and MEMKIND_INTERLEAVE count as they do in a program.
Exit status: 0, 1 when the machine cannot be read or nothing be written, 2 for a wrong option.
";

/// The task that the command line names.
enum Request {
    Help,
    Version,
    Show { json: bool, sysfs: Option<String> },
}

fn request(arguments: impl Iterator<Item = String>) -> Result<Request, String> {
    let (mut json, mut sysfs) = (false, None);
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--json" => json = true,
            "-h" | "--help" => return Ok(Request::Help),
            "--version" => return Ok(Request::Version),
            "--sysfs" => match arguments.next() {
                Some(dir) => sysfs = Some(dir),
                None => return Err("Option --sysfs needs a directory.".to_owned()),
            },
            other => match other.strip_prefix("--sysfs=") {
                Some(dir) => sysfs = Some(dir.to_owned()),
                None => return Err(format!("Unknown option {other}.")),
            },
        }
    }
    Ok(Request::Show { json, sysfs })
}

/// Writes `text` to standard output; a closed pipe is no failure.
fn put(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    }
}

fn main() -> ExitCode {
    let arguments = std::env::args_os().skip(1);
    let arguments = arguments.map(|argument| argument.to_string_lossy().into_owned());
    let (json, sysfs) = match request(arguments) {
        Ok(Request::Help) => return put(HELP),
        Ok(Request::Version) => {
            return put(concat!("memkind-info ", env!("CARGO_PKG_VERSION"), "\n"));
        }
        Ok(Request::Show { json, sysfs }) => (json, sysfs),
        Err(problem) => {
            let _ = writeln!(
                io::stderr(),
                "ERROR: {problem} More info with \"memkind-info --help\"."
            );
            return ExitCode::from(2);
        }
    };
    let report = match &sysfs {
        Some(dir) => Report::of_tree(dir),
        None => Report::of_host(),
    };
    match report {
        Ok(report) if json => put(&json::document(&report)),
        Ok(report) => put(&text::screen(&report)),
        Err(problem) => {
            let _ = writeln!(io::stderr(), "ERROR: {problem}");
            ExitCode::FAILURE
        }
    }
}
