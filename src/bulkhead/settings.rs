//! What can be set on a bulkhead.

use std::time::Duration;

use crate::settings::{self, Applied, LONGEST, SettingsError};

/// The settings of a bulkhead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[cfg_attr(
    all(test, not(portcullis_loom)),
    derive(schemars::JsonSchema),
    schemars(rename = "Bulkhead")
)]
#[non_exhaustive]
pub struct Settings {
    /// How many calls may be in flight at the same time: any number, 100 by default, which is what
    /// Zuul gives each group of servers. With 0 nobody is admitted; with [`u32::MAX`] everybody is,
    /// and only counted.
    pub limit: u32,
}

impl Settings {
    /// Sets how many calls may be in flight at the same time.
    #[must_use]
    pub const fn limit(self, limit: u32) -> Self {
        Self { limit }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self { limit: 100 }
    }
}

/// The settings of the queue in front of a bulkhead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[cfg_attr(
    all(test, not(portcullis_loom)),
    derive(schemars::JsonSchema),
    schemars(rename = "Queue")
)]
#[non_exhaustive]
pub struct QueueSettings {
    /// How many calls may wait at the same time: any number, 100 by default, so that behind a
    /// bulkhead with the default limit a call waits for one generation of calls at most. With 0 there
    /// is no queue, and a full bulkhead refuses at once.
    pub length: u32,
    /// Whose turn is next, [`Order::Fifo`] by default.
    pub order: Order,
    /// How long a call may wait, counted from its arrival: from 1 ms, which is as fine as the timer
    /// is, to 365 days; 1 s by default, since a caller who has waited for longer has mostly given up.
    /// A call that was not let in by then is refused.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    #[cfg_attr(all(test, not(portcullis_loom)), schemars(with = "Duration"))]
    pub longest_wait: Duration,
}

/// Whose turn in a queue is next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[cfg_attr(all(test, not(portcullis_loom)), derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum Order {
    /// The call that has waited longest: fair, and best while the queue is mostly empty.
    #[default]
    Fifo,
    /// The call that came last. Under lasting overload a first-in queue serves only callers who are
    /// about to give up; this one serves some in good time, and the others run into the longest
    /// wait.
    Lifo,
}

impl QueueSettings {
    /// Sets how many calls may wait at the same time.
    #[must_use]
    pub const fn length(self, length: u32) -> Self {
        Self { length, ..self }
    }

    /// Sets whose turn is next.
    #[must_use]
    pub const fn order(self, order: Order) -> Self {
        Self { order, ..self }
    }

    /// Sets how long a call may wait.
    #[must_use]
    pub const fn longest_wait(self, longest_wait: Duration) -> Self {
        Self {
            longest_wait,
            ..self
        }
    }

    /// Names what is new.
    pub(crate) fn applied(before: &Self, after: &Self) -> Applied {
        let changed = [
            ("length", before.length != after.length),
            ("order", before.order != after.order),
            ("longest_wait", before.longest_wait != after.longest_wait),
        ];
        Applied::new(&changed, &[])
    }

    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        let allowed = Duration::from_millis(1)..=LONGEST;
        settings::duration("longest_wait", self.longest_wait, allowed).map(drop)
    }
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            length: 100,
            order: Order::Fifo,
            longest_wait: Duration::from_secs(1),
        }
    }
}
