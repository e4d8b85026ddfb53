//! Bodies that carry calls.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;

use super::{Exchange, exchange::Aboard};
use crate::rejection::{BoxError, Reason, Rejection};

/// A body that can carry a call to its end.
///
/// Implement it for a type-erased body of yours, with [`Exchange::around`], and the services that answer with it need
/// no [`ExchangeLayer`](super::ExchangeLayer).
#[diagnostic::on_unimplemented(
    message = "a body of type `{Self}` carries no call",
    note = "put an `http::ExchangeLayer` between the gate and the service"
)]
pub trait Carry: Body {
    /// Takes a call aboard, which ends with this body.
    fn carry(&mut self, exchange: Exchange);
}

/// A body that carries calls to its end; without one, it is the inner body.
///
/// Size hint, frames and trailers are the inner body's, and so are its errors, boxed. A body that keeps its reader
/// waiting for longer than the exchange allows ends with a [`Rejection`] for [`Reason::DeadlineExceeded`].
///
/// # Panics
///
/// Waiting for a frame, outside tokio's runtime, of a call with a limit on the wait.
///
/// # Cancel safety
///
/// Dropped before its end, it counts the calls that it carries as cancelled, unless their head had decided otherwise.
#[pin_project]
pub struct ExchangeBody<B> {
    // First, so that the work has really ended when the permits are given back.
    /// None once it was given up.
    #[pin]
    inner: Option<B>,
    aboard: Aboard,
}

impl<B> ExchangeBody<B> {
    /// Creates a body that carries no call yet.
    #[must_use]
    pub fn new(inner: B) -> Self {
        Self {
            inner: Some(inner),
            aboard: Aboard::default(),
        }
    }
}

impl Exchange {
    /// Creates a body that carries this call.
    #[must_use]
    pub fn around<B>(self, inner: B) -> ExchangeBody<B> {
        let mut body = ExchangeBody::new(inner);
        body.aboard.take(self);
        body
    }
}

impl<B> Body for ExchangeBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let mut this = self.project();
        let Some(mut inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        this.aboard.set_running(true);
        let polled = inner.as_mut().poll_frame(cx);
        this.aboard.set_running(false);
        let Poll::Ready(next) = polled else {
            ready!(this.aboard.poll_idle(cx));
            this.inner.set(None);
            let late = Rejection::new(Reason::DeadlineExceeded).into();
            this.aboard.fail(&late);
            return Poll::Ready(Some(Err(late)));
        };
        Poll::Ready(match next {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    this.aboard.count(data.remaining());
                }
                // A server does not ask for more when it is told that there is none.
                if frame.is_trailers() || inner.is_end_stream() {
                    this.aboard.end(frame.trailers_ref());
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                let error = error.into();
                this.aboard.fail(&error);
                Some(Err(error))
            }
            None => {
                this.aboard.end(None);
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let inner = self.inner.as_ref();
        inner.map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B> Carry for ExchangeBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    fn carry(&mut self, exchange: Exchange) {
        self.aboard.take(exchange);
    }
}

impl<B: Default> Default for ExchangeBody<B> {
    fn default() -> Self {
        Self::new(B::default())
    }
}

impl<B: From<Bytes>> From<Bytes> for ExchangeBody<B> {
    fn from(bytes: Bytes) -> Self {
        Self::new(bytes.into())
    }
}

impl<B: From<String>> From<String> for ExchangeBody<B> {
    fn from(text: String) -> Self {
        Self::new(text.into())
    }
}

impl<B> fmt::Debug for ExchangeBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExchangeBody")
            .field("aboard", &self.aboard)
            .finish_non_exhaustive()
    }
}
