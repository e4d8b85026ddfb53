//! The route.

use std::{
    convert::Infallible,
    fmt,
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, PRAGMA, RETRY_AFTER},
};
use tokio::{sync::Semaphore, time::Instant};
use tower_service::Service;

use super::{Settings, StreamBody, body::Place, text, ticks::Ticks};
use crate::{registry::Registry, settings::SettingsError};

/// A route that streams what happens to the pipelines of a registry, as Hystrix does.
///
/// See the [module docs](super). Clones are the same stream: their subscribers share its places and its texts.
#[derive(Clone)]
pub struct HystrixStream {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    registry: Registry,
    settings: Settings,
    pub(super) ticks: Ticks,
    /// Closed when the stream is shut down.
    pub(super) places: Arc<Semaphore>,
}

impl HystrixStream {
    /// Creates a stream of metrics with the default settings.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        Self::checked(registry, Settings::default())
    }

    /// Creates a stream with settings.
    ///
    /// # Errors
    ///
    /// The first setting that is out of its range.
    pub fn with(registry: &Registry, settings: Settings) -> Result<Self, SettingsError> {
        settings.check()?;
        Ok(Self::checked(registry, settings))
    }

    fn checked(registry: &Registry, settings: Settings) -> Self {
        Self {
            shared: Arc::new(Shared {
                registry: registry.clone(),
                settings,
                ticks: Ticks::new(settings.interval),
                places: Arc::new(Semaphore::new(settings.subscribers)),
            }),
        }
    }

    /// Ends the stream for all its subscribers, at once and for good; who comes later is answered 503.
    ///
    /// A server that waits for its connections before it ends would wait for ever otherwise.
    pub fn shut_down(&self) {
        self.shared.places.close();
        self.shared.ticks.wake();
    }

    /// Returns how many subscribers there are.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        self.shared.settings.subscribers - self.shared.places.available_permits()
    }

    fn subscribe(&self) -> Response<StreamBody> {
        let Some(place) = Place::take(&self.shared) else {
            return unavailable(if self.shared.is_shut_down() {
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
        self.ticks
            .beat(|| Bytes::from(text::of(&self.registry, &self.settings)))
    }

    /// Is told that a subscriber is gone.
    pub(super) fn left(&self) {
        self.ticks
            .forget_if(|| self.places.available_permits() == self.settings.subscribers);
    }
}

impl<B> Service<Request<B>> for HystrixStream {
    type Response = Response<StreamBody>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(match *request.method() {
            Method::GET => self.subscribe(),
            Method::HEAD => stream(StreamBody::empty()),
            _ => not_allowed(),
        }))
    }
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

impl fmt::Debug for HystrixStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HystrixStream")
            .field("settings", &self.shared.settings)
            .field("subscribers", &self.subscribers())
            .field("is_shut_down", &self.shared.is_shut_down())
            .finish_non_exhaustive()
    }
}
