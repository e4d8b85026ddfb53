//! The histogram of single calls, whatever recorders do with its series.

use portcullis::{metrics::Publisher, pipeline::Pipeline};

use crate::{AT_ONCE, Call, ask, forgetful, millis, prometheus, published, text::parse};

const COUNT: &str = r#"call_duration_seconds_count{name="a"}"#;
const SUM: &str = r#"call_duration_seconds_sum{name="a"}"#;

fn recorded() -> (Publisher, Pipeline) {
    let publisher = Publisher::new();
    let pipeline = Pipeline::builder("a").observed_by(publisher.call_durations());
    let pipeline = pipeline.build().unwrap();
    (publisher.watching(pipeline.control()), pipeline)
}

#[tokio::test(start_paused = true)]
async fn calls_are_recorded_before_and_after_publications() {
    let ((publisher, pipeline), recorder) = (recorded(), prometheus());
    let _recording = metrics::set_default_local_recorder(&recorder);
    ask(&pipeline, Call::Succeed(millis(250))).await.unwrap();
    ask(&pipeline, Call::Fail(millis(500))).await.unwrap_err();
    let samples = parse(&recorder.handle().render());
    assert_eq!((samples.value(COUNT), samples.value(SUM)), (2.0, 0.75));
    for calls in 3..6 {
        publisher.publish();
        ask(&pipeline, Call::Succeed(millis(250))).await.unwrap();
        let samples = parse(&recorder.handle().render());
        assert_eq!(samples.value(COUNT), f64::from(calls));
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_observer_there_is_no_histogram() {
    let pipeline = Pipeline::builder("a").build().unwrap();
    let publisher = Publisher::new().watching(pipeline.control());
    ask(&pipeline, AT_ONCE).await.unwrap();
    let samples = published(&publisher, &prometheus());
    assert!(!samples.types.keys().any(|name| name.contains("duration")));
    assert_eq!(samples.types.len(), 16);
}

#[tokio::test(start_paused = true)]
async fn names_beyond_the_bound_share_a_histogram() {
    let recorder = prometheus();
    let publisher = Publisher::up_to(1).unwrap();
    let _recording = metrics::set_default_local_recorder(&recorder);
    for name in ["a", "b", "c", "b"] {
        let pipeline = Pipeline::builder(name).observed_by(publisher.call_durations());
        ask(&pipeline.build().unwrap(), AT_ONCE).await.unwrap();
    }
    let samples = parse(&recorder.handle().render());
    assert_eq!(samples.value(COUNT), 1.0);
    let others = r#"call_duration_seconds_count{name="other"}"#;
    assert_eq!(samples.value(others), 3.0);
}

#[tokio::test(start_paused = true)]
async fn series_that_an_exporter_dropped_come_back_as_they_were() {
    let (pipeline, recorder) = (Pipeline::builder("a").build().unwrap(), forgetful());
    let publisher = Publisher::new().watching(pipeline.control());
    ask(&pipeline, AT_ONCE).await.unwrap();
    let before = published(&publisher, &recorder).values;
    assert_eq!(before.len(), 44);
    assert_eq!(parse(&recorder.handle().render()).values.len(), 0);
    assert_eq!(published(&publisher, &recorder).values, before);
}

#[tokio::test(start_paused = true)]
async fn calls_are_recorded_after_their_series_was_dropped() {
    let ((publisher, pipeline), recorder) = (recorded(), forgetful());
    let _recording = metrics::set_default_local_recorder(&recorder);
    let count = |samples: &crate::text::Samples| samples.get(COUNT);
    ask(&pipeline, AT_ONCE).await.unwrap();
    assert_eq!(count(&published(&publisher, &recorder)), Some(1.0));
    // A busy histogram is held by now, and a quiet one is not any more.
    publisher.publish();
    assert_eq!(count(&parse(&recorder.handle().render())), None);
    ask(&pipeline, AT_ONCE).await.unwrap();
    assert_eq!(count(&parse(&recorder.handle().render())), Some(1.0));
}
