//! What a circuit remembers, and for how long.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use portcullis::{
    circuit_breaker::{CircuitBreaker, Settings, State, Window},
    clock::{Clock, Tick},
    event::Scope,
    outcome::Outcome,
    rejection::BoxError,
};
use tokio_test::{assert_ready_ok, task};
use tower::{Layer, Service, service_fn};

use crate::sim::{MS, SECOND, Sim, quick};

fn last(calls: u32, minimum: u32) -> Settings {
    quick().window(Window::Last(calls)).minimum_calls(minimum)
}

/// tower-resilience's never takes anything out.
#[test]
fn a_window_of_calls_slides() {
    let sim = Sim::new(last(10, 10));
    sim.succeed(1_000);
    sim.fail(4);
    assert_eq!(sim.state(), State::Closed);
    assert_eq!(sim.breaker.counts().window.judged(), 10);
    sim.fail(1);
    assert_eq!(sim.log.take(), ["closed > open: 5 of 10 calls failed"]);
}

/// tower-resilience judges its window of calls when it is full.
#[test]
fn a_window_of_calls_is_judged_from_the_minimum_on() {
    let sim = Sim::new(last(100, 5));
    sim.fail(4);
    assert_eq!(sim.state(), State::Closed);
    sim.fail(1);
    assert_eq!(sim.state(), State::Open);
}

/// recloser needs two failures to fill a window of one.
#[test]
fn a_window_of_one_call_trips_on_one_failure() {
    let sim = Sim::new(last(1, 1));
    sim.succeed(5);
    sim.fail(1);
    assert_eq!(sim.log.take(), ["closed > open: 1 of 1 calls failed"]);
}

#[test]
fn a_window_of_calls_does_not_age() {
    let sim = Sim::new(last(10, 4));
    sim.fail(3);
    sim.advance(3_600 * SECOND);
    sim.fail(1);
    assert_eq!(sim.state(), State::Open);
}

#[test]
fn calls_older_than_the_window_are_not_judged() {
    let sim = Sim::new(quick());
    sim.fail(3);
    sim.advance(10 * SECOND);
    sim.fail(1);
    assert_eq!(sim.state(), State::Closed);
    assert_eq!(sim.breaker.counts().window.failure, 1);
}

#[test]
fn calls_younger_than_the_window_are_judged() {
    let sim = Sim::new(quick());
    sim.fail(3);
    sim.advance(10 * SECOND - MS);
    sim.fail(1);
    assert_eq!(sim.state(), State::Open);
}

/// A good call is looked at only if it can matter, and it can when others have left the window.
#[test]
fn a_success_trips_when_what_outweighed_the_failures_has_left() {
    let sim = Sim::new(quick());
    sim.succeed(10);
    sim.advance(9 * SECOND);
    sim.fail(8);
    sim.succeed(1);
    assert_eq!(sim.state(), State::Closed);
    sim.advance(SECOND);
    sim.succeed(1);
    assert_eq!(sim.log.take(), ["closed > open: 8 of 10 calls failed"]);
}

/// failsafe's window of 1 s takes in calls of 1.6 s.
#[test]
fn the_window_does_not_stretch_with_sparse_traffic() {
    let sim = Sim::new(quick().window(Window::Over(SECOND)).minimum_calls(5));
    for _ in 0..100 {
        sim.fail(1);
        sim.advance(320 * MS);
    }
    assert_eq!(sim.state(), State::Closed);
}

/// failsafe cuts 900 ms to none, and divides by zero below 5 ms.
#[test]
fn windows_need_not_be_whole_seconds() {
    for (window, buckets) in [(900 * MS, 10), (4 * MS, 4), (MS, 1)] {
        let settings = quick().window(Window::Over(window)).buckets(buckets);
        let sim = Sim::new(settings);
        sim.succeed(10_000);
        sim.fail(1);
        sim.advance(window);
        sim.fail(3);
        assert_eq!(sim.state(), State::Closed, "{window:?}");
        sim.fail(1);
        assert_eq!(sim.state(), State::Open, "{window:?}");
    }
}

/// circuit_breaker adds failures up for life.
#[test]
fn rare_failures_never_trip() {
    let sim = Sim::new(quick());
    for _ in 0..100 {
        sim.fail(1);
        sim.succeed(100);
        sim.advance(10 * MS);
    }
    assert_eq!(sim.state(), State::Closed);
}

#[test]
fn an_idle_window_is_empty_and_works_on() {
    let sim = Sim::new(quick());
    sim.fail(3);
    sim.advance(Duration::from_secs(100 * 365 * 86_400));
    assert_eq!(sim.breaker.counts().window.calls(), 0);
    sim.fail(3);
    assert_eq!(sim.state(), State::Closed);
    sim.fail(1);
    assert_eq!(sim.state(), State::Open);
}

#[test]
fn a_window_of_calls_needs_no_clock() {
    let reads = Arc::new(AtomicU32::new(0));
    let clock = Clock::from_fn({
        let reads = Arc::clone(&reads);
        move || Tick::from_nanos(u64::from(reads.fetch_add(1, Ordering::Relaxed)))
    });
    let settings = last(10, 5).consecutive_failures(5);
    let breaker = CircuitBreaker::scoped(settings, Scope::new().on_clock(clock)).unwrap();
    let mut service = breaker
        .layer()
        .layer(service_fn(async |()| Ok::<_, BoxError>(())));
    let at_first = reads.load(Ordering::Relaxed);

    for _ in 0..100 {
        for outcome in [
            Outcome::Success,
            Outcome::Success,
            Outcome::Failure,
            Outcome::Ignored,
        ] {
            breaker.admit().unwrap().settle(outcome);
        }
        drop(breaker.admit().unwrap());
        let mut service = task::spawn(&mut service);
        assert_ready_ok!(service.enter(|cx, mut service| service.poll_ready(cx)));
        assert_ready_ok!(task::spawn(service.call(())).poll());
    }
    assert_eq!(breaker.counts().lifetime.calls(), 600);
    assert_eq!(breaker.state(), State::Closed);
    assert_eq!(reads.load(Ordering::Relaxed), at_first);
}
