//! What a dashboard can be told.

use std::time::Duration;

use crate::{
    event_stream,
    settings::{self, SettingsError},
};

/// Settings of a [`Dashboard`](super::Dashboard).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// How often the page is told what is new, from 100 ms to a minute. Default: 1 s.
    pub interval: Duration,
    /// How many pages may be open at a time, from 1 to 1,000; others are answered 503, and ask again. Default: 20.
    pub subscribers: usize,
    /// How many circuits are told of, from 1 to 10,000: the worst. Default: 1,000.
    pub circuits: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(1),
            subscribers: 20,
            circuits: 1_000,
        }
    }
}

/// A setter for each field, which takes and returns the settings.
impl Settings {
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

    /// Sets [`circuits`](Self::circuits).
    #[must_use]
    pub const fn circuits(self, circuits: usize) -> Self {
        Self { circuits, ..self }
    }

    pub(super) fn check(&self) -> Result<(), SettingsError> {
        event_stream::check(self.interval, self.subscribers)?;
        settings::within("circuits", self.circuits, 1..=10_000)?;
        Ok(())
    }
}
