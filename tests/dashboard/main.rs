//! The live page's server side: its routes, what they tell, and what that costs while nobody asks.

#[path = "../support/mod.rs"]
mod support;
#[path = "../metrics/text.rs"]
#[expect(dead_code, reason = "a part of it is used here")]
mod text;

mod agreement;
mod names;
mod past;
mod routes;
mod schema;
mod subscribers;

use std::{collections::BTreeSet, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, Method, Request, StatusCode},
};
use futures_util::FutureExt;
use http_body_util::BodyExt;
use portcullis::{
    dashboard::{Dashboard, Settings},
    pipeline::{Control, Pipeline},
    registry::Registry,
    rejection::BoxError,
};
use serde_json::Value;
use tower::{Layer, ServiceExt, util::BoxCloneSyncService};

use crate::support::{soon, watched};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const SECOND: Duration = Duration::from_secs(1);

/// An answer that was read to its end.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn json(&self) -> Value {
        assert_eq!(self.headers["content-type"], "application/json");
        serde_json::from_slice(&self.body).expect("JSON")
    }

    fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }
}

async fn ask(router: &Router, method: Method, path: &str) -> Answer {
    let request = Request::builder().method(method).uri(path);
    let request = request.body(Body::empty()).unwrap();
    let answer = soon(router.clone().oneshot(request)).await.unwrap();
    let (head, body) = answer.into_parts();
    Answer {
        status: head.status,
        headers: head.headers,
        body: soon(body.collect()).await.unwrap().to_bytes(),
    }
}

async fn get(router: &Router, path: &str) -> Answer {
    ask(router, Method::GET, path).await
}

async fn details(router: &Router, name: &str) -> Value {
    let name: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let answer = get(router, &format!("/circuit?name={name}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// A page that is open.
struct Subscriber(Body);

impl Subscriber {
    async fn open(router: &Router) -> Self {
        let request = Request::get("/stream").body(Body::empty()).unwrap();
        let answer = soon(router.clone().oneshot(request)).await.unwrap();
        assert_eq!(answer.status(), 200);
        Self(answer.into_body())
    }

    /// Reads the next text.
    async fn read(&mut self) -> Bytes {
        let frame = soon(self.0.frame()).await.expect("the stream goes on");
        frame.unwrap().into_data().unwrap()
    }

    /// Reads the next text, if there is one by now.
    fn try_read(&mut self) -> Option<Bytes> {
        let frame = self.0.frame().now_or_never()?;
        Some(
            frame
                .expect("the stream goes on")
                .unwrap()
                .into_data()
                .unwrap(),
        )
    }

    async fn next_state(&mut self) -> Value {
        state(&self.read().await)
    }
}

/// Reads a message as browsers do (WHATWG HTML, 9.2.6).
fn state(text: &Bytes) -> Value {
    let text = str::from_utf8(text).unwrap();
    let message = text.strip_prefix("retry: 1000\ndata: ").expect(text);
    let data = message.strip_suffix("\n\n").expect("an end");
    assert!(!data.contains(['\n', '\r']), "one line is one message");
    serde_json::from_str(data).expect("JSON")
}

/// The first message to somebody who comes now.
async fn state_of(router: &Router) -> Value {
    Subscriber::open(router).await.next_state().await
}

fn circuits(state: &Value) -> &[Value] {
    state["circuits"].as_array().expect("a list")
}

fn names(state: &Value) -> Vec<&str> {
    let names = circuits(state).iter().map(|one| one["name"].as_str());
    names.map(|name| name.expect("a name")).collect()
}

fn keys(object: &Value) -> BTreeSet<&str> {
    let fields = object.as_object().expect("an object");
    fields.keys().map(String::as_str).collect()
}

type Guarded = BoxCloneSyncService<bool, (), BoxError>;

/// Registers a pipeline around a service that succeeds if it is told to.
fn register(registry: &Registry, name: &str) -> (Control, Guarded) {
    let pipeline = registry.register(Pipeline::builder(name)).unwrap();
    let obedient = tower::service_fn(async |succeeds: bool| match succeeds {
        true => Ok(()),
        false => Err(BoxError::from("down")),
    });
    let service = BoxCloneSyncService::new(pipeline.layer().layer(obedient));
    (pipeline.control().clone(), service)
}

async fn call(service: &Guarded, succeeds: bool, times: usize) {
    for _ in 0..times {
        let answer = soon(service.clone().oneshot(succeeds)).await;
        assert_eq!(answer.is_ok(), succeeds);
    }
}

fn with(registry: &Registry, settings: Settings) -> Dashboard {
    Dashboard::with(registry, settings).unwrap()
}
