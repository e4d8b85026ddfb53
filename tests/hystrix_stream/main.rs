//! Hystrix's streams: what is told, to how many, and how it ends.

#[path = "../support/mod.rs"]
mod support;

mod config;
mod listed;
mod schema;
mod served;
mod sockets;
mod states;
mod subscribers;
mod turbine;

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    body::Bytes,
    http::{Method, Request, Response},
};
use futures_util::FutureExt;
use http_body_util::BodyExt;
use portcullis::{
    clock::{Clock, Tick},
    hystrix_stream::{HystrixStream, Settings, StreamBody},
    pipeline::Pipeline,
    registry::Registry,
};
use serde_json::Value;
use tower::Service;

use crate::support::{soon, watched};

type Subscriber = Pin<Box<StreamBody>>;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn ask(stream: &HystrixStream, method: Method) -> Response<StreamBody> {
    let request = Request::builder().method(method).body(()).unwrap();
    let answer = stream.clone().call(request);
    answer.now_or_never().expect("it is ready").unwrap()
}

fn subscribe(stream: &HystrixStream) -> Subscriber {
    let response = ask(stream, Method::GET);
    assert_eq!(response.status(), 200);
    Box::pin(response.into_body())
}

/// Reads the next text, if there is one by now.
fn try_read(body: &mut Subscriber) -> Option<String> {
    let frame = body.frame().now_or_never()?;
    let frame = frame.expect("the stream goes on").unwrap();
    Some(text(&frame.into_data().unwrap()))
}

async fn read(body: &mut Subscriber) -> String {
    let frame = soon(body.frame()).await.expect("the stream goes on");
    text(&frame.unwrap().into_data().unwrap())
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Reads events as browsers do (WHATWG HTML, 9.2.6): their data, and nothing of comments.
fn messages(text: &str) -> Vec<Value> {
    assert!(text.ends_with("\n\n"), "events end with an empty line");
    let lines = text.lines().filter(|line| !line.is_empty());
    let data = lines.filter(|line| !line.starts_with(':')).map(|line| {
        let data = line.strip_prefix("data: ").expect("a line of data");
        serde_json::from_str(data).expect("JSON")
    });
    data.collect()
}

async fn next_messages(body: &mut Subscriber) -> Vec<Value> {
    messages(&read(body).await)
}

/// The only message of a stream's first tick.
async fn first_message(stream: &HystrixStream) -> Value {
    let mut all = next_messages(&mut subscribe(stream)).await;
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn with(registry: &Registry, settings: Settings) -> HystrixStream {
    HystrixStream::with(registry, settings).unwrap()
}

fn names(messages: &[Value]) -> Vec<&str> {
    let names = messages.iter().map(|message| message["name"].as_str());
    names.map(|name| name.expect("a name")).collect()
}
