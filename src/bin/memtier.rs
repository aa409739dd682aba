//! memtier: runs a program with libmemtier preloaded (memtier(1)).

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use lexopt::prelude::*;
use memkind::ffi::memkind::{MEMKIND_DAX_KMEM, MEMKIND_REGULAR, memkind_get_capacity};

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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Switch {
    Ratio,
    Kind,
    Threshold,
    Verbose,
    DryRun,
    Help,
}

const SWITCHES: [(Switch, char, &str, bool); 6] = [
    (Switch::Ratio, 'r', "ratio", true),
    (Switch::Kind, 'k', "kind", true),
    (Switch::Threshold, 't', "threshold", true),
    (Switch::Verbose, 'v', "verbose", false),
    (Switch::DryRun, 'n', "dry-run", false),
    (Switch::Help, 'h', "help", false),
];

#[derive(Default)]
struct Options {
    ratio: Option<OsString>,
    kinds: Vec<OsString>,
    version: bool,
    threshold: Option<OsString>,
    verbose: bool,
    dry_run: bool,
    help: bool,
    command: Vec<OsString>,
}

impl Options {
    /// As getopt_long(3) reads them, up to the first argument that is no option.
    fn read(mut arguments: lexopt::Parser) -> Result<Self, Failure> {
        let mut options = Self::default();
        loop {
            // Only flags can be followed by what does not belong to them: -v=1.
            let argument = arguments.next();
            match argument.map_err(|_| misuse("memtier: invalid option -- '='"))? {
                None => break,
                Some(Value(program)) => {
                    let rest = arguments.raw_args().into_iter().flatten();
                    options.command = std::iter::once(program).chain(rest).collect();
                    break;
                }
                Some(Short(letter)) => {
                    let Some((switch, _, _, takes)) =
                        SWITCHES.iter().find(|(_, known, _, _)| *known == letter)
                    else {
                        return Err(misuse(format!("memtier: invalid option -- '{letter}'")));
                    };
                    let missing = || {
                        misuse(format!(
                            "memtier: option requires an argument -- '{letter}'"
                        ))
                    };
                    let value = takes.then(|| arguments.value());
                    options.set(*switch, value.transpose().map_err(|_| missing())?);
                }
                Some(Long(name)) => {
                    let name = name.to_owned();
                    options.read_long(&name, &mut arguments)?;
                }
            }
        }
        Ok(options)
    }

    fn read_long(&mut self, name: &str, arguments: &mut lexopt::Parser) -> Result<(), Failure> {
        let value = arguments.optional_value();
        // Not to be shortened: --v and --ver mean --verbose, as they do in the original.
        if name == "version" && value.is_none() {
            self.version = true;
            return Ok(());
        }
        // An option may be shortened while only one option begins so.
        let mut fitting = SWITCHES
            .iter()
            .filter(|(_, _, long, _)| long.starts_with(name));
        let (Some((switch, _, long, takes)), None) = (fitting.next(), fitting.next()) else {
            return Err(misuse(format!("memtier: unrecognized option '--{name}'")));
        };
        if value.is_some() && !takes {
            return Err(misuse(format!(
                "memtier: option '--{long}' doesn't allow an argument"
            )));
        }
        let missing = || misuse(format!("memtier: option '--{long}' requires an argument"));
        // Any word is the value, also one that looks like an option.
        let value = match value {
            None if *takes => Some(arguments.value().map_err(|_| missing())?),
            value => value,
        };
        self.set(*switch, value);
        Ok(())
    }

    fn set(&mut self, switch: Switch, value: Option<OsString>) {
        match switch {
            Switch::Ratio => self.ratio = value,
            Switch::Kind => self.kinds.extend(value),
            Switch::Threshold => self.threshold = value,
            Switch::Verbose => self.verbose = true,
            Switch::DryRun => self.dry_run = true,
            Switch::Help => self.help = true,
        }
    }
}

/// One part of a ratio: its number, and the text after the digits.
fn portion(text: &str) -> Result<(u64, &str), Failure> {
    let implausible = || failure("memtier: the number to --ratio doesn't seem to be plausible.");
    if text.starts_with('-') {
        return Err(implausible());
    }
    let end = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if digits.is_empty() {
        return Ok((0, rest));
    }
    match digits.parse() {
        Ok(number) if number <= u64::from(u32::MAX) => Ok((number, rest)),
        _ => Err(implausible()),
    }
}

fn read_ratio(text: &OsStr) -> Result<(u64, u64), Failure> {
    let text = text.to_string_lossy();
    let (dram, rest) = portion(&text)?;
    let Some(rest) = rest.strip_prefix(':') else {
        return Err(failure(
            "memtier: --ratio must have a colon between values.",
        ));
    };
    let (far, rest) = portion(rest)?;
    if rest.starts_with(':') {
        return Err(failure(
            "memtier: --ratio must have exactly two values in this version of memtier.",
        ));
    }
    if !rest.is_empty() {
        return Err(failure("memtier: --ratio expects integers."));
    }
    Ok((dram, far))
}

const fn greatest_divisor(a: u64, b: u64) -> u64 {
    if b == 0 {
        a
    } else {
        greatest_divisor(b, a % b)
    }
}

/// The sizes of the memories that are installed, as a ratio.
fn installed(verbose: bool) -> Result<(u64, u64), Failure> {
    // SAFETY: the kinds are static, and their variables never change.
    let (dram, far) = unsafe {
        (
            memkind_get_capacity(MEMKIND_REGULAR),
            memkind_get_capacity(MEMKIND_DAX_KMEM),
        )
    };
    if verbose {
        say(format!("Installed capacities: {dram}:{far}").as_bytes());
    }
    let (Ok(mut dram), Ok(mut far)) = (u64::try_from(dram), u64::try_from(far)) else {
        return Err(failure(
            "memtier: there appears to be no KMEM_DAX devices installed in this system.",
        ));
    };
    let divisor = greatest_divisor(dram, far).max(1);
    (dram, far) = (dram / divisor, far / divisor);
    while dram.max(far) > u64::from(u32::MAX) {
        (dram, far) = (dram.div_ceil(2), far.div_ceil(2));
    }
    if verbose {
        say(format!("Using ratio of DRAM:KMEM_DAX {dram}:{far}").as_bytes());
    }
    Ok((dram, far))
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

/// The tiers of the options --kind, as MEMKIND_MEM_TIERS has them.
fn named_tiers(options: &Options) -> Result<String, Failure> {
    if options.ratio.is_some() {
        return Err(failure(
            "memtier: --ratio is for DRAM and KMEM_DAX; with --kind, portions stand after a '='.",
        ));
    }
    if options.threshold.is_some() && options.kinds.len() < 2 {
        return Err(failure("memtier: --threshold requires multiple tiers."));
    }
    let mut tiers = String::new();
    for kind in &options.kinds {
        let text = kind.to_string_lossy();
        let (name, portion) = text.split_once('=').unwrap_or((&text, "1"));
        let portion = portion.parse::<u32>().ok().filter(|portion| *portion > 0);
        let (Some(portion), false, false) = (portion, name.is_empty(), name.contains([';', ' ']))
        else {
            return Err(failure(format!(
                "memtier: --kind takes KIND or KIND=PORTION, a portion being 1 to 4294967295, not {text}."
            )));
        };
        // Commas of a list of nodes would end the parameter in the variable.
        let name = name.replace(',', "/");
        tiers += &format!("KIND:{name},RATIO:{portion};");
    }
    Ok(tiers)
}

/// The tiers of ordinary and far memory, as MEMKIND_MEM_TIERS has them.
fn usual_tiers(options: &Options) -> Result<String, Failure> {
    let (dram, far) = match &options.ratio {
        Some(text) => read_ratio(text)?,
        None => installed(options.verbose)?,
    };
    match (dram, far) {
        (0, 0) => Err(failure(
            "memtier: empty ratio would disallow using any memory.",
        )),
        (0, _) | (_, 0) if options.threshold.is_some() => Err(failure(
            "memtier: --threshold requires multiple tiers with non-zero ratios.",
        )),
        (_, 0) => Ok("KIND:DRAM,RATIO:1;".to_owned()),
        (0, _) => Ok("KIND:KMEM_DAX,RATIO:1;".to_owned()),
        _ => Ok(format!("KIND:DRAM,RATIO:{dram};KIND:KMEM_DAX,RATIO:{far};")),
    }
}

/// The variables that the program gets.
fn variables(options: &Options) -> Result<Vec<(&'static str, OsString)>, Failure> {
    let policy = if options.threshold.is_some() {
        "POLICY:DYNAMIC_THRESHOLD"
    } else {
        "POLICY:STATIC_RATIO"
    };
    let tiers = if options.kinds.is_empty() {
        usual_tiers(options)?
    } else {
        named_tiers(options)?
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
