//! Code that the programs that print a list of nodes share.

use std::ffi::OsString;
use std::io::{self, ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

use memkind::topology::{self, Choice, Nodes, Reach, Take};

/// A program that prints the nodes of some memory.
pub(crate) struct Program {
    /// The memory whose nodes it prints.
    pub(crate) nodes: Nodes,
    /// The text for `--help`.
    pub(crate) help: &'static str,
    /// The exit status after the help.
    pub(crate) help_status: u8,
    /// The exit status where there are no such nodes.
    pub(crate) none_status: u8,
}

impl Program {
    /// Does what the command line asks for. Scripts rely on the words and on the
    /// place: also complaints go to standard output.
    pub(crate) fn run(&self) -> ExitCode {
        let arguments: Vec<OsString> = std::env::args_os().collect();
        match arguments.as_slice() {
            [] | [_] => self.list(),
            [_, only] if only == "-h" || only == "--help" => {
                put(self.help.as_bytes(), self.help_status)
            }
            [name, first, ..] => {
                let mut line = b"ERROR: Unknown option ".to_vec();
                line.extend_from_slice(first.as_bytes());
                line.extend_from_slice(b". More info with \"");
                line.extend_from_slice(name.as_bytes());
                line.extend_from_slice(b" --help\".\n");
                put(&line, 2)
            }
        }
    }

    /// Prints the nodes of all CPUs as a list that numactl(8) understands.
    fn list(&self) -> ExitCode {
        let choice = Choice::new(self.nodes, Reach::All, Take::Many);
        let Ok(targets) = topology::targets(choice) else {
            return ExitCode::from(self.none_status);
        };
        let nodes: Vec<String> = targets.all().iter().map(|node| node.to_string()).collect();
        put((nodes.join(",") + "\n").as_bytes(), 0)
    }
}

/// Writes `text` to standard output; a closed pipe is no failure.
fn put(text: &[u8], status: u8) -> ExitCode {
    match io::stdout().write_all(text) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => ExitCode::FAILURE,
        _ => ExitCode::from(status),
    }
}
