//! What subscribers are sent.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;
use tokio::{
    sync::{OwnedSemaphorePermit, futures::OwnedNotified},
    time::{Sleep, sleep_until},
};

use super::answer::Shared;

/// An SSE comment, which readers skip. (Hystrix sends `ping: `, a field that they have to not know.)
pub(super) const PING: Bytes = Bytes::from_static(b":\n\n");

/// The body of an answer: a stream without end, or a sentence.
///
/// It holds no more than the text of one tick, shared with all other subscribers; whoever reads slowly misses
/// ticks.
///
/// # Panics
///
/// Polled outside tokio's runtime, or in one without its timer.
///
/// # Cancel safety
///
/// Dropped, it gives its place to the next subscriber.
#[pin_project]
#[cfg_attr(
    not(feature = "hystrix-stream"),
    expect(unreachable_pub, reason = "it is that feature which shows it")
)]
pub struct StreamBody {
    #[pin]
    part: Part,
}

#[pin_project(project = PartProjection)]
enum Part {
    Stream(#[pin] Subscription),
    /// None once it was read.
    Sentence(Option<Bytes>),
}

#[pin_project]
struct Subscription {
    /// None before the first beat.
    #[pin]
    timer: Option<Sleep>,
    #[pin]
    news: OwnedNotified,
    /// The tick of the text that was sent last.
    sent: u64,
    /// How many beats came since anything was sent.
    quiet: u64,
    place: Place,
}

impl StreamBody {
    pub(super) fn of(place: Place) -> Self {
        Self {
            part: Part::Stream(Subscription {
                timer: None,
                news: place.shared.ticks.news(),
                sent: 0,
                quiet: 0,
                place,
            }),
        }
    }

    pub(super) const fn empty() -> Self {
        Self {
            part: Part::Sentence(None),
        }
    }

    pub(super) fn sentence(text: &'static str) -> Self {
        Self {
            part: Part::Sentence(Some(Bytes::from_static(text.as_bytes()))),
        }
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let mut part = self.project().part;
        let next = match part.as_mut().project() {
            PartProjection::Stream(subscription) => subscription.poll_next(cx),
            PartProjection::Sentence(text) => Poll::Ready(text.take()),
        };
        if matches!(next, Poll::Ready(None)) {
            // The place is free now, whenever the body is dropped.
            part.set(Part::Sentence(None));
        }
        next.map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.part, Part::Sentence(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.part {
            Part::Stream(_) => SizeHint::default(),
            Part::Sentence(text) => {
                SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64))
            }
        }
    }
}

impl Subscription {
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            // The wait for news began before what they are about is looked at, or they could be missed.
            if self.place.shared.is_shut_down() {
                return Poll::Ready(None);
            }
            let has_beaten = self.as_mut().poll_beat(cx);
            let mut this = self.as_mut().project();
            let has_news = this.news.as_mut().poll(cx).is_ready();
            if has_news {
                this.news.set(this.place.shared.ticks.news());
            }
            if let Some(text) = this.place.shared.ticks.later_than(*this.sent) {
                *this.sent = text.tick;
                *this.quiet = 0;
                return Poll::Ready(Some(text.bytes));
            }
            // Most often somebody makes the text at this moment, so that a comment would be one too many.
            if has_beaten && this.place.shared.ticks.is_long(*this.quiet) {
                *this.quiet = 0;
                return Poll::Ready(Some(PING));
            }
            if !has_news && !has_beaten {
                return Poll::Pending;
            }
        }
    }

    /// Returns whether a beat came, and sees to the text if so.
    fn poll_beat(self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        let mut this = self.project();
        let is_due = match this.timer.as_mut().as_pin_mut() {
            Some(timer) => timer.poll(cx).is_ready(),
            None => true,
        };
        if is_due {
            let next = this.place.shared.beat();
            this.timer.set(Some(sleep_until(next)));
            *this.quiet += 1;
        }
        is_due
    }
}

/// A subscriber's place.
pub(super) struct Place {
    shared: Arc<Shared>,
    /// None while it is given back.
    permit: Option<OwnedSemaphorePermit>,
}

impl Place {
    /// Takes a place, if one is free and the stream goes on.
    pub(super) fn take(shared: &Arc<Shared>) -> Option<Self> {
        let permit = Arc::clone(&shared.places).try_acquire_owned().ok()?;
        Some(Self {
            shared: Arc::clone(shared),
            permit: Some(permit),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.permit = None;
        self.shared.left();
    }
}

impl fmt::Debug for StreamBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamBody")
            .field("is_stream", &matches!(self.part, Part::Stream(_)))
            .finish_non_exhaustive()
    }
}
