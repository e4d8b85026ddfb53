//! A call in the queue, as a layer and by hand.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project::{pin_project, pinned_drop};
use tokio::time::Sleep;
use tower_service::Service;

use super::{
    Flight, Policy, Queue, ResponseFuture,
    host::{Host, Judge},
    policy::Start,
    queued::Running,
};
use crate::{
    clock::{Now, Tick},
    event::Event,
    outcome::Outcome,
    rejection::{Reason, Rejection},
};

/// A call in the queue, and then in front of a service that is not ready yet.
#[pin_project(PinnedDrop)]
pub(super) struct Waiting<S, G, Req>
where
    S: Service<Req>,
    G: Host,
    G::Policy: Queue,
{
    #[pin]
    pub(super) ticket: Option<<G::Policy as Queue>::Ticket>,
    pub(super) inner: S,
    pub(super) request: Option<Req>,
    /// There when the wait is over.
    pub(super) flight: Option<Flight<G>>,
    /// There while the service is not ready.
    #[pin]
    pub(super) patience: Option<Sleep>,
    pub(super) host: G,
    pub(super) arrived: Option<Tick>,
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
            return Poll::Ready(ResponseFuture::refused(waited_too_long(this.host)));
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

fn waited_too_long<G, Res, Err>(host: &G) -> Result<Res, Err>
where
    G: Judge<Res, Err>,
{
    let now = Now::of(host.scope().clock());
    host.reject(Rejection::new(Reason::WaitTimedOut), &now)
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
    let arrival = arrived.map_or(Start::UNTIMED, Start::at);
    let (start, waited_ns) = match arrival.latency_ns(&now) {
        Some(waited_ns) => (Start::at(now.tick()), waited_ns),
        None => (Start::UNTIMED, 0),
    };
    Ok(Flight::new(host.board(), permit, start, waited_ns))
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
