//! The service behind a gate.

use std::task::{Context, Poll, Waker};

use tower_service::Service;

use super::{
    Flight, Policy, ResponseFuture,
    host::{Host, Judge},
};
use crate::{
    clock::Now,
    rejection::{Reason, Rejection},
};

/// A service behind a gate, made by a [`GateLayer`](super::GateLayer).
///
/// See the [module docs](super).
#[derive(Debug)]
pub struct Gate<S, G> {
    pub(super) inner: S,
    pub(super) host: G,
    /// Whether the inner service was made ready since the last call.
    pub(super) ready: bool,
}

impl<S, G> Gate<S, G> {
    pub(crate) const fn new(inner: S, host: G) -> Self {
        Self {
            inner,
            host,
            ready: false,
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

/// The clone is not ready: readiness belongs to the service that was asked.
impl<S: Clone, G: Clone> Clone for Gate<S, G> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.host.clone())
    }
}

impl<S, G, Req> Service<Req> for Gate<S, G>
where
    S: Service<Req>,
    G: Judge<S::Response, S::Error>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, G, Result<S::Response, S::Error>>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // A circuit that is open must fail fast, also while the inner service is not ready.
        if self
            .host
            .policy()
            .is_shut(&Now::of(self.host.scope().clock()))
        {
            self.ready = false;
            return Poll::Ready(Ok(()));
        }
        let polled = self.inner.poll_ready(cx);
        self.ready = matches!(polled, Poll::Ready(Ok(())));
        if let Poll::Ready(Err(error)) = &polled {
            count_broken::<_, S::Response, _>(&self.host, error);
        }
        polled
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let now = Now::of(self.host.scope().clock());
        match depart(&mut self.inner, &self.host, &mut self.ready, &now) {
            Ok(flight) => ResponseFuture::called(self.inner.call(request), flight),
            Err(rejection) => ResponseFuture::refused(self.host.reject(rejection, &now)),
        }
    }
}

/// Admits a call to the inner service, which is ready if the answer is a flight. The service's code may
/// run from then on.
#[inline]
pub(super) fn depart<S, G, Req>(
    inner: &mut S,
    host: &G,
    ready: &mut bool,
    now: &Now<'_>,
) -> Result<Flight<G>, Rejection>
where
    S: Service<Req>,
    G: Host,
{
    let mut flight = Flight::admit(host.clone(), now)?;
    flight.set_running(true);
    if std::mem::take(ready) || is_ready_after_all(inner) {
        return Ok(flight);
    }
    flight.withdraw();
    Err(Rejection::new(Reason::NotReady).named(host.scope().shared_name()))
}

/// Asks a service that was passed over while the circuit was open.
///
/// Whoever keeps ready services for later (a buffer, a balancer) would otherwise see one rejection more
/// after the circuit has closed. Waiting is not possible here, hence the waker that wakes nobody; the
/// next `poll_ready` brings its own.
#[cold]
fn is_ready_after_all<S, Req>(inner: &mut S) -> bool
where
    S: Service<Req>,
{
    let polled = inner.poll_ready(&mut Context::from_waker(Waker::noop()));
    matches!(polled, Poll::Ready(Ok(())))
}

/// Counts an error of `poll_ready` as a call that failed: a broken connection shows itself there.
#[cold]
pub(super) fn count_broken<G, Res, Err>(host: &G, error: &Err)
where
    G: Judge<Res, Err>,
{
    let now = Now::of(host.scope().clock());
    if let Ok(flight) = Flight::admit(host.clone(), &now) {
        flight.settle(host.verdict(Err(error)));
    }
}
