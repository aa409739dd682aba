//! memtier: runs a program with libmemtier preloaded (memtier(1)).

mod options;
mod pipe;
mod tiers;

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use options::Options;

const HELP: &str = "\
memtier is a malloc interceptor to use memkind memory tiering with unmodified
programs.  Use it as a prefix:
    memtier [options] program [args]
Options:
    -r/--ratio      colon-separated relative portions of memory tiers to use,
                    defaults to amount of memory installed on this system.
                    1:3 means 1 byte of DRAM will be used per 3 bytes of PMEM.
    -k/--kind       a tier of another kind, KIND or KIND=PORTION, instead of --ratio;
                    once for each tier: -k HBW=1 -k NODE:2=4. KIND is as in
                    MEMKIND_MEM_TIERS, without FS_DAX.
    -t/--threshold  alloc size threshold configurations, see the man page
    -v/--verbose    display generated configuration
    -n/--dry-run    print the environment that the program would get, and end
    -h/--help       this message
    --version       the version of memkind that this program belongs to
";

const LIBRARY: &str = "libmemtier.so";

/// The end of the program: a message on standard error, and whether help follows it.
struct Failure {
    message: String,
    help: bool,
}

fn failure(message: impl Into<String>) -> Failure {
    Failure {
        message: message.into(),
        help: false,
    }
}

fn misuse(message: impl Into<String>) -> Failure {
    Failure {
        message: message.into(),
        help: true,
    }
}

/// Writes `text` to standard output; a closed pipe is no failure.
fn put(text: &[u8]) -> Result<(), Failure> {
    match io::stdout().write_all(text) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(failure(format!(
            "memtier: cannot write: {}",
            reason(&error)
        ))),
        _ => Ok(()),
    }
}

/// Writes a line to standard error; a failure cannot be reported, and is ignored.
fn say(line: &[u8]) {
    let _ = io::stderr().write_all(&[line, b"\n"].concat());
}

/// The system's text for an error, as in perror(3).
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next();
    words.unwrap_or_default().to_owned()
}

fn assignment(name: &str, value: &OsStr) -> Vec<u8> {
    [name.as_bytes(), b"=", value.as_bytes()].concat()
}

/// Path of the library beside this program, where the dynamic linker does not look by itself.
fn library() -> OsString {
    let found = env::current_exe().ok().and_then(|program| {
        let prefix = program.parent()?.parent()?.to_owned();
        if prefix == Path::new("/usr") || prefix == Path::new("/") {
            return None;
        }
        ["lib", "lib64", "lib/x86_64-linux-gnu"]
            .iter()
            .map(|directory| prefix.join(directory).join(LIBRARY))
            .find(|library| library.exists())
    });
    found.map_or_else(|| LIBRARY.into(), Into::into)
}

/// The variables that the program gets.
fn variables(options: &Options) -> Result<Vec<(&'static str, OsString)>, Failure> {
    let policy = if options.threshold.is_some() {
        "POLICY:DYNAMIC_THRESHOLD"
    } else {
        "POLICY:STATIC_RATIO"
    };
    let tiers = if options.kinds.is_empty() {
        tiers::usual(options)?
    } else {
        tiers::named(options)?
    };
    let tiers = tiers + policy;
    let mut preload = library();
    if let Some(more) = env::var_os("LD_PRELOAD").filter(|more| !more.is_empty()) {
        preload.push(":");
        preload.push(more);
    }
    let mut variables = vec![("LD_PRELOAD", preload), ("MEMKIND_MEM_TIERS", tiers.into())];
    if let Some(threshold) = &options.threshold {
        variables.push(("MEMKIND_MEM_THRESHOLDS", threshold.clone()));
    }
    Ok(variables)
}

fn run() -> Result<(), Failure> {
    let options = Options::read(lexopt::Parser::from_env())?;
    if options.help {
        return put(HELP.as_bytes());
    }
    if options.version {
        return put(concat!("memtier ", env!("CARGO_PKG_VERSION"), "\n").as_bytes());
    }
    let variables = variables(&options)?;
    if options.dry_run {
        let mut text = Vec::new();
        for (name, value) in &variables {
            text.extend_from_slice(&assignment(name, value));
            text.push(b'\n');
        }
        return put(&text);
    }
    let Some((program, arguments)) = options.command.split_first() else {
        return Err(misuse("Usage: memtier [options] command [args]"));
    };
    let mut command = Command::new(program);
    command.args(arguments);
    for (name, value) in variables {
        if options.verbose {
            say(&[b"setting ", &*assignment(name, &value)].concat());
        }
        command.env(name, value);
    }
    pipe::pass_on(&mut command);
    let error = command.exec();
    Err(failure(format!(
        "memtier: couldn't exec ｢{}｣: {}",
        program.to_string_lossy(),
        reason(&error)
    )))
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { message, help }) => {
            say(message.as_bytes());
            if help {
                let _ = put(HELP.as_bytes());
            }
            ExitCode::FAILURE
        }
    }
}
