//! memkind-info: shows the memory of this machine and the kinds that it offers.
//!
//! Tables tell a person why a kind is not available; `--json` is for programs. The program
//! allocates no memory of any kind.

mod json;
mod process;
mod report;
mod source;
mod svg;
mod text;
mod why;
mod words;

use std::ffi::OsStr;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use lexopt::prelude::*;

use report::Report;

const HELP: &str = "\
Usage: memkind-info [--json | --svg] [--sysfs DIR] | --pid PID [--json] [--watch [SECONDS]] | --version
Shows the NUMA nodes of this machine and, for each kind of memory, its policy (the mode
of mbind(2)), its page size, and the nodes that it takes memory from, or the reason why
it is not available with the code of memkind_check_available. Nodes that depend on the
CPU that asks stand with these CPUs. Capacity and free are those of all its nodes
together; of kinds with 2 MiB pages, what is kept for such pages; where a control group of
the process (a container) may have less, its limit, which is shown below. The tier of a node is
the kernel's: a smaller number is faster memory. Bandwidth and latency are those of the
CPUs that reach the node best.

  --json       the same as one JSON document; sizes in bytes
  --svg        the same as a picture
  --pid PID    what a running process has of each kind: resident memory, huge pages, swap, nodes; this
               needs a kernel that has names of mappings (CONFIG_ANON_VMA_NAME)
  --watch      repeats that every second, or every SECONDS
  --sysfs DIR  read the nodes from a copy of /sys; give bandwidth and latency with
               HWLOC_XMLFILE (see hwloc(7))
  --version    the version of memkind that this program belongs to
  -h, --help   this text

MEMKIND_HBW_NODES, MEMKIND_HBW_THRESHOLD, MEMKIND_DAX_KMEM_NODES, MEMKIND_PREFERRED_TIES,
MEMKIND_INTERLEAVE and MEMKIND_THP count as they do in a program.
Exit status: 0, 1 when the machine or the process cannot be read or nothing can be written, 2 for a wrong option.
";

/// The task that the command line names.
enum Request {
    Help,
    Version,
    Show {
        form: Form,
        sysfs: Option<String>,
    },
    Process {
        form: Form,
        pid: u32,
        every: Option<u64>,
    },
}

/// How the answer looks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Json,
    Svg,
}

/// Notes how the answer is to look.
fn set_form(form: &mut Form, asked: Form) -> Result<(), String> {
    if *form != Form::Text && *form != asked {
        return Err("Options --json and --svg do not go together.".to_owned());
    }
    *form = asked;
    Ok(())
}

fn request(mut arguments: lexopt::Parser) -> Result<Request, String> {
    let (mut form, mut sysfs, mut pid, mut every) = (Form::Text, None, None, None);
    loop {
        let argument = match arguments.next() {
            Ok(Some(argument)) => argument,
            Ok(None) => break,
            Err(lexopt::Error::UnexpectedValue { option, value }) => {
                let value = value.to_string_lossy();
                return Err(format!(
                    "Option {option} takes no value, but has \"{value}\"."
                ));
            }
            Err(error) => return Err(format!("{error}.")),
        };
        match argument {
            Long("json") => set_form(&mut form, Form::Json)?,
            Long("svg") => set_form(&mut form, Form::Svg)?,
            Short('h') | Long("help") => return Ok(Request::Help),
            Long("version") => return Ok(Request::Version),
            Long("sysfs") => {
                let dir = arguments.value();
                let dir = dir.map_err(|_| "Option --sysfs needs a directory.")?;
                let name = dir.into_string();
                sysfs = Some(name.map_err(|_| "Option --sysfs needs a name in UTF-8.")?);
            }
            Long("pid") => {
                let number = arguments.value().ok();
                let number = number.and_then(|number| number.parse().ok());
                let number = number.filter(|number| *number > 0);
                pid = Some(number.ok_or("Option --pid needs the number of a process.")?);
            }
            Long("watch") => {
                let is_number = |text: &OsStr| {
                    text.to_str()
                        .is_some_and(|text| text.parse::<u64>().is_ok())
                };
                let value = arguments.optional_value();
                let value = value.or_else(|| arguments.try_raw_args()?.next_if(is_number));
                let seconds = value.map_or(Some(1), |text| text.parse().ok());
                let seconds = seconds.filter(|seconds| *seconds > 0);
                every =
                    Some(seconds.ok_or("Option --watch takes a number of seconds, at least 1.")?);
            }
            other => {
                return Err(match other {
                    Short(letter) => format!("Unknown option -{letter}."),
                    Long(name) => format!("Unknown option --{name}."),
                    Value(word) => format!("Unknown argument \"{}\".", word.to_string_lossy()),
                });
            }
        }
    }
    match pid {
        Some(_) if sysfs.is_some() || form == Form::Svg => {
            Err("Option --pid goes with --json and --watch only.".to_owned())
        }
        Some(pid) => Ok(Request::Process { form, pid, every }),
        None if every.is_some() => Err("Option --watch needs --pid.".to_owned()),
        None => Ok(Request::Show { form, sysfs }),
    }
}

/// Shows a process once, or until it ends or the output is closed.
fn watch(form: Form, pid: u32, every: Option<u64>) -> Result<ExitCode, String> {
    let mut process = process::read(pid)?.ok_or_else(|| format!("There is no process {pid}."))?;
    loop {
        let text = match form {
            Form::Json => json::process(pid, &process),
            _ => text::process(&process),
        };
        let written = write(&text);
        let Some(seconds) = every.filter(|_| written.is_ok()) else {
            return Ok(code(written));
        };
        thread::sleep(Duration::from_secs(seconds));
        process = match process::read(pid)? {
            Some(process) => process,
            None => return Ok(ExitCode::SUCCESS),
        };
        if let Err(error) = write("\n") {
            return Ok(code(Err(error)));
        }
    }
}

fn write(text: &str) -> io::Result<()> {
    io::stdout().write_all(text.as_bytes())
}

/// The exit status after writing; a closed pipe is no failure.
fn code(written: io::Result<()>) -> ExitCode {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    }
}

fn put(text: &str) -> ExitCode {
    code(write(text))
}

fn main() -> ExitCode {
    let answer = match request(lexopt::Parser::from_env()) {
        Ok(Request::Help) => return put(HELP),
        Ok(Request::Version) => {
            return put(concat!("memkind-info ", env!("CARGO_PKG_VERSION"), "\n"));
        }
        Ok(Request::Show { form, sysfs }) => show(form, sysfs.as_deref()),
        Ok(Request::Process { form, pid, every }) => watch(form, pid, every),
        Err(problem) => {
            let _ = writeln!(
                io::stderr(),
                "ERROR: {problem} More info with \"memkind-info --help\"."
            );
            return ExitCode::from(2);
        }
    };
    answer.unwrap_or_else(|problem| {
        let _ = writeln!(io::stderr(), "ERROR: {problem}");
        ExitCode::FAILURE
    })
}

/// Shows the machine.
fn show(form: Form, sysfs: Option<&str>) -> Result<ExitCode, String> {
    let report = match sysfs {
        Some(dir) => Report::of_tree(dir),
        None => Report::of_host(),
    }?;
    Ok(put(&match form {
        Form::Text => text::screen(&report),
        Form::Json => json::document(&report),
        Form::Svg => svg::picture(&report),
    }))
}
