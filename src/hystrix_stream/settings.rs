//! What a stream can be told.

use std::time::Duration;

use crate::{event_stream, settings::SettingsError};

/// Settings of a [`HystrixStream`](super::HystrixStream).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// What is told. Default: [`Content::Metrics`].
    pub content: Content,
    /// How often it is told, from 100 ms to a minute. Default: Hystrix's numbers, which are 500 ms for metrics
    /// and 5 s for [`config`](Self::config).
    pub interval: Duration,
    /// How many may subscribe at a time, from 1 to 1,000; others are answered 503. Default: 20.
    pub subscribers: usize,
    /// How the states of circuits are told. Default: [`States::OpenOrNot`].
    pub states: States,
}

/// What a stream tells of each pipeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// What happens: Hystrix's `hystrix.stream`.
    #[default]
    Metrics,
    /// What the settings are: Hystrix's `hystrix/config.stream`.
    Config,
}

/// How `isCircuitBreakerOpen` is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum States {
    /// As a boolean, which readers with types need: half-open is open, and ramping up is not.
    #[default]
    OpenOrNot,
    /// As a boolean where that says it all, else as `"Half-Open"` or `"Ramping-Up"`, which Hystrix's dashboard shows
    /// in orange. For pages that read this stream themselves: of what Turbine has counted, that page shows no third
    /// value beside open and closed.
    Named,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            content: Content::Metrics,
            interval: Duration::from_millis(500),
            subscribers: 20,
            states: States::OpenOrNot,
        }
    }
}

/// A setter for each field, which takes and returns the settings.
impl Settings {
    /// Creates the settings of a stream that tells settings.
    #[must_use]
    pub fn config() -> Self {
        Self {
            content: Content::Config,
            interval: Duration::from_secs(5),
            ..Self::default()
        }
    }

    /// Sets [`interval`](Self::interval).
    #[must_use]
    pub const fn interval(self, interval: Duration) -> Self {
        Self { interval, ..self }
    }

    /// Sets [`subscribers`](Self::subscribers).
    #[must_use]
    pub const fn subscribers(self, subscribers: usize) -> Self {
        Self {
            subscribers,
            ..self
        }
    }

    /// Sets [`states`](Self::states).
    #[must_use]
    pub const fn states(self, states: States) -> Self {
        Self { states, ..self }
    }

    pub(super) fn check(&self) -> Result<(), SettingsError> {
        event_stream::check(self.interval, self.subscribers)
    }
}
