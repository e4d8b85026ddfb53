//! Every setting at and beyond its limits.

use std::time::Duration;

use portcullis::{
    circuit_breaker::{CircuitBreaker, Mode, Settings, SlowCalls, Window},
    outcome::Outcome,
};

use crate::sim::{MS, SECOND, Sim};

const NS: Duration = Duration::from_nanos(1);
const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// Sets one field to one value.
type Set<T> = fn(&mut Settings, T);

/// Tries a field with values that are in its range and values that are not.
fn check<T: Copy + std::fmt::Debug>(field: &str, set: Set<T>, good: &[T], bad: &[T]) {
    let with = |value| {
        let mut settings = Settings::default();
        set(&mut settings, value);
        settings
    };
    for value in good {
        exercise(with(*value), &format!("{field} {value:?}"));
    }
    for value in bad {
        let error = CircuitBreaker::new(with(*value)).unwrap_err();
        assert_eq!(error.field(), field, "{value:?}");
        assert_eq!(error.value(), format!("{value:?}"), "{field}");
        assert!(!error.allowed().is_empty());
        let text = error.to_string();
        assert!(text.contains(field) && text.contains(error.allowed()));
    }
}

/// Makes calls of all kinds, with all steps of time, and reads everything.
fn exercise(settings: Settings, what: &str) {
    let sim = Sim::new(settings);
    let outcomes = [
        Outcome::Success,
        Outcome::Failure,
        Outcome::Failure,
        Outcome::Timeout,
        Outcome::Ignored,
        Outcome::Cancelled,
    ];
    let steps = [Duration::ZERO, NS, MS, 60 * SECOND, YEAR / 20];
    for number in 0..50 {
        if let Ok(flight) = sim.breaker.admit() {
            sim.advance(steps[number % steps.len()]);
            flight.settle(outcomes[number % outcomes.len()]);
        }
        sim.advance(steps[number / 7 % steps.len()]);
        if number == 25 {
            sim.breaker.trip();
        }
        let _ = (sim.breaker.counts(), sim.breaker.remaining_open());
    }
    let calls = sim.breaker.counts().lifetime.calls();
    assert_eq!(calls, 50, "{what}");
}

#[test]
fn shares_are_more_than_none_and_at_most_all() {
    let good = [0.000_001, 0.5, 1.0];
    let bad = [
        0.0,
        -0.5,
        1.000_1,
        f64::MAX,
        f64::MIN_POSITIVE,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
    ];
    let set: [(&str, Set<f64>); 3] = [
        ("failure_rate", |settings, rate| {
            settings.failure_rate = Some(rate);
        }),
        ("slow_calls.rate", |settings, rate| {
            let threshold = SECOND;
            settings.slow_calls = Some(SlowCalls { threshold, rate });
        }),
        ("probe_failure_rate", |settings, rate| {
            settings.probe_failure_rate = rate;
        }),
    ];
    for (field, set) in set {
        check(field, set, &good, &bad);
    }
}

#[test]
fn factors_have_limits() {
    let no_numbers = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, -1.0];
    let bad = |more: f64| [&no_numbers[..], &[more]].concat();
    check(
        "open_growth",
        |settings, factor| settings.open_growth = factor,
        &[1.0, 1.5, 100.0],
        &bad(0.0),
    );
    check(
        "open_jitter",
        |settings, jitter| settings.open_jitter = jitter,
        &[0.0, 0.5, 1.0],
        &bad(1.1),
    );
}

#[test]
fn numbers_have_limits() {
    check(
        "buckets",
        |settings, buckets| settings.buckets = buckets,
        &[1, 2, 256],
        &[0, 257, u32::MAX],
    );
    check(
        "minimum_calls",
        |settings, minimum| settings.minimum_calls = minimum,
        &[1, 1_000_000],
        &[0, 1_000_001, u32::MAX],
    );
    check(
        "consecutive_failures",
        |settings, failures| settings.consecutive_failures = Some(failures),
        &[1, u32::MAX],
        &[0],
    );
    check(
        "probes",
        |settings, probes| settings.probes = probes,
        &[1, 2, 1_000],
        &[0, 1_001, u32::MAX],
    );
}

#[test]
fn spans_of_time_have_limits() {
    let set: [(&str, Set<Duration>); 3] = [
        ("open_for", |settings, time| {
            *settings = settings.clone().open_for(time);
        }),
        ("half_open_for", |settings, time| {
            settings.half_open_for = Some(time);
        }),
        ("ramp_up", |settings, time| settings.ramp_up = Some(time)),
    ];
    let bad = [Duration::ZERO, NS, MS - NS, YEAR + NS, Duration::MAX];
    for (field, set) in set {
        check(field, set, &[MS, SECOND, YEAR], &bad);
    }
    check(
        "slow_calls.threshold",
        |settings, threshold| {
            settings.slow_calls = Some(SlowCalls {
                threshold,
                rate: 0.5,
            });
        },
        &[NS, MS, YEAR],
        &[Duration::ZERO, YEAR + NS, Duration::MAX],
    );
    check(
        "open_for_max",
        |settings, time| settings.open_for_max = Some(time),
        &[5 * SECOND, YEAR],
        &[Duration::ZERO, 5 * SECOND - NS, YEAR + NS, Duration::MAX],
    );
}

#[test]
fn windows_have_limits() {
    let set: Set<Duration> = |settings, window| settings.window = Window::Over(window);
    let hour = 3_600 * SECOND;
    let bad = [
        Duration::ZERO,
        NS,
        9 * MS,
        10 * MS - NS,
        hour + NS,
        Duration::MAX,
    ];
    check("window", set, &[10 * MS, SECOND, hour], &bad);
    check(
        "window",
        |settings, calls| {
            settings.minimum_calls = 1;
            settings.window = Window::Last(calls);
        },
        &[1, 2, 10_000],
        &[0, 10_001, u32::MAX],
    );
}

#[test]
fn a_minimum_that_a_window_of_calls_never_reaches_is_refused() {
    let settings = |minimum| {
        Settings::default()
            .window(Window::Last(10))
            .minimum_calls(minimum)
    };
    let error = CircuitBreaker::new(settings(11)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "minimum_calls is 11; allowed: from 1 to 10"
    );
    exercise(settings(10), "minimum 10 of 10");
}

#[test]
fn all_extremes_together_work() {
    let least = Settings::default()
        .window(Window::Over(MS))
        .buckets(1)
        .failure_rate(0.000_001)
        .slow_calls(NS, 0.000_001)
        .minimum_calls(1)
        .consecutive_failures(1)
        .open_for(MS)
        .open_growth(1.0, MS)
        .half_open_for(MS)
        .ramp_up(MS);
    let most = Settings::default()
        .window(Window::Last(10_000))
        .buckets(256)
        .failure_rate(1.0)
        .slow_calls(YEAR, 1.0)
        .minimum_calls(10_000)
        .consecutive_failures(u32::MAX)
        .open_for(YEAR)
        .open_growth(100.0, YEAR)
        .open_jitter(1.0)
        .probes(1_000, 1.0)
        .half_open_for(YEAR)
        .ramp_up(YEAR);
    for mode in [
        Mode::Automatic,
        Mode::ForcedOpen,
        Mode::ForcedClosed,
        Mode::DryRun,
    ] {
        exercise(least.clone().mode(mode), "least");
        exercise(most.clone().mode(mode), "most");
    }
}

#[test]
fn a_longer_open_time_is_the_longest_one_too_unless_that_is_set() {
    let settings = Settings::default().open_for(120 * SECOND);
    assert!(CircuitBreaker::new(settings.clone()).is_ok());
    let error = CircuitBreaker::new(settings.open_growth(1.0, 60 * SECOND)).unwrap_err();
    assert_eq!(error.field(), "open_for_max");
}
