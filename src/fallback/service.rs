//! The service with a fallback.

use std::task::{Context, Poll};

use tower_service::Service;

use super::{Answer, FallbackLayer, ResponseFuture, Way, When};
use crate::gate::Policy;

/// A service with a fallback, made by a [`FallbackLayer`].
///
/// See the [module docs](super).
#[derive(Clone, Debug)]
pub struct Fallback<S, L> {
    inner: S,
    layer: L,
}

impl<S, L> Fallback<S, L> {
    pub(crate) const fn new(inner: S, layer: L) -> Self {
        Self { inner, layer }
    }

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

impl<S, L, A, W, P, Req> Service<Req> for Fallback<S, L>
where
    S: Service<Req>,
    L: Way<S::Future, Layer = FallbackLayer<A, W, P>>,
    A: Answer<Req, S::Response, S::Error>,
    W: When<S::Error>,
    P: Policy,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, L, Req>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let kept = self.layer.layer().answers().keep(&request);
        ResponseFuture::new(self.inner.call(request), kept, &self.layer)
    }
}
