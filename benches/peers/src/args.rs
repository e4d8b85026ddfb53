//! The command line.

use std::path::PathBuf;

use crate::{case::Case, subject, subject::Effort};

pub(crate) const HELP: &str = "\
What a call costs in portcullis and in its peers.

    cargo run --release --manifest-path benches/peers/Cargo.toml -- [FLAGS]

    --json FILE      also write all rows to FILE, as one JSON array with a row on each line
    --instructions   also count instructions, by valgrind's callgrind (some minutes more)
    --quick          fewer and shorter rounds: ends within a minute (without --instructions)
    --case NAME      this case only; may be given several times. `memory` is one too
    --subject NAME   this subject only, and the bare service; may be given several times
    --list           print the names of cases and subjects
    --help           print this";

/// What to do.
#[derive(Debug)]
pub(crate) enum Command {
    Help,
    List,
    Run(Options),
    /// What a child does under callgrind.
    Count {
        case: Case,
        subject: String,
        calls: u32,
    },
}

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) json: Option<PathBuf>,
    pub(crate) instructions: bool,
    pub(crate) effort: Effort,
    cases: Vec<String>,
    subjects: Vec<String>,
}

impl Options {
    pub(crate) fn has_case(&self, name: &str) -> bool {
        self.cases.is_empty() || self.cases.iter().any(|case| case == name)
    }

    pub(crate) fn has_subject(&self, name: &str) -> bool {
        self.subjects.is_empty() || self.subjects.iter().any(|subject| subject == name)
    }
}

/// Reads the command line.
///
/// # Errors
///
/// Names the flag that is unknown or lacks its value.
pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Command, String> {
    let mut options = Options {
        json: None,
        instructions: false,
        effort: Effort::Full,
        cases: Vec::new(),
        subjects: Vec::new(),
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--help" | "-h" => return Ok(Command::Help),
            "--list" => return Ok(Command::List),
            "--quick" => options.effort = Effort::Quick,
            "--instructions" => options.instructions = true,
            "--json" => options.json = Some(value()?.into()),
            "--case" => options.cases.push(known_case(value()?)?),
            "--subject" => options.subjects.push(known_subject(value()?)?),
            "--count-instructions-of" => return count(&mut words),
            _ => return Err(format!("unknown flag: {word}")),
        }
    }
    Ok(Command::Run(options))
}

fn count(words: &mut impl Iterator<Item = String>) -> Result<Command, String> {
    let mut word = || words.next().ok_or("a case, a subject and a number");
    let (name, subject, calls) = (word()?, word()?, word()?);
    Ok(Command::Count {
        case: find_case(&name).ok_or("unknown case")?,
        subject,
        calls: calls.parse().map_err(|_| "not a number of calls")?,
    })
}

fn find_case(name: &str) -> Option<Case> {
    Case::ALL.iter().copied().find(|case| case.name() == name)
}

fn known_case(name: String) -> Result<String, String> {
    if name == "memory" || find_case(&name).is_some() {
        return Ok(name);
    }
    Err(format!("unknown case: {name}; see --list"))
}

fn known_subject(name: String) -> Result<String, String> {
    if subject::all().iter().any(|subject| subject.name() == name) {
        return Ok(name);
    }
    Err(format!("unknown subject: {name}; see --list"))
}
