//! The command line.

use std::path::PathBuf;

use crate::{
    case::Case,
    subject::{self, Effort},
    tables::Mode,
};

pub(crate) const HELP: &str = "\
What a call costs in portcullis and in its peers.

    cargo run --release --manifest-path benches/peers/Cargo.toml -- [FLAGS]

Measures, and prints tables.

    --json FILE      also write all rows to FILE, as one JSON array with a row on each line
    --instructions   also count instructions, by valgrind's callgrind (some minutes more)
    --quick          fewer and shorter rounds: ends within a minute (without --instructions)
    --case NAME      this case only; may be given several times. `memory` is one too
    --subject NAME   this subject only, and the bare service; may be given several times
    --list           print the names of cases and subjects
    --help           print this

Or measures nothing, and puts the tables of an earlier run into pages, between the comments that
name them (needs no --release):

    --from FILE      the first flag: what that run has written with --json
    --into PAGE      a page; may be given several times
    --check          change nothing, and fail where a page is not what FILE says";

/// What to do.
#[derive(Debug)]
pub(crate) enum Command {
    Help,
    List,
    Run(Options),
    Tables {
        from: PathBuf,
        pages: Vec<PathBuf>,
        mode: Mode,
    },
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
pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Command, String> {
    let mut words = words.peekable();
    if words.next_if(|word| word == "--from").is_some() {
        return tables(&mut words);
    }
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
            "--from" => return Err("--from comes first".to_owned()),
            "--count-instructions-of" => return count(&mut words),
            _ => return Err(format!("unknown flag: {word}")),
        }
    }
    Ok(Command::Run(options))
}

fn tables(words: &mut impl Iterator<Item = String>) -> Result<Command, String> {
    let from = words.next().ok_or("--from needs a value")?.into();
    let (mut pages, mut mode) = (Vec::new(), Mode::Write);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--into" => pages.push(words.next().ok_or("--into needs a value")?.into()),
            "--check" => mode = Mode::Check,
            _ => return Err(format!("{word} does not go with --from")),
        }
    }
    if pages.is_empty() {
        return Err("--from needs a page: --into PAGE".to_owned());
    }
    Ok(Command::Tables { from, pages, mode })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(line.split_ascii_whitespace().map(str::to_owned))
    }

    #[test]
    fn tables_go_into_pages() {
        let command = parsed("--from run.json --into a.md --into b.md --check");
        let Ok(Command::Tables { from, pages, mode }) = command else {
            panic!("{command:?}");
        };
        assert_eq!(from, PathBuf::from("run.json"));
        assert_eq!(pages, [PathBuf::from("a.md"), PathBuf::from("b.md")]);
        assert_eq!(mode, Mode::Check);
    }

    #[test]
    fn flags_of_a_run_do_not_go_with_tables() {
        for line in [
            "--from run.json",
            "--from run.json --quick",
            "--quick --from run.json",
        ] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
