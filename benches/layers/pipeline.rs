//! All layers as a pipeline, and what it tells of itself.

use std::sync::LazyLock;

use divan::Bencher;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use portcullis::{
    circuit_breaker::CircuitBreaker,
    metrics::Publisher,
    pipeline::{Builder, Fault, Pipeline},
    tracing::Tracing,
};
use tower::{Layer, Service};
use tracing::{level_filters::LevelFilter, subscriber::set_global_default};
use tracing_subscriber::{Registry as Spans, layer::SubscriberExt};

use crate::{Failed, RUNTIME, calls, echo, later, once, thousand};

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

/// As `ready_at_once`, with metrics published and transitions traced, for listeners that are there.
#[divan::bench(threads = [1, 2])]
fn published_and_traced(bencher: Bencher<'_, '_>) {
    // Unless another bench has.
    let _ = set_global_default(Spans::default().with(LevelFilter::INFO));
    published(bencher, |builder, publisher| {
        let builder = builder.observed_by(publisher.circuit_transitions());
        builder.observed_by(Tracing)
    });
}

#[divan::bench(threads = [1, 2])]
fn durations_recorded(bencher: Bencher<'_, '_>) {
    published(bencher, |builder, publisher| {
        builder.observed_by(publisher.call_durations())
    });
}

/// With an exporter installed, and scraped now and then: it keeps the samples until it is.
fn published(bencher: Bencher<'_, '_>, observed: fn(Builder, &Publisher) -> Builder) {
    static EXPORTER: LazyLock<PrometheusHandle> =
        LazyLock::new(|| PrometheusBuilder::new().install_recorder().expect("one"));
    let publisher = Publisher::new();
    let pipeline = observed(Pipeline::builder("layers"), &publisher)
        .fallback(|_: &Fault<Failed>| 0)
        .build()
        .expect("valid");
    let publisher = publisher.watching(pipeline.control());
    let service = pipeline.layer().layer(echo());
    LazyLock::force(&EXPORTER);
    for _ in 0..2 {
        let mut service = service.clone();
        thousand(|| once(&mut service));
        publisher.publish();
    }
    EXPORTER.run_upkeep();
    calls(bencher, &service);
    EXPORTER.run_upkeep();
}

#[divan::bench]
fn publish(bencher: Bencher<'_, '_>) {
    let recorder = PrometheusBuilder::new().build_recorder();
    let pipeline = Pipeline::builder("layers").build().expect("valid");
    let publisher = Publisher::new().watching(pipeline.control());
    bencher.bench(|| {
        metrics::with_local_recorder(&recorder, || thousand(|| publisher.publish()));
    });
}

#[divan::bench]
fn snapshot(bencher: Bencher<'_, '_>) {
    let pipeline = Pipeline::builder("layers").build().expect("valid");
    bencher.bench(|| thousand(|| pipeline.snapshot()));
}
