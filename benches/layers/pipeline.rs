//! All layers as a pipeline, and what it tells of itself.

use divan::Bencher;
use portcullis::{
    circuit_breaker::CircuitBreaker,
    pipeline::{Fault, Pipeline},
};
use tower::{Layer, Service};

use crate::{Failed, RUNTIME, calls, echo, later, thousand};

/// Calls through a pipeline, operated on before the first.
fn calls_through<S>(bencher: Bencher<'_, '_>, inner: S, operate: fn(&CircuitBreaker))
where
    S: Service<u32, Response = u32, Error = Failed> + Clone + Sync,
{
    let pipeline = Pipeline::builder("layers")
        .fallback(|_: &Fault<Failed>| 0)
        .build()
        .expect("valid");
    operate(pipeline.circuit_breaker());
    calls(bencher, &pipeline.layer().layer(inner));
}

#[divan::bench(threads = [1, 2])]
fn ready_at_once(bencher: Bencher<'_, '_>) {
    calls_through(bencher, echo(), |_| {});
}

#[divan::bench]
fn pending_once(bencher: Bencher<'_, '_>) {
    let _entered = RUNTIME.enter();
    calls_through(bencher, later(), |_| {});
}

#[divan::bench(threads = [1, 2])]
fn open(bencher: Bencher<'_, '_>) {
    calls_through(bencher, echo(), CircuitBreaker::trip);
}

#[divan::bench]
fn snapshot(bencher: Bencher<'_, '_>) {
    let pipeline = Pipeline::builder("layers").build().expect("valid");
    bencher.bench(|| thousand(|| pipeline.snapshot()));
}
