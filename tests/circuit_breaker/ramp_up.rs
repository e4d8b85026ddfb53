//! After closing, the share of admitted calls grows.

use std::time::Duration;

use portcullis::{
    circuit_breaker::{CircuitBreaker, State},
    gate::Flight,
    outcome::Outcome,
    rejection::Reason,
};

use crate::sim::{MS, SECOND, Sim, quick};

const RAMP_UP: Duration = Duration::from_secs(100);

fn ramping_up() -> Sim {
    let sim = Sim::at_probe_time(quick().ramp_up(RAMP_UP));
    sim.succeed(1);
    assert_eq!(sim.state(), State::RampingUp);
    sim.log.take();
    sim
}

/// Returns the next call that the ramp-up admits.
fn next(sim: &Sim) -> Flight<CircuitBreaker> {
    (0..20)
        .find_map(|_| sim.breaker.admit_owned().ok())
        .unwrap()
}

#[test]
fn any_run_of_calls_has_its_share_to_within_one() {
    for (seconds, share) in [
        (0, 0.1),
        (5, 0.1),
        (10, 0.1),
        (33, 0.33),
        (50, 0.5),
        (99, 0.99),
    ] {
        let sim = ramping_up();
        sim.advance(seconds * SECOND);
        let admitted: Vec<_> = (0..600).map(|_| sim.breaker.admit().is_ok()).collect();
        for start in 0..admitted.len() {
            let mut sum = 0.0;
            for (length, is_admitted) in (1..).zip(&admitted[start..]) {
                sum += f64::from(u8::from(*is_admitted));
                let expected = share * f64::from(length);
                assert!((sum - expected).abs() < 1.001, "{start}: {sum} of {length}");
            }
        }
    }
}

#[test]
fn the_share_is_kept_while_it_grows() {
    let sim = ramping_up();
    sim.advance(10 * SECOND);
    let (mut admitted, mut expected) = (0.0, 0.0);
    for second in 10..90 {
        for _ in 0..7 {
            expected += f64::from(second) / 100.0;
            admitted += f64::from(u8::from(sim.breaker.admit().is_ok()));
            assert!(
                (admitted - expected).abs() < 1.001,
                "{admitted} of {expected}"
            );
        }
        sim.advance(SECOND);
    }
}

#[test]
fn a_refused_call_is_told_that_the_circuit_ramps_up() {
    let sim = ramping_up();
    let rejection = (0..10).find_map(|_| sim.breaker.admit().err()).unwrap();
    assert_eq!(rejection.reason(), Reason::RampingUp);
    assert!(rejection.is_circuit_open());
    assert_eq!(rejection.retry_after(), None);
}

#[test]
fn at_the_end_all_calls_are_admitted() {
    let sim = ramping_up();
    sim.advance(RAMP_UP);
    let early = sim.admit();
    assert_eq!(sim.log.take(), ["ramping_up > closed: ramp-up is over"]);
    sim.succeed(100);
    early.settle(Outcome::Success);
    assert_eq!(sim.breaker.counts().window.success, 101);
}

#[test]
fn the_end_of_the_ramp_up_makes_no_call_late() {
    let sim = ramping_up();
    let flights: Vec<_> = (0..4).map(|_| next(&sim)).collect();
    sim.advance(RAMP_UP);
    sim.admit().settle(Outcome::Ignored);
    assert_eq!(sim.state(), State::Closed);
    flights
        .into_iter()
        .for_each(|flight| flight.settle(Outcome::Failure));
    assert_eq!(sim.state(), State::Open);
}

#[test]
fn a_ramp_up_is_judged_and_may_trip() {
    let sim = ramping_up();
    sim.advance(50 * SECOND);
    for _ in 0..4 {
        next(&sim).settle(Outcome::Failure);
    }
    assert_eq!(sim.log.take(), ["ramping_up > open: 4 of 4 calls failed"]);
}

#[test]
fn a_dry_run_admits_all_of_a_ramp_up() {
    let sim = ramping_up();
    sim.breaker
        .set_mode(portcullis::circuit_breaker::Mode::DryRun);
    sim.advance(10 * MS);
    sim.succeed(100);
    let would_reject = sim.breaker.counts().lifetime.would_reject;
    assert!((88..=92).contains(&would_reject), "{would_reject}");
}
