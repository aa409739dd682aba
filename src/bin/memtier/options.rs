//! The options of memtier.

use std::ffi::OsString;

use lexopt::prelude::*;

use crate::{Failure, misuse};

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

/// What the command line asks for.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) ratio: Option<OsString>,
    pub(crate) kinds: Vec<OsString>,
    pub(crate) version: bool,
    pub(crate) threshold: Option<OsString>,
    pub(crate) verbose: bool,
    pub(crate) dry_run: bool,
    pub(crate) help: bool,
    pub(crate) command: Vec<OsString>,
}

impl Options {
    /// The options among the arguments, as getopt_long(3) reads them, up to the first that is none.
    pub(crate) fn read(mut arguments: lexopt::Parser) -> Result<Self, Failure> {
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
