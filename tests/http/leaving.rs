//! Callers who leave: their calls end, give back what they held, and count as cancelled.

use axum::Router;
use portcullis::{
    axum::respond,
    bulkhead::{self, Bulkhead},
    event::Scope,
    http::ByStatus,
    outcome::Outcome,
    pipeline::Pipeline,
};

use crate::{Work, get, serve, settlements, soon};

#[tokio::test]
async fn a_client_that_disconnects_gives_its_permit_back() {
    let (observer, mut settlements) = settlements();
    let scope = Scope::new().observed_by(observer);
    let settings = bulkhead::Settings::default().limit(1);
    let bulkhead = Bulkhead::scoped(settings, scope).unwrap();
    let (work, mut begins) = Work::new();
    let router = Router::new()
        .route("/", work.route())
        .layer(bulkhead.layer().reject_with(respond));
    let url = serve(router).await;

    let call = tokio::spawn(get(url.clone()));
    soon(begins.recv()).await.unwrap();
    assert_eq!(bulkhead.in_flight(), 1);
    // With it go the client and its connection.
    call.abort();
    assert_eq!(soon(settlements.recv()).await, Some(Outcome::Cancelled));
    assert_eq!(bulkhead.in_flight(), 0);

    work.finish(1);
    assert_eq!(get(url).await.0, 200);
}

/// Sends two calls with one client each makes, lets the first leave, and counts.
async fn the_first_of_two_leaves(client: reqwest::Client) {
    let (observer, mut settlements) = settlements();
    let pipeline = Pipeline::builder("reports")
        .timeout(None)
        .classify(ByStatus::default())
        .reject_with(respond)
        .observed_by(observer)
        .build()
        .unwrap();
    let (work, mut begins) = Work::new();
    let router = Router::new()
        .route("/", work.route())
        .layer(pipeline.layer());
    let url = serve(router).await;

    let mut calls = Vec::new();
    for _ in 0..2 {
        calls.push(tokio::spawn(client.get(&url).send()));
        soon(begins.recv()).await.unwrap();
    }
    calls.swap_remove(0).abort();
    assert_eq!(soon(settlements.recv()).await, Some(Outcome::Cancelled));
    assert_eq!(pipeline.bulkhead().in_flight(), 1);

    work.finish(1);
    let stays = calls.pop().unwrap();
    assert_eq!(soon(stays).await.unwrap().unwrap().status(), 200);
    let snapshot = pipeline.snapshot();
    assert_eq!(snapshot.in_flight, 0);
    let lifetime = snapshot.lifetime;
    assert_eq!((lifetime.cancelled, lifetime.success), (1, 1));
    assert_eq!(lifetime.calls(), 2);
}

#[tokio::test]
async fn over_http_1_a_client_that_closes_its_connection_is_counted_as_cancelled() {
    the_first_of_two_leaves(crate::client()).await;
}

#[tokio::test]
async fn over_http_2_a_client_that_resets_its_stream_is_counted_as_cancelled() {
    let one_connection = reqwest::Client::builder()
        .no_proxy()
        .http2_prior_knowledge();
    the_first_of_two_leaves(one_connection.build().unwrap()).await;
}
