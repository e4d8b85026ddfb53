//! Every field of Hystrix's schema, with its type, and with its number after a scripted run.

use std::{collections::BTreeSet, future::pending};

use portcullis::{
    bulkhead::{self, Bulkhead, QueueSettings},
    circuit_breaker,
    event::Mode,
    fallback::FallbackLayer,
    outcome::Outcome,
    pipeline::{Fault, Pipeline},
    rejection::{BoxError, Rejection},
};
use serde_json::{Value, json};
use tower::{Layer, Service, ServiceExt, service_fn};

use super::*;

/// What `SerialHystrixDashboardData` writes of a command.
const NUMBERS: &[&str] = &[
    "currentTime",
    "errorPercentage",
    "errorCount",
    "requestCount",
    "rollingCountBadRequests",
    "rollingCountCollapsedRequests",
    "rollingCountEmit",
    "rollingCountExceptionsThrown",
    "rollingCountFailure",
    "rollingCountFallbackEmit",
    "rollingCountFallbackFailure",
    "rollingCountFallbackMissing",
    "rollingCountFallbackRejection",
    "rollingCountFallbackSuccess",
    "rollingCountResponsesFromCache",
    "rollingCountSemaphoreRejected",
    "rollingCountShortCircuited",
    "rollingCountSuccess",
    "rollingCountThreadPoolRejected",
    "rollingCountTimeout",
    "currentConcurrentExecutionCount",
    "rollingMaxConcurrentExecutionCount",
    "latencyExecute_mean",
    "latencyTotal_mean",
    "propertyValue_circuitBreakerRequestVolumeThreshold",
    "propertyValue_circuitBreakerSleepWindowInMilliseconds",
    "propertyValue_circuitBreakerErrorThresholdPercentage",
    "propertyValue_executionIsolationThreadTimeoutInMilliseconds",
    "propertyValue_executionTimeoutInMilliseconds",
    "propertyValue_executionIsolationSemaphoreMaxConcurrentRequests",
    "propertyValue_fallbackIsolationSemaphoreMaxConcurrentRequests",
    "propertyValue_metricsRollingStatisticalWindowInMilliseconds",
    "reportingHosts",
];
const BOOLEANS: &[&str] = &[
    "isCircuitBreakerOpen",
    "propertyValue_circuitBreakerForceOpen",
    "propertyValue_circuitBreakerForceClosed",
    "propertyValue_circuitBreakerEnabled",
    "propertyValue_executionIsolationThreadInterruptOnTimeout",
    "propertyValue_requestCacheEnabled",
    "propertyValue_requestLogEnabled",
];
const STRINGS: &[&str] = &[
    "type",
    "name",
    "group",
    "propertyValue_executionIsolationStrategy",
    "threadPool",
];
const STRINGS_OR_NULL: &[&str] = &["propertyValue_executionIsolationThreadPoolKeyOverride"];
const PERCENTILES: &[&str] = &["latencyExecute", "latencyTotal"];
const RANKS: &[&str] = &["0", "25", "50", "75", "90", "95", "99", "99.5", "100"];

#[test]
fn each_field_is_documented_with_its_source() {
    let docs = include_str!("../../src/hystrix_stream/mod.rs");
    let rows = docs.lines().filter_map(|line| line.strip_prefix("//! | `"));
    let documented = rows.flat_map(|row| {
        let (fields, source) = row.split_once("` | ").expect("two columns");
        assert!(source.len() > 2, "{row}");
        fields.split("`, `")
    });
    let mut documented: Vec<_> = documented.collect();
    documented.sort_unstable();
    let mut expected = [NUMBERS, BOOLEANS, STRINGS, STRINGS_OR_NULL, PERCENTILES].concat();
    expected.sort_unstable();
    assert_eq!(documented, expected);
}

fn keys(object: &Value) -> BTreeSet<&str> {
    let fields = object.as_object().expect("an object");
    fields.keys().map(String::as_str).collect()
}

fn assert_is_a_command(message: &Value) {
    let kinds = [NUMBERS, BOOLEANS, STRINGS, STRINGS_OR_NULL, PERCENTILES];
    let expected: BTreeSet<_> = kinds.concat().into_iter().collect();
    assert_eq!(keys(message), expected);
    let all = |fields: &[&str], is: fn(&Value) -> bool| {
        for field in fields {
            assert!(is(&message[field]), "{field} is {}", message[field]);
        }
    };
    // Java's readers take no fractions for integers.
    all(NUMBERS, Value::is_u64);
    all(BOOLEANS, Value::is_boolean);
    all(STRINGS, Value::is_string);
    all(STRINGS_OR_NULL, |value| {
        value.is_null() || value.is_string()
    });
    for field in PERCENTILES {
        let percentiles = &message[field];
        assert_eq!(keys(percentiles), RANKS.iter().copied().collect());
        let mut values = percentiles.as_object().unwrap().values();
        assert!(values.all(Value::is_u64), "{percentiles}");
    }
}

fn assert_says(message: &Value, expected: &Value) {
    for (field, expected) in expected.as_object().unwrap() {
        assert_eq!(&message[field], expected, "{field}");
    }
}

/// What a call asks of the dependency.
#[derive(Clone, Copy, Debug)]
enum Ask {
    Fail,
    Nonsense,
    Hang,
    Take(Duration),
}

async fn work(what: Ask) -> Result<&'static str, BoxError> {
    match what {
        Ask::Fail => return Err("down".into()),
        Ask::Nonsense => return Err("nonsense".into()),
        Ask::Hang => pending().await,
        Ask::Take(time) => tokio::time::sleep(time).await,
    }
    Ok("done")
}

fn by_sense(answer: Result<&&'static str, &BoxError>) -> Outcome {
    match answer {
        Ok(_) => Outcome::Success,
        Err(error) if error.to_string() == "nonsense" => Outcome::Ignored,
        Err(_) => Outcome::Failure,
    }
}

fn is_late(fault: &Fault<BoxError>) -> bool {
    fault.rejection().is_some_and(Rejection::is_timeout)
}

/// A service behind a registered pipeline. Late calls are answered by a fallback.
fn inventory(
    registry: &Registry,
    settings: circuit_breaker::Settings,
) -> (
    impl Service<Ask, Response = &'static str, Error = BoxError> + Clone,
    portcullis::pipeline::Control,
) {
    let builder = Pipeline::builder("inventory")
        .timeout(ms(300))
        .bulkhead(bulkhead::Settings::default().limit(7))
        .circuit_breaker(settings)
        .classify(by_sense)
        .fallback_layer(FallbackLayer::value("cached").when(is_late));
    let pipeline = registry.register(builder).unwrap();
    let control = pipeline.control().clone();
    (pipeline.layer().layer(service_fn(work)), control)
}

fn rules() -> circuit_breaker::Settings {
    circuit_breaker::Settings::default()
        .minimum_calls(40)
        .failure_rate(0.25)
        .open_for(ms(1_500))
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_that_was_never_called_has_every_field() {
    let registry = Registry::new();
    registry.register(Pipeline::builder("inventory")).unwrap();
    let message = first_message(&HystrixStream::new(&registry)).await;
    assert_is_a_command(&message);
    let zeros = RANKS.iter().map(|rank| ((*rank).to_owned(), json!(0)));
    let zeros: Value = Value::Object(zeros.collect());
    assert_says(
        &message,
        &json!({
            "type": "HystrixCommand",
            "name": "inventory",
            "group": "inventory",
            "threadPool": "inventory",
            "isCircuitBreakerOpen": false,
            "errorPercentage": 0,
            "requestCount": 0,
            "rollingCountExceptionsThrown": 0,
            "latencyExecute": zeros,
            "latencyTotal": zeros,
            "reportingHosts": 1,
            "propertyValue_circuitBreakerRequestVolumeThreshold": 20,
            "propertyValue_circuitBreakerSleepWindowInMilliseconds": 5000,
            "propertyValue_circuitBreakerErrorThresholdPercentage": 50,
            "propertyValue_executionTimeoutInMilliseconds": 1000,
            "propertyValue_executionIsolationSemaphoreMaxConcurrentRequests": 100,
        }),
    );
}

#[tokio::test(start_paused = true)]
async fn after_a_scripted_run_every_number_is_exact() {
    let registry = Registry::new();
    let (service, control) = inventory(&registry, rules());
    let ask = async |what| soon(service.clone().oneshot(what)).await;
    for _ in 0..6 {
        ask(Ask::Take(ms(100))).await.unwrap();
    }
    for _ in 0..2 {
        ask(Ask::Fail).await.unwrap_err();
    }
    for _ in 0..3 {
        ask(Ask::Nonsense).await.unwrap_err();
    }
    assert_eq!(ask(Ask::Hang).await.unwrap(), "cached");
    let mut held: Vec<_> = (0..7)
        .map(|_| tokio_test::task::spawn(service.clone().oneshot(Ask::Hang)))
        .collect();
    for call in &mut held {
        tokio_test::assert_pending!(call.poll());
    }
    for _ in 0..5 {
        ask(Ask::Fail).await.unwrap_err();
    }
    held.truncate(4);
    control.circuit_breaker().set_mode(Mode::ForcedOpen);
    for _ in 0..4 {
        ask(Ask::Fail).await.unwrap_err();
    }

    let stream = HystrixStream::new(&registry);
    let message = first_message(&stream).await;
    assert_is_a_command(&message);
    assert_says(&message, &counts());
    assert_says(&message, &latencies());
    assert_says(&message, &properties());
    assert!(message["currentTime"].as_u64() > Some(1_700_000_000_000));
}

fn counts() -> Value {
    json!({
        "isCircuitBreakerOpen": true,
        // 3 of 9, rounded down.
        "errorPercentage": 33,
        "errorCount": 3,
        "requestCount": 9,
        "rollingCountBadRequests": 3,
        "rollingCountCollapsedRequests": 0,
        "rollingCountEmit": 0,
        // The bad requests, and those without a fallback.
        "rollingCountExceptionsThrown": 14,
        "rollingCountFailure": 2,
        "rollingCountFallbackEmit": 0,
        "rollingCountFallbackFailure": 0,
        // 3 errors and 9 refusals, but for the one late call.
        "rollingCountFallbackMissing": 11,
        "rollingCountFallbackRejection": 0,
        "rollingCountFallbackSuccess": 1,
        "rollingCountResponsesFromCache": 0,
        "rollingCountSemaphoreRejected": 5,
        "rollingCountShortCircuited": 4,
        "rollingCountSuccess": 6,
        "rollingCountThreadPoolRejected": 0,
        "rollingCountTimeout": 1,
        "currentConcurrentExecutionCount": 4,
        "rollingMaxConcurrentExecutionCount": 7,
    })
}

/// Six calls took 100 ms, one 300 ms and five nothing; the histogram shows 96 ms and 285 ms.
fn latencies() -> Value {
    let percentiles = json!({
        "0": 0, "25": 0, "50": 96, "75": 96, "90": 96, "95": 285, "99": 285, "99.5": 285, "100": 285,
    });
    json!({
        "latencyExecute_mean": 72,
        "latencyExecute": percentiles,
        "latencyTotal_mean": 72,
        "latencyTotal": percentiles,
    })
}

fn properties() -> Value {
    json!({
        "propertyValue_circuitBreakerRequestVolumeThreshold": 40,
        "propertyValue_circuitBreakerSleepWindowInMilliseconds": 1500,
        "propertyValue_circuitBreakerErrorThresholdPercentage": 25,
        "propertyValue_circuitBreakerForceOpen": true,
        "propertyValue_circuitBreakerForceClosed": false,
        "propertyValue_circuitBreakerEnabled": true,
        "propertyValue_executionIsolationStrategy": "SEMAPHORE",
        "propertyValue_executionIsolationThreadTimeoutInMilliseconds": 300,
        "propertyValue_executionTimeoutInMilliseconds": 300,
        "propertyValue_executionIsolationThreadInterruptOnTimeout": true,
        "propertyValue_executionIsolationThreadPoolKeyOverride": null,
        "propertyValue_executionIsolationSemaphoreMaxConcurrentRequests": 7,
        "propertyValue_fallbackIsolationSemaphoreMaxConcurrentRequests": 2_147_483_647,
        "propertyValue_metricsRollingStatisticalWindowInMilliseconds": 10_000,
        "propertyValue_requestCacheEnabled": false,
        "propertyValue_requestLogEnabled": false,
    })
}

#[tokio::test(start_paused = true)]
async fn fallbacks_that_fail_or_are_refused_are_told_apart() {
    let registry = Registry::new();
    let cold = |_: &Fault<BoxError>| async {
        tokio::time::sleep(ms(10)).await;
        Err::<&str, BoxError>("cold".into())
    };
    let guard = Bulkhead::new(bulkhead::Settings::default().limit(1)).unwrap();
    let fallback = FallbackLayer::future(cold).guarded_by(guard);
    let pipeline = Pipeline::builder("inventory").fallback_layer(fallback);
    let pipeline = registry.register(pipeline).unwrap();
    let service = pipeline.layer().layer(service_fn(work));
    // Of each three at a time, one has the fallback.
    for _ in 0..2 {
        let calls = (0..3).map(|_| service.clone().oneshot(Ask::Fail));
        let answers = soon(futures_util::future::join_all(calls)).await;
        assert!(answers.iter().all(Result::is_err));
    }
    let message = first_message(&HystrixStream::new(&registry)).await;
    assert_says(
        &message,
        &json!({
            "rollingCountFailure": 6,
            "rollingCountFallbackFailure": 2,
            "rollingCountFallbackMissing": 0,
            "rollingCountFallbackRejection": 4,
            "rollingCountFallbackSuccess": 0,
            "rollingCountExceptionsThrown": 6,
        }),
    );
}

#[tokio::test(start_paused = true)]
async fn total_latencies_include_the_wait_in_the_queue() {
    let registry = Registry::new();
    let builder = Pipeline::builder("inventory")
        .bulkhead(bulkhead::Settings::default().limit(1))
        .queue(QueueSettings::default().length(1));
    let pipeline = registry.register(builder).unwrap();
    let service = pipeline.layer().layer(service_fn(work));
    let call = || service.clone().oneshot(Ask::Take(ms(100)));
    let (first, second) = soon(async { tokio::join!(call(), call()) }).await;
    assert!(first.is_ok() && second.is_ok());

    let message = first_message(&HystrixStream::new(&registry)).await;
    assert_eq!(message["latencyExecute"]["100"], 96);
    assert_eq!(message["latencyTotal"]["100"], 193);
    assert_eq!(message["latencyExecute_mean"], 96);
    assert_eq!(message["latencyTotal_mean"], 145);
}

#[tokio::test(start_paused = true)]
async fn each_rank_has_its_latency() {
    let registry = Registry::new();
    let builder = Pipeline::builder("inventory").bulkhead(None);
    let pipeline = registry.register(builder).unwrap();
    let service = pipeline.layer().layer(service_fn(work));
    let slowest = [300, 300, 300, 300, 300, 300, 300, 300, 500, 800];
    let calls = (1..=190).chain(slowest).map(ms);
    let calls = calls.map(|time| service.clone().oneshot(Ask::Take(time)));
    let answers = soon(futures_util::future::join_all(calls)).await;
    assert!(answers.iter().all(Result::is_ok));

    let message = first_message(&HystrixStream::new(&registry)).await;
    // To a sixteenth: 1, 50, 100, 150, 180, 190, 300, 500 and 800.
    let expected = json!({
        "0": 1, "25": 48, "50": 96, "75": 143, "90": 176, "95": 193, "99": 285, "99.5": 487, "100": 772,
    });
    assert_eq!(message["latencyExecute"], expected);
    assert_eq!(message["latencyTotal"], expected);
}

#[tokio::test(start_paused = true)]
async fn calls_that_waited_in_vain_are_rejected_by_the_semaphore() {
    let registry = Registry::new();
    let builder = Pipeline::builder("inventory")
        .timeout(None)
        .bulkhead(bulkhead::Settings::default().limit(1))
        .queue(QueueSettings::default().length(1).longest_wait(ms(50)));
    let pipeline = registry.register(builder).unwrap();
    let service = pipeline.layer().layer(service_fn(work));
    let mut held = tokio_test::task::spawn(service.clone().oneshot(Ask::Hang));
    tokio_test::assert_pending!(held.poll());
    soon(service.oneshot(Ask::Fail)).await.unwrap_err();

    let message = first_message(&HystrixStream::new(&registry)).await;
    assert_says(
        &message,
        &json!({
            "rollingCountSemaphoreRejected": 1,
            "rollingCountShortCircuited": 0,
            "currentConcurrentExecutionCount": 1,
        }),
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_not_limited_has_javas_largest_integer_and_no_timeout_is_zero() {
    let registry = Registry::new();
    let settings = circuit_breaker::Settings::default().failure_rate(None);
    let builder = Pipeline::builder("free").circuit_breaker(settings);
    registry
        .register(builder.timeout(None).bulkhead(None))
        .unwrap();
    let builder = Pipeline::builder("hasty").timeout(Duration::from_nanos(1));
    registry.register(builder).unwrap();

    let stream = HystrixStream::new(&registry);
    let messages = next_messages(&mut subscribe(&stream)).await;
    assert_eq!(names(&messages), ["free", "hasty"]);
    assert_says(
        &messages[0],
        &json!({
            "propertyValue_executionIsolationSemaphoreMaxConcurrentRequests": 2_147_483_647,
            "propertyValue_executionTimeoutInMilliseconds": 0,
            "propertyValue_circuitBreakerErrorThresholdPercentage": 100,
        }),
    );
    assert_eq!(
        messages[1]["propertyValue_executionTimeoutInMilliseconds"],
        1
    );
}

#[tokio::test(start_paused = true)]
async fn pipelines_of_keys_are_told_of_and_their_set_is_their_group() {
    let registry = Registry::new();
    let routes = registry.keyed("routes", |builder| builder).unwrap();
    let _items = routes.get("/items/{id}");
    registry.register(Pipeline::builder("<b>&\"'")).unwrap();

    let stream = HystrixStream::new(&registry);
    let mut body = subscribe(&stream);
    let messages = next_messages(&mut body).await;
    let expected = [
        "%3Cb%3E%26%22%27",
        "routes:*overflow*",
        "routes:/items/{id}",
    ];
    assert_eq!(names(&messages), expected);
    assert_eq!(messages[2]["group"], "routes");
    for message in &messages {
        assert_is_a_command(message);
    }

    // A key that comes later is told of from the next tick on.
    let _carts = routes.get("/carts");
    let messages = next_messages(&mut body).await;
    assert!(names(&messages).contains(&"routes:/carts"));
}
