//! After a scripted run, recorders know what the snapshot knows, to the last digit.

use std::{collections::BTreeMap, time::Duration};

use axum::{Router, routing::get};
use futures_util::FutureExt;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use portcullis::{
    bulkhead, circuit_breaker,
    event::Scope,
    fallback::FallbackLayer,
    metrics::Publisher,
    pipeline::{Control, Fault, Latencies, Pipeline, Snapshot},
    registry::Registry,
    rejection::BoxError,
};
use tower::{Layer, ServiceExt, util::BoxCloneSyncService};

use crate::{AT_ONCE, Backend, Call, builder, millis, support::soon, text};

const NAME: &str = "größe \"east\"\n\\1";

/// What a snapshot says, in the metrics' terms.
pub(crate) fn expected(snapshot: &Snapshot) -> BTreeMap<String, f64> {
    let mut all = BTreeMap::new();
    let mut note = |metric: &str, by: Option<(&str, &str)>, value: f64| {
        let labels: Vec<_> = [("name", snapshot.name.as_str())]
            .into_iter()
            .chain(by)
            .collect();
        let series = text::series(&format!("portcullis_{metric}"), &labels);
        assert_eq!(all.insert(series, value), None);
    };
    let life = &snapshot.lifetime;
    for (outcome, total) in [
        ("success", life.success),
        ("failure", life.failure),
        ("timeout", life.timeout),
        ("ignored", life.ignored),
        ("cancelled", life.cancelled),
        ("rejected", life.rejected()),
    ] {
        note("calls_total", Some(("outcome", outcome)), exact(total));
    }
    for (reason, total) in [
        ("circuit_open", life.circuit_open),
        ("circuit_forced_open", life.circuit_forced_open),
        ("half_open_full", life.half_open_full),
        ("ramping_up", life.ramping_up),
        ("not_ready", life.not_ready),
        ("bulkhead_full", life.bulkhead_full),
        ("wait_timed_out", life.wait_timed_out),
        ("other", life.other_rejection),
    ] {
        note("rejections_total", Some(("reason", reason)), exact(total));
    }
    for (outcome, total) in [
        ("success", life.fallback_success),
        ("failure", life.fallback_failure),
        ("rejected", life.fallback_rejected),
    ] {
        note("fallbacks_total", Some(("outcome", outcome)), exact(total));
    }
    note("slow_calls_total", None, exact(life.slow));
    note("would_reject_total", None, exact(life.would_reject));
    note("circuit_opened_total", None, exact(snapshot.times_opened));
    for state in ["closed", "ramping_up", "open", "half_open"] {
        let is_it = snapshot.state.as_str() == state;
        note("circuit_state", Some(("state", state)), f64::from(is_it));
    }
    for mode in ["automatic", "forced_open", "forced_closed", "dry_run"] {
        let is_it = snapshot.mode.as_str() == mode;
        note("circuit_mode", Some(("mode", mode)), f64::from(is_it));
    }
    let remaining = snapshot.remaining_open.unwrap_or_default();
    note(
        "circuit_remaining_open_seconds",
        None,
        remaining.as_secs_f64(),
    );
    note("window_failure_ratio", None, snapshot.window.failure_rate());
    note("in_flight", None, f64::from(snapshot.in_flight));
    note("peak_in_flight", None, f64::from(snapshot.peak_in_flight));
    note("limit", None, f64::from(snapshot.limit));
    note("queued", None, snapshot.queued as f64);
    let mut latencies = |metric, all: &Latencies| {
        for (quantile, latency) in [
            ("0.5", all.p50),
            ("0.9", all.p90),
            ("0.99", all.p99),
            ("0.995", all.p99_5),
            ("1", all.max),
        ] {
            note(metric, Some(("quantile", quantile)), latency.as_secs_f64());
        }
    };
    latencies("window_latency_seconds", &snapshot.latency);
    latencies("window_total_latency_seconds", &snapshot.total_latency);
    all
}

fn exact(total: u64) -> f64 {
    f64::from(u32::try_from(total).unwrap())
}

/// The transitions of the script, as it is written.
fn expected_transitions() -> BTreeMap<String, f64> {
    [
        ("closed", "open"),
        ("open", "half_open"),
        ("half_open", "closed"),
    ]
    .map(|(from, to)| {
        let labels = [("name", NAME), ("from", from), ("to", to)];
        let series = text::series("portcullis_circuit_transitions_total", &labels);
        (series, 1.0)
    })
    .into()
}

/// A service in which everything has happened, with three calls still in it.
pub(crate) struct Run {
    pub(crate) publisher: Publisher,
    pub(crate) control: Control,
    /// How long the calls took that were not cancelled.
    pub(crate) durations: Vec<Duration>,
    _under_way: Vec<tokio::task::JoinHandle<Result<&'static str, BoxError>>>,
}

type Guarded = BoxCloneSyncService<Call, &'static str, BoxError>;

fn is_inner(fault: &Fault<BoxError>) -> bool {
    fault.rejection().is_none()
}

fn guarded(registry: &Registry) -> (Control, Guarded) {
    let slow = circuit_breaker::Settings::default().slow_calls(millis(400), 1.0);
    let pipeline = Pipeline::builder(NAME)
        .timeout(millis(600))
        .bulkhead(bulkhead::Settings::default().limit(2))
        .queue(
            bulkhead::QueueSettings::default()
                .length(1)
                .longest_wait(millis(100)),
        )
        .circuit_breaker(slow.minimum_calls(1_000).open_jitter(0.0))
        .fallback_layer(FallbackLayer::value("instead").when(is_inner));
    let pipeline = registry.register(pipeline).unwrap();
    let service = pipeline.layer().layer(Backend);
    (
        pipeline.control().clone(),
        BoxCloneSyncService::new(service),
    )
}

/// Runs the script, in paused time.
pub(crate) async fn run(recorder: &dyn metrics::Recorder) -> Run {
    let publisher = Publisher::new();
    let observed = Scope::new()
        .observed_by(publisher.call_durations())
        .observed_by(publisher.circuit_transitions());
    let registry = Registry::scoped(observed);
    let publisher = publisher.watching_all(&registry);
    let (control, service) = guarded(&registry);
    let _recording = metrics::set_default_local_recorder(recorder);
    let call = async |call| soon(service.clone().oneshot(call)).await;
    let spawn = |call| tokio::spawn(service.clone().oneshot(call));

    for _ in 0..12 {
        call(Call::Succeed(millis(20))).await.unwrap();
    }
    call(Call::Succeed(millis(500))).await.unwrap();
    for _ in 0..3 {
        assert_eq!(call(Call::Fail(millis(3))).await.unwrap(), "instead");
    }
    call(Call::Hang).await.unwrap_err();
    {
        let mut left = Box::pin(service.clone().oneshot(Call::Hang));
        assert!((&mut left).now_or_never().is_none());
    }
    control.circuit_breaker().trip();
    for _ in 0..4 {
        call(AT_ONCE).await.unwrap_err();
    }
    tokio::time::advance(Duration::from_secs(5)).await;
    call(Call::Succeed(millis(40))).await.unwrap();
    let under_way = vec![spawn(Call::Hang), spawn(Call::Hang), spawn(AT_ONCE)];
    tokio::task::yield_now().await;
    call(AT_ONCE).await.unwrap_err();
    control
        .circuit_breaker()
        .set_mode(portcullis::event::Mode::ForcedClosed);
    tokio::time::advance(millis(10)).await;

    let mut durations = vec![millis(20); 12];
    durations.extend([500, 3, 3, 3, 600, 40].map(millis));
    Run {
        publisher,
        control,
        durations,
        _under_way: under_way,
    }
}

#[tokio::test(start_paused = true)]
async fn the_script_has_everything_happen() {
    let run = run(&metrics::NoopRecorder).await;
    let snapshot = run.control.snapshot();
    let counted = crate::support::counted(&snapshot.lifetime);
    assert_eq!(
        counted,
        [
            ("success", 14),
            ("failure", 3),
            ("timeout", 1),
            ("slow", 2),
            ("cancelled", 1),
            ("circuit_open", 4),
            ("bulkhead_full", 1),
            ("fallback_success", 3),
        ]
    );
    assert_eq!((snapshot.in_flight, snapshot.queued), (2, 1));
    assert_eq!((snapshot.limit, snapshot.times_opened), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn the_debugging_recorder_agrees_with_the_snapshot() {
    let recorder = DebuggingRecorder::new();
    let run = run(&recorder).await;
    metrics::with_local_recorder(&recorder, || run.publisher.publish());
    let mut told = BTreeMap::new();
    let mut durations = Vec::new();
    for (key, unit, description, value) in recorder.snapshotter().snapshot().into_vec() {
        let key = key.key();
        assert!(description.is_some_and(|text| !text.is_empty()), "{key}");
        let is_ratio = key.name().ends_with("_ratio");
        let is_time = key.name().ends_with("_seconds");
        let expected = is_time.then_some(metrics::Unit::Seconds);
        let expected = expected.or((!is_ratio).then_some(metrics::Unit::Count));
        assert_eq!(unit, expected, "{key}");
        let labels: Vec<_> = key.labels().map(|one| (one.key(), one.value())).collect();
        let series = text::series(key.name(), &labels);
        match value {
            DebugValue::Counter(total) => drop(told.insert(series, exact(total))),
            DebugValue::Gauge(value) => drop(told.insert(series, value.0)),
            DebugValue::Histogram(values) => {
                assert_eq!(
                    series,
                    text::series("portcullis_call_duration_seconds", &[("name", NAME)])
                );
                durations.extend(values.iter().map(|value| value.0));
            }
        }
    }
    let mut all = expected(&run.control.snapshot());
    all.extend(expected_transitions());
    assert_eq!(told, all);
    let lasted: Vec<_> = run.durations.iter().map(Duration::as_secs_f64).collect();
    assert_eq!(durations, lasted);
}

/// Serves what an exporter renders, as its users do, each time after a publication.
async fn scraped(
    publisher: Publisher,
    exporter: &metrics_exporter_prometheus::PrometheusRecorder,
) -> String {
    metrics::with_local_recorder(exporter, || publisher.publish());
    let handle = exporter.handle();
    let router = Router::new().route("/metrics", get(async move || handle.render()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/metrics", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, router).await });
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    // From here on time is real.
    tokio::time::resume();
    let response = soon(client.get(url).send()).await.unwrap();
    soon(response.text()).await.unwrap()
}

async fn a_scrape_agrees(recommended_naming: bool) {
    let exporter = builder().with_recommended_naming(recommended_naming);
    let exporter = exporter.build_recorder();
    let Run {
        publisher,
        control,
        durations,
        _under_way,
    } = run(&exporter).await;
    let snapshot = control.snapshot();
    let mut samples = text::parse(&scraped(publisher, &exporter).await);
    assert_eq!(samples.helped.len(), samples.types.len());

    let by_bound = |bound: Duration| durations.iter().filter(|one| **one <= bound).count();
    let bucket = |bound, count| {
        let labels = [("name", NAME), ("le", bound)];
        let series = text::series("portcullis_call_duration_seconds_bucket", &labels);
        (series, count as f64)
    };
    let whole = |part: &str, value| {
        let metric = format!("portcullis_call_duration_seconds_{part}");
        (text::series(&metric, &[("name", NAME)]), value)
    };
    let sum: Duration = durations.iter().sum();
    let sum_is = samples.values.get_mut(&whole("sum", 0.0).0).unwrap();
    assert!((*sum_is - sum.as_secs_f64()).abs() < 1e-9);
    *sum_is = sum.as_secs_f64();
    let mut all = expected(&snapshot);
    all.extend(expected_transitions());
    all.extend([
        bucket("0.005", by_bound(millis(5))),
        bucket("0.05", by_bound(millis(50))),
        bucket("0.5", by_bound(millis(500))),
        bucket("+Inf", durations.len()),
        whole("count", durations.len() as f64),
        whole("sum", sum.as_secs_f64()),
    ]);
    assert_eq!(samples.values, all);
    assert_eq!(
        samples.types["portcullis_call_duration_seconds"],
        "histogram"
    );
}

#[tokio::test(start_paused = true)]
async fn a_scrape_of_prometheus_agrees_with_the_snapshot() {
    a_scrape_agrees(false).await;
}

#[tokio::test(start_paused = true)]
async fn names_are_what_prometheus_recommends() {
    a_scrape_agrees(true).await;
}
