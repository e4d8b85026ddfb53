//! Rounds: the subjects of a case take turns, so that drift of the machine hits all alike.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use crate::{
    case::{Answered, Case},
    drive::{Batch, Caller, measured, work},
    round::{Round, round},
    subject::{Answer, Effort, Prepared, Subject},
};

/// Nanoseconds per call and thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nanos {
    pub(crate) median: f64,
    pub(crate) min: f64,
    /// Whether the machine was left to us in enough of the rounds.
    pub(crate) quiet: bool,
}

/// A subject in a case.
pub(crate) struct Contender<'a> {
    pub(crate) subject: &'a dyn Subject,
    pub(crate) prepared: Prepared,
}

/// How many rounds of what length in a pass.
#[derive(Clone, Copy, Debug)]
struct Plan {
    /// Rounds that nothing disturbed, and rounds in all.
    wanted: usize,
    most: usize,
    length: Duration,
    /// For all rounds of a case, where some subject takes a millisecond for a call.
    longest: Duration,
}

/// How many undisturbed rounds a pass wants.
const WANTED: usize = 7;
/// So many rounds there are in any case.
const FEWEST: usize = 3;

/// Returns how often all cases are gone through.
pub(crate) const fn passes(effort: Effort) -> usize {
    match effort {
        Effort::Full => 3,
        Effort::Quick | Effort::Counted => 1,
    }
}

impl Plan {
    /// Rounds are shorter than what a scheduler gives a thread at a time, so that also on a busy machine
    /// some are left alone; those of several threads are shorter still, since all have to be.
    const fn of(effort: Effort, threads: usize) -> Self {
        let alone = threads == 1;
        let length = Duration::from_micros(if alone { 2_000 } else { 300 });
        let longest = match effort {
            Effort::Full => Duration::from_secs(3),
            Effort::Quick | Effort::Counted => Duration::from_secs(1),
        };
        Self {
            wanted: WANTED,
            most: WANTED * if alone { 2 } else { 6 },
            length,
            longest,
        }
    }
}

/// A bound for what a fast subject may do in a round.
const MOST_CALLS: u32 = 10_000_000;

/// Lets all contenders of a case go through a pass, on so many threads.
pub(crate) fn measure(
    case: Case,
    effort: Effort,
    contenders: &mut [Contender<'_>],
    threads: usize,
) -> Vec<Vec<Round>> {
    let plan = Plan::of(effort, threads);
    let pause = steps(case.pause());
    let mut entrants: Vec<Entrant<'_, '_>> = contenders
        .iter_mut()
        .map(|contender| Entrant::new(case, contender, threads, plan, pause))
        .collect();
    let start = Instant::now();
    for number in 0..plan.most {
        for entrant in &mut entrants {
            entrant.take_a_turn(case, effort);
        }
        let enough = entrants
            .iter()
            .all(|entrant| quiet(&entrant.rounds).count() >= plan.wanted);
        if enough || number + 1 >= FEWEST && start.elapsed() > plan.longest {
            break;
        }
    }
    entrants.into_iter().map(|entrant| entrant.rounds).collect()
}

/// A contender, and what it has shown on so many threads.
struct Entrant<'a, 'b> {
    contender: &'a mut Contender<'b>,
    /// One a thread, the same in all rounds, since it takes long to clone where there are many
    /// instances.
    callers: Vec<Caller>,
    batch: Batch,
    rounds: Vec<Round>,
}

impl<'a, 'b> Entrant<'a, 'b> {
    fn new(
        case: Case,
        contender: &'a mut Contender<'b>,
        threads: usize,
        plan: Plan,
        pause: u32,
    ) -> Self {
        let mut callers = contender.prepared.callers(threads);
        let expected = contender.prepared.answered(case);
        let batch = calibrated(case, expected, &mut callers, plan, pause);
        Self {
            contender,
            callers,
            batch,
            rounds: Vec::new(),
        }
    }

    fn take_a_turn(&mut self, case: Case, effort: Effort) {
        if case.is_fresh_each_round()
            && let Answer::Ready(fresh) = self.contender.subject.prepare(case, effort)
        {
            self.callers = fresh.callers(self.callers.len());
            self.contender.prepared = fresh;
        }
        let expected = self.contender.prepared.answered(case);
        let round = round(expected, &mut self.callers, self.batch);
        self.rounds.push(round);
    }
}

fn quiet(rounds: &[Round]) -> impl Iterator<Item = f64> {
    let quiet = rounds.iter().filter(|round| round.quiet);
    quiet.map(|round| round.nanos)
}

/// Sums up the quiet rounds of all passes, or all rounds where there are too few.
pub(crate) fn summary(rounds: &[Round]) -> Nanos {
    let mut nanos: Vec<f64> = quiet(rounds).collect();
    let is_quiet = nanos.len() > WANTED / 3;
    if !is_quiet {
        nanos = rounds.iter().map(|round| round.nanos).collect();
    }
    nanos.sort_by(f64::total_cmp);
    Nanos {
        median: nanos[nanos.len() / 2],
        min: nanos[0],
        quiet: is_quiet,
    }
}

/// Finds out how many calls take as long as a round should.
fn calibrated(
    case: Case,
    expected: Answered,
    callers: &mut [Caller],
    plan: Plan,
    pause: u32,
) -> Batch {
    let mut batch = Batch { calls: 10, pause };
    if let Some(calls) = case.most_calls() {
        batch.calls = calls;
        return batch;
    }
    while batch.calls < MOST_CALLS {
        let nanos = round(expected, callers, batch).nanos * f64::from(batch.calls);
        if nanos > plan.length.as_nanos() as f64 / 2.0 {
            break;
        }
        batch.calls *= 2;
    }
    batch
}

/// Returns the allocations of a call.
pub(crate) fn allocations(prepared: &Prepared) -> f64 {
    // Few enough for a rejection that takes a millisecond, and for a window that each call walks.
    let calls = 200;
    let mut caller = prepared.caller();
    let mut count = |calls| {
        let batch = Batch { calls, pause: 0 };
        allocation_counter::measure(|| {
            measured(&mut caller, batch);
        })
        .count_total
    };
    // What a batch allocates for itself, and what the first calls set up.
    count(calls);
    let fixed = count(0);
    let counted = count(calls).saturating_sub(fixed);
    (100.0 * counted as f64 / f64::from(calls)).round() / 100.0
}

/// Returns how many steps of [`work`] take so long, as measured once.
fn steps(pause: Duration) -> u32 {
    static NANOS: OnceLock<f64> = OnceLock::new();
    if pause.is_zero() {
        return 0;
    }
    let nanos = NANOS.get_or_init(|| {
        // Short, so that some are left alone on a busy machine.
        let once = |_| {
            let start = Instant::now();
            work(10_000);
            start.elapsed().as_nanos() as f64 / 10_000.0
        };
        (0..100).map(once).fold(f64::INFINITY, f64::min)
    });
    (pause.as_nanos() as f64 / nanos) as u32
}
