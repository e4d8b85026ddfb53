//! What recorders are told, as each of two of them understood it.

#[path = "../support/mod.rs"]
mod support;

mod agreement;
mod documents;
mod durations;
mod publishing;
mod text;
mod totals;

use std::{
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusRecorder};
use metrics_util::MetricKindMask;
use portcullis::{metrics::Publisher, pipeline::Pipeline, rejection::BoxError};
use tower::{Layer, Service, ServiceExt};

use crate::{
    support::soon,
    text::{Samples, parse},
};

/// What a call is to come to.
#[derive(Clone, Copy, Debug)]
enum Call {
    Succeed(Duration),
    Fail(Duration),
    Hang,
}

/// Does what it is bidden.
#[derive(Clone, Debug, Default)]
struct Backend;

impl Service<Call> for Backend {
    type Response = &'static str;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<&'static str, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call) -> Self::Future {
        async move {
            match call {
                Call::Succeed(after) => {
                    tokio::time::sleep(after).await;
                    Ok("done")
                }
                Call::Fail(after) => {
                    tokio::time::sleep(after).await;
                    Err("down".into())
                }
                Call::Hang => std::future::pending().await,
            }
        }
        .boxed()
    }
}

const AT_ONCE: Call = Call::Succeed(Duration::ZERO);

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Calls a pipeline that has no fallback.
async fn ask(pipeline: &Pipeline, call: Call) -> Result<&'static str, BoxError> {
    soon(pipeline.layer().layer(Backend).oneshot(call)).await
}

/// An exporter with buckets for durations.
fn prometheus() -> PrometheusRecorder {
    builder().build_recorder()
}

fn builder() -> PrometheusBuilder {
    let durations = Matcher::Suffix("_duration_seconds".to_owned());
    PrometheusBuilder::new()
        .set_buckets_for_metric(durations, &[0.005, 0.05, 0.5])
        .unwrap()
}

/// An exporter of which each look drops what has not changed since the look before.
fn forgetful() -> PrometheusRecorder {
    let at_once = Some(Duration::from_nanos(1));
    builder()
        .idle_timeout(MetricKindMask::ALL, at_once)
        .build_recorder()
}

/// Publishes to one recorder and reads what it then has to say.
fn published(publisher: &Publisher, recorder: &PrometheusRecorder) -> Samples {
    metrics::with_local_recorder(recorder, || publisher.publish());
    parse(&recorder.handle().render())
}
