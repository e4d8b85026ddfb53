//! What a call has to say about a state that is over, and what is left of it.

use portcullis::{
    circuit_breaker::{State, Window},
    outcome::Outcome,
    rejection::Reason,
};

use crate::sim::{SECOND, Sim, quick};

/// All ways to end a call.
const OUTCOMES: [Outcome; 5] = [
    Outcome::Success,
    Outcome::Failure,
    Outcome::Timeout,
    Outcome::Ignored,
    Outcome::Cancelled,
];

#[test]
fn a_late_result_neither_closes_nor_reopens_a_half_open_circuit() {
    for outcome in OUTCOMES {
        let sim = Sim::new(quick());
        let late = sim.admit();
        sim.fail(4);
        sim.advance(5 * SECOND);
        let probe = sim.admit();
        late.settle(outcome);
        assert_eq!(sim.state(), State::HalfOpen, "{outcome:?}");
        assert_eq!(sim.reason(), Reason::HalfOpenFull, "{outcome:?}");
        probe.settle(Outcome::Success);
        assert_eq!(sim.state(), State::Closed, "{outcome:?}");
        assert_eq!(sim.breaker.counts().lifetime.calls(), 7);
    }
}

#[test]
fn a_late_result_changes_nothing_while_the_circuit_is_open() {
    for outcome in OUTCOMES {
        let sim = Sim::new(quick());
        let late = sim.admit();
        sim.fail(4);
        late.settle(outcome);
        assert_eq!(sim.state(), State::Open);
        assert_eq!(sim.rejection().retry_after(), Some(5 * SECOND));
    }
}

#[test]
fn late_failures_do_not_trip_a_circuit_that_recovered() {
    for window in [Window::Over(10 * SECOND), Window::Last(10)] {
        let sim = Sim::new(quick().window(window).consecutive_failures(3));
        let late: Vec<_> = (0..20).map(|_| sim.admit()).collect();
        sim.fail(3);
        sim.advance(5 * SECOND);
        sim.succeed(1);
        assert_eq!(sim.state(), State::Closed);
        late.into_iter()
            .for_each(|flight| flight.settle(Outcome::Failure));
        assert_eq!(sim.state(), State::Closed);
        assert_eq!(sim.breaker.consecutive_failures(), 0);
        let counts = sim.breaker.counts();
        assert_eq!((counts.window.calls(), counts.lifetime.failure), (0, 23));
    }
}

#[test]
fn a_probe_of_an_older_half_open_state_gives_no_place_to_a_later_one() {
    for outcome in OUTCOMES {
        let sim = Sim::at_probe_time(quick());
        let old = sim.admit();
        sim.advance(10 * SECOND);
        sim.rejection();
        sim.advance(5 * SECOND);
        let probe = sim.admit();
        old.settle(outcome);
        assert_eq!(sim.state(), State::HalfOpen);
        assert_eq!(sim.reason(), Reason::HalfOpenFull);
        probe.settle(Outcome::Success);
        assert_eq!(sim.state(), State::Closed);
    }
}

#[test]
fn a_probe_that_ends_after_the_verdict_changes_nothing() {
    for outcome in OUTCOMES {
        let sim = Sim::at_probe_time(quick().probes(3, 0.5));
        let late = sim.admit();
        sim.succeed(2);
        assert_eq!(sim.state(), State::Closed);
        late.settle(outcome);
        assert_eq!(sim.state(), State::Closed);
        assert_eq!(sim.breaker.counts().window.calls(), 0);
        assert_eq!(sim.breaker.counts().lifetime.calls(), 3);
    }
}

#[test]
fn closing_clears_the_window_and_keeps_the_totals() {
    for window in [Window::Over(10 * SECOND), Window::Last(10)] {
        let sim = Sim::new(quick().window(window).open_for(SECOND));
        sim.succeed(2);
        sim.fail(2);
        sim.advance(SECOND);
        sim.succeed(1);
        assert_eq!(sim.state(), State::Closed);
        let counts = sim.breaker.counts();
        assert_eq!(counts.window.calls(), 0);
        assert_eq!((counts.lifetime.success, counts.lifetime.failure), (3, 2));
        sim.fail(3);
        assert_eq!(sim.state(), State::Closed, "the old failures are gone");
    }
}

#[test]
fn failures_in_a_row_do_not_go_on_after_closing() {
    let sim = Sim::new(quick().failure_rate(None).consecutive_failures(2));
    sim.fail(2);
    sim.advance(5 * SECOND);
    sim.succeed(1);
    sim.fail(1);
    assert_eq!(sim.state(), State::Closed);
    assert_eq!(sim.breaker.consecutive_failures(), 1);
}
