//! The layer that makes bodies fit to carry calls.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::Response;
use pin_project::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::ExchangeBody;

/// Puts each body of an answer into an [`ExchangeBody`].
///
/// It belongs beneath the gate or the pipeline that classifies by [`WholeExchange`](super::WholeExchange). See the
/// [module docs](super).
#[derive(Clone, Copy, Debug, Default)]
pub struct ExchangeLayer;

impl ExchangeLayer {
    /// Creates the layer.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl<S> Layer<S> for ExchangeLayer {
    type Service = Exchanges<S>;

    fn layer(&self, inner: S) -> Exchanges<S> {
        Exchanges { inner }
    }
}

/// A service that answers with [`ExchangeBody`]s, made by an [`ExchangeLayer`].
#[derive(Clone, Copy, Debug)]
pub struct Exchanges<S> {
    inner: S,
}

impl<S> Exchanges<S> {
    /// Returns the inner service.
    #[must_use]
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns the inner service.
    #[must_use]
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the inner service.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, Req, B> Service<Req> for Exchanges<S>
where
    S: Service<Req, Response = Response<B>>,
{
    type Response = Response<ExchangeBody<B>>;
    type Error = S::Error;
    type Future = ExchangeFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        ExchangeFuture(self.inner.call(request))
    }
}

/// The future of [`Exchanges`].
#[pin_project]
pub struct ExchangeFuture<F>(#[pin] F);

impl<F, B, Err> Future for ExchangeFuture<F>
where
    F: Future<Output = Result<Response<B>, Err>>,
{
    type Output = Result<Response<ExchangeBody<B>>, Err>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = self.project().0.poll(cx);
        answer.map_ok(|response| response.map(ExchangeBody::new))
    }
}

impl<F> fmt::Debug for ExchangeFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExchangeFuture")
    }
}
