//! The circuit as a switch.

use portcullis::{
    circuit_breaker::{Mode, State},
    rejection::Reason,
};

use crate::sim::{SECOND, Sim, quick};

#[test]
fn a_trip_by_hand_lasts_as_long_as_one_by_a_rule() {
    let sim = Sim::new(quick());
    sim.breaker.trip();
    assert_eq!(sim.log.take(), ["closed > open: asked for"]);
    assert_eq!(sim.rejection().retry_after(), Some(5 * SECOND));
    sim.advance(5 * SECOND);
    sim.succeed(1);
    assert_eq!(sim.state(), State::Closed);
}

#[test]
fn a_trip_of_an_open_circuit_begins_the_open_time_anew() {
    let sim = Sim::opened(quick());
    sim.advance(4 * SECOND);
    sim.breaker.trip();
    assert_eq!(sim.rejection().retry_after(), Some(5 * SECOND));
}

#[test]
fn a_trip_while_probes_are_under_way_makes_them_late() {
    let sim = Sim::at_probe_time(quick());
    let probe = sim.admit();
    sim.breaker.trip();
    probe.settle(portcullis::outcome::Outcome::Success);
    assert_eq!(sim.state(), State::Open);
    assert_eq!(sim.rejection().retry_after(), Some(5 * SECOND));
}

#[test]
fn a_reset_closes_from_every_state_without_a_ramp_up() {
    let settings = quick().ramp_up(SECOND);
    let closed = Sim::new(settings.clone());
    let open = Sim::opened(settings.clone());
    let half_open = Sim::at_probe_time(settings.clone());
    let _probe = half_open.admit();
    let ramping_up = Sim::at_probe_time(settings);
    ramping_up.succeed(1);
    assert_eq!(ramping_up.state(), State::RampingUp);
    for sim in [closed, open, half_open, ramping_up] {
        sim.breaker.reset();
        assert_eq!(sim.state(), State::Closed);
        assert!(sim.log.take().last().unwrap().ends_with("asked for"));
        sim.succeed(100);
    }
}

#[test]
fn a_reset_forgets_the_window_and_keeps_the_totals() {
    let sim = Sim::new(quick().consecutive_failures(4));
    sim.fail(3);
    sim.breaker.reset();
    assert_eq!(sim.breaker.counts().window.calls(), 0);
    assert_eq!(sim.breaker.counts().lifetime.failure, 3);
    assert_eq!(sim.breaker.consecutive_failures(), 0);
    sim.fail(3);
    assert_eq!(sim.state(), State::Closed);
}

#[test]
fn a_circuit_forced_open_can_be_tripped_and_reset_below() {
    let sim = Sim::new(quick());
    sim.breaker.set_mode(Mode::ForcedOpen);
    sim.breaker.trip();
    assert_eq!(
        (sim.state(), sim.breaker.mode()),
        (State::Open, Mode::ForcedOpen)
    );
    sim.breaker.reset();
    assert_eq!(
        (sim.state(), sim.breaker.mode()),
        (State::Closed, Mode::ForcedOpen)
    );
    assert_eq!(sim.reason(), Reason::CircuitForcedOpen);
}
