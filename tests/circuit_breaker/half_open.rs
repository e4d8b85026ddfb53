//! How probes decide.

use std::panic::{AssertUnwindSafe, catch_unwind};

use portcullis::{
    circuit_breaker::{State, Window},
    outcome::Outcome,
    rejection::Reason,
};

use crate::sim::{MS, SECOND, Sim, quick};

/// Half-open, with four probes of which two bad ones re-open.
fn four_probes() -> Sim {
    Sim::at_probe_time(quick().probes(4, 0.5))
}

/// recloser and failsafe admit everyone.
#[test]
fn no_more_probes_are_in_flight_than_are_asked_for() {
    let sim = four_probes();
    let probes: Vec<_> = (0..4).map(|_| sim.admit()).collect();
    for _ in 0..1_000 {
        assert_eq!(sim.reason(), Reason::HalfOpenFull);
    }
    assert_eq!(sim.state(), State::HalfOpen);
    assert_eq!(sim.breaker.counts().lifetime.half_open_full, 1_000);
    drop(probes);
}

#[test]
fn a_probe_that_answered_makes_no_place_for_another() {
    let sim = four_probes();
    sim.succeed(1);
    sim.fail(1);
    let _probes = [sim.admit(), sim.admit()];
    assert_eq!(sim.reason(), Reason::HalfOpenFull);
}

#[test]
fn one_good_probe_closes_by_default() {
    let sim = Sim::at_probe_time(quick());
    sim.succeed(1);
    assert_eq!(
        sim.log.take(),
        [
            "open > half_open: open time is over",
            "half_open > closed: enough probes succeeded"
        ]
    );
    sim.succeed(100);
}

#[test]
fn one_bad_probe_reopens_by_default_for_a_whole_open_time() {
    let sim = Sim::at_probe_time(quick());
    sim.fail(1);
    assert_eq!(
        sim.log.take()[1],
        "half_open > open: too many probes failed"
    );
    assert_eq!(sim.rejection().retry_after(), Some(5 * SECOND));
}

#[test]
fn probes_decide_as_soon_as_the_rest_cannot_change_the_verdict() {
    let bad = four_probes();
    bad.succeed(1);
    bad.fail(1);
    assert_eq!(bad.state(), State::HalfOpen);
    bad.fail(1);
    assert_eq!(bad.state(), State::Open);

    let good = four_probes();
    good.fail(1);
    good.succeed(2);
    assert_eq!(good.state(), State::HalfOpen);
    good.succeed(1);
    assert_eq!(good.state(), State::Closed);

    let all_good = four_probes();
    all_good.succeed(3);
    assert_eq!(all_good.state(), State::Closed);
}

#[test]
fn the_rate_of_bad_probes_is_reached_exactly() {
    for (probes, rate, bad_to_open) in [(10, 0.3, 3), (10, 0.31, 4), (3, 1.0, 3), (1_000, 0.002, 2)]
    {
        let sim = Sim::at_probe_time(quick().probes(probes, rate));
        sim.fail(bad_to_open - 1);
        assert_ne!(sim.state(), State::Open, "{probes} {rate}");
        let sim = Sim::at_probe_time(quick().probes(probes, rate));
        sim.fail(bad_to_open);
        assert_eq!(sim.state(), State::Open, "{probes} {rate}");
    }
}

/// Hystrix re-opens on a bad request; circuitbreaker-rs and sentinel lock themselves out.
#[test]
fn ignored_and_cancelled_probes_are_neutral_and_give_their_place_back() {
    let sim = Sim::at_probe_time(quick());
    for _ in 0..100 {
        sim.calls(1, Outcome::Ignored);
        drop(sim.admit());
        assert_eq!(sim.state(), State::HalfOpen);
    }
    sim.succeed(1);
    assert_eq!(sim.state(), State::Closed);
}

/// tower-resilience closes a circuit that opened for slowness on an equally slow probe.
#[test]
fn a_slow_probe_is_bad() {
    let sim = Sim::at_probe_time(quick().slow_calls(SECOND, 0.5));
    sim.take(SECOND, Outcome::Success);
    assert_eq!(sim.state(), State::Open);
}

#[test]
fn a_slow_probe_that_is_cancelled_is_bad() {
    let sim = Sim::at_probe_time(quick().slow_calls(SECOND, 0.5));
    let probe = sim.admit();
    sim.advance(SECOND);
    drop(probe);
    assert_eq!(sim.state(), State::Open);
}

#[test]
fn a_panicking_probe_is_bad() {
    let sim = Sim::at_probe_time(quick());
    catch_unwind(AssertUnwindSafe(|| {
        let _probe = sim.admit();
        panic!("the probe's own")
    }))
    .unwrap_err();
    assert_eq!(sim.state(), State::Open);
    assert_eq!(sim.breaker.counts().lifetime.failure, 1);
}

/// In all peers a probe that hangs blocks recovery for as long as it hangs.
#[test]
fn a_hanging_probe_does_not_hold_the_circuit_for_ever() {
    let sim = Sim::at_probe_time(quick());
    let _hanging = sim.admit();
    sim.advance(10 * SECOND - MS);
    assert_eq!(sim.reason(), Reason::HalfOpenFull);
    sim.advance(MS);
    assert_eq!(sim.rejection().retry_after(), Some(5 * SECOND));
    assert_eq!(
        sim.log.take()[1],
        "half_open > open: no verdict of the probes in time"
    );
    sim.advance(5 * SECOND);
    sim.succeed(1);
    assert_eq!(sim.state(), State::Closed);
}

#[test]
fn a_late_probe_reopens_by_its_own_report() {
    for outcome in [
        Outcome::Success,
        Outcome::Failure,
        Outcome::Ignored,
        Outcome::Cancelled,
    ] {
        let sim = Sim::at_probe_time(quick());
        sim.take(10 * SECOND, outcome);
        assert_eq!(
            sim.log.take()[1],
            "half_open > open: no verdict of the probes in time"
        );
        assert_eq!(sim.breaker.counts().lifetime.calls(), 1);
    }
}

#[test]
fn the_limit_holds_while_places_are_free() {
    let sim = four_probes();
    sim.succeed(1);
    sim.advance(10 * SECOND);
    assert_eq!(sim.reason(), Reason::CircuitOpen);
}

#[test]
fn without_a_limit_a_circuit_stays_half_open() {
    let sim = Sim::at_probe_time(quick().half_open_for(None));
    let probe = sim.admit();
    sim.advance(400 * 86_400 * SECOND);
    assert_eq!(sim.reason(), Reason::HalfOpenFull);
    probe.settle(Outcome::Success);
    assert_eq!(sim.state(), State::Closed);
}

/// tower-resilience stays half-open for ever.
#[test]
fn probes_further_apart_than_the_window_decide_all_the_same() {
    let settings = quick().window(Window::Over(SECOND)).probes(3, 0.5);
    let sim = Sim::at_probe_time(settings);
    for _ in 0..2 {
        assert_ne!(sim.state(), State::Closed);
        sim.advance(2 * SECOND);
        sim.succeed(1);
    }
    assert_eq!(sim.state(), State::Closed);
}

/// In Hystrix any other call that ends makes the trial's success worthless.
#[test]
fn the_ends_of_other_calls_change_nothing() {
    let sim = Sim::new(quick());
    let others: Vec<_> = (0..100).map(|_| sim.admit()).collect();
    sim.breaker.trip();
    sim.advance(5 * SECOND);
    let probe = sim.admit();
    for (number, other) in others.into_iter().enumerate() {
        assert_eq!(sim.reason(), Reason::HalfOpenFull);
        match number % 4 {
            0 => other.settle(Outcome::Success),
            1 => other.settle(Outcome::Failure),
            2 => other.settle(Outcome::Ignored),
            _ => drop(other),
        }
        assert_eq!(sim.state(), State::HalfOpen);
    }
    probe.settle(Outcome::Success);
    assert_eq!(sim.state(), State::Closed);
    assert_eq!(sim.breaker.counts().lifetime.calls(), 201);
}
