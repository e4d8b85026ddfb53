//! Whole answers: bodies are part of the call.

use std::time::Duration;

use axum::{Json, Router, routing::get as route};
use portcullis::{
    http::WholeExchange,
    pipeline::Pipeline,
    rejection::BoxError,
    reqwest::{ByStatus, Client, CollectLayer, Error, RequestBuilderExt},
};
use reqwest::Response;
use tower::ServiceBuilder;

use crate::{Afterwards, client, serve, serve_bytes, soon};

const HALF: &str = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf";

fn pipeline(timeout: impl Into<Option<Duration>>) -> Pipeline<ByStatus> {
    Pipeline::builder("upstream")
        .timeout(timeout)
        .classify(ByStatus::default())
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_body_that_hangs_runs_out_of_the_pipelines_time() {
    let url = serve_bytes(HALF, Afterwards::Hold).await;
    let pipeline = pipeline(Duration::from_millis(50));
    let mut service = ServiceBuilder::new()
        .layer(pipeline.layer())
        .service(Client::new(client()).collecting());
    let error = soon(client().get(url).send_through(&mut service)).await;
    assert!(error.unwrap_err().rejection().unwrap().is_timeout());
    assert_eq!(pipeline.snapshot().lifetime.timeout, 1);
}

#[tokio::test]
async fn a_body_that_hangs_runs_out_of_reqwests_time() {
    let url = serve_bytes(HALF, Afterwards::Hold).await;
    let pipeline = pipeline(None);
    let mut service = ServiceBuilder::new()
        .layer(pipeline.layer())
        .service(Client::new(client()).collecting());
    let request = client().get(url).timeout(Duration::from_millis(50));
    let error = soon(request.send_through(&mut service)).await.unwrap_err();
    assert!(error.is_timeout() && error.rejection().is_none());
    assert_eq!(pipeline.snapshot().lifetime.timeout, 1);
}

#[tokio::test]
async fn a_body_that_hangs_runs_out_of_the_time_of_an_exchange_below() {
    let url = serve_bytes(HALF, Afterwards::Hold).await;
    let whole = WholeExchange::new(ByStatus::default());
    let pipeline = Pipeline::builder("upstream")
        .classify(whole.idle_timeout(Duration::from_millis(50)).unwrap())
        .build()
        .unwrap();
    let mut service = ServiceBuilder::new()
        .layer(CollectLayer::new())
        .layer(pipeline.layer())
        .service(Client::new(client()));
    let error = soon(client().get(url).send_through(&mut service)).await;
    assert!(error.unwrap_err().is_timeout());
    assert_eq!(pipeline.snapshot().lifetime.timeout, 1);
}

#[tokio::test]
async fn a_body_that_breaks_is_a_failure() {
    let url = serve_bytes(HALF, Afterwards::Close).await;
    let pipeline = pipeline(None);
    let mut service = ServiceBuilder::new()
        .layer(pipeline.layer())
        .service(Client::new(client()).collecting());
    let error = soon(client().get(url).send_through(&mut service)).await;
    assert!(error.unwrap_err().request().unwrap().is_body());
    assert_eq!(pipeline.snapshot().lifetime.failure, 1);
}

#[tokio::test]
async fn a_body_may_be_as_long_as_the_limit_and_no_longer() {
    let url = serve(Router::new().route("/", route(async || "12345"))).await;
    let pipeline = pipeline(None);
    let collecting = |limit| {
        ServiceBuilder::new()
            .layer(pipeline.layer())
            .layer(CollectLayer::new().limit(limit))
            .service(Client::new(client()))
    };
    let answer = soon(client().get(&url).send_through(&mut collecting(5))).await;
    assert_eq!(*answer.unwrap().body(), "12345");
    let error = soon(client().get(&url).send_through(&mut collecting(4))).await;
    let Err(Error::TooLarge(error)) = error else {
        panic!("{error:?}");
    };
    assert_eq!(error.limit(), 4);
    let lifetime = pipeline.snapshot().lifetime;
    assert_eq!((lifetime.success, lifetime.failure), (1, 1));
}

#[tokio::test]
async fn a_whole_answer_becomes_a_response_of_reqwest_again() {
    let url = serve(Router::new().route("/items", route(async || Json([1, 2, 3])))).await;
    let url = format!("{url}/items");
    let mut service = Client::new(client()).collecting();
    let answer = soon(client().get(&url).send_through(&mut service)).await;
    let answer = answer.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/json");
    let response = Response::from(answer);
    assert_eq!(response.url().as_str(), url);
    assert!(response.remote_addr().is_some());
    assert_eq!(soon(response.json::<Vec<u32>>()).await.unwrap(), [1, 2, 3]);
}

#[tokio::test]
async fn errors_may_be_boxed_below() {
    let url = serve_bytes(HALF, Afterwards::Close).await;
    let mut service = ServiceBuilder::new()
        .layer(CollectLayer::new())
        .map_err(BoxError::from)
        .service(client());
    let error = soon(client().get(url).send_through(&mut service)).await;
    let error = error.unwrap_err();
    assert!(error.downcast_ref::<Error>().unwrap().request().is_some());
}
