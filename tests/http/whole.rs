//! Whole exchanges: calls that last until their body has ended, over sockets.

use std::time::Duration;

use axum::{Router, body::Body, http::Response, routing::get as route};
use portcullis::{
    axum::respond,
    event::Observer,
    http::{self, WholeExchange},
    outcome::Outcome,
    pipeline::Pipeline,
    rejection::Rejection,
    reqwest::{ByStatus, Client, RequestBuilderExt},
};
use tokio::sync::mpsc;
use tower::ServiceBuilder;

use crate::{Afterwards, client, serve, serve_bytes, settlements, soon};

const WHOLE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\nx-kind: whole\r\n\r\nbody";
const HALF: &str = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf";

fn pipeline() -> Pipeline<WholeExchange<ByStatus>> {
    Pipeline::builder("upstream")
        .timeout(None)
        .classify(WholeExchange::new(ByStatus::default()))
        .build()
        .unwrap()
}

async fn head(pipeline: &Pipeline<WholeExchange<ByStatus>>, url: &str) -> reqwest::Response {
    let mut service = ServiceBuilder::new()
        .layer(pipeline.layer())
        .service(Client::new(client()));
    soon(client().get(url).send_through(&mut service))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_call_of_reqwest_lasts_until_its_body_was_read() {
    let url = serve_bytes(WHOLE, Afterwards::Close).await;
    let pipeline = pipeline();
    let response = head(&pipeline, &url).await;
    let snapshot = pipeline.snapshot();
    assert_eq!((snapshot.in_flight, snapshot.lifetime.calls()), (1, 0));

    assert_eq!(response.url().as_str(), url);
    assert_eq!(response.headers()["x-kind"], "whole");
    assert_eq!(response.content_length(), Some(4));
    assert!(response.remote_addr().is_some());
    assert_eq!(soon(response.text()).await.unwrap(), "body");
    let snapshot = pipeline.snapshot();
    assert_eq!((snapshot.in_flight, snapshot.lifetime.success), (0, 1));
}

#[tokio::test]
async fn a_body_of_reqwest_that_breaks_is_a_failure() {
    let url = serve_bytes(HALF, Afterwards::Close).await;
    let pipeline = pipeline();
    let response = head(&pipeline, &url).await;
    assert!(soon(response.bytes()).await.unwrap_err().is_decode());
    let snapshot = pipeline.snapshot();
    assert_eq!((snapshot.in_flight, snapshot.lifetime.failure), (0, 1));
}

#[tokio::test]
async fn a_body_of_reqwest_that_hangs_is_a_timeout() {
    let url = serve_bytes(HALF, Afterwards::Hold).await;
    let classify = WholeExchange::new(ByStatus::default());
    let pipeline = Pipeline::builder("upstream")
        .timeout(None)
        .classify(classify.idle_timeout(Duration::from_millis(50)).unwrap())
        .build()
        .unwrap();
    let response = head(&pipeline, &url).await;
    let error = soon(response.bytes()).await.unwrap_err();
    assert!(Rejection::find(&error).is_some_and(Rejection::is_timeout));
    assert_eq!(pipeline.snapshot().lifetime.timeout, 1);
}

#[tokio::test]
async fn a_body_of_reqwest_that_nobody_reads_is_cancelled() {
    let url = serve_bytes(WHOLE, Afterwards::Close).await;
    let pipeline = pipeline();
    drop(head(&pipeline, &url).await);
    let snapshot = pipeline.snapshot();
    assert_eq!((snapshot.in_flight, snapshot.lifetime.cancelled), (0, 1));
}

#[tokio::test]
async fn a_response_of_reqwest_without_a_body_is_over_with_its_head() {
    let empty = "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n";
    let url = serve_bytes(empty, Afterwards::Close).await;
    let pipeline = pipeline();
    let response = head(&pipeline, &url).await;
    let snapshot = pipeline.snapshot();
    assert_eq!((snapshot.in_flight, snapshot.lifetime.failure), (0, 1));
    assert_eq!(
        (response.status().as_u16(), response.url().as_str()),
        (503, &*url)
    );
}

#[tokio::test]
async fn a_head_that_announces_a_body_for_others_is_all_there_is() {
    let url = serve_bytes(
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n",
        Afterwards::Hold,
    )
    .await;
    let pipeline = pipeline();
    let mut service = ServiceBuilder::new()
        .layer(pipeline.layer())
        .service(Client::new(client()));
    let response = soon(client().head(url).send_through(&mut service)).await;
    let snapshot = pipeline.snapshot();
    assert_eq!((snapshot.in_flight, snapshot.lifetime.success), (0, 1));
    drop(response);
}

#[tokio::test]
async fn an_event_stream_of_reqwest_is_over_with_its_head() {
    let stream = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: 1\n\n";
    let url = serve_bytes(stream, Afterwards::Hold).await;
    let pipeline = pipeline();
    let mut response = head(&pipeline, &url).await;
    let snapshot = pipeline.snapshot();
    assert_eq!((snapshot.in_flight, snapshot.lifetime.success), (0, 1));
    let chunk = soon(response.chunk()).await.unwrap();
    assert_eq!(chunk.unwrap(), "data: 1\n\n");
}

/// Serves a body that begins and ends when it is told to.
async fn serve_slowly(
    frames: mpsc::UnboundedReceiver<&'static str>,
    observer: impl Observer + 'static,
) -> String {
    let pipeline = Pipeline::builder("reports")
        .timeout(None)
        .classify(WholeExchange::new(http::ByStatus::default()))
        .reject_with(respond)
        .observed_by(observer)
        .build()
        .unwrap();
    let frames = std::sync::Mutex::new(Some(frames));
    let handler = move || {
        let frames = frames.lock().unwrap().take().unwrap();
        let stream = futures_util::stream::unfold(frames, async |mut frames| {
            let frame = frames.recv().await?;
            Some((Ok::<_, std::io::Error>(frame), frames))
        });
        std::future::ready(Response::new(Body::from_stream(stream)))
    };
    let handler = std::sync::Arc::new(handler);
    let router = Router::new().route("/", route(move || handler()));
    serve(router.layer(pipeline.layer())).await
}

#[tokio::test]
async fn a_call_of_axum_lasts_until_its_body_was_sent() {
    let (frames, body) = mpsc::unbounded_channel();
    let (observer, mut settlements) = settlements();
    let url = serve_slowly(body, observer).await;
    let response = soon(client().get(url).send()).await.unwrap();
    frames.send("first").unwrap();
    assert!(settlements.try_recv().is_err(), "it is not over yet");
    drop(frames);
    assert_eq!(soon(response.text()).await.unwrap(), "first");
    assert_eq!(soon(settlements.recv()).await, Some(Outcome::Success));
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_a_body_of_axum_is_counted_as_cancelled() {
    let (frames, body) = mpsc::unbounded_channel();
    let (observer, mut settlements) = settlements();
    let url = serve_slowly(body, observer).await;
    let mut response = soon(client().get(url).send()).await.unwrap();
    frames.send("first").unwrap();
    assert_eq!(soon(response.chunk()).await.unwrap().unwrap(), "first");
    drop(response);
    // It is seen when there is something to send.
    let sending = async {
        while frames.send("more").is_ok() {
            tokio::task::yield_now().await;
        }
    };
    soon(sending).await;
    assert_eq!(soon(settlements.recv()).await, Some(Outcome::Cancelled));
}

#[tokio::test]
async fn a_head_of_axum_whose_body_is_for_others_is_counted_as_cancelled() {
    let (observer, mut settlements) = settlements();
    let (frames, body) = mpsc::unbounded_channel();
    let url = serve_slowly(body, observer).await;
    let response = soon(client().head(url).send()).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(soon(settlements.recv()).await, Some(Outcome::Cancelled));
    assert!(frames.is_closed());
}
