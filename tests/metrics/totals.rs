//! Totals never fall and count nothing twice, whatever comes and goes.

use std::{
    borrow::Cow,
    cell::Cell,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use metrics_exporter_prometheus::PrometheusRecorder;
use portcullis::{
    circuit_breaker,
    clock::Clock,
    metrics::Publisher,
    pipeline::{Builder, Pipeline},
    registry::{Keyed, Registry},
};
use tower::{Layer, ServiceExt};

use crate::{
    AT_ONCE, Backend, Call, ask, forgetful, prometheus, published, support::soon, text::series,
};

async fn ask_key(keyed: &Keyed, key: &'static str) {
    let service = keyed
        .layer(move |_: &Call| Cow::Borrowed(key))
        .layer(Backend);
    soon(service.oneshot(AT_ONCE)).await.unwrap();
}

async fn registered(registry: &Registry, name: &str, calls: u32) -> Pipeline {
    let exactly = circuit_breaker::Settings::default().open_jitter(0.0);
    let builder = Pipeline::builder(name).circuit_breaker(exactly);
    let pipeline = registry.register(builder).unwrap();
    for _ in 0..calls {
        ask(&pipeline, AT_ONCE).await.unwrap();
    }
    pipeline
}

const SUCCESSES_OF_A: &str = r#"calls_total{name="a",outcome="success"}"#;

#[tokio::test(start_paused = true)]
async fn totals_of_an_evicted_key_go_on_when_it_comes_again() {
    let (registry, recorder) = (Registry::new(), prometheus());
    let publisher = Publisher::new().watching_all(&registry);
    let keyed = registry.keyed("set", |builder: Builder| builder).unwrap();
    let successes = r#"calls_total{name="set:a",outcome="success"}"#;
    let closed = r#"circuit_state{name="set:a",state="closed"}"#;
    ask_key(&keyed, "a").await;
    ask_key(&keyed, "a").await;
    assert_eq!(published(&publisher, &recorder).value(successes), 2.0);
    // Nobody looks between these calls and the eviction.
    ask_key(&keyed, "a").await;
    tokio::time::advance(Duration::from_secs(60)).await;
    ask_key(&keyed, "b").await;
    ask_key(&keyed, "c").await;
    assert!(registry.get("set:a").is_none(), "it was evicted");
    let samples = published(&publisher, &recorder);
    assert_eq!(
        (samples.value(successes), samples.value(closed)),
        (3.0, 0.0)
    );
    let limit = samples.value(r#"limit{name="set:a"}"#);
    assert_eq!(limit, 0.0);
    ask_key(&keyed, "a").await;
    let samples = published(&publisher, &recorder);
    assert_eq!(
        (samples.value(successes), samples.value(closed)),
        (4.0, 1.0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_that_is_replaced_between_two_looks_loses_nothing() {
    let (registry, recorder) = (Registry::new(), prometheus());
    let publisher = Publisher::new().watching_all(&registry);
    let _first = registered(&registry, "a", 5).await;
    assert_eq!(published(&publisher, &recorder).value(SUCCESSES_OF_A), 5.0);
    registry.remove("a").unwrap();
    let _second = registered(&registry, "a", 2).await;
    assert_eq!(published(&publisher, &recorder).value(SUCCESSES_OF_A), 7.0);
    assert_eq!(published(&publisher, &recorder).value(SUCCESSES_OF_A), 7.0);
}

#[tokio::test(start_paused = true)]
async fn a_circuit_that_is_gone_is_in_no_state() {
    let (registry, recorder) = (Registry::new(), prometheus());
    let publisher = Publisher::new().watching_all(&registry);
    let pipeline = registered(&registry, "a", 1).await;
    pipeline.circuit_breaker().trip();
    let open = r#"circuit_state{name="a",state="open"}"#;
    let remaining = r#"circuit_remaining_open_seconds{name="a"}"#;
    let samples = published(&publisher, &recorder);
    assert_eq!((samples.value(open), samples.value(remaining)), (1.0, 5.0));
    registry.remove("a").unwrap();
    let samples = published(&publisher, &recorder);
    assert_eq!((samples.value(open), samples.value(remaining)), (0.0, 0.0));
    assert_eq!(samples.value(SUCCESSES_OF_A), 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_that_is_watched_twice_counts_once() {
    let (registry, recorder) = (Registry::new(), prometheus());
    let pipeline = registered(&registry, "a", 3).await;
    let publisher = Publisher::new()
        .watching(pipeline.control())
        .watching_all(&registry)
        .watching_all(&registry);
    let samples = published(&publisher, &recorder);
    assert_eq!(samples.value(SUCCESSES_OF_A), 3.0);
    assert_eq!(samples.value(r#"limit{name="a"}"#), 100.0);
}

#[tokio::test(start_paused = true)]
async fn names_beyond_the_bound_are_one() {
    let (registry, recorder) = (Registry::new(), prometheus());
    let publisher = Publisher::up_to(2).unwrap().watching_all(&registry);
    let _own = [
        registered(&registry, "a", 1).await,
        registered(&registry, "b", 2).await,
    ];
    let _ = published(&publisher, &recorder);
    let c = registered(&registry, "c", 4).await;
    let d = registered(&registry, "d", 8).await;
    c.circuit_breaker().trip();
    d.bulkhead().set_limit(7);
    let samples = published(&publisher, &recorder);
    let others = r#"calls_total{name="other",outcome="success"}"#;
    assert_eq!(samples.value(others), 12.0);
    let gauge = |series: &str| samples.value(&series.replace("other", r#"name="other""#));
    assert_eq!(gauge(r#"circuit_state{other,state="open"}"#), 1.0);
    assert_eq!(gauge(r#"circuit_state{other,state="closed"}"#), 1.0);
    assert_eq!(gauge("limit{other}"), 107.0);
    assert_eq!(gauge("circuit_remaining_open_seconds{other}"), 5.0);
    assert_eq!(samples.get(r#"limit{name="c"}"#), None);
    // One that goes makes no room: a recorder may keep its series.
    registry.remove("a").unwrap();
    registry.remove("c").unwrap();
    let _e = registered(&registry, "e", 16).await;
    let samples = published(&publisher, &recorder);
    assert_eq!(samples.value(others), 28.0);
    assert_eq!(samples.value(SUCCESSES_OF_A), 1.0);
}

#[test]
fn there_is_room_for_a_name_at_least() {
    let error = Publisher::up_to(0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "max_names is 0; allowed: from 1 to 4294967295"
    );
}

#[tokio::test(start_paused = true)]
async fn a_look_that_was_overtaken_is_not_believed() {
    let (registry, recorder) = (Registry::new(), Arc::new(prometheus()));
    let publisher = Arc::new(Publisher::new().watching_all(&registry));
    let is_armed = Arc::new(AtomicBool::new(false));
    let late: Arc<OnceLock<Pipeline>> = Arc::default();
    let overtaking = {
        let publisher = Arc::clone(&publisher);
        let (registry, recorder) = (registry.clone(), Arc::clone(&recorder));
        let (is_armed, late) = (Arc::clone(&is_armed), Arc::clone(&late));
        move || {
            if is_armed.swap(false, Ordering::Relaxed) {
                late.set(registry.register(Pipeline::builder("late")).unwrap())
                    .unwrap();
                let mut ready = Box::pin(ask(late.get().unwrap(), AT_ONCE));
                assert!(futures_util::FutureExt::now_or_never(&mut ready).is_some());
                let samples = published(&publisher, &recorder);
                assert_eq!(
                    samples.value(r#"calls_total{name="late",outcome="success"}"#),
                    1.0
                );
            }
        }
    };
    let overtaking = Mutex::new(overtaking);
    let tokios = Clock::new();
    let clock = Clock::from_fn(move || {
        if let Ok(overtake) = overtaking.try_lock() {
            overtake();
        }
        tokios.now()
    });
    let builder = Pipeline::builder("early").clock(clock);
    let _early = registry.register(builder).unwrap();
    is_armed.store(true, Ordering::Relaxed);
    for _ in 0..3 {
        let samples = published(&publisher, &recorder);
        let late = samples.value(r#"calls_total{name="late",outcome="success"}"#);
        assert_eq!(late, 1.0);
        assert_eq!(samples.value(r#"limit{name="late"}"#), 100.0);
    }
}

/// Has something happen in the midst of a publication: before the first gauge is written.
struct Interrupted<'a, F>(&'a PrometheusRecorder, Cell<Option<F>>);

impl<F: FnOnce()> Recorder for Interrupted<'_, F> {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        self.0.register_counter(key, metadata)
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        if let Some(happen) = self.1.take() {
            happen();
        }
        self.0.register_gauge(key, metadata)
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        self.0.register_histogram(key, metadata)
    }
}

#[tokio::test(start_paused = true)]
async fn a_circuit_that_is_gone_stays_in_no_state_though_an_older_publication_ends_later() {
    let (registry, recorder) = (Registry::new(), prometheus());
    let publisher = Publisher::new().watching_all(&registry);
    let pipeline = registered(&registry, "a", 1).await;
    pipeline.circuit_breaker().trip();
    let open = r#"circuit_state{name="a",state="open"}"#;
    let overtaking = || {
        registry.remove("a").unwrap();
        assert_eq!(published(&publisher, &recorder).value(open), 0.0);
    };
    let overtaken = Interrupted(&recorder, Cell::new(Some(overtaking)));
    metrics::with_local_recorder(&overtaken, || publisher.publish());
    assert_eq!(published(&publisher, &recorder).value(open), 0.0);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_gone_is_not_written_for_ever_after_a_recorder_has_panicked() {
    let (registry, recorder) = (Registry::new(), forgetful());
    let publisher = Publisher::new().watching_all(&registry);
    let _pipeline = registered(&registry, "a", 1).await;
    // Past the hook, which would fill the screen.
    let breaking = || std::panic::resume_unwind(Box::new("the recorder's own"));
    let broken = Interrupted(&recorder, Cell::new(Some(breaking)));
    let publishing = || metrics::with_local_recorder(&broken, || publisher.publish());
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(publishing)).unwrap_err();
    registry.remove("a").unwrap();
    assert_eq!(published(&publisher, &recorder).value(SUCCESSES_OF_A), 1.0);
    // The exporter drops it now, and nothing brings it back.
    recorder.handle().render();
    assert_eq!(published(&publisher, &recorder).get(SUCCESSES_OF_A), None);
}

#[tokio::test(start_paused = true)]
async fn pipelines_of_one_name_in_two_registries_are_added_up() {
    let (one, other, recorder) = (Registry::new(), Registry::new(), prometheus());
    let publisher = Publisher::new().watching_all(&one).watching_all(&other);
    let both = [
        registered(&one, "a", 1).await,
        registered(&other, "a", 2).await,
    ];
    for _ in 0..2 {
        ask(&both[1], Call::Fail(Duration::ZERO)).await.unwrap_err();
    }
    let samples = published(&publisher, &recorder);
    assert_eq!(samples.value(SUCCESSES_OF_A), 3.0);
    assert_eq!(samples.value(r#"window_failure_ratio{name="a"}"#), 0.4);
    assert_eq!(samples.value(r#"limit{name="a"}"#), 200.0);
    for pipeline in both {
        pipeline.circuit_breaker().trip();
    }
    let open = r#"circuit_state{name="a",state="open"}"#;
    let opened = r#"circuit_opened_total{name="a"}"#;
    let samples = published(&publisher, &recorder);
    assert_eq!((samples.value(open), samples.value(opened)), (2.0, 2.0));
    other.remove("a").unwrap();
    let samples = published(&publisher, &recorder);
    assert_eq!(samples.value(SUCCESSES_OF_A), 3.0);
    assert_eq!((samples.value(open), samples.value(opened)), (1.0, 2.0));
}

#[tokio::test(start_paused = true)]
async fn transitions_of_names_beyond_the_bound_are_added_up() {
    let publisher = Publisher::up_to(1).unwrap();
    for name in ["a", "b", "c"] {
        let pipeline = Pipeline::builder(name).observed_by(publisher.circuit_transitions());
        pipeline.build().unwrap().circuit_breaker().trip();
    }
    let samples = published(&publisher, &prometheus());
    let opened = |name: &str| {
        let labels = [("name", name), ("from", "closed"), ("to", "open")];
        samples.get(&series("circuit_transitions_total", &labels))
    };
    assert_eq!(
        ["a", "b", "c", "other"].map(opened),
        [Some(1.0), None, None, Some(2.0)]
    );
}
