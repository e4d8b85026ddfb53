//! What a pipeline can be told.

use std::time::Duration;

use crate::{
    bulkhead::{self, QueueSettings},
    circuit_breaker,
    settings::{self, LONGEST, SettingsError},
};

/// Settings of a [`Pipeline`](super::Pipeline): those of its parts.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[cfg_attr(all(test, not(portcullis_loom)), derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Settings {
    /// How long a call of the service may take, from 1 ns to a year, or none for ever. Waits, in a queue and
    /// for a service that is not ready, come before it.
    /// Default: 1 s, Hystrix's number.
    #[cfg_attr(feature = "serde", serde(with = "crate::or_none::DurationOrNone"))]
    pub timeout: Option<Duration>,
    /// How many calls may be in flight, or none for any number. Default: 100, see
    /// [`bulkhead::Settings::limit`].
    #[cfg_attr(
        feature = "serde",
        serde(with = "crate::or_none::OrNone::<bulkhead::Settings>")
    )]
    pub bulkhead: Option<bulkhead::Settings>,
    /// The queue in front of the bulkhead. Default: none; what is too much is refused at once.
    #[cfg_attr(
        feature = "serde",
        serde(with = "crate::or_none::OrNone::<bulkhead::QueueSettings>")
    )]
    pub queue: Option<bulkhead::QueueSettings>,
    /// When calls are stopped altogether. The pipeline's counts and latencies are those of its window;
    /// beside a window of calls they are those of 10 s.
    pub circuit_breaker: circuit_breaker::Settings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timeout: Some(Duration::from_secs(1)),
            bulkhead: Some(bulkhead::Settings::default()),
            queue: None,
            circuit_breaker: circuit_breaker::Settings::default(),
        }
    }
}

/// A setter for each field, which takes and returns the settings.
impl Settings {
    /// Sets [`timeout`](Self::timeout); none lets calls take for ever.
    #[must_use]
    pub fn timeout(self, timeout: impl Into<Option<Duration>>) -> Self {
        Self {
            timeout: timeout.into(),
            ..self
        }
    }

    /// Sets [`bulkhead`](Self::bulkhead); none admits any number of calls.
    #[must_use]
    pub fn bulkhead(self, bulkhead: impl Into<Option<bulkhead::Settings>>) -> Self {
        Self {
            bulkhead: bulkhead.into(),
            ..self
        }
    }

    /// Sets [`queue`](Self::queue); none refuses at once.
    #[must_use]
    pub fn queue(self, queue: impl Into<Option<bulkhead::QueueSettings>>) -> Self {
        Self {
            queue: queue.into(),
            ..self
        }
    }

    /// Sets [`circuit_breaker`](Self::circuit_breaker).
    #[must_use]
    pub fn circuit_breaker(self, circuit_breaker: circuit_breaker::Settings) -> Self {
        Self {
            circuit_breaker,
            ..self
        }
    }

    /// Checks all fields, as [`build`](super::Builder::build) and [`apply`](super::Control::apply) do.
    ///
    /// # Errors
    ///
    /// The first setting that is out of its range, by its path, such as
    /// `circuit_breaker.failure_rate`.
    pub fn check(&self) -> Result<(), SettingsError> {
        if let Some(timeout) = self.timeout {
            settings::duration("timeout", timeout, Duration::from_nanos(1)..=LONGEST)?;
        }
        let breaker = self.circuit_breaker.check();
        breaker.map_err(|error| error.within("circuit_breaker"))?;
        let queue = self.queue.map_or(Ok(()), |queue| queue.check());
        queue.map_err(|error| error.within("queue"))
    }

    pub(super) fn bulkhead_or_unlimited(&self) -> bulkhead::Settings {
        self.bulkhead
            .unwrap_or(bulkhead::Settings::default().limit(u32::MAX))
    }

    /// Returns the queue, or for none one without places that is as the one before otherwise: it is still
    /// gone by where a call waits for its service.
    pub(super) fn queue_after(&self, before: QueueSettings) -> QueueSettings {
        self.queue.unwrap_or(before.length(0))
    }
}
