//! The service with a time limit.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use tower_service::Service;

use super::{Limit, ResponseFuture, due::Sharing};
use crate::gate::Refusal;

/// A service whose calls are limited in time, made by a [`TimeoutLayer`](super::TimeoutLayer).
///
/// See the [module docs](super).
#[derive(Clone)]
pub struct Timeout<S, L, R> {
    inner: S,
    limit: L,
    // Not behind one `Arc` with the limit: without a name and with a refusal that is a plain
    // function, a call touches no reference count at all.
    refusal: R,
    name: Option<Arc<str>>,
}

impl<S, L, R> Timeout<S, L, R> {
    pub(super) const fn new(inner: S, limit: L, refusal: R, name: Option<Arc<str>>) -> Self {
        Self {
            inner,
            limit,
            refusal,
            name,
        }
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

impl<S, L, R, Req> Service<Req> for Timeout<S, L, R>
where
    S: Service<Req>,
    L: Limit<Req>,
    R: Refusal<S::Response, S::Error> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let limit = self.limit.limit(&request);
        let (refusal, name) = (self.refusal.clone(), self.name.clone());
        let sharing = match self.limit.repeats() {
            true => Sharing::Shared,
            false => Sharing::Own,
        };
        ResponseFuture::new(self.inner.call(request), limit, sharing, refusal, name)
    }
}

impl<S: fmt::Debug, L, R> fmt::Debug for Timeout<S, L, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout")
            .field("inner", &self.inner)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
