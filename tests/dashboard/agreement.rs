//! After a run in which everything happens, all who are asked say the same, to the last digit: the stream, the
//! details, Prometheus' text, the past and the snapshot.

use std::{collections::BTreeMap, future::pending};

use metrics_exporter_prometheus::PrometheusBuilder;
use portcullis::{
    bulkhead::{self, QueueSettings},
    circuit_breaker,
    clock::{Clock, Now},
    event::Mode,
    fallback::FallbackLayer,
    gate::Policy,
    metrics::Publisher,
    outcome::Outcome,
    pipeline::{Fault, Snapshot},
    rejection::{Reason, Rejection},
};
use tokio_test::task::Spawn;

use super::*;
use crate::support::counted;

const NAME: &str = "inventory \"east\"\\1";

/// What a call is to come to.
#[derive(Clone, Copy, Debug)]
enum Ask {
    Take(Duration),
    Fail(&'static str),
    Hang,
}

async fn work(what: Ask) -> Result<(), BoxError> {
    match what {
        Ask::Take(time) => tokio::time::sleep(time).await,
        Ask::Fail(why) => return Err(why.into()),
        Ask::Hang => pending().await,
    }
    Ok(())
}

fn by_sense(answer: Result<&(), &BoxError>) -> Outcome {
    match answer {
        Ok(()) => Outcome::Success,
        Err(error) if error.to_string() == "nonsense" => Outcome::Ignored,
        Err(_) => Outcome::Failure,
    }
}

/// The fallback is for what failed, and fails for what failed badly.
fn fall_back(fault: &Fault<BoxError>) -> std::future::Ready<Result<(), BoxError>> {
    std::future::ready(match fault.to_string() == "very down" {
        true => Err("cold".into()),
        false => Ok(()),
    })
}

fn is_inner(fault: &Fault<BoxError>) -> bool {
    fault.rejection().is_none()
}

type Inventory = BoxCloneSyncService<Ask, (), BoxError>;
type Call = Spawn<std::pin::Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>>;

struct Run {
    registry: Registry,
    control: Control,
    service: Inventory,
    /// Calls that have not ended.
    under_way: Vec<Call>,
}

impl Run {
    fn new() -> Self {
        let registry = Registry::new();
        let rules = circuit_breaker::Settings::default()
            .minimum_calls(1_000)
            .slow_calls(ms(400), 1.0)
            .open_jitter(0.0)
            .ramp_up(Duration::from_secs(60));
        let builder = Pipeline::builder(NAME)
            .timeout(ms(600))
            .bulkhead(bulkhead::Settings::default().limit(2))
            .queue(QueueSettings::default().length(1).longest_wait(ms(100)))
            .circuit_breaker(rules)
            .classify(by_sense)
            .fallback_layer(FallbackLayer::future(fall_back).when(is_inner));
        let pipeline = registry.register(builder).unwrap();
        Self {
            control: pipeline.control().clone(),
            service: BoxCloneSyncService::new(pipeline.layer().layer(tower::service_fn(work))),
            registry,
            under_way: Vec::new(),
        }
    }

    async fn call(&self, what: Ask, times: usize) {
        for _ in 0..times {
            let _ = soon(self.service.clone().oneshot(what)).await;
        }
    }

    /// Begins a call that does not end.
    fn begin(&mut self) {
        let call: std::pin::Pin<Box<dyn Future<Output = _> + Send>> =
            Box::pin(self.service.clone().oneshot(Ask::Hang));
        let mut call = tokio_test::task::spawn(call);
        tokio_test::assert_pending!(call.poll());
        self.under_way.push(call);
    }

    /// Has every kind of outcome and of refusal happen.
    async fn everything(&mut self) {
        self.call(Ask::Take(ms(20)), 12).await;
        self.call(Ask::Take(ms(500)), 1).await;
        self.call(Ask::Fail("down"), 3).await;
        self.call(Ask::Fail("very down"), 2).await;
        self.call(Ask::Fail("nonsense"), 1).await;
        self.call(Ask::Hang, 1).await;
        self.begin();
        self.under_way.clear();
        let breaker = self.control.circuit_breaker().clone();
        for (mode, times) in [(Mode::ForcedOpen, 5), (Mode::Automatic, 0)] {
            breaker.set_mode(mode);
            self.call(Ask::Hang, times).await;
        }
        breaker.trip();
        self.call(Ask::Hang, 4).await;
        tokio::time::advance(Duration::from_secs(5)).await;
        let probe = tokio::spawn(self.service.clone().oneshot(Ask::Take(ms(40))));
        tokio::task::yield_now().await;
        self.call(Ask::Hang, 3).await;
        soon(probe).await.unwrap().unwrap();
        self.call(Ask::Take(ms(1)), 50).await;
        self.refuse();
        breaker.set_mode(Mode::DryRun);
        breaker.trip();
        self.call(Ask::Take(ms(3)), 2).await;
        breaker.set_mode(Mode::Automatic);
        breaker.reset();
        self.call(Ask::Fail("down"), 1).await;
        self.begin();
        self.begin();
        self.call(Ask::Hang, 1).await;
        self.begin();
        self.call(Ask::Hang, 1).await;
    }

    /// Tells of refusals that this stack has no cause for.
    fn refuse(&self) {
        let clock = Clock::new();
        for reason in [Reason::NotReady, Reason::Policy("no budget")] {
            self.control
                .refused(&Rejection::new(reason), &Now::of(&clock));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn everything_happens() {
    let mut run = Run::new();
    run.everything().await;
    let snapshot = run.control.snapshot();
    let life = snapshot.lifetime;
    let kinds: Vec<_> = counted(&life).into_iter().map(|(kind, _)| kind).collect();
    let all = "success failure timeout slow ignored cancelled circuit_open circuit_forced_open half_open_full \
               ramping_up not_ready bulkhead_full wait_timed_out other_rejection would_reject fallback_success \
               fallback_failure";
    assert_eq!(kinds.join(" "), all);
    assert_eq!(
        (snapshot.in_flight, snapshot.queued, snapshot.times_opened),
        (2, 1, 2)
    );
    assert!(snapshot.window.failure > 0, "the window is not empty");
}

/// What Prometheus is told, in its own text.
fn scraped(registry: &Registry) -> BTreeMap<String, f64> {
    let recorder = PrometheusBuilder::new().build_recorder();
    let publisher = Publisher::new().watching_all(registry);
    metrics::with_local_recorder(&recorder, || publisher.publish());
    text::parse(&recorder.handle().render()).values
}

/// Where Prometheus has a number that the page has too.
fn pairs(snapshot: &Value, circuit: &Value) -> Vec<(String, f64)> {
    let number = |value: &Value| {
        value
            .as_f64()
            .unwrap_or_else(|| panic!("{value} in {circuit}"))
    };
    let life = |kind: &str| number(&snapshot["lifetime"][kind]);
    let series = |metric: &str, by: Option<(&str, &str)>| {
        let labels: Vec<_> = [("name", NAME)].into_iter().chain(by).collect();
        text::series(&format!("portcullis_{metric}"), &labels)
    };
    let mut pairs = Vec::new();
    let mut pair = |metric, by, value| pairs.push((series(metric, by), value));
    for outcome in ["success", "failure", "timeout", "ignored", "cancelled"] {
        pair("calls_total", Some(("outcome", outcome)), life(outcome));
    }
    let reasons = [
        ("circuit_open", "circuit_open"),
        ("circuit_forced_open", "circuit_forced_open"),
        ("half_open_full", "half_open_full"),
        ("ramping_up", "ramping_up"),
        ("not_ready", "not_ready"),
        ("bulkhead_full", "bulkhead_full"),
        ("wait_timed_out", "wait_timed_out"),
        ("other", "other_rejection"),
    ];
    for (reason, kind) in reasons {
        pair("rejections_total", Some(("reason", reason)), life(kind));
    }
    for (outcome, kind) in [
        ("success", "fallback_success"),
        ("failure", "fallback_failure"),
    ] {
        pair("fallbacks_total", Some(("outcome", outcome)), life(kind));
    }
    pair("slow_calls_total", None, life("slow"));
    pair("would_reject_total", None, life("would_reject"));
    pair(
        "circuit_opened_total",
        None,
        number(&circuit["times_opened"]),
    );
    pair(
        "circuit_state",
        Some(("state", circuit["state"].as_str().unwrap())),
        1.0,
    );
    pair(
        "circuit_mode",
        Some(("mode", circuit["mode"].as_str().unwrap())),
        1.0,
    );
    let remaining = circuit["remaining_open"].as_f64().unwrap_or(0.0);
    pair("circuit_remaining_open_seconds", None, remaining);
    pair(
        "window_failure_ratio",
        None,
        number(&circuit["failure_rate"]),
    );
    for (quantile, rank) in [
        ("0.5", "p50"),
        ("0.9", "p90"),
        ("0.99", "p99"),
        ("0.995", "p99_5"),
    ] {
        let latency = number(&circuit["latency"][rank]);
        pair(
            "window_latency_seconds",
            Some(("quantile", quantile)),
            latency,
        );
    }
    for (metric, field) in [
        ("in_flight", "in_flight"),
        ("limit", "limit"),
        ("queued", "queued"),
    ] {
        pair(metric, None, number(&circuit[field]));
    }
    pairs
}

fn assert_is_the_snapshot(circuit: &Value, snapshot: &Snapshot) {
    let value = serde_json::to_value(snapshot).unwrap();
    for field in [
        "name",
        "state",
        "mode",
        "remaining_open",
        "times_opened",
        "window_length",
        "window",
        "in_flight",
        "limit",
        "queued",
    ] {
        assert_eq!(circuit[field], value[field], "{field}");
    }
    for rank in ["p50", "p90", "p99", "p99_5"] {
        assert_eq!(circuit["latency"][rank], value["latency"][rank], "{rank}");
    }
    assert_eq!(circuit["failure_rate"], snapshot.window.failure_rate());
    assert_eq!(circuit["calls_per_second"], snapshot.calls_per_second());
}

async fn all_agree(run: &Run, app: &Router) {
    let snapshot = run.control.snapshot();
    let state = state_of(app).await;
    let circuit = &circuits(&state)[0];
    assert_is_the_snapshot(circuit, &snapshot);
    let details = details(app, NAME).await;
    assert_eq!(
        details["snapshot"],
        serde_json::to_value(&snapshot).unwrap()
    );
    let scraped = scraped(&run.registry);
    for (series, value) in pairs(&details["snapshot"], circuit) {
        assert_eq!(scraped.get(&series), Some(&value), "{series}");
    }
    let histogram = details["histogram"].as_array().unwrap().iter();
    let calls: u64 = histogram
        .map(|bucket| bucket["count"].as_u64().unwrap())
        .sum();
    assert_eq!(calls, snapshot.latency.count);
}

#[tokio::test(start_paused = true)]
async fn the_stream_the_details_prometheus_and_the_snapshot_agree() {
    let mut run = Run::new();
    let app: Router = Dashboard::new(&run.registry).router();
    run.everything().await;
    all_agree(&run, &app).await;
    run.control.circuit_breaker().trip();
    tokio::time::advance(ms(1_234)).await;
    all_agree(&run, &app).await;
    assert!(run.control.snapshot().remaining_open.is_some());
}

#[tokio::test(start_paused = true)]
async fn the_past_adds_up_to_what_was_counted_for_life() {
    let mut run = Run::new();
    let app: Router = Dashboard::new(&run.registry).router();
    run.everything().await;
    tokio::time::sleep(SECOND).await;
    tokio::task::yield_now().await;
    let told = get(&app, "/history").await.json();
    let sum = |which: &str| {
        let all = told["circuits"][NAME][which].as_array().unwrap().iter();
        all.map(|one| one.as_u64().unwrap()).sum::<u64>()
    };
    let life = run.control.snapshot().lifetime;
    assert_eq!(sum("calls"), life.judged());
    assert_eq!(sum("bad"), life.failed() + life.rejected());
}
