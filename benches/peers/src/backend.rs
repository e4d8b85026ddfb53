//! The service that everybody guards, and its faults.

use std::{
    convert::Infallible,
    error::Error,
    fmt,
    future::{Future, Ready, ready},
    pin::Pin,
    task::{Context, Poll},
};

use portcullis::rejection::Rejection;
use tower::Service;

/// A request that is never answered, to hold a permit.
pub(crate) const STUCK: u32 = u32::MAX;
/// A request that fails, to open a circuit.
pub(crate) const BROKEN: u32 = u32::MAX - 1;
/// What fallbacks answer.
pub(crate) const FALLBACK: u32 = u32::MAX - 2;

/// An error of the size of a boxed one, which would cost an allocation for each rejection.
#[derive(Clone, Debug)]
pub(crate) struct Failed(pub(crate) &'static str);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Failed {}

impl From<Rejection> for Failed {
    fn from(rejection: Rejection) -> Self {
        Self(rejection.reason().as_str())
    }
}

impl From<Infallible> for Failed {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// What a request becomes.
pub(crate) trait Answer: Clone + Send + Sync + 'static {
    type Future: Future<Output = Result<u32, Failed>> + Send + 'static;

    fn answer(request: u32) -> Self::Future;
}

/// Answers with the request.
#[derive(Clone)]
pub(crate) struct Echo;

/// Fails for every tenth request.
#[derive(Clone)]
pub(crate) struct NineOfTen;

/// Always fails.
#[derive(Clone)]
pub(crate) struct Down;

/// Answers with the request when polled for the second time.
#[derive(Clone)]
pub(crate) struct Later;

/// Answers with the request, except for [`STUCK`] and [`BROKEN`].
#[derive(Clone)]
pub(crate) struct Scripted;

impl Answer for Echo {
    type Future = Ready<Result<u32, Failed>>;

    fn answer(request: u32) -> Self::Future {
        ready(Ok(request))
    }
}

impl Answer for NineOfTen {
    type Future = Ready<Result<u32, Failed>>;

    fn answer(request: u32) -> Self::Future {
        let failed = request % 10 == 9;
        ready(if failed {
            Err(Failed("one of ten"))
        } else {
            Ok(request)
        })
    }
}

impl Answer for Down {
    type Future = Ready<Result<u32, Failed>>;

    fn answer(_: u32) -> Self::Future {
        ready(Err(Failed("down")))
    }
}

impl Answer for Later {
    type Future = PendingOnce;

    fn answer(request: u32) -> PendingOnce {
        PendingOnce {
            request,
            polled: false,
        }
    }
}

impl Answer for Scripted {
    type Future = ScriptedFuture;

    fn answer(request: u32) -> ScriptedFuture {
        ScriptedFuture(request)
    }
}

/// Wakes its task at once and is ready when polled again.
pub(crate) struct PendingOnce {
    request: u32,
    polled: bool,
}

impl Future for PendingOnce {
    type Output = Result<u32, Failed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polled {
            return Poll::Ready(Ok(self.request));
        }
        self.polled = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

pub(crate) struct ScriptedFuture(u32);

impl Future for ScriptedFuture {
    type Output = Result<u32, Failed>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        match self.0 {
            STUCK => Poll::Pending,
            BROKEN => Poll::Ready(Err(Failed("broken"))),
            request => Poll::Ready(Ok(request)),
        }
    }
}

macro_rules! services {
    ($($backend:ty),*) => {$(
        // For each type rather than for `impl Answer`, which coherence forbids for a foreign trait.
        impl Service<u32> for $backend {
            type Response = u32;
            type Error = Failed;
            type Future = <Self as Answer>::Future;

            #[inline]
            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
                Poll::Ready(Ok(()))
            }

            #[inline]
            fn call(&mut self, request: u32) -> Self::Future {
                Self::answer(request)
            }
        }
    )*};
}

services!(Echo, NineOfTen, Down, Later, Scripted);
