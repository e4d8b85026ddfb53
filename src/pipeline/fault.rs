//! What may go wrong with a call inside a pipeline, and the two services at its ends.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project::pin_project;
use tower_service::Service;

use crate::{
    event::Scope,
    fallback::Attach,
    gate::Refusal,
    outcome::{Aloft, Classify, Verdict, outcome_of_rejection},
    rejection::{BoxError, Rejection},
};

/// Why a call has no answer: the pipeline stopped it, or the inner service failed.
///
/// Inside a pipeline this is the error type, so that each stage knows for sure which of the two it is,
/// whatever the inner service's error is.
#[derive(Debug)]
pub enum Fault<E> {
    /// A policy refused the call, or it ran out of time.
    Rejected(Rejection),
    /// The inner service's own error.
    Inner(E),
}

impl<E> Fault<E> {
    /// Returns the rejection, if it is one.
    #[must_use]
    pub const fn rejection(&self) -> Option<&Rejection> {
        match self {
            Self::Rejected(rejection) => Some(rejection),
            Self::Inner(_) => None,
        }
    }
}

impl<E: fmt::Display> fmt::Display for Fault<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejection) => rejection.fmt(f),
            Self::Inner(error) => error.fmt(f),
        }
    }
}

impl<E> From<Rejection> for Fault<E> {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl<E: Attach> Attach for Fault<E> {
    fn attach(self, fallback: BoxError) -> Self {
        match self {
            Self::Rejected(rejection) => Self::Rejected(rejection.attach(fallback)),
            Self::Inner(error) => Self::Inner(error.attach(fallback)),
        }
    }
}

/// Classifies faults: rejections by their reason, the rest by the user's classifier.
#[derive(Clone, Debug)]
pub struct ByFault<C>(pub(super) C);

impl<C, Res, Err> Classify<Res, Fault<Err>> for ByFault<C>
where
    C: Classify<Res, Err>,
{
    #[inline]
    fn classify(&self, answer: Result<&Res, &Fault<Err>>) -> Verdict {
        match answer {
            Ok(response) => self.0.classify(Ok(response)),
            Err(Fault::Inner(error)) => self.0.classify(Err(error)),
            Err(Fault::Rejected(rejection)) => outcome_of_rejection(rejection).into(),
        }
    }

    #[inline]
    fn goes_on(&self, response: &Res) -> bool {
        self.0.goes_on(response)
    }

    fn go_on(&self, response: &mut Res, call: Aloft) {
        self.0.go_on(response, call);
    }
}

/// Rejects with a fault, and puts the pipeline's name on the rejections from further in, which are not
/// given it in advance: that would cost every call a reference count. It keeps the fallback, to which a call
/// that needs it is led in this way, for the same reason.
#[derive(Clone, Copy, Debug)]
pub struct AsFault<F>(pub(super) F);

impl<F, Res, Err> Refusal<Res, Fault<Err>> for AsFault<F> {
    fn refuse(&self, rejection: Rejection) -> Result<Res, Fault<Err>> {
        Err(Fault::Rejected(rejection))
    }

    #[inline]
    fn pass(&self, answer: &mut Result<Res, Fault<Err>>, scope: &Scope) {
        if let Err(Fault::Rejected(rejection)) = answer {
            rejection.name_if_unnamed(|| scope.shared_name());
        }
    }
}

/// The inner end of a pipeline: errors become faults.
#[derive(Clone, Debug)]
pub struct Lift<S>(pub(super) S);

impl<S, Req> Service<Req> for Lift<S>
where
    S: Service<Req>,
{
    type Response = S::Response;
    type Error = Fault<S::Error>;
    type Future = LiftFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx).map_err(Fault::Inner)
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        LiftFuture(self.0.call(request))
    }
}

/// The future of a [`Lift`].
#[pin_project]
pub struct LiftFuture<F>(#[pin] F);

impl<F, Res, Err> Future for LiftFuture<F>
where
    F: Future<Output = Result<Res, Err>>,
{
    type Output = Result<Res, Fault<Err>>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().0.poll(cx).map_err(Fault::Inner)
    }
}

impl<F> fmt::Debug for LiftFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LiftFuture")
    }
}

/// The outer end of a pipeline: faults become the inner service's errors, or responses.
#[derive(Clone, Debug)]
pub struct Lower<S, R> {
    pub(super) stack: S,
    pub(super) refusal: R,
}

impl<S, R, Req, Res, Err> Service<Req> for Lower<S, R>
where
    S: Service<Req, Response = Res, Error = Fault<Err>>,
    R: Refusal<Res, Err> + Clone,
{
    type Response = Res;
    type Error = Err;
    type Future = LowerFuture<S::Future, R>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Err>> {
        self.stack.poll_ready(cx).map_err(|fault| match fault {
            Fault::Inner(error) => error,
            // A stage of ours rejects in `call` alone.
            Fault::Rejected(rejection) => unreachable!("not ready: {rejection}"),
        })
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        // First, so that the inner future can be made in its place.
        let refusal = self.refusal.clone();
        LowerFuture {
            future: self.stack.call(request),
            refusal,
        }
    }
}

/// The future of a pipeline.
#[pin_project]
pub struct LowerFuture<F, R> {
    #[pin]
    future: F,
    refusal: R,
}

impl<F, R, Res, Err> Future for LowerFuture<F, R>
where
    F: Future<Output = Result<Res, Fault<Err>>>,
    R: Refusal<Res, Err>,
{
    type Output = Result<Res, Err>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        Poll::Ready(match ready!(this.future.poll(cx)) {
            Ok(response) => Ok(response),
            Err(Fault::Inner(error)) => Err(error),
            Err(Fault::Rejected(rejection)) => this.refusal.refuse(rejection),
        })
    }
}

impl<F, R> fmt::Debug for LowerFuture<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LowerFuture")
    }
}
