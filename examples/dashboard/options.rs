//! The command line.

use std::{ops::RangeInclusive, str::FromStr, time::Duration};

use portcullis::rejection::BoxError;

pub(crate) const HELP: &str = "\
A live page over pipelines whose dependencies fail in turn.

    cargo run --example dashboard -- [flags]

    --circuits N   how many pipelines, 1 to 5000 (default 6)
    --name NAME    one pipeline more, of this name; may be given again
    --outage N     how many seconds each outage lasts, 1 to 600 (default 6)
    --interval N   milliseconds between two updates of the page, 100 to 60000 (default 1000)
    --port N       port of the page; 0 takes a free one (default 0)
    --seconds N    end after as many, 3 to 86400 (default: with Ctrl-C)
    --help         print this

The page has controls if the environment has an OPERATOR_TOKEN of 16 characters or more.";

/// More than anybody looks at, and a thousand names are listed by default.
const MOST_CIRCUITS: usize = 5_000;

#[derive(Debug)]
pub(crate) struct Options {
    circuits: usize,
    names: Vec<String>,
    pub(crate) outage: Duration,
    pub(crate) interval: Duration,
    pub(crate) port: u16,
    pub(crate) lasts: Duration,
    pub(crate) help: bool,
}

impl Options {
    pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, BoxError> {
        let mut options = Self {
            circuits: 6,
            names: Vec::new(),
            outage: Duration::from_secs(6),
            interval: Duration::from_secs(1),
            port: 0,
            lasts: Duration::MAX,
            help: false,
        };
        while let Some(flag) = args.next() {
            let mut value = || {
                let value = args.next();
                value.ok_or_else(|| format!("{flag} needs a value (see --help)"))
            };
            match flag.as_str() {
                "--circuits" => options.circuits = number(&flag, &value()?, 1..=MOST_CIRCUITS)?,
                "--name" => options.names.push(value()?),
                "--outage" => {
                    options.outage = Duration::from_secs(number(&flag, &value()?, 1..=600)?);
                }
                "--interval" => {
                    let interval = number(&flag, &value()?, 100..=60_000)?;
                    options.interval = Duration::from_millis(interval);
                }
                "--port" => options.port = number(&flag, &value()?, 0..=u16::MAX)?,
                "--seconds" => {
                    options.lasts = Duration::from_secs(number(&flag, &value()?, 3..=86_400)?);
                }
                "--help" | "-h" => options.help = true,
                _ => return Err(format!("unknown argument {flag:?} (see --help)").into()),
            }
        }
        Ok(options)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        const FIRST: [&str; 12] = [
            "inventory",
            "payments",
            "search",
            "reviews",
            "prices",
            "mail",
            "accounts",
            "shipping",
            "ratings",
            "images",
            "sessions",
            "taxes",
        ];
        let name = |number: usize| match FIRST.get(number) {
            Some(name) => (*name).to_owned(),
            None => format!("service {number:03}"),
        };
        (0..self.circuits).map(name).chain(self.names.clone())
    }
}

fn number<T: FromStr + PartialOrd + std::fmt::Display>(
    flag: &str,
    value: &str,
    allowed: RangeInclusive<T>,
) -> Result<T, BoxError> {
    let number = value.parse().ok();
    number
        .filter(|number| allowed.contains(number))
        .ok_or_else(|| {
            let (from, to) = allowed.into_inner();
            format!("{flag} is {value:?}; allowed: a whole number from {from} to {to}").into()
        })
}
