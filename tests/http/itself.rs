//! What reqwest does by itself within one call, as the docs of `portcullis::reqwest` say.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{Router, extract::State, http::StatusCode, response::Redirect, routing::get as route};
use portcullis::{
    pipeline::{Pipeline, Snapshot},
    reqwest::{ByStatus, Client, RequestBuilderExt},
};
use reqwest::Response;
use tokio::net::TcpListener;
use tower::ServiceBuilder;

use crate::{Afterwards, serve, serve_bytes, soon};

/// Sends one request under a pipeline without a time limit.
async fn send(
    client: reqwest::ClientBuilder,
    url: &str,
) -> (Result<Response, portcullis::reqwest::Error>, Snapshot) {
    let client = client.no_proxy().build().unwrap();
    let pipeline = Pipeline::builder("upstream")
        .timeout(None)
        .classify(ByStatus::default())
        .build()
        .unwrap();
    let mut service = ServiceBuilder::new()
        .layer(pipeline.layer())
        .service(Client::new(client.clone()));
    let answer = soon(client.get(url).send_through(&mut service)).await;
    (answer, pipeline.snapshot())
}

fn client() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
}

type Hits = Arc<AtomicU32>;

#[tokio::test]
async fn redirects_are_one_call() {
    let hits = Hits::default();
    let router = Router::new()
        .route("/", route(async || Redirect::temporary("/second")))
        .route("/second", route(async || Redirect::temporary("/third")))
        .route("/third", route(async || "here"))
        .layer(axum::middleware::map_request_with_state(
            hits.clone(),
            async |State(hits): State<Hits>, request: axum::extract::Request| {
                hits.fetch_add(1, Ordering::Relaxed);
                request
            },
        ));
    let url = serve(router).await;
    let (answer, snapshot) = send(client(), &url).await;
    assert_eq!(answer.unwrap().url().path(), "/third");
    assert_eq!(hits.load(Ordering::Relaxed), 3);
    assert_eq!(
        (snapshot.lifetime.calls(), snapshot.lifetime.success),
        (1, 1)
    );
}

#[tokio::test]
async fn statuses_are_not_retried() {
    let hits = Hits::default();
    let answer = async |State(hits): State<Hits>| {
        hits.fetch_add(1, Ordering::Relaxed);
        StatusCode::SERVICE_UNAVAILABLE
    };
    let url = serve(
        Router::new()
            .route("/", route(answer))
            .with_state(hits.clone()),
    )
    .await;
    let (answer, snapshot) = send(client(), &url).await;
    assert_eq!(answer.unwrap().status(), 503);
    assert_eq!(hits.load(Ordering::Relaxed), 1);
    assert_eq!(snapshot.lifetime.failure, 1);
}

/// Refuses all HTTP/2 streams before any work is done, which makes it safe to send them again.
async fn serve_refusals(hits: Hits) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let hits = hits.clone();
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(connection).await.unwrap();
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    hits.fetch_add(1, Ordering::Relaxed);
                    respond.send_reset(h2::Reason::REFUSED_STREAM);
                }
            });
        }
    });
    url
}

#[tokio::test]
async fn refused_streams_are_tried_three_times_in_one_call_unless_told_otherwise() {
    let hits = Hits::default();
    let url = serve_refusals(hits.clone()).await;
    let (answer, snapshot) = send(client().http2_prior_knowledge(), &url).await;
    assert!(answer.unwrap_err().request().unwrap().is_request());
    assert_eq!(hits.swap(0, Ordering::Relaxed), 3);
    assert_eq!(
        (snapshot.lifetime.calls(), snapshot.lifetime.failure),
        (1, 1)
    );

    let once = client()
        .http2_prior_knowledge()
        .retry(reqwest::retry::never());
    let (answer, snapshot) = send(once, &url).await;
    answer.unwrap_err();
    assert_eq!(hits.load(Ordering::Relaxed), 1);
    assert_eq!(snapshot.lifetime.failure, 1);
}

#[tokio::test]
async fn its_own_time_limit_goes_on_while_the_body_is_read_and_the_pipelines_does_not() {
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf";
    let url = serve_bytes(half, Afterwards::Hold).await;
    // Long enough for the head to come in time.
    let (answer, snapshot) = send(client().timeout(Duration::from_millis(500)), &url).await;
    let late = soon(answer.unwrap().bytes()).await.unwrap_err();
    assert!(late.is_timeout());
    // For the pipeline the call was over with the head.
    assert_eq!(snapshot.lifetime.success, 1);
}

#[tokio::test]
async fn its_own_time_limit_is_a_timeout_for_the_pipeline() {
    let url = serve_bytes("", Afterwards::Hold).await;
    let (answer, snapshot) = send(client().timeout(Duration::from_millis(50)), &url).await;
    let error = answer.unwrap_err();
    assert!(error.is_timeout() && error.rejection().is_none());
    let lifetime = snapshot.lifetime;
    assert_eq!((lifetime.calls(), lifetime.timeout), (1, 1));
}
