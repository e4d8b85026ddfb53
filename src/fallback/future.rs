//! The answer of a service with a fallback.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project::pin_project;
use tower_service::Service;

use super::{Answer, FallbackLayer, When};
use crate::{
    clock::Now,
    event::FallbackEnding,
    gate::{Flight, Host, Policy},
    outcome::{Classify, ErrorsAsFailures},
};

/// What a response future must know of its layer's type.
pub trait Plan: Host {
    /// What answers.
    type Answer;
}

/// How a call gets at its fallback, when it comes to that.
///
/// A layer by itself is taken along by each call, which counts a reference. In a pipeline the inner future leads
/// to it, so that one reference count does for the whole stack.
pub trait Way<F>: Clone {
    /// The layer at its end.
    type Layer: Plan;

    /// Returns the layer.
    fn layer(&self) -> &Self::Layer;

    /// Returns what a call has to take along, if its future does not lead to the layer.
    fn take_along(&self, inner: &F) -> Option<Self::Layer>;

    /// Returns the layer that a future leads to.
    fn follow(inner: &F) -> Option<Self::Layer>;
}

impl<F, L: Plan> Way<F> for L {
    type Layer = Self;

    #[inline(always)]
    fn layer(&self) -> &Self {
        self
    }

    #[inline(always)]
    fn take_along(&self, _: &F) -> Option<Self> {
        Some(self.board())
    }

    fn follow(_: &F) -> Option<Self> {
        None
    }
}

/// The future of a [`Fallback`](super::Fallback): the inner service's, and after it perhaps that of
/// what answers in its place.
#[pin_project]
pub struct ResponseFuture<S, L, Req>
where
    S: Service<Req>,
    L: Way<S::Future>,
    <L::Layer as Plan>::Answer: Answer<Req, S::Response, S::Error>,
{
    #[pin]
    state: State<S, L, Req>,
}

type LayerOf<S, L, Req> = <L as Way<<S as Service<Req>>::Future>>::Layer;

type Kept<S, L, Req> = <<LayerOf<S, L, Req> as Plan>::Answer as Answer<
    Req,
    <S as Service<Req>>::Response,
    <S as Service<Req>>::Error,
>>::Kept;

type Rescue<S, L, Req> = <<LayerOf<S, L, Req> as Plan>::Answer as Answer<
    Req,
    <S as Service<Req>>::Response,
    <S as Service<Req>>::Error,
>>::Future;

// On a drop the fallback goes first, so that its work has really ended when the permit is given
// back: fields are dropped in the order in which they stand here.
#[pin_project(project = StateProj, project_replace = StateOwned)]
enum State<S, L, Req>
where
    S: Service<Req>,
    L: Way<S::Future>,
    <L::Layer as Plan>::Answer: Answer<Req, S::Response, S::Error>,
{
    Called {
        #[pin]
        inner: S::Future,
        kept: Option<Kept<S, L, Req>>,
        /// None if the inner future leads to it.
        layer: Option<LayerOf<S, L, Req>>,
    },
    Falling {
        #[pin]
        fallback: Rescue<S, L, Req>,
        flight: Flight<LayerOf<S, L, Req>>,
        error: S::Error,
    },
    Ended,
}

impl<S, L, Req> ResponseFuture<S, L, Req>
where
    S: Service<Req>,
    L: Way<S::Future>,
    <L::Layer as Plan>::Answer: Answer<Req, S::Response, S::Error>,
{
    #[inline(always)]
    pub(super) fn new(inner: S::Future, kept: Option<Kept<S, L, Req>>, way: &L) -> Self {
        let layer = way.take_along(&inner);
        Self {
            state: State::Called { inner, kept, layer },
        }
    }
}

impl<S, L, A, W, P, Req> Future for ResponseFuture<S, L, Req>
where
    S: Service<Req>,
    L: Way<S::Future, Layer = FallbackLayer<A, W, P>>,
    A: Answer<Req, S::Response, S::Error>,
    W: When<S::Error>,
    P: Policy,
{
    type Output = Result<S::Response, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        if let StateProj::Called { inner, .. } = state.as_mut().project() {
            match ready!(inner.poll(cx)) {
                Ok(response) => return Poll::Ready(Ok(response)),
                Err(error) => state.as_mut().fall(error)?,
            }
        }
        state.follow(cx)
    }
}

impl<S, L, A, W, P, Req> State<S, L, Req>
where
    S: Service<Req>,
    L: Way<S::Future, Layer = FallbackLayer<A, W, P>>,
    A: Answer<Req, S::Response, S::Error>,
    W: When<S::Error>,
    P: Policy,
{
    /// Drops the inner future, then begins the fallback or gives the error back.
    #[cold]
    fn fall(mut self: Pin<&mut Self>, error: S::Error) -> Result<(), S::Error> {
        let found = match self.as_mut().project() {
            StateProj::Called { inner, .. } => L::follow(&inner),
            StateProj::Falling { .. } | StateProj::Ended => None,
        };
        let StateOwned::Called { kept, layer, .. } = self.as_mut().project_replace(Self::Ended)
        else {
            unreachable!("an inner future has just ended");
        };
        let layer = layer.or(found).expect("what leads nowhere was taken along");
        let Some(kept) = kept.filter(|_| layer.applies(&error)) else {
            return Err(error);
        };
        // The guard has a say only where there would be a fallback, or it would count in vain.
        let now = Now::of(layer.scope().clock());
        let flight = match Flight::admit(&layer, &now) {
            Ok(flight) => flight.running(),
            Err(rejection) => {
                layer.policy().refused(&rejection, &now);
                layer.report(FallbackEnding::Refused);
                return Err(error);
            }
        };
        let fallback = layer.answers().answer(kept, &error);
        self.set(Self::Falling {
            fallback,
            flight,
            error,
        });
        Ok(())
    }

    #[cold]
    fn follow(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<S::Response, S::Error>> {
        let StateProj::Falling {
            fallback, flight, ..
        } = self.as_mut().project()
        else {
            panic!("polled after it was ready");
        };
        flight.set_running(true);
        let polled = fallback.poll(cx);
        flight.set_running(false);
        let answer = ready!(polled);
        let StateOwned::Falling {
            mut flight, error, ..
        } = self.project_replace(Self::Ended)
        else {
            unreachable!("a fallback has just ended");
        };
        flight.finish(ErrorsAsFailures.classify(answer.as_ref()));
        flight.host().report(match &answer {
            Ok(_) => FallbackEnding::Answered,
            Err(_) => FallbackEnding::Failed,
        });
        Poll::Ready(answer.map_err(|failure| A::give_up(error, failure)))
    }
}

impl<S, L, Req> fmt::Debug for ResponseFuture<S, L, Req>
where
    S: Service<Req>,
    L: Way<S::Future>,
    <L::Layer as Plan>::Answer: Answer<Req, S::Response, S::Error>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Called { .. } => "ResponseFuture(called)",
            State::Falling { .. } => "ResponseFuture(falling back)",
            State::Ended => "ResponseFuture(ended)",
        })
    }
}
