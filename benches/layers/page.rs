//! What the live page takes of its server, while it is open. An iteration is one message to all pages together,
//! or one look at the past of a page that was just opened.

use axum::{
    Router,
    body::{Body, Bytes},
    http::Request,
};
use divan::Bencher;
use futures_util::FutureExt;
use http_body_util::BodyExt;
use portcullis::{
    dashboard::{Dashboard, Settings},
    pipeline::Pipeline,
    registry::Registry,
};
use tower::{Layer, ServiceExt};

use crate::{RUNTIME, echo, once};

/// How many circuits are told of where there are more.
const LISTED: usize = 500;

/// Returns so many pipelines, each of which had a call.
fn pipelines(count: usize) -> Registry {
    let registry = Registry::new();
    for number in 0..count {
        let builder = Pipeline::builder(format!("pipeline-{number}"));
        let pipeline = registry.register(builder).expect("a free name");
        let _ = once(&mut pipeline.layer().layer(echo()));
    }
    registry
}

/// Asks for a route of a new dashboard, which has nothing ready, and returns the first part of the answer.
fn first_of(bencher: Bencher<'_, '_>, count: usize, path: &str) {
    let _entered = RUNTIME.enter();
    let registry = pipelines(count);
    let settings = Settings::default().circuits(LISTED);
    bencher
        .with_inputs(|| -> Router {
            let dashboard = Dashboard::with(&registry, settings).expect("valid");
            dashboard.router()
        })
        .bench_values(|router| first(router, path));
}

fn first(router: Router, path: &str) -> Bytes {
    let request = Request::get(path).body(Body::empty()).expect("valid");
    let answer = router.oneshot(request).now_or_never().expect("at once");
    let mut body = answer.expect("routes do not fail").into_body();
    let frame = body.frame().now_or_never().expect("at once");
    let frame = frame.expect("a text").expect("no error");
    frame.into_data().expect("data")
}

/// The second number of pipelines has so many beyond the bound that what each of them takes can be told.
#[divan::bench(args = [500, 5_000])]
fn message(bencher: Bencher<'_, '_>, pipelines: usize) {
    first_of(bencher, pipelines, "/stream");
}

#[divan::bench(args = [500])]
fn past(bencher: Bencher<'_, '_>, pipelines: usize) {
    first_of(bencher, pipelines, "/history");
}
