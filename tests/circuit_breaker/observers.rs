//! Observers are told of each transition once, after it.

use std::{
    sync::{
        Arc, Barrier, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use portcullis::{
    circuit_breaker::{Cause, CircuitBreaker, State},
    event::{Event, Scope},
    outcome::Outcome,
};

use crate::{
    sim::{SECOND, Sim, Time, quick},
    support::Log,
};

#[test]
fn each_transition_is_told_once() {
    let sim = Sim::new(quick().ramp_up(SECOND));
    sim.fail(9 - 5);
    sim.fail_a_probe();
    sim.advance(5 * SECOND);
    sim.succeed(1);
    sim.advance(SECOND);
    sim.succeed(1);
    assert_eq!(
        sim.log.take(),
        [
            "closed > open: 4 of 4 calls failed",
            "open > half_open: open time is over",
            "half_open > open: too many probes failed",
            "open > half_open: open time is over",
            "half_open > ramping_up: enough probes succeeded",
            "ramping_up > closed: ramp-up is over",
        ]
    );
}

#[test]
fn whoever_opens_a_circuit_says_for_how_long() {
    let told = Arc::new(OnceLock::new());
    let scope = Scope::new().on_clock(Time::default().clock()).observed_by({
        let told = Arc::clone(&told);
        move |_: Option<&str>, event: &Event| {
            if let Event::Transition {
                cause, open_for, ..
            } = event
            {
                told.set((*cause, *open_for)).unwrap();
            }
        }
    });
    let breaker = CircuitBreaker::scoped(quick(), scope).unwrap();
    breaker.trip();
    assert_eq!(
        told.get(),
        Some(&(Cause::Manual, Some(Duration::from_secs(5))))
    );
}

/// In tower-resilience and failsafe this deadlocks.
#[test]
fn an_observer_may_use_the_circuit_and_sees_it_changed() {
    let log = Log::default();
    let circuit: Arc<OnceLock<CircuitBreaker>> = Arc::default();
    let scope = Scope::new().on_clock(Time::default().clock()).observed_by({
        let (log, circuit) = (log.clone(), Arc::clone(&circuit));
        move |_: Option<&str>, event: &Event| {
            let (Event::Transition { to, .. }, Some(breaker)) = (event, circuit.get()) else {
                return;
            };
            assert_eq!(breaker.state(), *to);
            let failures = breaker.counts().lifetime.failure;
            let refuses = breaker.admit().is_err();
            log.note(format!("{failures} failures, refuses: {refuses}"));
        }
    });
    let breaker = CircuitBreaker::scoped(quick(), scope).unwrap();
    circuit.set(breaker.clone()).unwrap();
    for _ in 0..4 {
        breaker.admit().unwrap().settle(Outcome::Failure);
    }
    breaker.reset();
    assert_eq!(
        log.take(),
        ["4 failures, refuses: true", "4 failures, refuses: false"]
    );
}

/// circuitbreaker-rs is poisoned by it.
#[test]
fn a_panicking_observer_does_not_stop_the_circuit() {
    let time = Time::default();
    let scope = Scope::new()
        .on_clock(time.clock())
        .observed_by(|_: Option<&str>, _: &Event| panic!("observer"));
    let breaker = CircuitBreaker::scoped(quick(), scope).unwrap();
    for _ in 0..4 {
        breaker.admit().unwrap().settle(Outcome::Failure);
    }
    assert_eq!(breaker.state(), State::Open);
    time.advance(5 * SECOND);
    breaker.admit().unwrap().settle(Outcome::Success);
    assert_eq!(breaker.state(), State::Closed);
}

/// In tower-resilience a slow listener stalls all calls.
#[test]
fn a_slow_observer_holds_nobody_up() {
    let (begun, end) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let scope = Scope::new().on_clock(Time::default().clock()).observed_by({
        let (begun, end) = (Arc::clone(&begun), Arc::clone(&end));
        move |_: Option<&str>, event: &Event| {
            if matches!(event, Event::Transition { .. }) {
                begun.wait();
                end.wait();
            }
        }
    });
    let breaker = CircuitBreaker::scoped(quick(), scope).unwrap();
    std::thread::scope(|threads| {
        threads.spawn(|| breaker.trip());
        begun.wait();
        for _ in 0..100 {
            assert!(breaker.admit().is_err());
        }
        end.wait();
    });
}

#[test]
fn threads_that_fail_together_trip_once() {
    for _ in 0..50 {
        let transitions = Arc::new(AtomicU32::new(0));
        let scope = Scope::new().on_clock(Time::default().clock()).observed_by({
            let transitions = Arc::clone(&transitions);
            move |_: Option<&str>, event: &Event| {
                let is_one = matches!(event, Event::Transition { .. });
                transitions.fetch_add(is_one.into(), Ordering::Relaxed);
            }
        });
        let breaker = CircuitBreaker::scoped(quick(), scope).unwrap();
        std::thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| {
                    for _ in 0..20 {
                        if let Ok(flight) = breaker.admit() {
                            flight.settle(Outcome::Failure);
                        }
                    }
                });
            }
        });
        assert_eq!(transitions.load(Ordering::Relaxed), 1);
        assert_eq!(breaker.counts().lifetime.calls(), 80);
    }
}
