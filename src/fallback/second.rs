//! A second service that answers in place of the first.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project::pin_project;
use tower_service::Service;

use super::{Answer, Attach};
use crate::rejection::BoxError;

/// Answers with a clone of a second service, which is made ready first.
#[derive(Clone)]
pub struct Second<T, C> {
    pub(super) service: T,
    pub(super) copy: C,
}

impl<T, C, Req, Err> Answer<Req, T::Response, Err> for Second<T, C>
where
    T: Service<Req> + Clone,
    T::Error: Into<BoxError>,
    C: Fn(&Req) -> Option<Req>,
    Err: Attach,
{
    type Kept = Req;
    type Failure = BoxError;
    type Future = SecondFuture<T, Req>;

    fn keep(&self, request: &Req) -> Option<Req> {
        (self.copy)(request)
    }

    fn answer(&self, request: Req, _: &Err) -> Self::Future {
        SecondFuture {
            state: State::Readying {
                service: self.service.clone(),
                request: Some(request),
            },
        }
    }

    fn give_up(error: Err, failure: BoxError) -> Err {
        error.attach(failure)
    }
}

impl<T: fmt::Debug, C> fmt::Debug for Second<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Second")
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

/// The future of a [`Second`]: makes the service ready, then calls it.
#[pin_project]
pub struct SecondFuture<T: Service<Req>, Req> {
    #[pin]
    state: State<T, Req>,
}

#[pin_project(project = StateProj)]
enum State<T: Service<Req>, Req> {
    Readying { service: T, request: Option<Req> },
    Called(#[pin] T::Future),
}

impl<T, Req> Future for SecondFuture<T, Req>
where
    T: Service<Req>,
    T::Error: Into<BoxError>,
{
    type Output = Result<T::Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        if let StateProj::Readying { service, request } = state.as_mut().project() {
            ready!(service.poll_ready(cx)).map_err(Into::into)?;
            let request = request.take().expect("polled after it was ready");
            let called = service.call(request);
            state.set(State::Called(called));
        }
        match state.project() {
            StateProj::Called(answer) => answer.poll(cx).map_err(Into::into),
            StateProj::Readying { .. } => unreachable!("it was replaced above"),
        }
    }
}

impl<T: Service<Req>, Req> fmt::Debug for SecondFuture<T, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Readying { .. } => "SecondFuture(readying)",
            State::Called(_) => "SecondFuture(called)",
        })
    }
}
