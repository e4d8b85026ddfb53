//! A call on its way with its body, and how it ends.

use std::{
    fmt,
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use http::HeaderMap;
use tokio::{
    task::coop::unconstrained,
    time::{Instant, Sleep, sleep_until},
};

use super::ByGrpcStatus;
use crate::{
    clock::tokio_now,
    outcome::{Aloft, Classify, ErrorsAsFailures, Outcome, Verdict},
    rejection::BoxError,
};

/// A call whose answer's head has come, with what there is to know about its end.
///
/// Made by a [`WholeExchange`](super::WholeExchange), put into a body by [`Carry`](super::Carry). Dropped, it counts
/// as cancelled, unless its head was no success.
#[must_use = "dropping an exchange cancels the call"]
pub struct Exchange {
    /// None once it was settled.
    call: Option<Aloft>,
    /// Who reads the trailers, if they decide.
    trailers: Option<ByGrpcStatus>,
    /// How many bytes are to come, if that is known and the end of them is the end.
    left: Option<u64>,
    idle: Option<Idle>,
    /// Whether the body's code runs. Nothing but a panic leads from there to a drop.
    is_running: bool,
}

impl Exchange {
    pub(super) fn new(
        call: Aloft,
        trailers: Option<ByGrpcStatus>,
        left: Option<u64>,
        idle_timeout: Option<Duration>,
    ) -> Self {
        Self {
            call: Some(call),
            trailers,
            left,
            idle: idle_timeout.map(Idle::new),
            is_running: false,
        }
    }

    /// Settles the call at the end of its body.
    pub(super) fn end(mut self, trailers: Option<&HeaderMap>) {
        let Some(call) = self.call.take() else { return };
        match self.trailers {
            Some(reader) if call.begun().outcome() == Outcome::Success => {
                call.settle(match trailers {
                    Some(trailers) => reader.of_trailers(trailers),
                    // A stream of gRPC that ends without a status was cut off.
                    None => Outcome::Failure.into(),
                });
            }
            _ => call.end(),
        }
    }

    /// Settles the call with what went wrong with its body, unless it had gone wrong before.
    fn fail(&mut self, verdict: Verdict) {
        let Some(call) = self.call.take() else { return };
        if call.begun().outcome().is_failure() {
            call.end();
        } else {
            call.settle(verdict);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if self.is_running {
            self.fail(Outcome::Failure.into());
        }
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("call", &self.call)
            .finish_non_exhaustive()
    }
}

/// The calls that one body carries: of each gate around it that waits for its end, the innermost first.
#[derive(Debug, Default)]
pub(super) struct Aboard(Vec<Exchange>);

impl Aboard {
    pub(super) fn take(&mut self, exchange: Exchange) {
        self.0.push(exchange);
    }

    /// Marks where the body's code begins and ends.
    pub(super) fn set_running(&mut self, is_running: bool) {
        for exchange in &mut self.0 {
            exchange.is_running = is_running;
        }
    }

    /// Waits until the body has been idle for too long.
    pub(super) fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut idles = self.0.iter_mut().filter_map(|each| each.idle.as_mut());
        match idles.any(|idle| idle.poll(cx).is_ready()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    /// Takes note of data, and settles the calls that wait for no more.
    pub(super) fn count(&mut self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        for exchange in &mut self.0 {
            exchange.left = exchange.left.map(|left| left.saturating_sub(bytes));
            if let Some(idle) = &mut exchange.idle {
                idle.due = None;
            }
        }
        for exchange in self.0.extract_if(.., |exchange| exchange.left == Some(0)) {
            exchange.end(None);
        }
    }

    pub(super) fn end(&mut self, trailers: Option<&HeaderMap>) {
        for exchange in self.0.drain(..) {
            exchange.end(trailers);
        }
    }

    pub(super) fn fail(&mut self, error: &BoxError) {
        let verdict = Classify::<(), BoxError>::classify(&ErrorsAsFailures, Err(error));
        for mut exchange in self.0.drain(..) {
            exchange.fail(verdict);
        }
    }
}

/// How long a body may keep its reader waiting at a time.
struct Idle {
    limit: Duration,
    /// When the present wait is too long; none while nobody waits.
    due: Option<Instant>,
    /// Goes off at `due` or earlier: a timer that is set once a limit costs less than one set with each frame.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Idle {
    const fn new(limit: Duration) -> Self {
        Self {
            limit,
            due: None,
            timer: None,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let limit = self.limit;
        let due = *self.due.get_or_insert_with(|| tokio_now() + limit);
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        loop {
            // As in `timeout`: without tokio's budget, which the body may have used up.
            ready!(pin!(unconstrained(timer.as_mut())).poll(cx));
            if timer.deadline() >= due {
                return Poll::Ready(());
            }
            timer.as_mut().reset(due);
        }
    }
}
