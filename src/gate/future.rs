//! The answer of a gate.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project::pin_project;

use super::{
    Flight, aloft,
    host::{Host, Judge},
};

/// The future of a [`Gate`](super::Gate): the inner service's, with a [`Flight`].
#[pin_project]
pub struct ResponseFuture<F, G: Host, T> {
    #[pin]
    state: State<F, G, T>,
}

// On a drop the inner future goes first, so that its work has really ended when the permit is
// given back: fields are dropped in the order in which they stand here.
#[pin_project(project = StateProj)]
enum State<F, G: Host, T> {
    Called {
        #[pin]
        inner: F,
        flight: Flight<G>,
    },
    Refused {
        answer: Option<T>,
    },
}

impl<F, G: Host, T> ResponseFuture<F, G, T> {
    pub(crate) const fn called(inner: F, mut flight: Flight<G>) -> Self {
        flight.set_running(false);
        Self {
            state: State::Called { inner, flight },
        }
    }

    /// Returns the host that the call's flight holds, also after it has landed; none if it was refused.
    #[inline(always)]
    pub(super) const fn host(&self) -> Option<&G> {
        match &self.state {
            State::Called { flight, .. } => Some(flight.host()),
            State::Refused { .. } => None,
        }
    }

    pub(crate) const fn refused(answer: T) -> Self {
        Self {
            state: State::Refused {
                answer: Some(answer),
            },
        }
    }
}

impl<F, G, Res, Err> Future for ResponseFuture<F, G, Result<Res, Err>>
where
    F: Future<Output = Result<Res, Err>>,
    G: Judge<Res, Err>,
{
    type Output = Result<Res, Err>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Called { inner, flight } => {
                flight.set_running(true);
                let polled = inner.poll(cx);
                flight.set_running(false);
                let mut answer = ready!(polled);
                let verdict = flight.host().verdict(answer.as_ref());
                match &mut answer {
                    Ok(response) if flight.host().goes_on(response) => {
                        aloft::go_on(flight, response, verdict);
                    }
                    Ok(_) | Err(_) => flight.finish(verdict),
                }
                flight.host().pass(&mut answer);
                Poll::Ready(answer)
            }
            StateProj::Refused { answer } => {
                Poll::Ready(answer.take().expect("polled after it was ready"))
            }
        }
    }
}

impl<F, G: Host, T> fmt::Debug for ResponseFuture<F, G, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Called { .. } => "ResponseFuture(called)",
            State::Refused { .. } => "ResponseFuture(refused)",
        })
    }
}

#[cfg(all(test, not(portcullis_loom)))]
mod tests {
    use std::{convert::Infallible, future::Ready};

    use super::*;
    use crate::gate::GateLayer;

    const WORD: usize = size_of::<usize>();

    type Answer = Result<u64, Infallible>;
    type Host<P> = GateLayer<P>;

    /// A call carries its future from task to task, and a server has thousands of them: nothing may be in
    /// one that is not needed.
    #[test]
    fn a_future_is_as_large_as_its_parts() {
        // The host, the start, the wait, and whose code runs; and whether a permit is there.
        assert_eq!(size_of::<Flight<Host<()>>>(), 4 * WORD + WORD);
        let inner = size_of::<Ready<Answer>>();
        let future = size_of::<ResponseFuture<Ready<Answer>, Host<()>, Answer>>();
        assert_eq!(future, inner + size_of::<Flight<Host<()>>>());
        // A future without a spare value for "refused" takes a word to say so.
        let opaque = size_of::<ResponseFuture<Ready<u64>, Host<()>, Answer>>();
        assert!(opaque <= size_of::<Ready<u64>>() + size_of::<Flight<Host<()>>>() + WORD);
    }
}
