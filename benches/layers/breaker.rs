//! The circuit breaker, as a layer and without Tower.

use std::time::Duration;

use divan::Bencher;
use portcullis::{
    circuit_breaker::{CircuitBreaker, Settings, Window},
    outcome::Outcome,
};
use tower::Layer;

use crate::{calls, echo, thousand};

fn breaker(settings: Settings) -> CircuitBreaker {
    CircuitBreaker::new(settings).expect("valid")
}

#[divan::bench(threads = [1, 2])]
fn closed(bencher: Bencher<'_, '_>) {
    calls(bencher, &breaker(Settings::default()).layer().layer(echo()));
}

#[divan::bench]
fn closed_slow_calls_counted(bencher: Bencher<'_, '_>) {
    let settings = Settings::default().slow_calls(Duration::from_secs(1), 0.5);
    calls(bencher, &breaker(settings).layer().layer(echo()));
}

#[divan::bench]
fn closed_last_calls(bencher: Bencher<'_, '_>) {
    let settings = Settings::default().window(Window::Last(100));
    calls(bencher, &breaker(settings).layer().layer(echo()));
}

#[divan::bench(threads = [1, 2])]
fn open(bencher: Bencher<'_, '_>) {
    let breaker = breaker(Settings::default().open_for(Duration::from_secs(3_600)));
    breaker.trip();
    calls(bencher, &breaker.layer().layer(echo()));
}

#[divan::bench(threads = [1, 2])]
fn without_tower(bencher: Bencher<'_, '_>) {
    let breaker = breaker(Settings::default());
    let call = || {
        breaker
            .admit()
            .map(|flight| flight.settle(Outcome::Success))
    };
    bencher.bench(|| thousand(call));
}

/// A failed call adds up the window. The rule is there and never satisfied.
#[divan::bench(args = [1, 10, 100])]
fn failed_by_buckets(bencher: Bencher<'_, '_>, buckets: u32) {
    let settings = Settings::default().buckets(buckets).failure_rate(1.0);
    let breaker = breaker(settings);
    breaker.admit().expect("closed").settle(Outcome::Success);
    let call = || {
        breaker
            .admit()
            .map(|flight| flight.settle(Outcome::Failure))
    };
    bencher.bench(|| thousand(call));
}
