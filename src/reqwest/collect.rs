//! Responses whose bodies are there.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::response::Parts;
use http_body_util::{BodyExt, LengthLimitError, Limited, combinators::Collect};
use pin_project::pin_project;
use reqwest::{Body, Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::{Error, TooLarge, url};
use crate::rejection::BoxError;

/// A layer that reads the whole body before it answers.
///
/// See the [module docs](super).
#[derive(Clone, Copy, Debug)]
pub struct CollectLayer {
    limit: usize,
}

impl CollectLayer {
    /// What axum takes of a request by default. A pipeline's 100 calls in flight hold 200 MiB then.
    const DEFAULT_LIMIT: usize = 2 << 20;

    /// Creates a layer that takes bodies of up to 2 MiB.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            limit: Self::DEFAULT_LIMIT,
        }
    }

    /// Sets how many bytes a body may have, decompressed if reqwest does that. A longer one is [`TooLarge`], as soon as that many were read.
    #[must_use]
    pub const fn limit(self, bytes: usize) -> Self {
        Self { limit: bytes }
    }

    pub(super) const fn wrap<S>(self, inner: S) -> Collecting<S> {
        Collecting {
            inner,
            limit: self.limit,
        }
    }
}

impl Default for CollectLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for CollectLayer {
    type Service = Collecting<S>;

    fn layer(&self, inner: S) -> Collecting<S> {
        self.wrap(inner)
    }
}

/// A client that reads the whole body before it answers, made by a [`CollectLayer`].
///
/// See the [module docs](super).
#[derive(Clone, Debug)]
pub struct Collecting<S> {
    inner: S,
    limit: usize,
}

impl<S> Collecting<S> {
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

impl<S> Service<Request> for Collecting<S>
where
    S: Service<Request, Response = Response>,
    S::Error: From<Error>,
{
    type Response = http::Response<Bytes>;
    type Error = S::Error;
    type Future = CollectFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        CollectFuture {
            limit: self.limit,
            stage: Stage::Head(self.inner.call(request)),
        }
    }
}

/// The future of a [`Collecting`] client.
#[pin_project]
pub struct CollectFuture<F> {
    limit: usize,
    #[pin]
    stage: Stage<F>,
}

#[pin_project(project = StageProjection)]
#[expect(
    clippy::large_enum_variant,
    reason = "each call goes through both, and a box would cost each an allocation"
)]
enum Stage<F> {
    Head(#[pin] F),
    Body {
        head: Option<Parts>,
        #[pin]
        body: Collect<Limited<Body>>,
    },
}

impl<F, E> Future for CollectFuture<F>
where
    F: Future<Output = Result<Response, E>>,
    E: From<Error>,
{
    type Output = Result<http::Response<Bytes>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.stage.as_mut().project() {
                StageProjection::Head(future) => {
                    let (head, body) = url::keep(ready!(future.poll(cx))?).into_parts();
                    this.stage.set(Stage::Body {
                        head: Some(head),
                        body: Limited::new(body, *this.limit).collect(),
                    });
                }
                StageProjection::Body { head, body } => {
                    let body = ready!(body.poll(cx)).map_err(|why| broken(why, *this.limit))?;
                    let head = head.take().expect("polled after it was ready");
                    return Poll::Ready(Ok(http::Response::from_parts(head, body.to_bytes())));
                }
            }
        }
    }
}

/// Finds out which of the two it was, which a limited body hides in a box.
fn broken(why: BoxError, limit: usize) -> Error {
    match why.downcast::<reqwest::Error>() {
        Ok(error) => (*error).into(),
        Err(why) => {
            debug_assert!(why.is::<LengthLimitError>(), "{why}");
            TooLarge::new(limit).into()
        }
    }
}

impl<F> fmt::Debug for CollectFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CollectFuture")
    }
}
