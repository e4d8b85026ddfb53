//! Every field of what the page is told, and no other, to the last digit.

use portcullis::{
    bulkhead::{self, QueueSettings},
    circuit_breaker,
    event::Mode,
    fallback::FallbackLayer,
};
use serde_json::json;

use super::*;

fn tally(counted: &[(&str, u64)]) -> Value {
    let zeros = [
        "success",
        "failure",
        "timeout",
        "slow",
        "ignored",
        "cancelled",
        "circuit_open",
        "circuit_forced_open",
        "half_open_full",
        "ramping_up",
        "not_ready",
        "bulkhead_full",
        "wait_timed_out",
        "other_rejection",
        "would_reject",
        "fallback_success",
        "fallback_failure",
        "fallback_rejected",
    ];
    let mut tally: Value = zeros
        .into_iter()
        .map(|kind| (kind.to_owned(), json!(0)))
        .collect();
    for (kind, count) in counted {
        assert!(tally[kind].is_u64(), "{kind}");
        tally[kind] = json!(count);
    }
    tally
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_that_was_never_called_has_every_field() {
    let registry = Registry::new();
    register(&registry, "inventory");
    let app: Router = Dashboard::new(&registry).router();
    let expected = json!({
        "interval": 1.0,
        "sample": 0,
        "unlisted": 0,
        "circuits": [{
            "name": "inventory",
            "state": "closed",
            "mode": "automatic",
            "remaining_open": null,
            "cause": null,
            "since": null,
            "outage": null,
            "times_opened": 0,
            "window_length": 10.0,
            "window": tally(&[]),
            "calls_per_second": 0.0,
            "failure_rate": 0.0,
            "failure_threshold": 0.5,
            "slow_rate": 0.0,
            "slow_threshold": null,
            "minimum_calls": 20,
            "latency": { "p50": null, "p90": null, "p99": null, "p99_5": null },
            "in_flight": 0,
            "limit": 100,
            "queued": 0,
            "queue": 0,
            "fallback": false,
            "calls": null,
            "bad": null,
        }],
    });
    assert_eq!(state_of(&app).await, expected);
}

/// A pipeline with everything, which tripped 1.5 s ago after two successes and two failures of 2.1 s each.
async fn tripped(registry: &Registry) -> Control {
    let rules = circuit_breaker::Settings::default()
        .minimum_calls(4)
        .slow_calls(ms(1_500), 0.75)
        .open_jitter(0.0);
    let builder = Pipeline::builder("inventory")
        .timeout(None)
        .bulkhead(None)
        .queue(QueueSettings::default().length(7))
        .circuit_breaker(rules)
        .fallback_layer(FallbackLayer::value(()));
    let pipeline = registry.register(builder).unwrap();
    let work = tower::service_fn(async |succeeds: bool| {
        tokio::time::sleep(ms(2_100)).await;
        match succeeds {
            true => Ok(()),
            false => Err(BoxError::from("down")),
        }
    });
    let service = pipeline.layer().layer(work);
    let calls = [true, true, false, false].map(|succeeds| service.clone().oneshot(succeeds));
    for answer in soon(futures_util::future::join_all(calls)).await {
        answer.unwrap();
    }
    soon(service.oneshot(true)).await.unwrap();
    tokio::time::advance(ms(1_500)).await;
    pipeline.control().clone()
}

#[tokio::test(start_paused = true)]
async fn a_circuit_that_opened_says_why_and_until_when() {
    let registry = Registry::new();
    let dashboard = with(&registry, Settings::default().interval(ms(250)));
    let app: Router = dashboard.router();
    // Seen in the first second, when nothing has happened yet.
    tokio::task::yield_now().await;
    let control = tripped(&registry).await;
    tokio::task::yield_now().await;
    let state = state_of(&app).await;
    let p = control.snapshot().latency.p50.as_secs_f64();
    assert!((2.0..2.2).contains(&p));
    let expected = json!({
        "name": "inventory",
        "state": "open",
        "mode": "automatic",
        "remaining_open": 3.5,
        "cause": { "reason": "failure_rate", "failures": 2, "calls": 4 },
        "since": 1.5,
        "outage": { "cause": { "reason": "failure_rate", "failures": 2, "calls": 4 }, "age": 1.5 },
        "times_opened": 1,
        "window_length": 10.0,
        "window": tally(&[
            ("success", 2),
            ("failure", 2),
            ("slow", 4),
            ("circuit_open", 1),
            ("fallback_success", 3),
        ]),
        "calls_per_second": 0.4,
        "failure_rate": 0.5,
        "failure_threshold": 0.5,
        "slow_rate": 1.0,
        "slow_threshold": 0.75,
        "minimum_calls": 4,
        "latency": { "p50": p, "p90": p, "p99": p, "p99_5": p },
        "in_flight": 0,
        "limit": null,
        "queued": 0,
        "queue": 7,
        "fallback": true,
        // Of the third second, when all of it happened.
        "calls": 4,
        "bad": 3,
    });
    assert_eq!(state["interval"], 0.25);
    assert_eq!(circuits(&state)[0], expected);
    control.circuit_breaker().reset();
    let state = state_of(&app).await;
    assert_eq!(circuits(&state)[0]["outage"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_short_history_may_have_forgotten_why() {
    let registry = Registry::new();
    let pipeline = registry
        .register(Pipeline::builder("inventory").history(1))
        .unwrap();
    pipeline.circuit_breaker().trip();
    let app: Router = Dashboard::new(&registry).router();
    let state = state_of(&app).await;
    assert_eq!(circuits(&state)[0]["cause"], json!({"reason": "manual"}));
    pipeline.bulkhead().set_limit(3);
    let state = state_of(&app).await;
    let circuit = &circuits(&state)[0];
    assert_eq!(circuit["state"], "open");
    assert_eq!(
        (&circuit["cause"], &circuit["since"]),
        (&Value::Null, &Value::Null)
    );
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_is_not_there_has_no_threshold_and_a_limit_set_by_hand_is_the_one_told() {
    let registry = Registry::new();
    let rules = circuit_breaker::Settings::default()
        .failure_rate(None)
        .consecutive_failures(5);
    let builder = Pipeline::builder("inventory")
        .circuit_breaker(rules)
        .bulkhead(bulkhead::Settings::default().limit(9));
    let pipeline = registry.register(builder).unwrap();
    pipeline.bulkhead().set_limit(4);
    let state = state_of(&Dashboard::new(&registry).router()).await;
    let circuit = &circuits(&state)[0];
    assert_eq!(circuit["failure_threshold"], Value::Null);
    assert_eq!(circuit["slow_threshold"], Value::Null);
    assert_eq!(circuit["limit"], 4);
}

#[tokio::test(start_paused = true)]
async fn the_past_has_a_list_of_numbers_for_calls_and_for_bad_ones() {
    let registry = Registry::new();
    let (_, service) = register(&registry, "inventory");
    let app: Router = Dashboard::new(&registry).router();
    call(&service, true, 2).await;
    call(&service, false, 1).await;
    tokio::time::sleep(SECOND).await;
    tokio::task::yield_now().await;
    let expected = json!({
        "sample": 1,
        "seconds": 1,
        "circuits": { "inventory": { "calls": [3], "bad": [1] } },
    });
    assert_eq!(get(&app, "/history").await.json(), expected);
}

#[tokio::test(start_paused = true)]
async fn details_are_the_snapshot_the_events_the_histogram_and_the_picture() {
    let registry = Registry::new();
    let control = tripped(&registry).await;
    let app: Router = Dashboard::new(&registry).router();
    control.circuit_breaker().set_mode(Mode::ForcedClosed);
    let told = details(&app, "inventory").await;
    assert_eq!(
        keys(&told),
        BTreeSet::from(["snapshot", "settings", "events", "histogram", "diagram"])
    );
    assert_eq!(
        told["snapshot"],
        serde_json::to_value(control.snapshot()).unwrap()
    );
    let expected = json!([
        { "sequence": 1, "age": 3.6, "kind": "added" },
        {
            "sequence": 2,
            "age": 1.5,
            "kind": "transition",
            "from": "closed",
            "to": "open",
            "cause": { "reason": "failure_rate", "failures": 2, "calls": 4 },
            "open_for": 5.0,
        },
        { "sequence": 3, "age": 0.0, "kind": "mode", "from": "automatic", "to": "forced_closed" },
    ]);
    assert_eq!(told["events"], expected);
    // 2.1 s lie between 15/8 and 16/8 of 2^30 ns.
    let expected = json!([{ "up_to": 2.147483648, "count": 4 }]);
    assert_eq!(told["histogram"], expected);
    assert_eq!(told["diagram"], control.diagram().mermaid());
    let settings = told["settings"].as_array().unwrap();
    assert!(settings.len() > 15, "all of them");
    for expected in [
        json!({ "path": "timeout", "value": "none", "origin": "code" }),
        json!({ "path": "queue.length", "value": 7, "origin": "code" }),
        json!({ "path": "circuit_breaker.minimum_calls", "value": 4, "origin": "code" }),
        json!({ "path": "circuit_breaker.failure_rate", "value": 0.5, "origin": "library default" }),
        json!({ "path": "circuit_breaker.mode", "value": "forced_closed", "origin": "by hand" }),
    ] {
        assert!(settings.contains(&expected), "{expected} in {settings:#?}");
    }
}
