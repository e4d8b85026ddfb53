//! When a closed circuit trips.

use portcullis::{
    circuit_breaker::{Settings, State, Window},
    outcome::Outcome,
};

use crate::sim::{MS, SECOND, Sim, quick};

/// The same settings over a window of time and over one of calls.
fn both(settings: &Settings) -> [Settings; 2] {
    [Window::Over(10 * SECOND), Window::Last(100)].map(|window| settings.clone().window(window))
}

#[test]
fn the_failure_that_reaches_the_rate_trips_at_once() {
    for settings in both(&quick()) {
        let sim = Sim::new(settings);
        sim.succeed(2);
        sim.fail(1);
        assert_eq!(sim.state(), State::Closed);
        sim.fail(1);
        assert_eq!(sim.state(), State::Open);
        assert_eq!(sim.log.take(), ["closed > open: 2 of 4 calls failed"]);
    }
}

#[test]
fn fewer_calls_than_the_minimum_are_not_judged() {
    for settings in both(&quick()) {
        let sim = Sim::new(settings);
        sim.fail(3);
        assert_eq!(sim.state(), State::Closed);
    }
}

#[test]
fn the_success_that_reaches_the_minimum_trips() {
    for settings in both(&quick()) {
        let sim = Sim::new(settings);
        sim.succeed(1);
        sim.fail(2);
        sim.succeed(1);
        assert_eq!(sim.log.take(), ["closed > open: 2 of 4 calls failed"]);
    }
}

#[test]
fn a_timeout_is_a_failure() {
    for settings in both(&quick()) {
        let sim = Sim::new(settings);
        sim.succeed(2);
        sim.calls(2, Outcome::Timeout);
        assert_eq!(sim.state(), State::Open);
    }
}

#[test]
fn ignored_and_cancelled_calls_say_nothing() {
    for settings in both(&quick().slow_calls(SECOND, 0.5).consecutive_failures(9)) {
        let sim = Sim::new(settings);
        sim.fail(3);
        for _ in 0..100 {
            sim.take(2 * MS, Outcome::Ignored);
            drop(sim.admit());
        }
        assert_eq!(sim.state(), State::Closed);
        let lifetime = sim.breaker.counts().lifetime;
        assert_eq!((lifetime.ignored, lifetime.cancelled), (100, 100));
    }
}

/// Hystrix computes 29, 57 and 58 of 100 as one percent less.
#[test]
fn every_whole_percentage_trips_when_it_is_reached_and_not_before() {
    for settings in both(&quick().minimum_calls(100)) {
        for percent in 1..=100 {
            let settings = settings.clone().failure_rate(percent as f64 / 100.0);
            let sim = Sim::new(settings.clone());
            sim.succeed(100 - percent);
            sim.fail(percent - 1);
            assert_eq!(sim.state(), State::Closed, "{percent} %");
            sim.fail(1);
            assert_eq!(sim.state(), State::Open, "{percent} %");

            let sim = Sim::new(settings);
            sim.succeed(101 - percent);
            sim.fail(percent - 1);
            assert_eq!(sim.state(), State::Closed, "{percent} %, one less");
        }
    }
}

#[test]
fn a_slow_success_trips() {
    for settings in both(&quick().failure_rate(None).slow_calls(100 * MS, 0.5)) {
        let sim = Sim::new(settings);
        sim.succeed(3);
        for _ in 0..2 {
            sim.take(100 * MS, Outcome::Success);
        }
        assert_eq!(sim.state(), State::Closed);
        sim.take(100 * MS, Outcome::Success);
        assert_eq!(sim.log.take(), ["closed > open: 3 of 6 calls were slow"]);
    }
}

#[test]
fn a_call_just_below_the_threshold_is_not_slow() {
    let sim = Sim::new(quick().slow_calls(100 * MS, 0.5));
    for _ in 0..10 {
        sim.take(99 * MS, Outcome::Success);
    }
    assert_eq!(sim.state(), State::Closed);
    assert_eq!(sim.breaker.counts().window.slow, 0);
}

#[test]
fn a_fast_success_that_reaches_the_minimum_trips_for_slowness() {
    for settings in both(&quick().slow_calls(100 * MS, 0.5)) {
        let sim = Sim::new(settings);
        sim.succeed(1);
        sim.take(SECOND, Outcome::Success);
        sim.take(SECOND, Outcome::Success);
        assert_eq!(sim.state(), State::Closed);
        sim.succeed(1);
        assert_eq!(sim.state(), State::Open);
    }
}

#[test]
fn a_cancelled_call_that_had_been_slow_counts_as_slow() {
    for settings in both(&quick().slow_calls(SECOND, 0.5)) {
        let sim = Sim::new(settings);
        sim.succeed(2);
        for _ in 0..2 {
            assert_eq!(sim.state(), State::Closed);
            let hanging = sim.admit();
            sim.advance(SECOND);
            drop(hanging);
        }
        assert_eq!(sim.log.take(), ["closed > open: 2 of 4 calls were slow"]);
    }
}

#[test]
fn one_rule_is_enough() {
    let settings = quick()
        .failure_rate(0.5)
        .slow_calls(100 * MS, 0.5)
        .consecutive_failures(3);
    for settings in both(&settings) {
        let cause_of = |calls: fn(&Sim)| {
            let sim = Sim::new(settings.clone());
            sim.succeed(10);
            calls(&sim);
            assert_eq!(sim.state(), State::Open);
            sim.log.take()[0].clone()
        };
        assert!(cause_of(|sim| sim.fail(3)).ends_with("3 calls failed in a row"));
        assert!(
            cause_of(|sim| (0..10).for_each(|_| sim.take(SECOND / 10, Outcome::Success)))
                .ends_with("10 of 20 calls were slow")
        );
        assert!(
            cause_of(|sim| {
                for _ in 0..10 {
                    sim.succeed(1);
                    sim.fail(2);
                }
            })
            .ends_with("calls failed")
        );
    }
}

#[test]
fn failures_in_a_row_need_no_minimum() {
    for settings in both(&quick().failure_rate(None).consecutive_failures(3)) {
        let sim = Sim::new(settings);
        sim.fail(2);
        assert_eq!(sim.breaker.consecutive_failures(), 2);
        assert_eq!(sim.state(), State::Closed);
        sim.fail(1);
        assert_eq!(sim.log.take(), ["closed > open: 3 calls failed in a row"]);
    }
}

#[test]
fn a_success_ends_a_row_and_a_call_that_says_nothing_does_not() {
    let sim = Sim::new(quick().failure_rate(None).consecutive_failures(3));
    sim.fail(2);
    sim.succeed(1);
    sim.fail(2);
    assert_eq!(sim.state(), State::Closed);
    sim.calls(1, Outcome::Ignored);
    drop(sim.admit());
    assert_eq!(sim.breaker.consecutive_failures(), 2);
    sim.fail(1);
    assert_eq!(sim.state(), State::Open);
}

#[test]
fn without_rules_nothing_trips_and_all_is_counted() {
    for settings in both(&quick().failure_rate(None)) {
        let sim = Sim::new(settings);
        sim.fail(100);
        assert_eq!(sim.state(), State::Closed);
        assert_eq!(sim.breaker.counts().window.failure, 100);
    }
}

/// Hystrix's older breaker trips when it is read.
#[test]
fn reading_changes_nothing() {
    let sim = Sim::new(quick());
    sim.fail(3);
    for _ in 0..100 {
        let _ = (sim.breaker.counts(), sim.state(), sim.breaker.mode());
        let _ = (
            sim.breaker.remaining_open(),
            sim.breaker.consecutive_failures(),
        );
    }
    assert_eq!(sim.state(), State::Closed);
    assert_eq!(sim.breaker.counts().lifetime.calls(), 3);
}

#[test]
fn a_call_slow_in_one_moment_is_judged_when_it_ends() {
    let sim = Sim::new(quick().slow_calls(SECOND, 0.5));
    let hanging: Vec<_> = (0..4).map(|_| sim.admit()).collect();
    sim.advance(60 * SECOND);
    assert_eq!(sim.state(), State::Closed);
    hanging
        .into_iter()
        .for_each(|flight| flight.settle(Outcome::Success));
    assert_eq!(sim.state(), State::Open);
}
