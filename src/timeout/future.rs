//! The answer of a service with a time limit.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use pin_project::pin_project;
use tokio::time::Sleep;

use crate::{
    gate::Refusal,
    rejection::{Reason, Rejection},
    settings::LONGEST,
};

/// The future of a [`Timeout`](super::Timeout): the inner service's, with a deadline.
#[pin_project]
pub struct ResponseFuture<F, R> {
    #[pin]
    state: State<F>,
    refusal: R,
    name: Option<Arc<str>>,
}

#[pin_project(project = StateProj)]
enum State<F> {
    Running {
        #[pin]
        inner: F,
        #[pin]
        deadline: Deadline,
    },
    Ended,
}

impl<F, R> ResponseFuture<F, R> {
    pub(super) const fn new(
        inner: F,
        limit: Option<Duration>,
        refusal: R,
        name: Option<Arc<str>>,
    ) -> Self {
        let deadline = Deadline {
            limit,
            sleep: None,
            asked: 0,
        };
        Self {
            state: State::Running { inner, deadline },
            refusal,
            name,
        }
    }
}

impl<F, R, Res, Err> Future for ResponseFuture<F, R>
where
    F: Future<Output = Result<Res, Err>>,
    R: Refusal<Res, Err>,
{
    type Output = Result<Res, Err>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let StateProj::Running {
            inner,
            mut deadline,
        } = this.state.as_mut().project()
        else {
            panic!("polled after it was ready");
        };
        let passed = deadline.as_mut().has_passed_early(cx);
        if let Poll::Ready(answer) = inner.poll(cx) {
            return Poll::Ready(answer);
        }
        if !passed && !deadline.has_passed(cx) {
            return Poll::Pending;
        }
        // Before anybody hears of it, so that all that the call held is free by then.
        this.state.set(State::Ended);
        let rejection = Rejection::new(Reason::DeadlineExceeded).named(this.name.take());
        Poll::Ready(this.refusal.refuse(rejection))
    }
}

impl<F, R> fmt::Debug for ResponseFuture<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Running { .. } => "ResponseFuture(running)",
            State::Ended => "ResponseFuture(ended)",
        })
    }
}

/// A limit, and the timer once there is need of one.
#[pin_project]
struct Deadline {
    limit: Option<Duration>,
    #[pin]
    sleep: Option<Sleep>,
    /// How often the timer was asked, as far as that matters.
    asked: u8,
}

impl Deadline {
    /// After so many answers the timer is asked before the inner future.
    ///
    /// Asked afterwards it costs nothing in the poll that brings the answer, which is the second as
    /// a rule. But an inner future that uses up tokio's cooperative budget in every poll leaves none
    /// for the timer, which would never be set.
    const PATIENCE: u8 = 2;

    /// Asks the timer ahead of the inner future, if it is time for that.
    #[inline]
    fn has_passed_early(self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        self.asked >= Self::PATIENCE && self.ask(cx)
    }

    /// Asks the timer after the inner future, and sets it first if it was not.
    fn has_passed(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        if self.asked >= Self::PATIENCE {
            return false;
        }
        let mut this = self.as_mut().project();
        if this.sleep.is_none() {
            match *this.limit {
                Some(Duration::ZERO) => return true,
                Some(limit) if limit <= LONGEST => this.sleep.set(Some(tokio::time::sleep(limit))),
                Some(_) | None => return false,
            }
        }
        *this.asked += 1;
        self.ask(cx)
    }

    fn ask(self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        let sleep = self.project().sleep.as_pin_mut();
        sleep.is_some_and(|sleep| sleep.poll(cx).is_ready())
    }
}
