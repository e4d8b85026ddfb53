//! Who decides about a circuit.

use portcullis::{
    circuit_breaker::{Mode, Settings, State, Window},
    outcome::Outcome,
    rejection::Reason,
};

use crate::sim::{SECOND, Sim, quick};

fn windows() -> [Settings; 2] {
    [Window::Over(10 * SECOND), Window::Last(10)].map(|window| quick().window(window))
}

#[test]
fn a_circuit_forced_open_refuses_everything_and_knows_no_end() {
    let sim = Sim::new(quick().mode(Mode::ForcedOpen));
    for _ in 0..3 {
        let rejection = sim.rejection();
        assert_eq!(rejection.reason(), Reason::CircuitForcedOpen);
        assert_eq!(rejection.retry_after(), None);
        sim.advance(3_600 * SECOND);
    }
    assert_eq!(sim.breaker.counts().lifetime.circuit_forced_open, 3);
    sim.breaker.set_mode(Mode::Automatic);
    sim.succeed(1);
}

#[test]
fn a_circuit_forced_closed_records_and_neither_refuses_nor_trips() {
    for settings in windows() {
        let settings = settings.consecutive_failures(3).mode(Mode::ForcedClosed);
        let sim = Sim::new(settings);
        sim.fail(8);
        assert_eq!(sim.state(), State::Closed);
        assert_eq!(sim.breaker.counts().window.failed(), 8);
        assert_eq!(sim.breaker.consecutive_failures(), 8);
        assert!(sim.log.take().is_empty());
    }
}

#[test]
fn what_was_recorded_while_forced_closed_is_judged_by_the_next_call() {
    for settings in windows() {
        for outcome in [Outcome::Success, Outcome::Failure] {
            let sim = Sim::new(settings.clone());
            sim.succeed(1);
            sim.breaker.set_mode(Mode::ForcedClosed);
            sim.fail(2);
            sim.breaker.set_mode(Mode::Automatic);
            assert_eq!(sim.state(), State::Closed);
            sim.calls(1, outcome);
            assert_eq!(sim.state(), State::Open, "{settings:?} {outcome:?}");
        }
    }
}

#[test]
fn a_rate_that_was_reached_while_forced_closed_trips_with_the_next_success() {
    for settings in windows() {
        let sim = Sim::new(settings);
        sim.breaker.set_mode(Mode::ForcedClosed);
        sim.fail(8);
        sim.succeed(1);
        sim.breaker.set_mode(Mode::Automatic);
        sim.succeed(1);
        assert_eq!(sim.state(), State::Open);
    }
}

#[test]
fn a_circuit_forced_closed_admits_whatever_the_state_below() {
    let sim = Sim::opened(quick());
    sim.breaker.set_mode(Mode::ForcedClosed);
    sim.fail(100);
    assert_eq!(sim.state(), State::Open);
    sim.breaker.set_mode(Mode::Automatic);
    assert_eq!(sim.reason(), Reason::CircuitOpen);

    let sim = Sim::at_probe_time(quick());
    let probe = sim.admit();
    sim.breaker.set_mode(Mode::ForcedClosed);
    sim.fail(100);
    assert_eq!(sim.state(), State::HalfOpen);
    probe.settle(Outcome::Success);
    assert_eq!(sim.state(), State::Closed);
}

#[test]
fn a_dry_run_admits_and_says_what_it_would_refuse() {
    let sim = Sim::new(quick().mode(Mode::DryRun));
    sim.fail(4);
    assert_eq!(sim.state(), State::Open);
    sim.log.take();
    sim.fail(3);
    assert_eq!(sim.log.take(), ["would reject: circuit open"; 3]);
    let lifetime = sim.breaker.counts().lifetime;
    assert_eq!((lifetime.would_reject, lifetime.rejected()), (3, 0));
    assert_eq!((lifetime.failure, lifetime.calls()), (7, 7));
}

#[test]
fn a_dry_run_goes_through_the_states_as_if_it_refused() {
    let sim = Sim::new(quick().mode(Mode::DryRun));
    sim.fail(4);
    sim.advance(5 * SECOND);
    let probe = sim.admit();
    sim.log.take();
    sim.fail(10);
    assert_eq!(
        sim.log.take()[9],
        "would reject: circuit half-open, all probes under way"
    );
    assert_eq!(sim.state(), State::HalfOpen, "those were no probes");
    probe.settle(Outcome::Success);
    assert_eq!(sim.state(), State::Closed);
}

#[test]
fn observers_are_told_of_modes_when_they_change() {
    let sim = Sim::new(quick());
    for mode in [
        Mode::ForcedOpen,
        Mode::ForcedOpen,
        Mode::DryRun,
        Mode::Automatic,
    ] {
        sim.breaker.set_mode(mode);
        assert_eq!(sim.breaker.mode(), mode);
    }
    assert_eq!(
        sim.log.take(),
        [
            "automatic > forced_open",
            "forced_open > dry_run",
            "dry_run > automatic"
        ]
    );
}

#[test]
fn a_dry_run_says_what_it_spared_also_when_the_circuit_has_moved_on() {
    let sim = Sim::opened(quick().mode(Mode::DryRun));
    let spared_while_open = sim.admit();
    sim.advance(5 * SECOND);
    let probe = sim.admit();
    let spared_while_half_open = sim.admit();
    sim.log.take();
    probe.settle(Outcome::Success);
    assert_eq!(sim.state(), State::Closed);
    spared_while_open.settle(Outcome::Success);
    spared_while_half_open.settle(Outcome::Success);
    assert_eq!(sim.breaker.counts().lifetime.would_reject, 2);
    assert_eq!(sim.log.take().len(), 3, "the closing, and each of them");
}
