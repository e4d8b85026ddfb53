//! Timers: tokio's, or a model's.

use std::{
    future::Future,
    ops::Add,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{
    runtime::{Handle, Id},
    task::coop::unconstrained,
    time::{Instant, Sleep},
};

use crate::clock;

/// A timer that wakes somebody at a deadline.
pub(super) trait Timer: Send + Sized + 'static {
    type Time: Copy + Ord + Add<Duration, Output = Self::Time> + Send;
    /// What drives timers, and tells their time.
    type Runtime: Copy + PartialEq + Send;

    /// Returns the runtime that the caller is in, or panics if there is none.
    fn runtime() -> Self::Runtime;

    /// Tells the time in the runtime that the caller is in.
    fn now() -> Self::Time;

    /// Tells the time of a runtime, unless the caller is in another one or in none.
    fn now_in(runtime: Self::Runtime) -> Option<Self::Time>;

    /// Creates a timer of the runtime that the caller is in.
    fn new(deadline: Self::Time) -> Self;

    fn deadline(&self) -> Self::Time;

    /// Sets a new deadline. The timer has to be polled again.
    fn reset(&mut self, deadline: Self::Time);

    /// Returns whether it went off, because of its deadline or because its runtime came to an end.
    fn went_off(&self) -> bool;

    /// Has `waker` woken when the timer goes off, unless it has. `waker` may be called in here.
    fn poll(&mut self, waker: &Waker) -> Poll<()>;
}

/// tokio's timer.
#[derive(Debug)]
pub(super) struct TokioTimer(Pin<Box<Sleep>>);

impl Timer for TokioTimer {
    type Time = Instant;
    type Runtime = Id;

    #[inline]
    fn runtime() -> Id {
        // tokio shows its handle by cloning it alone: two writes to a word that all threads of the runtime
        // share, of four that each of tokio's own timers makes. What is cheaper, the thread, the task or the
        // number of the worker, stays the same when another runtime is entered.
        Handle::current().id()
    }

    #[inline]
    fn now() -> Instant {
        clock::tokio_now()
    }

    fn now_in(runtime: Id) -> Option<Instant> {
        let current = Handle::try_current().ok()?;
        (current.id() == runtime).then(clock::tokio_now)
    }

    fn new(deadline: Instant) -> Self {
        Self(Box::pin(tokio::time::sleep_until(deadline)))
    }

    fn deadline(&self) -> Instant {
        self.0.deadline()
    }

    fn reset(&mut self, deadline: Instant) {
        self.0.as_mut().reset(deadline);
    }

    fn went_off(&self) -> bool {
        self.0.is_elapsed()
    }

    fn poll(&mut self, waker: &Waker) -> Poll<()> {
        // Without tokio's budget: a task that has used it up would not get its timer set, and an inner
        // future that uses it up in every poll never.
        pin!(unconstrained(self.0.as_mut())).poll(&mut Context::from_waker(waker))
    }
}
