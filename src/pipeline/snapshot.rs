//! A pipeline at one moment, as plain values.

use std::time::Duration;

use crate::{
    event::{Mode, State},
    window::{Quantiles, Tally},
};

/// A pipeline at one moment. Serialized, durations are seconds.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Snapshot {
    /// The pipeline's name.
    pub name: String,
    /// The state of its circuit.
    pub state: State,
    /// Who decides about its circuit.
    pub mode: Mode,
    /// How long the circuit stays open, if it is.
    #[cfg_attr(
        feature = "serde",
        serde(serialize_with = "crate::seconds::serialize_option")
    )]
    pub remaining_open: Option<Duration>,
    /// How often the circuit has opened since the pipeline was built.
    pub times_opened: u64,
    /// How many calls failed in a row, if a rule counts them.
    pub consecutive_failures: u32,
    /// The length of the window.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::seconds::serialize"))]
    pub window_length: Duration,
    /// What happened within the window, since the circuit closed: outcomes of calls that were admitted
    /// before it changed its state are in `lifetime` alone, as the circuit does not judge them.
    pub window: Tally,
    /// What happened since the pipeline was built.
    pub lifetime: Tally,
    /// How long calls took from admission on.
    pub latency: Latencies,
    /// How long calls took from their arrival on, waiting in the queue included. After a queue was switched
    /// on, those of the calls since.
    pub total_latency: Latencies,
    /// How many calls are in flight.
    pub in_flight: u32,
    /// The most calls in flight within the window.
    pub peak_in_flight: u32,
    /// How many calls may be in flight.
    pub limit: u32,
    /// How many calls wait.
    pub queued: usize,
}

impl Snapshot {
    /// Returns the rate of judged calls, per second, over the window.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "for display")]
    pub fn calls_per_second(&self) -> f64 {
        self.window.judged() as f64 / self.window_length.as_secs_f64()
    }
}

/// Latencies of the calls within the last half to whole window, exact to 6.25 % from 1 µs to 4.6 minutes;
/// longer calls count as 4.5 minutes. Zero without any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Latencies {
    /// How many calls there were.
    pub count: u64,
    /// The mean.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::seconds::serialize"))]
    pub mean: Duration,
    /// The fastest call.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::seconds::serialize"))]
    pub min: Duration,
    /// What 25 % of the calls did not exceed.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::seconds::serialize"))]
    pub p25: Duration,
    /// The median.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::seconds::serialize"))]
    pub p50: Duration,
    /// What 75 % of the calls did not exceed.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::seconds::serialize"))]
    pub p75: Duration,
    /// What 90 % of the calls did not exceed.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::seconds::serialize"))]
    pub p90: Duration,
    /// What 95 % of the calls did not exceed.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::seconds::serialize"))]
    pub p95: Duration,
    /// What 99 % of the calls did not exceed.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::seconds::serialize"))]
    pub p99: Duration,
    /// What 99.5 % of the calls did not exceed.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::seconds::serialize"))]
    pub p99_5: Duration,
    /// The slowest call.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::seconds::serialize"))]
    pub max: Duration,
}

impl From<&Quantiles> for Latencies {
    fn from(quantiles: &Quantiles) -> Self {
        let percentile = |percent| quantiles.percentile(percent).unwrap_or_default();
        Self {
            count: quantiles.count(),
            mean: quantiles.mean().unwrap_or_default(),
            min: percentile(0.0),
            p25: percentile(25.0),
            p50: percentile(50.0),
            p75: percentile(75.0),
            p90: percentile(90.0),
            p95: percentile(95.0),
            p99: percentile(99.0),
            p99_5: percentile(99.5),
            max: percentile(100.0),
        }
    }
}
