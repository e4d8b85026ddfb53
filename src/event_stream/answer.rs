//! The answers to those who want to read, and their places.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Method, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, PRAGMA, RETRY_AFTER},
};
use serde::Serialize;
use tokio::{sync::Semaphore, time::Instant};

use super::{
    StreamBody,
    body::{PING, Place},
    ticks::Ticks,
};
use crate::settings::{self, SettingsError};

/// Nobody sees more than ten pictures a second as more than a blur.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(60);

/// Checks what a stream can be made of.
pub(crate) fn check(interval: Duration, subscribers: usize) -> Result<(), SettingsError> {
    settings::within("interval", interval, SHORTEST..=LONGEST)?;
    settings::within("subscribers", subscribers, 1..=1_000)?;
    Ok(())
}

/// A stream of texts. Clones are the same one.
#[derive(Clone)]
pub(crate) struct EventStream {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) ticks: Ticks,
    /// Closed when the stream is shut down.
    pub(super) places: Arc<Semaphore>,
    subscribers: usize,
    write: Box<dyn Fn() -> Vec<u8> + Send + Sync>,
}

impl EventStream {
    /// Creates a stream that has `write` write what is new once an `interval`, while somebody reads it; a comment
    /// is sent in place of nothing.
    pub(crate) fn new(
        interval: Duration,
        subscribers: usize,
        write: impl Fn() -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                ticks: Ticks::new(interval),
                places: Arc::new(Semaphore::new(subscribers)),
                subscribers,
                write: Box::new(write),
            }),
        }
    }

    /// Ends the stream for all its subscribers, at once and for good.
    pub(crate) fn shut_down(&self) {
        self.shared.places.close();
        self.shared.ticks.wake();
    }

    pub(crate) fn is_shut_down(&self) -> bool {
        self.shared.is_shut_down()
    }

    /// Returns how many subscribers there are.
    pub(crate) fn subscribers(&self) -> usize {
        self.shared.subscribers - self.shared.places.available_permits()
    }

    pub(crate) fn answer(&self, method: &Method) -> Response<StreamBody> {
        match *method {
            Method::GET => self.subscribe(),
            Method::HEAD => stream(StreamBody::empty()),
            _ => not_allowed(),
        }
    }

    fn subscribe(&self) -> Response<StreamBody> {
        let Some(place) = Place::take(&self.shared) else {
            return unavailable(if self.is_shut_down() {
                "The stream has been shut down."
            } else {
                "There are too many subscribers."
            });
        };
        stream(StreamBody::of(place))
    }
}

impl Shared {
    pub(super) fn is_shut_down(&self) -> bool {
        self.places.is_closed()
    }

    /// Makes the text of this tick, if nobody did, and returns when to look again.
    pub(super) fn beat(&self) -> Instant {
        self.ticks.beat(|| match (self.write)() {
            nothing if nothing.is_empty() => PING,
            text => Bytes::from(text),
        })
    }

    /// Is told that a subscriber is gone.
    pub(super) fn left(&self) {
        self.ticks
            .forget_if(|| self.places.available_permits() == self.subscribers);
    }
}

/// Writes a message. JSON has no line breaks but escaped ones, so that it is a line.
pub(crate) fn event(text: &mut Vec<u8>, message: &impl Serialize) {
    text.extend_from_slice(b"data: ");
    serde_json::to_writer(&mut *text, message).expect("messages are plain values");
    text.extend_from_slice(b"\n\n");
}

/// Hystrix's headers, and one for nginx, which would collect the events of minutes before it passed any on.
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (
        CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream;charset=UTF-8"),
    ),
    (
        CACHE_CONTROL,
        HeaderValue::from_static("no-cache, no-store, max-age=0, must-revalidate"),
    ),
    (PRAGMA, HeaderValue::from_static("no-cache")),
    (
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    ),
];

fn stream(body: StreamBody) -> Response<StreamBody> {
    let mut response = Response::new(body);
    response.headers_mut().extend(HEADERS);
    response
}

fn unavailable(why: &'static str) -> Response<StreamBody> {
    let mut response = refusal(StatusCode::SERVICE_UNAVAILABLE, why);
    // Pages are closed by people.
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

fn not_allowed() -> Response<StreamBody> {
    let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED, "The stream is read by GET.");
    let headers = response.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

fn refusal(status: StatusCode, why: &'static str) -> Response<StreamBody> {
    let mut response = Response::new(StreamBody::sentence(why));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream")
            .field("subscribers", &self.subscribers())
            .field("is_shut_down", &self.is_shut_down())
            .finish_non_exhaustive()
    }
}
