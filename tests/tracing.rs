//! Events of the crate `tracing`: levels, targets, fields, and the span that they are in.

mod support;

use std::{
    fmt,
    future::{Ready, ready},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use portcullis::{
    bulkhead,
    circuit_breaker::{self, CircuitBreaker},
    clock::{Clock, Tick},
    event::{Mode, Scope, State},
    gate::GateLayer,
    outcome::Outcome,
    pipeline::{Fault, Pipeline},
    registry::{Order, Registry},
    rejection::BoxError,
    tracing::Tracing,
};
use tokio_test::{assert_ready_err, assert_ready_ok, task};
use tower::{Layer as _, ServiceExt, service_fn};
use tracing::{
    Level, Subscriber,
    field::{Field, Visit},
    info_span,
    level_filters::LevelFilter,
    subscriber::with_default,
};
use tracing_subscriber::{
    Layer, Registry as Spans,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
};

use crate::support::{Log, Spy, soon};

/// Notes events as lines, `span: LEVEL target message, field=value …`, and each span that is made.
struct Noting(Log);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Noting {
    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let span = context.event_span(event);
        let span = span.map_or(String::new(), |span| format!("{}: ", span.name()));
        let mut fields = Fields::default();
        event.record(&mut fields);
        let (level, target) = (metadata.level(), metadata.target());
        let Fields { message, others } = fields;
        self.0
            .note(format!("{span}{level} {target} {message}{others}"));
    }

    fn on_new_span(
        &self,
        attributes: &tracing::span::Attributes<'_>,
        _: &tracing::span::Id,
        _: Context<'_, S>,
    ) {
        self.0
            .note(format!("span {}", attributes.metadata().name()));
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    others: String,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            name => self.others += &format!(" {name}={value:?}"),
        }
    }
}

/// Runs something whose events are noted from a level on, and returns them.
fn noted(level: LevelFilter, run: impl FnOnce()) -> Vec<String> {
    let log = Log::default();
    let subscriber = Spans::default().with(Noting(log.clone())).with(level);
    with_default(subscriber, run);
    log.take()
}

/// A circuit whose time is told by the number, in nanoseconds.
fn breaker(settings: circuit_breaker::Settings, time: &Arc<AtomicU64>) -> CircuitBreaker {
    let time = Arc::clone(time);
    let clock = Clock::from_fn(move || Tick::from_nanos(time.load(Ordering::Relaxed)));
    let scope = Scope::named("inventory")
        .on_clock(clock)
        .observed_by(Tracing);
    CircuitBreaker::scoped(settings.open_jitter(0.0), scope).unwrap()
}

fn rules() -> circuit_breaker::Settings {
    circuit_breaker::Settings::default().minimum_calls(4)
}

fn fail(breaker: &CircuitBreaker) {
    let flight = breaker.admit().unwrap();
    flight.settle(Outcome::Failure);
}

const CIRCUIT: &str = "portcullis::circuit_breaker";

#[test]
fn a_circuit_that_opens_is_one_warning_and_other_transitions_are_information() {
    let time = Arc::default();
    let lines = noted(LevelFilter::TRACE, || {
        let breaker = breaker(rules(), &time);
        for _ in 0..4 {
            fail(&breaker);
        }
        for outcome in [Outcome::Failure, Outcome::Success] {
            time.fetch_add(5_000_000_000, Ordering::Relaxed);
            let probe = breaker.admit().unwrap();
            probe.settle(outcome);
        }
    });
    let half_open = format!(
        "INFO {CIRCUIT} circuit changed its state name=\"inventory\" from=\"open\" \
         to=\"half_open\" reason=\"open_time_over\""
    );
    let expected = [
        format!(
            "WARN {CIRCUIT} circuit opened name=\"inventory\" from=\"closed\" to=\"open\" \
             reason=\"failure_rate\" open_for_seconds=5.0 failures=4 calls=4 failure_rate=1.0"
        ),
        half_open.clone(),
        format!(
            "INFO {CIRCUIT} circuit opened again name=\"inventory\" from=\"half_open\" \
             to=\"open\" reason=\"probes_failed\" open_for_seconds=5.0"
        ),
        half_open,
        format!(
            "INFO {CIRCUIT} circuit changed its state name=\"inventory\" from=\"half_open\" \
             to=\"closed\" reason=\"probes_succeeded\""
        ),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn what_opened_a_circuit_is_among_the_fields() {
    let opening = |settings| {
        let time = Arc::default();
        let lines = noted(LevelFilter::WARN, || {
            let breaker = breaker(settings, &time);
            for call in 0..4 {
                let flight = breaker.admit().unwrap();
                time.fetch_add(call * 1_000_000, Ordering::Relaxed);
                flight.settle(Outcome::Failure);
            }
        });
        let [line] = &lines[..] else {
            panic!("one warning: {lines:?}")
        };
        line.split_once("reason=").unwrap().1.to_owned()
    };
    let slow = rules().failure_rate(None);
    assert_eq!(
        opening(slow.clone().slow_calls(Duration::from_millis(2), 0.5)),
        "\"slow_call_rate\" open_for_seconds=5.0 slow=2 calls=4 slow_call_rate=0.5"
    );
    assert_eq!(
        opening(slow.consecutive_failures(4)),
        "\"consecutive_failures\" open_for_seconds=5.0 failures=4"
    );
}

#[test]
fn what_operators_and_settings_change_is_information() {
    let lines = noted(LevelFilter::INFO, || {
        let registry = Registry::scoped(Scope::new().observed_by(Tracing));
        let pipeline = registry.register(Pipeline::builder("inventory")).unwrap();
        pipeline.circuit_breaker().set_mode(Mode::ForcedOpen);
        pipeline.bulkhead().set_limit(7);
        let settings = pipeline.control().settings().timeout(None);
        pipeline.control().apply(&settings).unwrap();
        registry.remove("inventory");
    });
    let expected = [
        format!(
            "INFO {CIRCUIT} mode changed name=\"inventory\" from=\"automatic\" to=\"forced_open\""
        ),
        "INFO portcullis::bulkhead limit changed name=\"inventory\" from=100 to=7".to_owned(),
        "INFO portcullis::settings settings changed name=\"inventory\" changed=1".to_owned(),
    ];
    assert_eq!(lines, expected);
}

/// Makes a call that is refused and gets a fallback, and one that a dry run lets through.
fn refuse_then_dry_run() {
    let settings = bulkhead::Settings::default().limit(1);
    let pipeline = Pipeline::builder("inventory").bulkhead(settings);
    let pipeline = pipeline
        .fallback(|_: &Fault<BoxError>| ())
        .observed_by(Tracing)
        .build()
        .unwrap();
    let service = pipeline.layer().layer(service_fn(echo));
    pipeline.bulkhead().set_limit(0);
    assert_ready_ok!(task::spawn(service.clone().oneshot(())).poll());
    pipeline.bulkhead().set_limit(1);
    pipeline.circuit_breaker().set_mode(Mode::DryRun);
    pipeline.circuit_breaker().trip();
    assert_ready_ok!(task::spawn(service.oneshot(())).poll());
}

fn echo((): ()) -> Ready<Result<(), BoxError>> {
    ready(Ok(()))
}

#[test]
fn calls_that_go_another_way_are_for_debugging_and_others_are_not_told() {
    let lines = noted(LevelFilter::DEBUG, refuse_then_dry_run);
    let debug: Vec<_> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("DEBUG "))
        .collect();
    let expected = [
        "portcullis::gate call rejected name=\"inventory\" reason=\"bulkhead_full\"",
        "portcullis::fallback fallback ended name=\"inventory\" ending=\"answered\"",
        "portcullis::circuit_breaker call would be rejected name=\"inventory\" reason=\"circuit_open\"",
    ];
    assert_eq!(debug, expected);
    let quiet = noted(LevelFilter::WARN, refuse_then_dry_run);
    assert_eq!(quiet.len(), 1, "the open circuit: {quiet:?}");
}

#[test]
fn pipelines_that_come_and_go_are_for_debugging() {
    let lines = noted(LevelFilter::DEBUG, || {
        let registry = Registry::scoped(Scope::new().observed_by(Tracing));
        registry.register(Pipeline::builder("inventory")).unwrap();
        registry.remove("inventory");
    });
    let target = "DEBUG portcullis::registry";
    let expected = ["added", "removed"].map(|what| format!("{target} {what} name=\"inventory\""));
    assert_eq!(lines, expected);
}

#[test]
fn an_order_is_told_with_its_actor() {
    let lines = noted(LevelFilter::INFO, || {
        let registry = Registry::scoped(Scope::new().observed_by(Tracing));
        registry.register(Pipeline::builder("inventory")).unwrap();
        registry.order("inventory", &Order::Trip, "alice").unwrap();
    });
    let order = "order=\"trip\" actor=\"alice\"";
    assert_eq!(
        lines[0],
        format!("INFO portcullis::registry ordered name=\"inventory\" {order}")
    );
    assert!(lines[1].contains("circuit opened"), "{}", lines[1]);
}

#[test]
fn an_event_belongs_to_the_span_that_the_caller_is_in() {
    let lines = noted(LevelFilter::TRACE, || {
        let breaker = breaker(rules(), &Arc::default());
        let inner = service_fn(|()| {
            tracing::info!("inside");
            echo(())
        });
        let service = breaker.layer().layer(inner);
        info_span!("checkout").in_scope(|| {
            assert_ready_ok!(task::spawn(service.clone().oneshot(())).poll());
            breaker.trip();
            assert_ready_err!(task::spawn(service.clone().oneshot(())).poll());
            assert_eq!(
                tracing::Span::current().metadata().unwrap().name(),
                "checkout"
            );
        });
        breaker.reset();
    });
    let places: Vec<_> = lines
        .iter()
        .map(|line| line.split_once(' ').unwrap().0)
        .collect();
    assert_eq!(
        places,
        ["span", "checkout:", "checkout:", "checkout:", "INFO"]
    );
    assert!(
        lines[0] == "span checkout" && lines[1].ends_with("inside"),
        "{lines:?}"
    );
}

#[test]
fn a_level_may_change_while_calls_run() {
    let (level, handle) = tracing_subscriber::reload::Layer::new(LevelFilter::WARN);
    let log = Log::default();
    let subscriber = Spans::default().with(Noting(log.clone())).with(level);
    with_default(subscriber, || {
        refuse_then_dry_run();
        assert_eq!(log.take().len(), 1);
        handle.reload(LevelFilter::DEBUG).unwrap();
        refuse_then_dry_run();
        let debug = log.take();
        assert_eq!(
            debug
                .iter()
                .filter(|line| line.starts_with("DEBUG"))
                .count(),
            3
        );
    });
}

/// Uses the circuit that the events are of.
struct Meddling(Arc<OnceLock<CircuitBreaker>>, Log);

impl<S: Subscriber> Layer<S> for Meddling {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let breaker = self.0.get().unwrap();
        self.1
            .note(format!("{} {}", event.metadata().level(), breaker.state()));
        if *event.metadata().level() == Level::WARN {
            breaker.reset();
        }
    }
}

/// In real time, for a paused clock waits for threads.
#[tokio::test]
async fn a_subscriber_may_use_the_circuit() {
    let log = Log::default();
    let circuit: Arc<OnceLock<CircuitBreaker>> = Arc::default();
    let subscriber = Spans::default().with(Meddling(Arc::clone(&circuit), log.clone()));
    let tripping = tokio::task::spawn_blocking(move || {
        with_default(subscriber, || {
            let breaker = circuit.get_or_init(|| breaker(rules(), &Arc::default()));
            breaker.trip();
            breaker.state()
        })
    });
    let state = soon(tripping).await.unwrap();
    assert_eq!(state, State::Closed);
    assert_eq!(log.take()[0], "WARN open");
}

/// Panics with each event.
struct Panicking;

impl<S: Subscriber> Layer<S> for Panicking {
    fn on_event(&self, _: &tracing::Event<'_>, _: Context<'_, S>) {
        // Past the hook, which would fill the screen.
        std::panic::resume_unwind(Box::new("the subscriber's own"));
    }
}

#[test]
fn a_panicking_subscriber_harms_no_call() {
    with_default(Spans::default().with(Panicking), refuse_then_dry_run);
}

#[test]
fn calls_are_not_timed_for_it() {
    let reads = Arc::new(AtomicU64::new(0));
    let clock = Clock::from_fn({
        let reads = Arc::clone(&reads);
        move || Tick::from_nanos(reads.fetch_add(1, Ordering::Relaxed))
    });
    let scope = Scope::named("inventory")
        .on_clock(clock)
        .observed_by(Tracing);
    let gate = GateLayer::new(Spy::new("spy", &Log::default())).scoped(scope);
    assert_ready_ok!(task::spawn(gate.layer(service_fn(echo)).oneshot(())).poll());
    assert_eq!(reads.load(Ordering::Relaxed), 0);
}
