//! New settings while calls run.

use std::time::Duration;

use portcullis::{
    circuit_breaker::{CircuitBreaker, Mode, Settings, State, Window},
    clock::{Now, Tick},
    gate::Policy,
    outcome::Outcome,
    rejection::Reason,
};

use crate::sim::{MS, SECOND, Sim, quick};

/// Applies settings of which everything can change.
fn apply(sim: &Sim, settings: &Settings) {
    let applied = sim.breaker.apply(settings).unwrap();
    assert_eq!(applied.kept(), [""; 0]);
    sim.log.take();
}

#[test]
fn each_field_is_named_when_it_changes_there_and_back() {
    let changes: [(&str, Settings); 13] = [
        ("failure_rate", quick().failure_rate(0.4)),
        ("failure_rate", quick().failure_rate(None)),
        ("minimum_calls", quick().minimum_calls(5)),
        ("slow_calls", quick().slow_calls(SECOND, 0.5)),
        ("consecutive_failures", quick().consecutive_failures(3)),
        ("open_for", quick().open_for(SECOND)),
        ("open_growth", {
            let mut settings = quick();
            settings.open_growth = 2.0;
            settings
        }),
        ("open_for_max", quick().open_growth(1.0, 60 * SECOND)),
        ("open_jitter", quick().open_jitter(0.5)),
        ("probes", quick().probes(2, 0.5)),
        ("probe_failure_rate", quick().probes(1, 0.6)),
        ("half_open_for", quick().half_open_for(None)),
        ("mode", quick().mode(Mode::DryRun)),
    ];
    for (field, settings) in changes {
        let sim = Sim::new(quick());
        for settings in [settings, quick()] {
            let applied = sim.breaker.apply(&settings).unwrap();
            assert_eq!(applied.changed(), [field]);
            assert_eq!(applied.kept(), [""; 0]);
            assert_eq!(sim.log.take().pop().as_deref(), Some("1 settings"));
            let again = sim.breaker.apply(&settings).unwrap();
            assert_eq!(again.changed(), [""; 0]);
            assert_eq!(sim.log.take(), [""; 0]);
        }
    }
}

#[test]
fn a_ramp_up_is_named_and_so_are_the_parts_of_a_slow_call() {
    let sim = Sim::new(quick().slow_calls(SECOND, 0.5));
    for settings in [
        quick().slow_calls(2 * SECOND, 0.5),
        quick().slow_calls(2 * SECOND, 0.6),
    ] {
        assert_eq!(
            sim.breaker.apply(&settings).unwrap().changed(),
            ["slow_calls"]
        );
    }
    let settings = quick().ramp_up(SECOND).slow_calls(2 * SECOND, 0.6);
    assert_eq!(sim.breaker.apply(&settings).unwrap().changed(), ["ramp_up"]);
}

#[test]
fn an_invalid_setting_changes_nothing() {
    let sim = Sim::new(quick());
    let changed = || quick().failure_rate(0.1).mode(Mode::ForcedOpen);
    let invalid = [
        ("window", changed().window(Window::Over(Duration::ZERO))),
        ("window", changed().window(Window::Last(0))),
        ("buckets", changed().buckets(0)),
        ("failure_rate", changed().failure_rate(1.5)),
        ("slow_calls.rate", changed().slow_calls(SECOND, 0.0)),
        (
            "slow_calls.threshold",
            changed().slow_calls(Duration::ZERO, 0.5),
        ),
        ("minimum_calls", changed().minimum_calls(0)),
        ("consecutive_failures", changed().consecutive_failures(0)),
        ("open_for", changed().open_for(Duration::ZERO)),
        ("open_for_max", changed().open_growth(2.0, SECOND)),
        ("open_growth", changed().open_growth(0.5, 60 * SECOND)),
        ("open_jitter", changed().open_jitter(2.0)),
        ("probes", changed().probes(0, 0.5)),
        ("probe_failure_rate", changed().probes(1, 0.0)),
        ("half_open_for", changed().half_open_for(Duration::ZERO)),
        ("ramp_up", changed().ramp_up(Duration::ZERO)),
    ];
    for (field, settings) in invalid {
        assert_eq!(sim.breaker.apply(&settings).unwrap_err().field(), field);
    }
    assert_eq!(sim.breaker.mode(), Mode::Automatic);
    assert_eq!(sim.breaker.apply(&quick()).unwrap(), Default::default());
    assert_eq!(sim.log.take(), [""; 0]);
}

#[test]
fn the_shape_of_the_window_is_kept_and_named() {
    let sim = Sim::new(quick());
    sim.fail(3);
    let settings = quick().window(Window::Last(3)).buckets(5).minimum_calls(3);
    let applied = sim.breaker.apply(&settings).unwrap();
    assert_eq!(applied.changed(), ["minimum_calls"]);
    assert_eq!(applied.kept(), ["window", "buckets"]);
    assert_eq!(sim.breaker.counts().window.failure, 3);
    sim.advance(10 * SECOND);
    assert_eq!(
        sim.breaker.counts().window.failure,
        0,
        "it is still one of time"
    );
    // And it goes on being named, as long as it differs.
    assert_eq!(
        sim.breaker.apply(&settings).unwrap().kept(),
        ["window", "buckets"]
    );
}

#[test]
fn a_minimum_for_which_the_window_has_no_room_is_kept_with_it() {
    let sim = Sim::new(quick().window(Window::Last(4)));
    let settings = quick()
        .window(Window::Last(100))
        .minimum_calls(50)
        .failure_rate(1.0);
    let applied = sim.breaker.apply(&settings).unwrap();
    assert_eq!(applied.changed(), ["failure_rate"]);
    assert_eq!(applied.kept(), ["window", "minimum_calls"]);
    sim.fail(4);
    assert_eq!(sim.state(), State::Open);
}

#[test]
fn everything_that_was_recorded_survives() {
    let sim = Sim::new(quick().consecutive_failures(3));
    sim.succeed(5);
    sim.fail(2);
    let before = sim.breaker.counts();
    apply(&sim, &quick().consecutive_failures(4).failure_rate(None));
    let after = sim.breaker.counts();
    assert_eq!(
        (after.window, after.lifetime),
        (before.window, before.lifetime)
    );
    assert_eq!(sim.breaker.consecutive_failures(), 2);

    sim.breaker.trip();
    let remaining = sim.breaker.remaining_open();
    apply(&sim, &quick().open_for(SECOND).failure_rate(None));
    assert_eq!(sim.state(), State::Open);
    assert_eq!(
        (sim.breaker.remaining_open(), sim.breaker.times_opened()),
        (remaining, 1)
    );
}

#[test]
fn a_lower_failure_rate_judges_nothing_but_the_next_outcome() {
    let sim = Sim::new(quick());
    sim.succeed(8);
    sim.fail(2);
    // The window is calm by now: a good call need not look.
    sim.succeed(1);
    apply(&sim, &quick().failure_rate(0.15));
    assert_eq!(sim.state(), State::Closed);
    let _ = sim.breaker.counts();
    assert_eq!(sim.state(), State::Closed);
    sim.succeed(1);
    assert_eq!(sim.log.take(), ["closed > open: 2 of 12 calls failed"]);
}

#[test]
fn of_the_last_calls_too() {
    let last = quick().window(Window::Last(20));
    let sim = Sim::new(last.clone());
    sim.succeed(8);
    sim.fail(2);
    sim.succeed(1);
    apply(&sim, &last.failure_rate(0.15));
    sim.succeed(1);
    assert_eq!(sim.log.take(), ["closed > open: 2 of 12 calls failed"]);
}

#[test]
fn a_higher_failure_rate_or_none_lets_calls_fail() {
    for rate in [Some(0.9), None] {
        let sim = Sim::new(quick());
        sim.succeed(2);
        sim.fail(1);
        apply(&sim, &quick().failure_rate(rate));
        sim.fail(9);
        assert_eq!(sim.state(), State::Closed);
        apply(&sim, &quick());
        sim.fail(1);
        assert_eq!(sim.state(), State::Open);
    }
}

#[test]
fn the_minimum_of_calls_falls_and_rises() {
    let sim = Sim::new(quick());
    sim.fail(3);
    apply(&sim, &quick().minimum_calls(10));
    sim.fail(6);
    assert_eq!(sim.state(), State::Closed);
    apply(&sim, &quick().minimum_calls(5));
    assert_eq!(sim.state(), State::Closed);
    sim.succeed(1);
    assert_eq!(sim.log.take(), ["closed > open: 9 of 10 calls failed"]);
}

#[test]
fn calls_are_slow_by_the_threshold_that_is_in_force_when_they_end() {
    let slow = |threshold| quick().slow_calls(threshold, 0.5);
    let sim = Sim::new(slow(SECOND));
    sim.take(500 * MS, Outcome::Success);
    let flight = sim.admit();
    apply(&sim, &slow(100 * MS));
    sim.advance(200 * MS);
    flight.settle(Outcome::Success);
    assert_eq!(sim.breaker.counts().window.slow, 1);
    apply(&sim, &slow(SECOND));
    sim.take(200 * MS, Outcome::Success);
    assert_eq!(sim.breaker.counts().window.slow, 1);
    sim.take(SECOND, Outcome::Success);
    assert_eq!(sim.log.take(), ["closed > open: 2 of 4 calls were slow"]);
}

#[test]
fn a_rule_for_slow_calls_comes_and_goes() {
    for window in [Window::Over(10 * SECOND), Window::Last(10)] {
        let usual = quick().window(window);
        let sim = Sim::new(usual.clone());
        for _ in 0..4 {
            sim.take(SECOND, Outcome::Success);
        }
        let slow = usual.clone().slow_calls(SECOND, 0.3);
        apply(&sim, &slow);
        sim.take(SECOND, Outcome::Success);
        apply(&sim, &usual);
        sim.take(SECOND, Outcome::Success);
        assert_eq!(sim.breaker.counts().window.slow, 1);
        apply(&sim, &slow);
        sim.take(SECOND, Outcome::Success);
        assert_eq!(sim.state(), State::Closed, "2 of 7");
        sim.take(SECOND, Outcome::Success);
        assert_eq!(sim.log.take(), ["closed > open: 3 of 8 calls were slow"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_not_timed_is_not_slow() {
    let breaker = CircuitBreaker::new(quick()).unwrap();
    let untimed = breaker.admit().unwrap();
    breaker.apply(&quick().slow_calls(SECOND, 0.5)).unwrap();
    let timed = breaker.admit().unwrap();
    tokio::time::advance(SECOND).await;
    untimed.settle(Outcome::Success);
    assert_eq!(breaker.counts().window.slow, 0);
    timed.settle(Outcome::Failure);
    assert_eq!(breaker.counts().window.slow, 1);
}

#[test]
fn a_rule_for_failures_in_a_row_comes_changes_and_goes() {
    let in_a_row = |failures| quick().failure_rate(None).consecutive_failures(failures);
    let sim = Sim::new(in_a_row(None));
    sim.fail(5);
    apply(&sim, &in_a_row(Some(4)));
    assert_eq!(sim.breaker.consecutive_failures(), 0);
    sim.fail(3);
    apply(&sim, &in_a_row(None));
    assert_eq!(sim.breaker.consecutive_failures(), 0, "no rule counts them");
    sim.fail(1);
    apply(&sim, &in_a_row(Some(9)));
    assert_eq!(sim.breaker.consecutive_failures(), 3);
    apply(&sim, &in_a_row(Some(2)));
    assert_eq!(sim.state(), State::Closed);
    sim.fail(1);
    assert_eq!(sim.log.take(), ["closed > open: 4 calls failed in a row"]);
}

#[test]
fn a_success_ends_a_row_that_no_rule_counts_any_more() {
    let in_a_row = |failures| quick().failure_rate(None).consecutive_failures(failures);
    let sim = Sim::new(in_a_row(Some(4)));
    sim.fail(3);
    apply(&sim, &in_a_row(None));
    sim.succeed(1);
    apply(&sim, &in_a_row(Some(4)));
    sim.fail(3);
    assert_eq!(sim.state(), State::Closed);
}

#[test]
fn a_running_open_time_keeps_its_end_and_the_next_one_is_new() {
    let sim = Sim::opened(quick());
    apply(&sim, &quick().open_for(SECOND));
    assert_eq!(sim.breaker.remaining_open(), Some(5 * SECOND));
    sim.fail_a_probe();
    assert_eq!(sim.breaker.remaining_open(), Some(SECOND));
    apply(&sim, &quick().open_for(SECOND).open_growth(3.0, 7 * SECOND));
    sim.fail_a_probe();
    assert_eq!(
        sim.breaker.remaining_open(),
        Some(7 * SECOND),
        "9, but for the longest"
    );
    apply(&sim, &quick().open_for(SECOND).open_jitter(1.0));
    sim.fail_a_probe();
    let remaining = sim.breaker.remaining_open().unwrap();
    assert!((SECOND..2 * SECOND).contains(&remaining), "{remaining:?}");
    apply(&sim, &quick());
    sim.fail_a_probe();
    assert_eq!(sim.breaker.remaining_open(), Some(5 * SECOND));
}

#[test]
fn there_may_be_more_probes_at_once() {
    let sim = Sim::at_probe_time(quick().probes(1, 1.0));
    let probe = sim.admit();
    assert_eq!(sim.reason(), Reason::HalfOpenFull);
    apply(&sim, &quick().probes(3, 1.0));
    let probes = [sim.admit(), sim.admit()];
    assert_eq!(sim.reason(), Reason::HalfOpenFull);
    probe.settle(Outcome::Failure);
    assert_eq!(sim.state(), State::HalfOpen);
    drop(probes);
}

#[test]
fn fewer_probes_are_decided_by_those_that_have_reported() {
    for (outcome, state) in [
        (Outcome::Success, State::Closed),
        (Outcome::Failure, State::Open),
    ] {
        // For ever, so that nothing but the probes could decide.
        let probes = |probes, rate| quick().probes(probes, rate).half_open_for(None);
        let sim = Sim::at_probe_time(probes(10, 0.5));
        sim.calls(4, outcome);
        apply(&sim, &probes(3, 0.5));
        assert_eq!(
            sim.state(),
            State::HalfOpen,
            "nothing is judged by a change"
        );
        let next = sim.breaker.admit();
        assert_eq!((sim.state(), next.is_ok()), (state, state == State::Closed));
    }
}

#[test]
fn fewer_probes_wait_for_the_report_of_one_in_flight() {
    let sim = Sim::at_probe_time(quick().probes(10, 0.9));
    let probes: Vec<_> = (0..5).map(|_| sim.admit()).collect();
    apply(&sim, &quick());
    assert_eq!(sim.reason(), Reason::HalfOpenFull);
    for probe in probes {
        probe.settle(Outcome::Success);
    }
    assert_eq!(
        sim.log.take(),
        ["half_open > closed: enough probes succeeded"]
    );
    assert_eq!(sim.breaker.counts().lifetime.success, 5);
}

#[test]
fn a_gate_whose_probes_have_decided_is_not_shut() {
    let probes = |probes| quick().probes(probes, 0.33).half_open_for(None);
    let sim = Sim::at_probe_time(probes(10));
    sim.succeed(2);
    let hanging = sim.admit();
    let is_shut = || {
        sim.breaker
            .is_shut(&Now::at(Tick::from_nanos(sim.time.nanos())))
    };
    assert!(!is_shut());
    apply(&sim, &probes(3));
    assert!(is_shut(), "one of three is on its way");
    apply(&sim, &probes(2));
    assert!(!is_shut());
    drop(hanging);
    sim.succeed(1);
    assert_eq!(sim.state(), State::Closed);
}

#[test]
fn the_rate_of_bad_probes_falls_and_rises() {
    let probes = |rate| quick().probes(4, rate);
    let sim = Sim::at_probe_time(probes(0.5));
    sim.fail(1);
    apply(&sim, &probes(1.0));
    sim.fail(2);
    assert_eq!(sim.state(), State::HalfOpen);
    apply(&sim, &probes(0.25));
    assert_eq!(sim.state(), State::HalfOpen);
    drop(sim.admit());
    assert_eq!(sim.log.take(), ["half_open > open: too many probes failed"]);
}

#[test]
fn the_limit_of_a_half_open_state_is_measured_from_its_start() {
    let sim = Sim::at_probe_time(quick());
    let _hanging = sim.admit();
    apply(&sim, &quick().half_open_for(None));
    sim.advance(100 * SECOND);
    assert_eq!(sim.reason(), Reason::HalfOpenFull);
    apply(&sim, &quick().half_open_for(101 * SECOND));
    assert_eq!(sim.reason(), Reason::HalfOpenFull);
    apply(&sim, &quick().half_open_for(100 * SECOND));
    assert_eq!(sim.reason(), Reason::CircuitOpen);
}

#[test]
fn a_ramp_up_comes_changes_and_goes() {
    let ramp_up = |time| quick().ramp_up(time);
    let sim = Sim::at_probe_time(quick());
    apply(&sim, &ramp_up(Some(10 * SECOND)));
    sim.succeed(1);
    assert_eq!(sim.state(), State::RampingUp);
    sim.advance(5 * SECOND);
    let share = || (0..100).filter(|_| sim.breaker.admit().is_ok()).count();
    assert_eq!(share(), 50);
    apply(&sim, &ramp_up(Some(20 * SECOND)));
    assert_eq!(share(), 25);
    apply(&sim, &ramp_up(None));
    assert_eq!(sim.state(), State::RampingUp);
    assert_eq!(share(), 100);
    assert_eq!(sim.state(), State::Closed);
}

#[test]
fn the_mode_of_the_settings_and_one_set_by_hand_do_not_overrule_each_other_twice() {
    let sim = Sim::new(quick());
    sim.breaker.apply(&quick().mode(Mode::ForcedOpen)).unwrap();
    assert_eq!(sim.log.take(), ["automatic > forced_open", "1 settings"]);
    sim.breaker.set_mode(Mode::ForcedClosed);
    // Nothing new about the mode.
    apply(&sim, &quick().mode(Mode::ForcedOpen).failure_rate(0.1));
    assert_eq!(sim.breaker.mode(), Mode::ForcedClosed);
    apply(&sim, &quick());
    assert_eq!(sim.breaker.mode(), Mode::Automatic);
}

#[test]
fn threads_that_change_settings_and_call_lose_no_call() {
    const CALLS: u64 = 5_000;
    let sim = Sim::new(quick());
    let strict = quick().failure_rate(0.3).slow_calls(SECOND, 0.2);
    // Both admit a call that succeeds over a window with a failure in ten: neither may trip.
    let mild = quick().minimum_calls(1_000).probes(3, 0.5).ramp_up(SECOND);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for call in 0..CALLS {
                    let outcome = match call % 10 {
                        9 => Outcome::Failure,
                        _ => Outcome::Success,
                    };
                    sim.breaker.admit().expect("neither trips").settle(outcome);
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..1_000 {
                sim.breaker.apply(&strict).unwrap();
                sim.breaker.apply(&mild).unwrap();
            }
        });
    });
    let counts = sim.breaker.counts();
    assert_eq!(counts.window, counts.lifetime);
    assert_eq!(
        (counts.window.success, counts.window.failure),
        (CALLS * 27 / 10, CALLS * 3 / 10)
    );
}
