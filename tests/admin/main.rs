//! The routes that steer: who is let in, what is refused, and what orders do.

#[path = "../support/mod.rs"]
mod support;

mod orders;
mod refusals;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use portcullis::{
    dashboard::Admin,
    event::Event,
    pipeline::{Control, Pipeline},
    registry::Registry,
};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::soon;

const ALICE: &str = "Yl3oQ8s1c0mGv7T2";
const BOB: &str = "b0b-has-a-longer-token";

/// A registry with a pipeline, and the routes for its operators.
fn served() -> (Registry, Router) {
    let registry = Registry::new();
    let pipeline = registry.register(Pipeline::builder("inventory"));
    drop(pipeline.unwrap());
    let admin = admin(&registry);
    (registry, Router::new().nest("/ops/admin", admin.router()))
}

fn admin(registry: &Registry) -> Admin {
    let admin = Admin::new(registry).operator("alice", ALICE).unwrap();
    admin.operator("bob", BOB).unwrap()
}

/// A request in the making, which is right as it begins.
struct Asking {
    method: Method,
    path: &'static str,
    headers: HeaderMap,
    body: Body,
}

/// Orders something, as alice.
fn ordering(order: &Value) -> Asking {
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, "ops.example:8080".parse().unwrap());
    headers.insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
    let asking = Asking {
        method: Method::POST,
        path: "/ops/admin/order",
        headers,
        body: order.to_string().into(),
    };
    asking.token(ALICE)
}

fn forcing_open() -> Asking {
    ordering(&json!({"name": "inventory", "order": "force_open"}))
}

fn asking_who() -> Asking {
    Asking {
        method: Method::GET,
        path: "/ops/admin/actor",
        body: Body::empty(),
        ..forcing_open()
    }
}

impl Asking {
    fn token(self, token: &str) -> Self {
        self.with("authorization", &format!("Bearer {token}"))
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, value.parse().unwrap());
        self
    }

    fn and(mut self, name: &'static str, value: &str) -> Self {
        self.headers.append(name, value.parse().unwrap());
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    fn body(self, body: impl Into<Body>) -> Self {
        let body = body.into();
        Self { body, ..self }
    }

    async fn of(self, app: &Router) -> Answer {
        let mut request = Request::new(self.body);
        *request.method_mut() = self.method;
        *request.uri_mut() = self.path.parse().unwrap();
        *request.headers_mut() = self.headers;
        let response = soon(app.clone().oneshot(request)).await.unwrap();
        let (parts, body) = response.into_parts();
        for (name, _) in &parts.headers {
            assert!(!name.as_str().starts_with("access-control-"), "{name}");
        }
        let body = soon(to_bytes(body, 1 << 20)).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: serde_json::from_slice(&body).unwrap_or_default(),
        }
    }
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    fn error(&self) -> &str {
        self.body["error"].as_str().expect("an error")
    }
}

/// Returns who ordered what, in order.
fn orders(control: &Control) -> Vec<String> {
    let entries = control.events().into_iter();
    let orders = entries.filter_map(|entry| match entry.event {
        Event::Ordered { order, actor, .. } => Some(format!("{actor}: {order}")),
        _ => None,
    });
    orders.collect()
}
