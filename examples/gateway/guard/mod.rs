//! What stands in front of the gateway, and between it and its upstreams.

mod settings;
mod view;

use std::borrow::Cow;

use axum::{
    Router,
    body::{Body, Bytes},
    http::{self, HeaderValue},
};
use portcullis::{
    axum::{liveness, readiness, respond},
    health::Health,
    http::respond_per_client,
    pipeline::{Builder, Fault, Pipeline},
    registry::Registry,
    rejection::BoxError,
    reqwest::{ByStatus, CollectLayer, Error},
    settings_file::FileSource,
};
use tower::ServiceBuilder;

pub(crate) use self::settings::{LOOK_EVERY, settings_in};
use crate::{
    client::{Client, Wire},
    gateway::FALLBACK,
    load::CLIENT,
    tally::Outcome,
};

/// The pipelines of a gateway. Their limits come from its settings file.
#[derive(Clone)]
pub(crate) struct Guard {
    registry: Registry,
    health: Health,
    settings: FileSource,
}

impl Guard {
    pub(crate) fn new(settings: FileSource) -> Result<Self, BoxError> {
        let registry = Registry::new();
        // Better no gateway than one without limits.
        settings.apply_now(&registry)?;
        tokio::spawn(settings.clone().follow(registry.clone()));
        Ok(Self {
            health: Health::new().watching_all(&registry),
            registry,
            settings,
        })
    }

    /// Puts a pipeline in front of each group of upstreams, as Zuul does: breaker, permits and time
    /// limit are those of the group, whichever route a call came by.
    pub(crate) fn around_upstreams(&self, wire: Wire) -> Result<Client, BoxError> {
        let groups = self.registry.keyed("upstream", |builder: Builder| {
            builder.classify(ByStatus::default()).fallback(stand_in)
        })?;
        let service = ServiceBuilder::new()
            .layer(groups.layer(group))
            .layer(CollectLayer::new())
            .map_result(server_errors_as_errors)
            .service(wire);
        Ok(Client::new(service))
    }

    /// Gives the parts of pages their deadline.
    pub(crate) fn around_parts(&self, client: Client) -> Result<Client, BoxError> {
        let page = self.registry.register(Pipeline::builder("page"))?;
        let service = ServiceBuilder::new().layer(page.layer()).service(client);
        Ok(Client::new(service))
    }

    /// Sheds what is too much for the server, then what is too much from one client. Health is
    /// asked past both.
    pub(crate) fn in_front_of(&self, routes: Router) -> Result<Router, BoxError> {
        /// Clients name themselves, so that there may be any number of names.
        const MOST_CLIENTS: u32 = 1_000;
        let clients = self
            .registry
            .keyed_up_to("client", MOST_CLIENTS, |builder: Builder| {
                builder.reject_with(respond_per_client::<Body>)
            })?;
        let server = Pipeline::builder("gateway").reject_with(respond);
        let server = self.registry.register(server)?;
        Ok(routes
            .layer(clients.layer(client))
            .layer(server.layer())
            .route_service("/health/live", liveness())
            .route_service("/health/ready", readiness(&self.health)))
    }
}

fn group(request: &reqwest::Request) -> Cow<'_, str> {
    request.url().host_str().unwrap_or_default().into()
}

fn client(request: &http::Request<Body>) -> Cow<'_, str> {
    let name = request.headers().get(CLIENT);
    name.and_then(|name| name.to_str().ok())
        .unwrap_or("anonymous")
        .into()
}

/// For reqwest a 500 is an answer like any other. As an error the fallback takes its place.
fn server_errors_as_errors(
    answer: Result<reqwest::Response, Error>,
) -> Result<reqwest::Response, Error> {
    match answer {
        Ok(response) if response.status().is_server_error() => Ok(response.error_for_status()?),
        other => other,
    }
}

/// What the callers get in place of an answer: less, but at once.
fn stand_in(fault: &Fault<Error>) -> http::Response<Bytes> {
    let outcome = match fault.rejection() {
        Some(rejection) if rejection.is_timeout() => Outcome::Timeout,
        Some(_) => Outcome::Rejected,
        None => Outcome::Failure,
    };
    let mut response = http::Response::new(Bytes::from_static(br#"{"answer":"unknown"}"#));
    let why = HeaderValue::from_static(outcome.label());
    response.headers_mut().insert(FALLBACK, why);
    response
}
