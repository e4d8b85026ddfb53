//! What the errors of reqwest mean for the dependency.

use std::time::Duration;

use axum::{Router, http::StatusCode, routing::get as route};
use portcullis::{
    bulkhead::{self, Bulkhead},
    fallback::Attach,
    http::respond,
    outcome::{Classify, Outcome},
    rejection::{BoxError, Reason, Rejection},
    reqwest::{ByStatus, Error},
};
use reqwest::Response;
use tower::ServiceExt;

use crate::{Afterwards, client, gone, serve, serve_bytes, soon};

fn outcome<Err: 'static>(error: &Err) -> Outcome {
    Classify::<Response, Err>::classify(&ByStatus::default(), Err(error)).outcome()
}

async fn error_of(url: &str) -> reqwest::Error {
    soon(client().get(url).send()).await.unwrap_err()
}

async fn timeout_of(url: &str) -> reqwest::Error {
    let request = client().get(url).timeout(Duration::from_millis(50));
    soon(request.send()).await.unwrap_err()
}

#[tokio::test]
async fn requests_that_were_never_sent_are_ignored() {
    let bad_scheme = error_of("gopher://127.0.0.1/").await;
    assert!(bad_scheme.is_builder());
    assert_eq!(outcome(&bad_scheme), Outcome::Ignored);
}

#[tokio::test]
async fn connections_that_fail_or_break_are_failures() {
    let refused = error_of(&gone().await).await;
    assert!(refused.is_connect());
    assert_eq!(outcome(&refused), Outcome::Failure);

    let cut_off = error_of(&serve_bytes("HTTP/1.1 200", Afterwards::Close).await).await;
    assert!(cut_off.is_request());
    assert_eq!(outcome(&cut_off), Outcome::Failure);
}

#[tokio::test]
async fn limits_of_reqwest_are_timeouts() {
    let late = timeout_of(&serve_bytes("", Afterwards::Hold).await).await;
    assert!(late.is_timeout());
    assert_eq!(outcome(&late), Outcome::Timeout);

    // Long enough for the head to come in time.
    let url = serve_bytes(
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf",
        Afterwards::Hold,
    );
    let request = client().get(url.await).timeout(Duration::from_millis(500));
    let late = soon(soon(request.send()).await.unwrap().bytes()).await;
    assert_eq!(outcome(&late.unwrap_err()), Outcome::Timeout);
}

#[tokio::test]
async fn redirects_in_a_circle_and_broken_bodies_are_failures() {
    let circle = "HTTP/1.1 302 Found\r\nlocation: /\r\nconnection: close\r\n\r\n";
    let circle = error_of(&serve_bytes(circle, Afterwards::Close).await).await;
    assert!(circle.is_redirect());
    assert_eq!(outcome(&circle), Outcome::Failure);

    let half = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf";
    let url = serve_bytes(half, Afterwards::Close).await;
    let broken = soon(soon(client().get(url).send()).await.unwrap().bytes()).await;
    let broken = broken.unwrap_err();
    assert!(broken.is_decode());
    assert_eq!(outcome(&broken), Outcome::Failure);
}

#[tokio::test]
async fn statuses_made_errors_count_as_the_statuses_do() {
    let router = Router::new()
        .route("/", route(async || StatusCode::BAD_GATEWAY))
        .route("/404", route(async || StatusCode::NOT_FOUND));
    let url = serve(router).await;
    for (path, expected) in [("", Outcome::Failure), ("/404", Outcome::Success)] {
        let request = client().get(format!("{url}{path}"));
        let response = soon(request.send()).await.unwrap();
        let of_response =
            Classify::<Response, Error>::classify(&ByStatus::default(), Ok(&response));
        assert_eq!(of_response.outcome(), expected);
        let error = response.error_for_status().unwrap_err();
        assert_eq!(outcome(&error), expected);
    }
}

#[tokio::test]
async fn errors_count_alike_bare_wrapped_and_boxed() {
    let url = serve_bytes("", Afterwards::Hold).await;
    assert_eq!(
        outcome(&Error::from(timeout_of(&url).await)),
        Outcome::Timeout
    );
    let boxed = BoxError::from(Error::from(timeout_of(&url).await));
    assert_eq!(outcome(&boxed), Outcome::Timeout);
    assert_eq!(
        outcome(&BoxError::from(timeout_of(&url).await)),
        Outcome::Timeout
    );

    let full = Rejection::new(Reason::BulkheadFull);
    assert_eq!(outcome(&full), Outcome::Ignored);
    assert_eq!(outcome(&Error::from(full.clone())), Outcome::Ignored);
    assert_eq!(outcome(&BoxError::from(full)), Outcome::Ignored);
    let late = Error::from(Rejection::new(Reason::DeadlineExceeded));
    assert!(late.is_timeout());
    assert_eq!(outcome(&late), Outcome::Timeout);
    assert_eq!(outcome(&"what it cannot see into"), Outcome::Failure);
}

#[test]
fn refusals_of_a_pipeline_below_are_ignored_though_they_are_responses() {
    let refused = || respond::<String>(&Rejection::new(Reason::CircuitOpen));
    let verdict = Classify::<_, Error>::classify(&ByStatus::default(), Ok(&refused()));
    assert_eq!(verdict.outcome(), Outcome::Ignored);
    let refused = Response::from(refused());
    let verdict = Classify::<_, Error>::classify(&ByStatus::default(), Ok(&refused));
    assert_eq!(verdict.outcome(), Outcome::Ignored);
}

#[tokio::test]
async fn errors_are_found_behind_two_fallbacks_that_failed_too() {
    let late = timeout_of(&serve_bytes("", Afterwards::Hold).await).await;
    let error = Error::from(late);
    let error = error.attach("no replica".into()).attach("no cache".into());
    assert!(error.request().is_some_and(reqwest::Error::is_timeout));
    assert!(error.is_timeout());
    assert_eq!(outcome(&error), Outcome::Timeout);
}

#[tokio::test]
async fn rejections_from_around_the_connector_are_found() {
    let settings = bulkhead::Settings::default().limit(0);
    let connections = Bulkhead::new(settings).unwrap();
    let client = reqwest::Client::builder()
        .no_proxy()
        .connector_layer(connections.layer())
        .build()
        .unwrap();
    let request = client.get(gone().await).build().unwrap();
    let error = soon(client.oneshot(request)).await.unwrap_err();
    let rejection = Rejection::find(&error).expect("a rejection in the chain");
    assert!(rejection.is_bulkhead_full());
    assert_eq!(outcome(&error), Outcome::Ignored);
}
