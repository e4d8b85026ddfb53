//! What answers in place of the service, and when.

use std::{
    convert::Infallible,
    fmt,
    future::{Future, Ready, ready},
    pin::Pin,
    task::{Context, Poll},
};

use pin_project::pin_project;

use super::Attach;
use crate::rejection::BoxError;

/// Answers in place of a service that failed.
pub trait Answer<Req, Res, Err> {
    /// What is kept of a request in case that its call fails.
    type Kept;
    /// Why there is no answer.
    type Failure: 'static;
    /// The answer to come.
    type Future: Future<Output = Result<Res, Self::Failure>>;

    /// Takes what is needed of a request, or none if there is no fallback for this one.
    fn keep(&self, request: &Req) -> Option<Self::Kept>;

    /// Begins to answer.
    fn answer(&self, kept: Self::Kept, error: &Err) -> Self::Future;

    /// Makes one error of the original and the reason why it could not be mended.
    fn give_up(error: Err, failure: Self::Failure) -> Err;
}

/// Says which errors a fallback is for.
///
/// Closures from `&Err` to `bool` do.
pub trait When<Err> {
    /// Returns whether the fallback is to answer.
    fn applies(&self, error: &Err) -> bool;
}

impl<F: Fn(&Err) -> bool, Err> When<Err> for F {
    fn applies(&self, error: &Err) -> bool {
        self(error)
    }
}

/// The fallback is for all errors.
#[derive(Clone, Copy, Debug)]
pub struct AnyError;

impl<Err> When<Err> for AnyError {
    fn applies(&self, _: &Err) -> bool {
        true
    }
}

/// Answers with a clone of a value.
#[derive(Clone, Debug)]
pub struct Value<V>(pub(super) V);

impl<Req, V: Clone, Err> Answer<Req, V, Err> for Value<V> {
    type Kept = ();
    type Failure = Infallible;
    type Future = Ready<Result<V, Infallible>>;

    fn keep(&self, _: &Req) -> Option<()> {
        Some(())
    }

    fn answer(&self, (): (), _: &Err) -> Self::Future {
        ready(Ok(self.0.clone()))
    }

    fn give_up(_: Err, failure: Infallible) -> Err {
        match failure {}
    }
}

/// Answers with what a function makes of the error.
#[derive(Clone)]
pub struct Respond<F>(pub(super) F);

impl<Req, Res, Err, F: Fn(&Err) -> Res> Answer<Req, Res, Err> for Respond<F> {
    type Kept = ();
    type Failure = Infallible;
    type Future = Ready<Result<Res, Infallible>>;

    fn keep(&self, _: &Req) -> Option<()> {
        Some(())
    }

    fn answer(&self, (): (), error: &Err) -> Self::Future {
        ready(Ok((self.0)(error)))
    }

    fn give_up(_: Err, failure: Infallible) -> Err {
        match failure {}
    }
}

impl<F> fmt::Debug for Respond<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Respond")
    }
}

/// Answers with a future that a function makes of the error.
#[derive(Clone)]
pub struct Run<F>(pub(super) F);

impl<Req, Res, Err, FE, F, Fut> Answer<Req, Res, Err> for Run<F>
where
    Err: Attach,
    FE: Into<BoxError>,
    F: Fn(&Err) -> Fut,
    Fut: Future<Output = Result<Res, FE>>,
{
    type Kept = ();
    type Failure = BoxError;
    type Future = RunFuture<Fut>;

    fn keep(&self, _: &Req) -> Option<()> {
        Some(())
    }

    fn answer(&self, (): (), error: &Err) -> Self::Future {
        RunFuture((self.0)(error))
    }

    fn give_up(error: Err, failure: BoxError) -> Err {
        error.attach(failure)
    }
}

impl<F> fmt::Debug for Run<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Run")
    }
}

/// The future of a [`Run`], with its error boxed.
#[pin_project]
pub struct RunFuture<F>(#[pin] F);

impl<F, Res, FE> Future for RunFuture<F>
where
    F: Future<Output = Result<Res, FE>>,
    FE: Into<BoxError>,
{
    type Output = Result<Res, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().0.poll(cx).map_err(Into::into)
    }
}

impl<F> fmt::Debug for RunFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RunFuture")
    }
}
