//! The answer of a service with a time limit.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project::pin_project;

use super::due::{Due, Sharing};
use crate::{
    gate::Refusal,
    rejection::{Reason, Rejection},
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
        due: Due,
    },
    Ended,
}

impl<F, R> ResponseFuture<F, R> {
    pub(super) const fn new(
        inner: F,
        limit: Option<Duration>,
        sharing: Sharing,
        refusal: R,
        name: Option<Arc<str>>,
    ) -> Self {
        let due = Due::Unset { limit, sharing };
        Self {
            state: State::Running { inner, due },
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
        let StateProj::Running { inner, due } = this.state.as_mut().project() else {
            panic!("polled after it was ready");
        };
        if let Poll::Ready(answer) = inner.poll(cx) {
            return Poll::Ready(answer);
        }
        ready!(due.poll(cx));
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
