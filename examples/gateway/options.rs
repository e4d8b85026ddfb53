//! The command line.

use std::path::PathBuf;

use portcullis::rejection::BoxError;

use crate::phase::Schedule;

pub(crate) const HELP: &str = "\
A gateway whose upstream goes through all kinds of trouble, with and without a guard.

    cargo run --release --example gateway -- [flags]

    --seconds N   length of the run, 6 to 3600; the phases scale (default 20, with --serve 60)
    --unguarded   only the bare client with its 5 s timeout, under the same load and faults;
                  otherwise it runs beside the guarded one, for comparison
    --json FILE   write one JSON object a second to FILE, and a summary last
    --serve       a live page to watch the run on, which is repeated until Ctrl-C and not judged;
                  the page has a port of its own, and controls for an operator with a token,
                  which is OPERATOR_TOKEN of the environment or made up
    --settings FILE
                  follow this file, which nobody else edits then; otherwise the run edits a copy
                  of examples/gateway/gateway.toml
    --help        print this";

const DEFAULT_SECONDS: u64 = 20;
/// Long enough to look at what each phase does.
const SERVED_SECONDS: u64 = 60;
const LONGEST: u64 = 3600;

#[derive(Debug, Default)]
pub(crate) struct Options {
    seconds: Option<u64>,
    pub(crate) json: Option<PathBuf>,
    pub(crate) settings: Option<PathBuf>,
    pub(crate) serve: bool,
    pub(crate) unguarded: bool,
    pub(crate) help: bool,
}

impl Options {
    pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, BoxError> {
        let mut options = Self::default();
        while let Some(arg) = args.next() {
            let (flag, inline) = match arg.split_once('=') {
                Some((flag, value)) => (flag, Some(value.to_owned())),
                None => (arg.as_str(), None),
            };
            match flag {
                "--seconds" => options.seconds = Some(seconds(&value(flag, inline, &mut args)?)?),
                "--json" => options.json = Some(value(flag, inline, &mut args)?.into()),
                "--settings" => options.settings = Some(value(flag, inline, &mut args)?.into()),
                _ if inline.is_some() => return Err(unknown(&arg)),
                "--serve" => options.serve = true,
                "--unguarded" => options.unguarded = true,
                "--help" | "-h" => options.help = true,
                _ => return Err(unknown(&arg)),
            }
        }
        Ok(options)
    }

    pub(crate) fn schedule(&self) -> Schedule {
        let default = match self.serve {
            true => SERVED_SECONDS,
            false => DEFAULT_SECONDS,
        };
        Schedule::new(self.seconds.unwrap_or(default))
    }
}

fn value(
    flag: &str,
    inline: Option<String>,
    args: &mut impl Iterator<Item = String>,
) -> Result<String, BoxError> {
    inline
        .or_else(|| args.next())
        .filter(|value| !value.is_empty() && !value.starts_with("--"))
        .ok_or_else(|| format!("{flag} needs a value (see --help)").into())
}

fn seconds(value: &str) -> Result<u64, BoxError> {
    let allowed = Schedule::SHORTEST..=LONGEST;
    value
        .parse()
        .ok()
        .filter(|seconds| allowed.contains(seconds))
        .ok_or_else(|| {
            let (from, to) = allowed.into_inner();
            format!("--seconds is {value:?}; allowed: a whole number from {from} to {to}").into()
        })
}

fn unknown(arg: &str) -> BoxError {
    format!("unknown argument {arg:?} (see --help)").into()
}
