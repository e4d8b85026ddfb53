//! The gate in which calls may wait.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project::pin_project;
use tower_service::Service;

use super::{
    Flight, Gate, Policy, Queue, ResponseFuture,
    host::{Host, Judge},
    service::refuse_passed_over,
    waiting::Waiting,
};
use crate::{clock::Now, rejection::Rejection};

/// A [`Gate`] in which calls may wait, made by [`GateLayer::layer_queued`](super::GateLayer::layer_queued).
#[derive(Debug)]
pub struct QueuedGate<S, G> {
    gate: Gate<S, G>,
}

impl<S, G> QueuedGate<S, G> {
    pub(super) const fn new(inner: S, host: G) -> Self {
        Self {
            gate: Gate::new(inner, host),
        }
    }

    /// Returns the inner service.
    #[must_use]
    pub const fn get_ref(&self) -> &S {
        self.gate.get_ref()
    }

    /// Returns the inner service.
    #[must_use]
    pub const fn get_mut(&mut self) -> &mut S {
        self.gate.get_mut()
    }

    /// Returns the inner service.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.gate.into_inner()
    }
}

impl<S: Clone, G: Clone> Clone for QueuedGate<S, G> {
    fn clone(&self) -> Self {
        Self {
            gate: self.gate.clone(),
        }
    }
}

impl<S, G, Req> Service<Req> for QueuedGate<S, G>
where
    S: Service<Req> + Clone,
    G: Judge<S::Response, S::Error>,
    G::Policy: Queue,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = QueueFuture<S, G, Req>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.gate.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let Gate {
            inner,
            host,
            inner_is,
        } = &mut self.gate;
        if let Some(refused) = refuse_passed_over(host, inner_is) {
            return QueueFuture::running(ResponseFuture::refused(refused));
        }
        let now = Now::of(host.scope().clock());
        // Each way makes its future where it is to be.
        match host.policy().admit(&now) {
            Ok(permit) => {
                let flight = Flight::take_off(host, permit, &now).in_service();
                QueueFuture::running(ResponseFuture::called(inner.call(request), flight))
            }
            Err(rejection) => QueueFuture {
                state: now.lend(|now| wait(inner, host, request, rejection, now)),
            },
        }
    }
}

#[cold]
fn wait<S, G, Req>(
    inner: &S,
    host: &G,
    request: Req,
    rejection: Rejection,
    now: &Now<'_>,
) -> State<S, G, Req>
where
    S: Service<Req> + Clone,
    G: Judge<S::Response, S::Error>,
    G::Policy: Queue,
{
    match host.policy().enqueue(rejection, now) {
        Ok(ticket) => State::Waiting(Box::pin(Waiting {
            ticket: Some(ticket),
            // A clone, which is not ready: the readiness below must not be hoarded by a queue.
            inner: inner.clone(),
            request: Some(request),
            flight: None,
            patience: None,
            host: host.clone(),
            arrived: Flight::wants_latency(host).then(|| now.tick()),
        })),
        Err(rejection) => State::Running(ResponseFuture::refused(host.reject(rejection, now))),
    }
}

/// The future of a [`QueuedGate`]: perhaps a wait, then a [`ResponseFuture`].
#[pin_project]
pub struct QueueFuture<S, G, Req>
where
    S: Service<Req>,
    G: Host,
    G::Policy: Queue,
{
    #[pin]
    state: State<S, G, Req>,
}

impl<S, G, Req> QueueFuture<S, G, Req>
where
    S: Service<Req>,
    G: Host,
    G::Policy: Queue,
{
    /// Returns the host that the call's flight holds, also after it has landed; none if the call was refused or
    /// waits.
    #[inline(always)]
    pub(crate) const fn host(&self) -> Option<&G> {
        match &self.state {
            State::Running(running) => running.host(),
            State::Waiting(_) => None,
        }
    }

    #[inline(always)]
    const fn running(future: Running<S, G, Req>) -> Self {
        Self {
            state: State::Running(future),
        }
    }
}

pub(super) type Answer<S, Req> = Result<<S as Service<Req>>::Response, <S as Service<Req>>::Error>;
pub(super) type Running<S, G, Req> = ResponseFuture<<S as Service<Req>>::Future, G, Answer<S, Req>>;

#[pin_project(project = StateProj)]
enum State<S, G, Req>
where
    S: Service<Req>,
    G: Host,
    G::Policy: Queue,
{
    Running(#[pin] Running<S, G, Req>),
    // Boxed, so that the calls that do not wait need not carry the room for it.
    Waiting(Pin<Box<Waiting<S, G, Req>>>),
}

impl<S, G, Req> Future for QueueFuture<S, G, Req>
where
    S: Service<Req>,
    G: Judge<S::Response, S::Error>,
    G::Policy: Queue,
{
    type Output = Answer<S, Req>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        if let StateProj::Waiting(waiting) = state.as_mut().project() {
            let running = ready!(waiting.as_mut().poll(cx));
            state.set(State::Running(running));
        }
        match state.project() {
            StateProj::Running(running) => running.poll(cx),
            StateProj::Waiting(_) => unreachable!("it was replaced above"),
        }
    }
}

impl<S, G, Req> fmt::Debug for QueueFuture<S, G, Req>
where
    S: Service<Req>,
    G: Host,
    G::Policy: Queue,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            State::Running(running) => running.fmt(f),
            State::Waiting(_) => f.write_str("QueueFuture(waiting)"),
        }
    }
}
