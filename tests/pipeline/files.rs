//! Settings from files, and snapshots into them.

use portcullis::pipeline::Settings;
use serde_json::{Value, json};
use tower::Layer;

use super::*;

#[test]
fn what_a_file_leaves_out_has_its_default() {
    assert_eq!(
        serde_json::from_value::<Settings>(json!({})).unwrap(),
        Settings::default()
    );
    let file = json!({
        "timeout": "250ms",
        "bulkhead": {"limit": 20},
        "queue": {"length": 10, "longest_wait": "50ms"},
        "circuit_breaker": {"failure_rate": 0.2, "window": "30s"},
    });
    let expected = Settings::default()
        .timeout(ms(250))
        .bulkhead(limit(20))
        .queue(queue(10).longest_wait(ms(50)))
        .circuit_breaker(
            breaker()
                .failure_rate(0.2)
                .window(circuit_breaker::Window::Over(Duration::from_secs(30))),
        );
    assert_eq!(serde_json::from_value::<Settings>(file).unwrap(), expected);
}

#[test]
fn what_is_null_in_a_file_is_switched_off() {
    let file = json!({"timeout": null, "bulkhead": null, "queue": null});
    let expected = Settings::default().timeout(None).bulkhead(None).queue(None);
    assert_eq!(serde_json::from_value::<Settings>(file).unwrap(), expected);
}

#[test]
fn settings_come_back_as_they_were_written() {
    let settings = Settings::default()
        .timeout(None)
        .queue(queue(3))
        .circuit_breaker(breaker().slow_calls(ms(80), 0.5).ramp_up(ms(90)));
    let written = serde_json::to_string(&settings).unwrap();
    assert_eq!(
        serde_json::from_str::<Settings>(&written).unwrap(),
        settings
    );
}

#[test]
fn what_a_file_misspells_is_an_error_that_names_it() {
    let cases = [
        (json!({"time_out": "1s"}), "time_out"),
        (json!({"bulkhead": {"limits": 3}}), "limits"),
        (json!({"queue": {"size": 3}}), "size"),
        (
            json!({"circuit_breaker": {"error_rate": 0.5}}),
            "error_rate",
        ),
    ];
    for (file, name) in cases {
        let error = serde_json::from_value::<Settings>(file).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
    for file in [json!({"timeout": 250}), json!({"timeout": "soon"})] {
        assert!(serde_json::from_value::<Settings>(file).is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_can_be_written() {
    let settings = breaker().open_jitter(0.0);
    let pipeline = builder().circuit_breaker(settings).build().unwrap();
    let service = pipeline.layer().layer(Backend::default());
    ask(&service, Ask::Succeed).await.unwrap();
    pipeline.circuit_breaker().trip();
    let _ = ask(&service, Ask::Succeed).await;

    let written: Value = serde_json::to_value(pipeline.snapshot()).unwrap();
    assert_eq!(written["name"], "inventory");
    assert_eq!(
        (&written["state"], &written["mode"]),
        (&json!("open"), &json!("automatic"))
    );
    assert_eq!(written["remaining_open"], 5.0);
    assert_eq!(written["window_length"], 10.0);
    assert_eq!(written["lifetime"]["success"], 1);
    assert_eq!(written["window"]["circuit_open"], 1);
    assert_eq!(written["latency"]["count"], 1);
    assert!(written["latency"]["p99_5"].is_number());
    let numbers = [
        "times_opened",
        "in_flight",
        "peak_in_flight",
        "limit",
        "queued",
    ];
    let numbers = numbers.map(|field| written[field].as_u64().unwrap());
    assert_eq!(numbers, [1, 0, 1, 100, 0]);
}

/// The file in the docs is read as it stands there.
#[test]
fn the_documented_file_is_a_file() {
    let docs = include_str!("../../src/pipeline/mod.rs");
    let (_, rest) = docs.split_once("```json").expect("a file in the docs");
    let (file, _) = rest.split_once("```").expect("its end");
    let file = file.replace("//!", "");
    let settings: Settings = serde_json::from_str(&file).unwrap();
    Pipeline::builder("inventory")
        .settings(settings)
        .build()
        .unwrap();
}
