//! The command line.

use std::{ops::RangeInclusive, str::FromStr};

use portcullis::rejection::BoxError;

pub(crate) const HELP: &str = "\
Many calls over loopback, with everything going wrong that can.

    cargo run --release --example soak -- [flags]

    --calls N     how many calls, 1000 to 100000000 (default 20000)
    --callers N   how many at once, 1 to 5000 (default 300)
    --seed N      which faults whom meet (default 1)
    --help        print this";

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) calls: u64,
    pub(crate) callers: u64,
    pub(crate) seed: u64,
    pub(crate) help: bool,
}

impl Options {
    pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, BoxError> {
        let mut options = Self {
            calls: 20_000,
            callers: 300,
            seed: 1,
            help: false,
        };
        while let Some(flag) = args.next() {
            let mut value = |allowed| number(&flag, args.next(), allowed);
            match flag.as_str() {
                "--calls" => options.calls = value(1_000..=100_000_000)?,
                "--callers" => options.callers = value(1..=5_000)?,
                "--seed" => options.seed = value(0..=u64::MAX)?,
                "--help" | "-h" => options.help = true,
                _ => return Err(format!("unknown argument {flag:?} (see --help)").into()),
            }
        }
        Ok(options)
    }
}

fn number(
    flag: &str,
    value: Option<String>,
    allowed: RangeInclusive<u64>,
) -> Result<u64, BoxError> {
    let value = value.ok_or_else(|| format!("{flag} needs a value (see --help)"))?;
    u64::from_str(&value)
        .ok()
        .filter(|number| allowed.contains(number))
        .ok_or_else(|| {
            let (from, to) = allowed.into_inner();
            format!("{flag} is {value:?}; allowed: a whole number from {from} to {to}").into()
        })
}
