//! How an open circuit refuses, and for how long.

use std::time::Duration;

use portcullis::{
    circuit_breaker::{Settings, State},
    outcome::{Outcome, Verdict},
    rejection::Reason,
};

use crate::sim::{MS, SECOND, Sim, quick};

fn asking(retry_after: Duration) -> Verdict {
    Verdict::from(Outcome::Failure).with_retry_after(retry_after)
}

#[test]
fn an_open_circuit_refuses_and_says_when_to_come_again() {
    let sim = Sim::opened(quick());
    sim.advance(2 * SECOND);
    let rejection = sim.rejection();
    assert_eq!(rejection.reason(), Reason::CircuitOpen);
    assert!(rejection.is_circuit_open());
    assert_eq!(rejection.name(), Some("inventory"));
    assert_eq!(rejection.retry_after(), Some(3 * SECOND));
    assert_eq!(sim.breaker.remaining_open(), Some(3 * SECOND));
    assert_eq!(sim.breaker.counts().lifetime.circuit_open, 1);
}

#[test]
fn a_refusal_is_not_an_outcome() {
    let sim = Sim::opened(quick());
    for _ in 0..100 {
        sim.rejection();
    }
    let window = sim.breaker.counts().window;
    assert_eq!((window.judged(), window.circuit_open), (0, 100));
}

#[test]
fn the_open_time_is_over_at_its_end() {
    let sim = Sim::opened(quick());
    sim.advance(5 * SECOND - Duration::from_nanos(1));
    assert_eq!(sim.rejection().retry_after(), Some(Duration::from_nanos(1)));
    sim.advance(Duration::from_nanos(1));
    assert_eq!(sim.breaker.remaining_open(), Some(Duration::ZERO));
    let _probe = sim.admit();
    assert_eq!(sim.log.take(), ["open > half_open: open time is over"]);
}

#[test]
fn the_open_time_never_ends_early() {
    let sim = Sim::new(quick());
    sim.advance(Duration::from_nanos(1));
    sim.breaker.trip();
    sim.advance(5 * SECOND - Duration::from_nanos(1));
    assert_eq!(sim.reason(), Reason::CircuitOpen);
    sim.advance(Duration::from_micros(1));
    let _probe = sim.admit();
}

#[test]
fn a_circuit_that_nobody_calls_stays_open() {
    let sim = Sim::opened(quick());
    sim.advance(3_600 * SECOND);
    assert_eq!(sim.state(), State::Open);
    let _probe = sim.admit();
    assert_eq!(sim.state(), State::HalfOpen);
    assert_eq!(sim.breaker.remaining_open(), None);
}

/// Returns the open times in seconds of a circuit whose probes fail.
fn open_times(sim: &Sim, number: usize) -> Vec<u64> {
    (0..number)
        .map(|_| {
            sim.fail_a_probe();
            sim.breaker.remaining_open().unwrap().as_secs()
        })
        .collect()
}

#[test]
fn the_open_time_grows_to_its_longest_and_starts_anew_after_closing() {
    let sim = Sim::opened(quick().open_growth(2.0, 30 * SECOND));
    assert_eq!(sim.breaker.remaining_open(), Some(5 * SECOND));
    assert_eq!(open_times(&sim, 4), [10, 20, 30, 30]);

    sim.advance(30 * SECOND);
    sim.succeed(1);
    assert_eq!(sim.state(), State::Closed);
    sim.fail(4);
    assert_eq!(sim.breaker.remaining_open(), Some(5 * SECOND));
    assert_eq!(open_times(&sim, 1), [10]);
}

#[test]
fn without_growth_all_open_times_are_equal() {
    let sim = Sim::opened(quick());
    assert_eq!(open_times(&sim, 3), [5, 5, 5]);
}

#[test]
fn jitter_is_only_added_and_differs() {
    fastrand::seed(7);
    let times: Vec<_> = (0..100)
        .map(|_| {
            Sim::opened(quick().open_jitter(0.2))
                .breaker
                .remaining_open()
                .unwrap()
        })
        .collect();
    let (least, most) = (times.iter().min().unwrap(), times.iter().max().unwrap());
    assert!(*least >= 5 * SECOND && *least < 5_200 * MS, "{least:?}");
    assert!(*most > 5_800 * MS && *most <= 6 * SECOND, "{most:?}");
}

#[test]
fn a_dependency_that_asks_for_more_time_gets_it() {
    let sim = Sim::new(quick());
    sim.fail(3);
    sim.admit().settle(asking(20 * SECOND));
    assert_eq!(sim.rejection().retry_after(), Some(20 * SECOND));
}

#[test]
fn what_was_asked_for_before_the_trip_holds_from_then_on() {
    let sim = Sim::new(quick());
    sim.admit().settle(asking(20 * SECOND));
    sim.advance(4 * SECOND);
    sim.fail(3);
    assert_eq!(sim.rejection().retry_after(), Some(16 * SECOND));
}

#[test]
fn less_time_than_the_open_time_changes_nothing() {
    let sim = Sim::new(quick());
    sim.fail(3);
    sim.admit().settle(asking(SECOND));
    assert_eq!(sim.rejection().retry_after(), Some(5 * SECOND));
}

#[test]
fn no_dependency_gets_more_than_the_longest_open_time() {
    let settings: Settings = quick().open_growth(1.0, 30 * SECOND);
    let sim = Sim::new(settings);
    sim.fail(3);
    sim.admit().settle(asking(Duration::MAX));
    assert_eq!(sim.rejection().retry_after(), Some(30 * SECOND));
}

#[test]
fn a_probe_that_asks_for_more_time_gets_it() {
    let sim = Sim::at_probe_time(quick());
    sim.admit().settle(asking(20 * SECOND));
    assert_eq!(sim.rejection().retry_after(), Some(20 * SECOND));
}

#[test]
fn what_was_asked_for_is_forgotten_when_the_circuit_closes() {
    let sim = Sim::new(quick());
    sim.admit().settle(asking(50 * SECOND));
    sim.breaker.reset();
    sim.fail(4);
    assert_eq!(sim.rejection().retry_after(), Some(5 * SECOND));
}

#[test]
fn one_who_speaks_of_an_older_state_asks_for_nothing() {
    let sim = Sim::new(quick());
    let late = sim.admit();
    sim.breaker.reset();
    late.settle(asking(50 * SECOND));
    sim.fail(4);
    assert_eq!(sim.rejection().retry_after(), Some(5 * SECOND));
}
