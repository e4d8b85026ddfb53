//! What must hold of a circuit whatever order threads run in, under loom.
//!
//! Every party that races runs in a thread of its own: what loom's main thread does is hardly
//! interleaved.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

use loom::{
    sync::Arc,
    thread::{self, JoinHandle},
};

use super::{CircuitBreaker, CircuitPermit, Mode, Settings, State, Window, state::Role};
use crate::{
    clock::{Clock, Now, Tick},
    event::{Event, Scope},
    gate::{Completion, Policy},
    outcome::Outcome,
    rejection::Rejection,
    settings::SettingsError,
    window::Counts,
};

const SECOND: Duration = Duration::from_secs(1);

fn explore(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(3);
    builder.check(model);
}

fn settings() -> Settings {
    Settings::default()
        .window(Window::Over(2 * SECOND))
        .buckets(2)
        .failure_rate(1.0)
        .minimum_calls(2)
        .open_jitter(0.0)
}

/// A circuit, and how often it opened.
#[derive(Clone)]
struct Model {
    breaker: Arc<CircuitBreaker>,
    openings: std::sync::Arc<AtomicU32>,
    /// For what has no time of its own, in seconds.
    clock: std::sync::Arc<AtomicU64>,
}

impl Model {
    fn new(settings: Settings) -> Self {
        Self::with(|scope| CircuitBreaker::scoped(settings, scope))
    }

    /// Creates a circuit over counters that the model can get at.
    fn over(settings: &Settings, counts: &std::sync::Arc<Counts>) -> Self {
        Self::with(|scope| CircuitBreaker::counting(settings, scope, std::sync::Arc::clone(counts)))
    }

    fn with(make: impl FnOnce(Scope) -> Result<CircuitBreaker, SettingsError>) -> Self {
        let openings = std::sync::Arc::new(AtomicU32::new(0));
        let clock = std::sync::Arc::new(AtomicU64::new(0));
        let scope = Scope::new()
            .on_clock(Clock::from_fn({
                let clock = std::sync::Arc::clone(&clock);
                move || Tick::from_nanos(clock.load(Ordering::Relaxed) * 1_000_000_000)
            }))
            .observed_by({
                let openings = std::sync::Arc::clone(&openings);
                move |_: Option<&str>, event: &Event| {
                    let opens = matches!(
                        event,
                        Event::Transition {
                            to: State::Open,
                            ..
                        }
                    );
                    openings.fetch_add(opens.into(), Ordering::Relaxed);
                }
            });
        Self {
            breaker: Arc::new(make(scope).unwrap()),
            openings,
            clock,
        }
    }

    fn spawn<T: 'static>(&self, run: impl FnOnce(&Self) -> T + 'static) -> JoinHandle<T> {
        let model = self.clone();
        thread::spawn(move || run(&model))
    }

    fn admit(&self, seconds: u32) -> Result<CircuitPermit, Rejection> {
        Policy::admit(&*self.breaker, &Now::at(Tick::ZERO + SECOND * seconds))
    }

    fn settle(&self, permit: CircuitPermit, outcome: Outcome, seconds: u32) {
        let now = Now::at(Tick::ZERO + SECOND * seconds);
        self.breaker
            .settle(permit, &Completion::new(outcome, None, &now));
    }

    fn call(&self, outcome: Outcome, seconds: u32) {
        if let Ok(permit) = self.admit(seconds) {
            self.settle(permit, outcome, seconds);
        }
    }

    /// Admits two calls and ends them at once, each with its outcome and second.
    fn race(&self, admitted: u32, calls: [(Outcome, u32); 2]) {
        let calls = calls.map(|call| (self.admit(admitted).unwrap(), call));
        let threads = calls.map(|(permit, (outcome, seconds))| {
            self.spawn(move |model| model.settle(permit, outcome, seconds))
        });
        let _ = threads.map(|thread| thread.join().unwrap());
    }

    fn openings(&self) -> u32 {
        self.openings.load(Ordering::Relaxed)
    }
}

#[test]
fn of_two_failures_one_sees_both() {
    explore(|| {
        let model = Model::new(settings());
        model.race(0, [(Outcome::Failure, 0), (Outcome::Failure, 1)]);
        assert_eq!(model.breaker.state(), State::Open);
        assert_eq!(model.openings(), 1);
    });
}

#[test]
fn a_good_and_a_bad_call_do_not_pass_each_other_by() {
    explore(|| {
        let model = Model::new(settings().failure_rate(0.3).minimum_calls(3));
        model.call(Outcome::Success, 0);
        model.race(0, [(Outcome::Success, 0), (Outcome::Failure, 0)]);
        assert_eq!(model.breaker.state(), State::Open);
    });
}

/// The same where the good call is counted on a stripe that is made in that moment, and first of all has to
/// be found.
#[test]
fn a_good_call_on_a_new_stripe_and_a_bad_one_do_not_pass_each_other_by() {
    explore(|| {
        let settings = settings().failure_rate(0.3).minimum_calls(3);
        let counts = std::sync::Arc::new(settings.counts().unwrap());
        let model = Model::over(&settings, &counts);
        model.call(Outcome::Success, 0);
        let [good, bad] = [0; 2].map(|_| model.admit(0).unwrap());
        let good = model.spawn(move |model| {
            counts.spread();
            model.settle(good, Outcome::Success, 0);
        });
        let bad = model.spawn(|model| model.settle(bad, Outcome::Failure, 0));
        good.join().unwrap();
        bad.join().unwrap();
        assert_eq!(model.breaker.state(), State::Open);
    });
}

/// The bad calls have to do with what is known of the good ones, and it is not enough.
#[test]
fn of_two_failures_one_knows_of_all_good_calls() {
    explore(|| {
        let model = Model::new(settings().failure_rate(0.5).minimum_calls(3));
        model.call(Outcome::Success, 0);
        model.call(Outcome::Success, 0);
        model.race(0, [(Outcome::Failure, 0), (Outcome::Failure, 0)]);
        assert_eq!(model.breaker.state(), State::Open);
        assert_eq!(model.openings(), 1);
    });
}

/// The window is concluded to be calm while a failure comes; the next good call has to look again.
#[test]
fn a_failure_while_the_window_is_added_up_spoils_the_calm() {
    explore(|| {
        let model = Model::new(settings().failure_rate(0.3).minimum_calls(3));
        let [one, other, bad] = [0; 3].map(|_| model.admit(0).unwrap());
        let good = model.spawn(|model| {
            model.settle(one, Outcome::Success, 0);
            model.settle(other, Outcome::Success, 0);
        });
        let failing = model.spawn(|model| model.settle(bad, Outcome::Failure, 0));
        good.join().unwrap();
        failing.join().unwrap();
        assert_eq!(model.breaker.state(), State::Open);
    });
}

#[test]
fn of_the_last_calls_the_one_that_completes_the_minimum_trips() {
    explore(|| {
        let model = Model::new(settings().window(Window::Last(2)).failure_rate(0.5));
        model.race(0, [(Outcome::Success, 0), (Outcome::Failure, 0)]);
        assert_eq!(model.breaker.state(), State::Open);
    });
}

#[test]
fn a_circuit_trips_once() {
    explore(|| {
        let model = Model::new(settings().consecutive_failures(1));
        model.race(0, [(Outcome::Failure, 0), (Outcome::Failure, 0)]);
        assert_eq!(model.openings(), 1);
        assert_eq!(model.breaker.counts().lifetime.failure, 2);
    });
}

/// A failure of the old generation races the closing of the circuit: it shows in the window or the
/// totals of the old one, or in the totals alone.
fn nothing_is_counted_in_the_next_window(settings: Settings) {
    explore(move || {
        let model = Model::new(settings.clone());
        let late = model.admit(0).unwrap();
        let failing = model.spawn(move |model| model.settle(late, Outcome::Failure, 0));
        let closing = model.spawn(|model| model.breaker.reset());
        failing.join().unwrap();
        closing.join().unwrap();
        assert_eq!(model.breaker.counts().window.calls(), 0);
        model.call(Outcome::Failure, 0);
        assert_eq!(model.breaker.state(), State::Closed, "one of two");
        assert_eq!(model.breaker.counts().lifetime.failure, 2);
    });
}

#[test]
fn a_failure_never_counts_in_the_window_of_the_next_generation() {
    nothing_is_counted_in_the_next_window(settings());
}

#[test]
fn a_failure_never_counts_among_the_last_calls_of_the_next_generation() {
    nothing_is_counted_in_the_next_window(settings().window(Window::Last(2)));
}

#[test]
fn no_more_probes_are_admitted_than_there_are_places() {
    explore(|| {
        let model = Model::new(settings());
        model.breaker.trip();
        let callers = [0, 1].map(|_| model.spawn(|model| model.admit(5).ok()));
        let permits = callers.map(|caller| caller.join().unwrap());
        assert_eq!(permits.iter().flatten().count(), 1);
        assert_eq!(model.breaker.state(), State::HalfOpen);
    });
}

#[test]
fn a_cancelled_probe_gives_its_place_to_its_own_generation_only() {
    explore(|| {
        let model = Model::new(settings().probes(2, 0.5));
        model.breaker.trip();
        let (old, other) = (model.admit(5).unwrap(), model.admit(5).unwrap());
        let cancelling = model.spawn(move |model| model.settle(old, Outcome::Cancelled, 5));
        // The other probe fails; after the open time there are new ones.
        let next = model.spawn(move |model| {
            model.settle(other, Outcome::Failure, 5);
            [0, 1].map(|_| model.admit(10).unwrap())
        });
        cancelling.join().unwrap();
        let probes = next.join().unwrap();
        assert!(probes.iter().all(|probe| probe.role() == Role::Probe));
        assert!(model.admit(10).is_err(), "a third probe of two");
        assert_eq!(model.breaker.state(), State::HalfOpen);
    });
}

#[test]
fn a_withdrawn_probe_gives_its_place_to_its_own_generation_only() {
    explore(|| {
        let model = Model::new(settings());
        model.breaker.trip();
        let old = model.admit(5).unwrap();
        let withdrawing = model.spawn(move |model| model.breaker.withdraw(old));
        let next = model.spawn(|model| {
            model.breaker.trip();
            model.admit(5).unwrap()
        });
        withdrawing.join().unwrap();
        let _probe = next.join().unwrap();
        assert!(model.admit(5).is_err(), "a second probe of one");
    });
}

#[test]
fn nobody_sees_an_open_circuit_without_its_end() {
    explore(|| {
        let model = Model::new(settings().consecutive_failures(1));
        let permit = model.admit(100).unwrap();
        let failing = model.spawn(move |model| model.settle(permit, Outcome::Failure, 100));
        let caller = model.spawn(|model| match model.admit(100) {
            Ok(permit) => assert_eq!(permit.role(), Role::Judged),
            Err(rejection) => assert_eq!(rejection.retry_after(), Some(5 * SECOND)),
        });
        failing.join().unwrap();
        caller.join().unwrap();
    });
}

#[test]
fn nobody_sees_a_circuit_that_opened_again_with_the_end_of_before() {
    explore(|| {
        let model = Model::new(settings());
        model.breaker.trip();
        let probe = model.admit(5).unwrap();
        let failing = model.spawn(move |model| model.settle(probe, Outcome::Failure, 6));
        let caller = model.spawn(|model| {
            let rejection = model.admit(6).unwrap_err();
            rejection.retry_after()
        });
        failing.join().unwrap();
        let retry_after = caller.join().unwrap();
        assert!(retry_after.is_none() || retry_after == Some(5 * SECOND));
        assert_eq!(model.admit(6).unwrap_err().retry_after(), Some(5 * SECOND));
    });
}

/// Whoever prepares another state of the same generation leaves its time to the one that begins.
#[test]
fn a_trip_that_races_the_first_probe_keeps_its_own_end() {
    explore(|| {
        let model = Model::new(settings().half_open_for(None));
        model.breaker.trip();
        model.clock.store(5, Ordering::Relaxed);
        let caller = model.spawn(|model| drop(model.admit(5)));
        let tripping = model.spawn(|model| model.breaker.trip());
        caller.join().unwrap();
        tripping.join().unwrap();
        assert_eq!(model.breaker.state(), State::Open);
        assert_eq!(model.breaker.remaining_open(), Some(5 * SECOND));
    });
}

#[test]
fn a_reset_that_races_a_trip_comes_before_or_after_it() {
    explore(|| {
        let model = Model::new(settings().consecutive_failures(1));
        let permit = model.admit(0).unwrap();
        let failing = model.spawn(move |model| model.settle(permit, Outcome::Failure, 0));
        let resetting = model.spawn(|model| model.breaker.reset());
        failing.join().unwrap();
        resetting.join().unwrap();
        assert_eq!(model.breaker.state(), State::Closed);
        assert_eq!(model.breaker.counts().window.calls(), 0);
        assert_eq!(model.breaker.consecutive_failures(), 0);
        assert!(model.openings() <= 1);
    });
}

#[test]
fn a_late_failure_does_not_end_the_row_of_the_next_generation() {
    explore(|| {
        let model = Model::new(settings().failure_rate(None).consecutive_failures(2));
        let late = model.admit(0).unwrap();
        let failing = model.spawn(move |model| model.settle(late, Outcome::Failure, 0));
        let next = model.spawn(|model| {
            model.breaker.reset();
            model.call(Outcome::Failure, 0);
            model.call(Outcome::Failure, 0);
        });
        failing.join().unwrap();
        next.join().unwrap();
        assert_eq!(model.breaker.state(), State::Open);
    });
}

#[test]
fn a_probe_never_counts_in_the_window_of_the_circuit_that_closes() {
    explore(|| {
        let model = Model::new(settings().probes(3, 0.9));
        model.breaker.trip();
        model.race(5, [(Outcome::Success, 5), (Outcome::Failure, 5)]);
        assert_eq!(model.breaker.state(), State::Closed);
        model.clock.store(5, Ordering::Relaxed);
        assert_eq!(model.breaker.counts().window.calls(), 0);
        assert_eq!(model.breaker.counts().lifetime.calls(), 2);
    });
}

#[test]
fn the_first_call_of_a_circuit_that_closes_is_not_forgotten() {
    explore(|| {
        let model = Model::new(settings());
        model.breaker.trip();
        model.clock.store(5, Ordering::Relaxed);
        let probe = model.admit(5).unwrap();
        let closing = model.spawn(move |model| model.settle(probe, Outcome::Success, 5));
        let failing = model.spawn(|model| {
            let Ok(permit) = model.admit(5) else { return 0 };
            model.settle(permit, Outcome::Failure, 5);
            1
        });
        closing.join().unwrap();
        let failures = failing.join().unwrap();
        assert_eq!(model.breaker.counts().window.failure, failures);
    });
}

#[test]
fn a_bystander_of_a_dry_run_never_counts_in_the_window_of_the_circuit_that_closes() {
    explore(|| {
        let model = Model::new(settings().mode(Mode::DryRun));
        model.breaker.trip();
        let (probe, bystander) = (model.admit(5).unwrap(), model.admit(5).unwrap());
        assert!(matches!(bystander.role(), Role::Spared(_)));
        let closing = model.spawn(move |model| model.settle(probe, Outcome::Success, 5));
        let failing = model.spawn(move |model| model.settle(bystander, Outcome::Failure, 5));
        closing.join().unwrap();
        failing.join().unwrap();
        assert_eq!(model.breaker.state(), State::Closed);
        model.clock.store(5, Ordering::Relaxed);
        assert_eq!(model.breaker.counts().window.calls(), 0);
    });
}

#[test]
fn two_probes_decide_once() {
    explore(|| {
        let model = Model::new(settings().probes(2, 0.5).ramp_up(SECOND));
        model.breaker.trip();
        model.race(5, [(Outcome::Success, 5), (Outcome::Failure, 5)]);
        assert_eq!(model.breaker.state(), State::Open);
        assert_eq!(model.openings(), 2);
        assert_eq!(model.admit(5).unwrap_err().retry_after(), Some(5 * SECOND));
        let lifetime = model.breaker.counts().lifetime;
        assert_eq!((lifetime.success, lifetime.failure), (1, 1));
    });
}

/// The old rules would not trip; whoever concludes so must not keep others from asking the new ones.
fn the_next_call_goes_by_new_rules(outcome: Outcome) {
    explore(move || {
        let model = Model::new(settings().minimum_calls(3));
        model.call(Outcome::Failure, 0);
        model.call(Outcome::Success, 0);
        let racing = model.admit(0).unwrap();
        let calling = model.spawn(move |model| model.settle(racing, outcome, 0));
        let changing = model.spawn(|model| {
            let strict = settings().failure_rate(0.2).minimum_calls(3);
            model.breaker.apply(&strict).unwrap();
        });
        calling.join().unwrap();
        changing.join().unwrap();
        model.call(Outcome::Success, 0);
        assert_eq!(model.breaker.state(), State::Open);
        assert_eq!(model.openings(), 1);
    });
}

#[test]
fn new_rules_and_a_good_call_do_not_pass_each_other_by() {
    the_next_call_goes_by_new_rules(Outcome::Success);
}

#[test]
fn new_rules_and_a_bad_call_do_not_pass_each_other_by() {
    the_next_call_goes_by_new_rules(Outcome::Failure);
}

/// Mode and threshold are not in the one value that is replaced.
#[test]
fn of_two_changes_one_is_in_force_as_a_whole() {
    explore(|| {
        let model = Model::new(settings());
        let change = |mode, seconds| {
            let settings = settings().mode(mode).slow_calls(SECOND * seconds, 0.5);
            model.spawn(move |model| drop(model.breaker.apply(&settings).unwrap()))
        };
        let threads = [change(Mode::DryRun, 1), change(Mode::ForcedClosed, 3)];
        let _ = threads.map(|thread| thread.join().unwrap());

        let now = Now::at(Tick::ZERO + 2 * SECOND);
        let completion = Completion::new(Outcome::Success, Some(Tick::ZERO), &now);
        model.breaker.settle(model.admit(0).unwrap(), &completion);
        let is_slow = model.breaker.counts().lifetime.slow == 1;
        assert_eq!(is_slow, model.breaker.mode() == Mode::DryRun);
    });
}

#[test]
fn a_rate_that_never_was_does_not_trip() {
    explore(|| {
        let model = Model::new(settings().failure_rate(0.7).minimum_calls(2));
        let failure = model.admit(0).unwrap();
        let failing = model.spawn(move |model| model.settle(failure, Outcome::Failure, 0));
        let (good, bad) = (model.admit(0).unwrap(), model.admit(0).unwrap());
        let other = model.spawn(move |model| {
            model.settle(good, Outcome::Success, 0);
            model.settle(bad, Outcome::Failure, 0);
        });
        failing.join().unwrap();
        other.join().unwrap();
        assert_eq!(model.breaker.state(), State::Closed, "two of three at most");
    });
}

#[test]
fn a_late_failure_in_a_later_bucket_is_not_seen_after_a_reset() {
    explore(|| {
        let model = Model::new(settings());
        let late = model.admit(0).unwrap();
        let failing = model.spawn(move |model| model.settle(late, Outcome::Failure, 1));
        let closing = model.spawn(|model| model.breaker.reset());
        failing.join().unwrap();
        closing.join().unwrap();
        model.clock.store(1, Ordering::Relaxed);
        assert_eq!(model.breaker.counts().window.calls(), 0);
    });
}

#[test]
fn a_bystander_of_an_earlier_mode_does_not_count_in_the_next_window() {
    explore(|| {
        let model = Model::new(settings());
        model.breaker.trip();
        let probe = model.admit(5).unwrap();
        model.breaker.set_mode(Mode::ForcedClosed);
        let bystander = model.admit(5).unwrap();
        model.breaker.set_mode(Mode::Automatic);
        let late = model.spawn(move |model| model.settle(bystander, Outcome::Failure, 5));
        let closing = model.spawn(move |model| model.settle(probe, Outcome::Success, 5));
        late.join().unwrap();
        closing.join().unwrap();
        model.clock.store(5, Ordering::Relaxed);
        assert_eq!(model.breaker.state(), State::Closed);
        assert_eq!(model.breaker.counts().window.calls(), 0);
    });
}
