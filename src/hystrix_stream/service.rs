//! The route.

use std::{
    convert::Infallible,
    fmt,
    future::{Ready, ready},
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::{Settings, StreamBody, text};
use crate::{event_stream::EventStream, registry::Registry, settings::SettingsError};

/// A route that streams what happens to the pipelines of a registry, as Hystrix does.
///
/// See the [module docs](super). Clones are the same stream: their subscribers share its places and its texts.
#[derive(Clone)]
pub struct HystrixStream {
    settings: Settings,
    stream: EventStream,
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
        let registry = registry.clone();
        let write = move || text::of(&registry, &settings);
        Self {
            settings,
            stream: EventStream::new(settings.interval, settings.subscribers, write),
        }
    }

    /// Ends the stream for all its subscribers, at once and for good; who comes later is answered 503.
    ///
    /// A server that waits for its connections before it ends would wait for ever otherwise.
    pub fn shut_down(&self) {
        self.stream.shut_down();
    }

    /// Returns how many subscribers there are.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        self.stream.subscribers()
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
        ready(Ok(self.stream.answer(request.method())))
    }
}

impl fmt::Debug for HystrixStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HystrixStream")
            .field("settings", &self.settings)
            .field("subscribers", &self.subscribers())
            .field("is_shut_down", &self.stream.is_shut_down())
            .finish_non_exhaustive()
    }
}
