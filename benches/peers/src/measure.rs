//! Rounds: the subjects of a case take turns, so that drift of the machine hits all alike.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use crate::{
    case::Case,
    drive::{Batch, measured, work},
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

/// How many rounds of what length.
#[derive(Clone, Copy, Debug)]
struct Plan {
    /// Rounds that nothing disturbed, and rounds in all.
    wanted: usize,
    most: usize,
    length: Duration,
    /// For all rounds of a case, where some subject takes a millisecond for a call.
    longest: Duration,
}

/// So many rounds there are in any case.
const FEWEST: usize = 3;

impl Plan {
    /// Rounds are shorter than what a scheduler gives a thread at a time, so that also on a busy machine
    /// some are left alone; those of several threads are shorter still, since all have to be.
    const fn of(effort: Effort, threads: usize) -> Self {
        let alone = threads == 1;
        let length = Duration::from_micros(if alone { 2_000 } else { 300 });
        let (wanted, longest) = match effort {
            Effort::Full => (21, Duration::from_secs(10)),
            Effort::Quick | Effort::Counted => (7, Duration::from_secs(1)),
        };
        Self {
            wanted,
            most: wanted * if alone { 2 } else { 6 },
            length,
            longest,
        }
    }
}

/// A bound for what a fast subject may do in a round.
const MOST_CALLS: u32 = 10_000_000;

/// Measures all contenders of a case on so many threads.
pub(crate) fn measure(
    case: Case,
    effort: Effort,
    contenders: &mut [Contender<'_>],
    threads: usize,
) -> Vec<Nanos> {
    let plan = Plan::of(effort, threads);
    let pause = steps(case.pause());
    let batches: Vec<Batch> = contenders
        .iter()
        .map(|contender| calibrated(case, &contender.prepared, threads, plan, pause))
        .collect();
    let mut rounds = vec![Vec::new(); contenders.len()];
    let start = Instant::now();
    for number in 0..plan.most {
        for (place, contender) in contenders.iter_mut().enumerate() {
            if case.is_fresh_each_round()
                && let Answer::Ready(fresh) = contender.subject.prepare(case, effort)
            {
                contender.prepared = fresh;
            }
            rounds[place].push(round(case, &contender.prepared, threads, batches[place]));
        }
        let enough = rounds
            .iter()
            .all(|rounds| quiet(rounds).count() >= plan.wanted);
        if enough || number + 1 >= FEWEST && start.elapsed() > plan.longest {
            break;
        }
    }
    rounds
        .iter()
        .map(|rounds| summary(rounds, plan.wanted))
        .collect()
}

fn quiet(rounds: &[Round]) -> impl Iterator<Item = f64> {
    let quiet = rounds.iter().filter(|round| round.quiet);
    quiet.map(|round| round.nanos)
}

/// Sums up the quiet rounds, or all where there are too few.
fn summary(rounds: &[Round], wanted: usize) -> Nanos {
    let mut nanos: Vec<f64> = quiet(rounds).collect();
    let is_quiet = nanos.len() > wanted / 3;
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
fn calibrated(case: Case, prepared: &Prepared, threads: usize, plan: Plan, pause: u32) -> Batch {
    let mut batch = Batch { calls: 10, pause };
    if let Some(calls) = case.most_calls() {
        batch.calls = calls;
        return batch;
    }
    while batch.calls < MOST_CALLS {
        let nanos = round(case, prepared, threads, batch).nanos * f64::from(batch.calls);
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
        let once = |_| {
            let start = Instant::now();
            work(100_000);
            start.elapsed().as_nanos() as f64 / 100_000.0
        };
        (0..10).map(once).fold(f64::INFINITY, f64::min)
    });
    (pause.as_nanos() as f64 / nanos) as u32
}
