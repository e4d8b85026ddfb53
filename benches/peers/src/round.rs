//! One round: a batch of calls on each thread, timed.

use std::{
    fs,
    hint::spin_loop,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Instant,
};

use tokio::runtime::Handle;

use crate::{
    case::Answered,
    drive::{Batch, Caller, measured, uncounted},
};

/// What came of a round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    /// Per call and thread.
    pub(crate) nanos: f64,
    /// Whether each thread had a processor of its own all the time, and they ran side by side.
    pub(crate) quiet: bool,
}

/// What one thread saw.
struct Lap {
    start: Instant,
    end: Instant,
    /// For how long it was ready to run and did not.
    waited_ns: u64,
}

impl Lap {
    fn nanos(&self) -> f64 {
        (self.end - self.start).as_nanos() as f64
    }
}

/// Makes a batch of calls through each caller, on a thread of its own if there are several.
pub(crate) fn round(expected: Answered, callers: &mut [Caller], batch: Batch) -> Round {
    let laps = match callers {
        [caller] => vec![lap(expected, caller, batch, || {})],
        _ => side_by_side(expected, callers, batch),
    };
    let nanos = laps.iter().map(Lap::nanos).sum::<f64>() / laps.len() as f64;
    Round {
        nanos: nanos / f64::from(batch.calls),
        quiet: is_quiet(&laps),
    }
}

fn side_by_side(expected: Answered, callers: &mut [Caller], batch: Batch) -> Vec<Lap> {
    let arrived = AtomicUsize::new(0);
    let threads = callers.len();
    let runtime = Handle::current();
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let run = &|place: usize, caller: &mut Caller| {
        let _entered = runtime.enter();
        // Where others use the machine too, threads that are free to move end up on one core.
        if let Some(core) = cores.get(place) {
            core_affinity::set_for_current(*core);
        }
        lap(expected, caller, batch, || {
            // Not a barrier that sleeps: whoever is woken by one starts when the others are done.
            arrived.fetch_add(1, Ordering::AcqRel);
            while arrived.load(Ordering::Acquire) < threads {
                spin_loop();
            }
        })
    };
    thread::scope(|scope| {
        let running: Vec<_> = callers
            .iter_mut()
            .enumerate()
            .map(|(place, caller)| scope.spawn(move || run(place, caller)))
            .collect();
        let laps = running.into_iter();
        laps.map(|thread| thread.join().expect("no panic"))
            .collect()
    })
}

fn lap(expected: Answered, caller: &mut Caller, batch: Batch, meet: impl FnOnce()) -> Lap {
    // The first calls after another subject's turn find cold caches.
    let few = Batch {
        calls: 10,
        pause: 0,
    };
    measured(caller, few);
    let waited = waited_ns();
    meet();
    let start = Instant::now();
    let answered = uncounted(caller, batch);
    let end = Instant::now();
    assert!(
        expected.is(answered, batch.calls),
        "the backend answered {answered} of {} calls, not {expected:?}",
        batch.calls,
    );
    Lap {
        start,
        end,
        waited_ns: waited_ns().saturating_sub(waited),
    }
}

/// Without a scheduler that tells, every round counts as quiet.
fn waited_ns() -> u64 {
    let told = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let mut numbers = told.split_ascii_whitespace().skip(1);
    numbers
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

fn is_quiet(laps: &[Lap]) -> bool {
    let longest = laps.iter().map(Lap::nanos).fold(0.0, f64::max);
    let waited: u64 = laps.iter().map(|lap| lap.waited_ns).sum();
    let start = laps.iter().map(|lap| lap.start).max();
    let end = laps.iter().map(|lap| lap.end).min();
    let together = match (start, end) {
        (Some(start), Some(end)) => end.saturating_duration_since(start).as_nanos() as f64,
        _ => 0.0,
    };
    // A round in which some are done much earlier is for the rest one of fewer threads.
    (waited as f64) < 0.05 * longest && together > 0.7 * longest
}
