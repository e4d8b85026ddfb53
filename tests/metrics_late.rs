//! A recorder for the whole process that comes after everything else, which happens once in a process.

use metrics_exporter_prometheus::PrometheusBuilder;
use portcullis::{metrics::Publisher, pipeline::Pipeline, rejection::BoxError};
use tower::{Layer, ServiceExt, service_fn};

#[tokio::test(start_paused = true)]
async fn a_recorder_that_comes_late_is_told_everything_that_has_a_total() {
    let publisher = Publisher::new();
    let pipeline = Pipeline::builder("a")
        .observed_by(publisher.call_durations())
        .observed_by(publisher.circuit_transitions())
        .build()
        .unwrap();
    let publisher = publisher.watching(pipeline.control());
    let echo = service_fn(async |request: u32| Ok::<_, BoxError>(request));
    let service = pipeline.layer().layer(echo);
    let call = async || {
        service.clone().oneshot(1).await.unwrap();
    };

    call().await;
    publisher.publish();
    pipeline.circuit_breaker().trip();
    pipeline.circuit_breaker().reset();
    call().await;
    publisher.publish();
    let exporter = PrometheusBuilder::new().install_recorder().unwrap();
    let has = |line: &str| exporter.render().lines().any(|is| is == line);
    // Before the next publication: no call has kept what it was given by nobody.
    call().await;
    assert!(has(r#"portcullis_call_duration_seconds_count{name="a"} 1"#));
    publisher.publish();
    call().await;
    assert!(has(
        r#"portcullis_calls_total{name="a",outcome="success"} 3"#
    ));
    assert!(has(r#"portcullis_call_duration_seconds_count{name="a"} 2"#));
    assert!(has(
        r#"portcullis_circuit_state{name="a",state="closed"} 1"#
    ));
    publisher.publish();
    let opened = r#"portcullis_circuit_transitions_total{name="a",from="closed",to="open"} 1"#;
    assert!(has(opened));
}
