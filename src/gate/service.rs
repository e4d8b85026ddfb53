//! The service behind a gate.

use std::task::{Context, Poll};

use tower_service::Service;

use super::{Completion, Flight, Policy, ResponseFuture, host::Judge};
use crate::{
    clock::Now,
    event::Event,
    rejection::{Reason, Rejection},
};

/// A service behind a gate, made by a [`GateLayer`](super::GateLayer).
///
/// See the [module docs](super).
#[derive(Debug)]
pub struct Gate<S, G> {
    pub(super) inner: S,
    pub(super) host: G,
    pub(super) inner_is: Readiness,
}

impl<S, G> Gate<S, G> {
    pub(crate) const fn new(inner: S, host: G) -> Self {
        Self {
            inner,
            host,
            inner_is: Readiness::AsTold,
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
        let now = Now::of(self.host.scope().clock());
        if self.host.policy().is_shut(&now) {
            self.inner_is = Readiness::PassedOver;
            return Poll::Ready(Ok(()));
        }
        let polled = self.inner.poll_ready(cx);
        self.inner_is = Readiness::AsTold;
        if let Poll::Ready(Err(error)) = &polled {
            count_broken::<_, S::Response, _>(&self.host, error);
        }
        polled
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        if let Some(refused) = refuse_passed_over(&self.host, &mut self.inner_is) {
            return ResponseFuture::refused(refused);
        }
        let now = Now::of(self.host.scope().clock());
        match self.host.policy().admit(&now) {
            Ok(permit) => {
                let flight = Flight::take_off(&self.host, permit, &now).in_service();
                ResponseFuture::called(self.inner.call(request), flight)
            }
            Err(rejection) => {
                ResponseFuture::refused(now.lend(|now| self.host.reject(rejection, now)))
            }
        }
    }
}

/// Whether the inner service may be called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Readiness {
    /// It is as ready as the caller made it, who was told the truth.
    #[default]
    AsTold,
    /// The caller was told so when it was not asked, because the circuit was open.
    PassedOver,
}

/// Refuses a call if its service was not asked.
#[inline(always)]
pub(super) fn refuse_passed_over<G, Res, Err>(
    host: &G,
    inner_is: &mut Readiness,
) -> Option<Result<Res, Err>>
where
    G: Judge<Res, Err>,
{
    if *inner_is == Readiness::AsTold {
        return None;
    }
    *inner_is = Readiness::AsTold;
    Some(passed_over(host))
}

/// Rejects a call whose service was not asked: for the policy's reason, or else for that one.
///
/// The clock is read again, though it was read when the caller was told to go on: that may be long ago, and a
/// policy must not be asked about the past.
#[cold]
#[inline(never)]
fn passed_over<G, Res, Err>(host: &G) -> Result<Res, Err>
where
    G: Judge<Res, Err>,
{
    let now = Now::of(host.scope().clock());
    match host.policy().admit(&now) {
        Ok(permit) => {
            host.policy().withdraw(permit);
            host.reject(Rejection::new(Reason::NotReady), &now)
        }
        Err(rejection) => host.reject(rejection, &now),
    }
}

/// Counts an error of `poll_ready` as a call that failed: a broken connection shows itself there.
#[cold]
pub(super) fn count_broken<G, Res, Err>(host: &G, error: &Err)
where
    G: Judge<Res, Err>,
{
    let now = Now::of(host.scope().clock());
    let verdict = host.verdict(Err(error));
    host.policy().broken(&Completion::new(verdict, None, &now));
    host.scope().tell(&Event::Settled {
        outcome: verdict.outcome(),
        latency: None,
    });
}
