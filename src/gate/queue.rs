//! Waiting for admission, where a policy has a queue.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project::{pin_project, pinned_drop};
use tokio::time::Sleep;
use tower_service::Service;

use super::{
    Flight, Gate, Policy, ResponseFuture,
    host::{Host, Judge},
    policy::Held,
    service::depart,
};
use crate::{
    clock::{Now, Tick},
    event::Event,
    outcome::Outcome,
    rejection::{Reason, Rejection},
};

/// A policy in whose queue a refused call may wait.
///
/// While a call waits it holds a place in the queue and nothing else: the permits of the policies to the
/// left are taken anew when its turn comes, so that a circuit that opened meanwhile refuses it. Then it
/// waits for the service to be ready, holding its permits, for as long again at most.
pub trait Queue: Policy {
    /// What a call has whose turn has come; dropping it lets the next one in.
    type Place;
    /// The wait; dropping it leaves the queue.
    type Ticket: Future<Output = Result<Self::Place, Rejection>>;

    /// Lets the call that met `rejection` wait, or hands the rejection back.
    ///
    /// # Errors
    ///
    /// The rejection, if it came from another policy or if there is no place in the queue.
    fn enqueue(&self, rejection: Rejection, now: &Now<'_>) -> Result<Self::Ticket, Rejection>;

    /// Returns how long a call may wait, for its turn and then for the service to be ready.
    fn longest_wait(&self) -> Duration;

    /// Admits a call whose turn has come.
    ///
    /// # Errors
    ///
    /// The rejection of another policy.
    fn admit_from(&self, place: Self::Place, now: &Now<'_>) -> Result<Self::Permit, Rejection>;
}

/// The queue is that of the last policy.
impl<A: Policy, B: Queue> Queue for (A, B) {
    type Place = B::Place;
    type Ticket = B::Ticket;

    fn enqueue(&self, rejection: Rejection, now: &Now<'_>) -> Result<Self::Ticket, Rejection> {
        self.1.enqueue(rejection, now)
    }

    fn longest_wait(&self) -> Duration {
        self.1.longest_wait()
    }

    fn admit_from(&self, place: B::Place, now: &Now<'_>) -> Result<Self::Permit, Rejection> {
        let held = Held::new(&self.0, self.0.admit(now)?);
        let last = self.1.admit_from(place, now)?;
        Ok((held.keep(), last))
    }
}

/// The queue is that of the last policy.
impl<A: Policy, B: Policy, C: Queue> Queue for (A, B, C) {
    type Place = C::Place;
    type Ticket = C::Ticket;

    fn enqueue(&self, rejection: Rejection, now: &Now<'_>) -> Result<Self::Ticket, Rejection> {
        self.2.enqueue(rejection, now)
    }

    fn longest_wait(&self) -> Duration {
        self.2.longest_wait()
    }

    fn admit_from(&self, place: C::Place, now: &Now<'_>) -> Result<Self::Permit, Rejection> {
        let first = Held::new(&self.0, self.0.admit(now)?);
        let second = Held::new(&self.1, self.1.admit(now)?);
        let last = self.2.admit_from(place, now)?;
        let second = second.keep();
        Ok((first.keep(), second, last))
    }
}

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
        let now = Now::of(host.scope().clock());
        let state = match depart(host, inner_is, &now) {
            Ok(flight) => State::Running(ResponseFuture::called(inner.call(request), flight)),
            Err(rejection) => wait(inner, host, request, rejection, &now),
        };
        QueueFuture { state }
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

type Answer<S, Req> = Result<<S as Service<Req>>::Response, <S as Service<Req>>::Error>;
type Running<S, G, Req> = ResponseFuture<<S as Service<Req>>::Future, G, Answer<S, Req>>;

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

/// A call in the queue, and then in front of a service that is not ready yet.
#[pin_project(PinnedDrop)]
struct Waiting<S, G, Req>
where
    S: Service<Req>,
    G: Host,
    G::Policy: Queue,
{
    #[pin]
    ticket: Option<<G::Policy as Queue>::Ticket>,
    inner: S,
    request: Option<Req>,
    /// There when the wait is over.
    flight: Option<Flight<G>>,
    /// There while the service is not ready.
    #[pin]
    patience: Option<Sleep>,
    host: G,
    arrived: Option<Tick>,
}

impl<S, G, Req> Future for Waiting<S, G, Req>
where
    S: Service<Req>,
    G: Judge<S::Response, S::Error>,
    G::Policy: Queue,
{
    type Output = Running<S, G, Req>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(ticket) = this.ticket.as_mut().as_pin_mut() {
            let place = ready!(ticket.poll(cx));
            this.ticket.set(None);
            match place.and_then(|place| take_off(this.host, place, *this.arrived)) {
                Ok(flight) => *this.flight = Some(flight),
                Err(rejection) => {
                    let now = Now::of(this.host.scope().clock());
                    let refused = this.host.reject(rejection, &now);
                    return Poll::Ready(ResponseFuture::refused(refused));
                }
            }
        }
        let flight = this.flight.as_mut().expect("polled after it was ready");
        flight.set_running(true);
        let polled = this.inner.poll_ready(cx);
        flight.set_running(false);
        let Poll::Ready(ready) = polled else {
            let patience = this.host.policy().longest_wait();
            ready!(expired(this.patience, patience, cx));
            let flight = this.flight.take().expect("it was there a moment ago");
            flight.withdraw();
            return Poll::Ready(ResponseFuture::refused(not_ready(this.host)));
        };
        let mut flight = this.flight.take().expect("it was there three lines ago");
        Poll::Ready(match ready {
            Ok(()) => {
                let request = this.request.take().expect("taken with the flight");
                flight.set_running(true);
                ResponseFuture::called(this.inner.call(request), flight)
            }
            Err(error) => {
                let verdict = this.host.verdict(Err(&error));
                flight.finish(verdict);
                ResponseFuture::refused(Err(error))
            }
        })
    }
}

#[pinned_drop]
impl<S, G, Req> PinnedDrop for Waiting<S, G, Req>
where
    S: Service<Req>,
    G: Host,
    G::Policy: Queue,
{
    fn drop(self: Pin<&mut Self>) {
        // A call that was admitted is counted by its flight, one that was refused by the refusal.
        if self.ticket.is_some() {
            abandon(&self.host);
        }
    }
}

/// Admits a call, after a wait if need be.
pub(crate) async fn acquire<G>(host: &G) -> Result<Flight<G>, Rejection>
where
    G: Host,
    G::Policy: Queue,
{
    let (ticket, arrived) = {
        let now = Now::of(host.scope().clock());
        match Flight::admit(host, &now) {
            Ok(flight) => return Ok(flight),
            Err(rejection) => {
                let ticket = host.policy().enqueue(rejection, &now);
                let arrived = Flight::wants_latency(host).then(|| now.tick());
                (ticket, arrived)
            }
        }
    };
    let admitted = match ticket {
        Ok(ticket) => {
            let mut waiting = InQueue(Some(host));
            let turn = ticket.await;
            waiting.0 = None;
            turn.and_then(|place| take_off(host, place, arrived))
        }
        Err(rejection) => Err(rejection),
    };
    if let Err(rejection) = &admitted {
        host.refused(rejection, &Now::of(host.scope().clock()));
    }
    admitted
}

/// Runs a future behind a policy, after a wait if need be.
pub(crate) async fn call_queued<G, Fut, Res, Err>(host: G, future: Fut) -> Result<Res, Err>
where
    G: Judge<Res, Err>,
    G::Policy: Queue,
    Fut: Future<Output = Result<Res, Err>>,
{
    match acquire(&host).await {
        Ok(flight) => ResponseFuture::called(future, flight).await,
        Err(rejection) => host.refuse(rejection),
    }
}

/// Sets a timer, if it is not set, and waits for it.
fn expired(mut timer: Pin<&mut Option<Sleep>>, after: Duration, cx: &mut Context<'_>) -> Poll<()> {
    if timer.is_none() {
        timer.set(Some(tokio::time::sleep(after)));
    }
    timer
        .as_pin_mut()
        .map_or(Poll::Ready(()), |timer| timer.poll(cx))
}

fn not_ready<G, Res, Err>(host: &G) -> Result<Res, Err>
where
    G: Judge<Res, Err>,
{
    let now = Now::of(host.scope().clock());
    host.reject(Rejection::new(Reason::NotReady), &now)
}

/// Turns a place that was waited for into an admitted call.
fn take_off<G>(
    host: &G,
    place: <G::Policy as Queue>::Place,
    arrived: Option<Tick>,
) -> Result<Flight<G>, Rejection>
where
    G: Host,
    G::Policy: Queue,
{
    let now = Now::of(host.scope().clock());
    let permit = host.policy().admit_from(place, &now)?;
    let admitted = arrived.map(|_| now.tick());
    let waited = arrived.map(|arrived| now.tick().since(arrived));
    Ok(Flight::new(
        host.clone(),
        permit,
        admitted,
        waited.unwrap_or_default(),
    ))
}

/// A caller in the queue, who may leave it.
struct InQueue<'a, G: Host>(Option<&'a G>);

impl<G: Host> Drop for InQueue<'_, G> {
    fn drop(&mut self) {
        if let Some(host) = self.0 {
            abandon(host);
        }
    }
}

/// Counts a call that left the queue before its turn.
fn abandon<G: Host>(host: &G) {
    host.policy().abandoned(&Now::of(host.scope().clock()));
    host.scope().tell(&Event::Settled {
        outcome: Outcome::Cancelled,
        latency: None,
    });
}
