//! reqwest's client as a service that fits under a pipeline.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project::pin_project;
use reqwest::{Request, Response};
use tower_service::Service;

use super::{CollectLayer, Collecting, Error};

/// A `reqwest::Client` whose error can hold a rejection.
///
/// See the [module docs](super). Clones share the connections.
#[derive(Clone, Debug)]
pub struct Client {
    client: reqwest::Client,
}

impl Client {
    /// Wraps a client.
    #[must_use]
    pub const fn new(client: reqwest::Client) -> Self {
        Self { client }
    }

    /// Returns a client that reads the whole body before it answers, with the limit of
    /// [`CollectLayer::new`].
    #[must_use]
    pub fn collecting(self) -> Collecting<Self> {
        CollectLayer::new().wrap(self)
    }

    /// Returns reqwest's client.
    #[must_use]
    pub const fn get_ref(&self) -> &reqwest::Client {
        &self.client
    }

    /// Returns reqwest's client.
    #[must_use]
    pub fn into_inner(self) -> reqwest::Client {
        self.client
    }
}

impl Service<Request> for Client {
    type Response = Response;
    type Error = Error;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.client.poll_ready(cx).map_err(Error::from)
    }

    fn call(&mut self, request: Request) -> ResponseFuture {
        ResponseFuture(self.client.call(request))
    }
}

/// The future of a [`Client`].
#[pin_project]
pub struct ResponseFuture(#[pin] <reqwest::Client as Service<Request>>::Future);

impl Future for ResponseFuture {
    type Output = Result<Response, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().0.poll(cx).map_err(Error::from)
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture")
    }
}
