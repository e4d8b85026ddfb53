//! Pipelines by name and by key: each statement of the registry's docs, and what must never get lost.

#[path = "../support/mod.rs"]
mod support;

mod flood;
mod keyed;
mod layer;
mod named;
mod orders;
mod overtaken;
mod settings;

use std::{
    borrow::Cow,
    future::{Ready, ready},
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use portcullis::{
    circuit_breaker,
    event::{Event, Scope},
    pipeline::{self, Builder, Control, Pipeline},
    registry::Registry,
    rejection::BoxError,
    settings::SettingsError,
};
use tower::{Layer, Service};

use crate::support::Log;

type Settings = pipeline::Settings;

/// A call for a tenant.
#[derive(Clone, Debug)]
struct Request {
    tenant: String,
    succeeds: bool,
}

fn good(tenant: impl Into<String>) -> Request {
    let tenant = tenant.into();
    Request {
        tenant,
        succeeds: true,
    }
}

fn bad(tenant: impl Into<String>) -> Request {
    let tenant = tenant.into();
    Request {
        tenant,
        succeeds: false,
    }
}

fn tenant(request: &Request) -> Cow<'_, str> {
    Cow::Borrowed(&request.tenant)
}

/// Answers at once, as it is asked to.
#[derive(Clone, Debug, Default)]
struct Backend;

impl Service<Request> for Backend {
    type Response = String;
    type Error = BoxError;
    type Future = Ready<Result<String, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        ready(match request.succeeds {
            true => Ok(request.tenant),
            false => Err("down".into()),
        })
    }
}

/// A registry that notes which pipelines come and go.
fn observed() -> (Registry, Log) {
    let log = Log::default();
    let noted = log.clone();
    let scope = Scope::new().observed_by(move |name: Option<&str>, event: &Event| {
        let name = name.unwrap_or_default();
        match event {
            Event::Added { .. } => noted.note(format!("+{name}")),
            Event::Removed { .. } => noted.note(format!("-{name}")),
            Event::Mode { to, .. } => noted.note(format!("{name} {to}")),
            _ => {}
        }
    });
    (Registry::scoped(scope), log)
}

fn breaker() -> circuit_breaker::Settings {
    circuit_breaker::Settings::default()
}

/// A builder whose circuit opens with the first failure.
fn fragile(builder: Builder) -> Builder {
    builder.circuit_breaker(breaker().consecutive_failures(1))
}

fn names(controls: &[Control]) -> Vec<&str> {
    controls.iter().map(Control::name).collect()
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
