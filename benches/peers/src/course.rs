//! A case on its way through a run.
//!
//! A case is measured in several passes, each over all cases, so that a slow minute of the machine hits
//! all of them alike: budgets compare cases too.

use crate::{
    args::Options,
    case::Case,
    instructions,
    measure::{self, Contender},
    report,
    round::Round,
    rows::Row,
    subject::{self, Answer, Effort, Subject},
};

/// A case, and what it has shown in the passes so far.
pub(crate) struct Course {
    case: Case,
    threads: Vec<usize>,
    entries: Vec<Entry>,
    /// A row for each who cannot do the case.
    cannot: Vec<Row>,
}

/// What a subject has shown.
struct Entry {
    /// What is the same in all its rows.
    row: Row,
    instructions: Option<u64>,
    /// For each number of threads.
    rounds: Vec<Vec<Round>>,
}

impl Course {
    pub(crate) fn new(case: Case, all_threads: usize) -> Self {
        let threads = if all_threads > 1 {
            vec![1, all_threads]
        } else {
            vec![1]
        };
        Self {
            case,
            threads,
            entries: Vec::new(),
            cannot: Vec::new(),
        }
    }

    /// Goes through one pass; counts in the first.
    pub(crate) fn pass(&mut self, options: &Options, subjects: &[Box<dyn Subject>]) {
        let (mut contenders, cannot) = prepared(self.case, options.effort, subjects);
        if self.entries.is_empty() {
            let counted = contenders.iter().map(|one| self.counted(one, options));
            self.entries = counted.collect();
            self.cannot = cannot;
        }
        for (place, threads) in self.threads.iter().enumerate() {
            let seen = measure::measure(self.case, options.effort, &mut contenders, *threads);
            for (entry, rounds) in self.entries.iter_mut().zip(seen) {
                entry.rounds[place].extend(rounds);
            }
        }
    }

    fn counted(&self, contender: &Contender<'_>, options: &Options) -> Entry {
        let name = contender.subject.name();
        Entry {
            row: Row {
                allocs: Some(measure::allocations(&contender.prepared)),
                note: contender.prepared.note.clone(),
                ..Row::new(self.case.name(), name)
            },
            instructions: options
                .instructions
                .then(|| instructions::of(self.case, name))
                .flatten(),
            rounds: vec![Vec::new(); self.threads.len()],
        }
    }

    /// Prints and returns what the passes have shown.
    pub(crate) fn finish(self) -> Vec<Row> {
        let mut rows = self.cannot;
        for (place, threads) in self.threads.into_iter().enumerate() {
            // The bare service comes first.
            let mut bare = None;
            for entry in &self.entries {
                let nanos = measure::summary(&entry.rounds[place]);
                let bare = *bare.get_or_insert(nanos.median);
                rows.push(Row {
                    threads: Some(threads),
                    ns_median: Some(rounded(nanos.median)),
                    ns_min: Some(rounded(nanos.min)),
                    quiet: Some(nanos.quiet),
                    ratio: Some(rounded(nanos.median / bare)),
                    instructions: entry.instructions.filter(|_| threads == 1),
                    ..entry.row.clone()
                });
            }
        }
        report::print_heading(self.case.name());
        rows.iter().for_each(report::print);
        rows
    }
}

/// Prepares all who can; there is a row for each who cannot.
fn prepared(
    case: Case,
    effort: Effort,
    subjects: &[Box<dyn Subject>],
) -> (Vec<Contender<'_>>, Vec<Row>) {
    let (mut contenders, mut rows) = (Vec::new(), Vec::new());
    for subject in subjects {
        let subject = subject.as_ref();
        match subject::prepare(subject, case, effort) {
            Answer::Ready(prepared) => contenders.push(Contender { subject, prepared }),
            Answer::Cannot(why) => rows.push(Row {
                note: Some(why.to_owned()),
                ..Row::new(case.name(), subject.name())
            }),
            Answer::NotAsked => {}
        }
    }
    (contenders, rows)
}

fn rounded(number: f64) -> f64 {
    (100.0 * number).round() / 100.0
}
