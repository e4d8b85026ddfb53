//! When figures are published.

use std::{sync::Arc, time::Duration};

use portcullis::{metrics::Publisher, pipeline::Pipeline};

use crate::{AT_ONCE, ask, prometheus, published, text::parse};

const SUCCESSES: &str = r#"calls_total{name="a",outcome="success"}"#;

#[tokio::test(start_paused = true)]
async fn figures_are_published_at_once_and_then_after_each_interval() {
    let recorder = prometheus();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let pipeline = Pipeline::builder("a").build().unwrap();
    let publisher = Arc::new(Publisher::new().watching(pipeline.control()));
    let publishing = publisher.publish_every(Duration::from_secs(10)).unwrap();
    let publishing = tokio::spawn(publishing);
    tokio::task::yield_now().await;
    let seen = || parse(&recorder.handle().render()).value(SUCCESSES);
    assert_eq!(seen(), 0.0);
    ask(&pipeline, AT_ONCE).await.unwrap();
    tokio::time::sleep(Duration::from_millis(9_900)).await;
    assert_eq!(seen(), 0.0);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(seen(), 1.0);
    publishing.abort();
}

#[test]
fn an_interval_that_is_too_short_or_too_long_is_refused() {
    let publisher = Arc::new(Publisher::new());
    for interval in [Duration::ZERO, Duration::from_secs(3601)] {
        let refused = Arc::clone(&publisher).publish_every(interval);
        let error = refused.err().unwrap();
        assert_eq!(
            error.to_string(),
            format!("interval is {interval:?}; allowed: from 100ms to 3600s")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_none_is_infinite() {
    let pipeline = Pipeline::builder("a").bulkhead(None).build().unwrap();
    let publisher = Publisher::new().watching(pipeline.control());
    let samples = published(&publisher, &prometheus());
    assert_eq!(samples.value(r#"limit{name="a"}"#), f64::INFINITY);
}
