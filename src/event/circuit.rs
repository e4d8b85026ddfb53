//! The vocabulary of circuits, which events share with the breaker.

use std::fmt;

/// The state of a circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum State {
    /// Calls are admitted and judged.
    Closed,
    /// As closed, but only a growing share of the calls is admitted.
    RampingUp,
    /// Calls are refused.
    Open,
    /// A few calls are admitted as probes.
    HalfOpen,
}

impl State {
    /// Returns a short name in snake case, for logs and labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::RampingUp => "ramping_up",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// Who decides about a circuit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[cfg_attr(all(test, not(portcullis_loom)), derive(schemars::JsonSchema))]
pub enum Mode {
    /// The trip rules.
    #[default]
    Automatic,
    /// An operator: all calls are refused.
    ForcedOpen,
    /// An operator: all calls are admitted and recorded, none is judged.
    ForcedClosed,
    /// The trip rules, on trial: what they would refuse is admitted, counted and reported.
    DryRun,
}

impl Mode {
    /// Returns a short name in snake case, for logs and labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::ForcedOpen => "forced_open",
            Self::ForcedClosed => "forced_closed",
            Self::DryRun => "dry_run",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a circuit changed its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(tag = "reason", rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Cause {
    /// Too large a share of the calls in the window failed.
    #[non_exhaustive]
    FailureRate {
        /// How many failed.
        failures: u64,
        /// Of how many.
        calls: u64,
    },
    /// Too large a share of the calls in the window was slow.
    #[non_exhaustive]
    SlowCallRate {
        /// How many were slow.
        slow: u64,
        /// Of how many.
        calls: u64,
    },
    /// Too many calls failed in a row.
    #[non_exhaustive]
    ConsecutiveFailures {
        /// How many.
        failures: u32,
    },
    /// The open time is over.
    OpenTimeOver,
    /// Enough probes succeeded.
    ProbesSucceeded,
    /// Too many probes failed or were slow.
    ProbesFailed,
    /// The probes came to no verdict in the time the half-open state may last.
    HalfOpenTimedOut,
    /// The ramp-up after closing is over.
    RampedUp,
    /// An operator asked for it.
    Manual,
}

impl Cause {
    /// Returns a short name in snake case, for logs and labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FailureRate { .. } => "failure_rate",
            Self::SlowCallRate { .. } => "slow_call_rate",
            Self::ConsecutiveFailures { .. } => "consecutive_failures",
            Self::OpenTimeOver => "open_time_over",
            Self::ProbesSucceeded => "probes_succeeded",
            Self::ProbesFailed => "probes_failed",
            Self::HalfOpenTimedOut => "half_open_timed_out",
            Self::RampedUp => "ramped_up",
            Self::Manual => "manual",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FailureRate { failures, calls } => {
                write!(f, "{failures} of {calls} calls failed")
            }
            Self::SlowCallRate { slow, calls } => write!(f, "{slow} of {calls} calls were slow"),
            Self::ConsecutiveFailures { failures } => write!(f, "{failures} calls failed in a row"),
            Self::OpenTimeOver => f.write_str("open time is over"),
            Self::ProbesSucceeded => f.write_str("enough probes succeeded"),
            Self::ProbesFailed => f.write_str("too many probes failed"),
            Self::HalfOpenTimedOut => f.write_str("no verdict of the probes in time"),
            Self::RampedUp => f.write_str("ramp-up is over"),
            Self::Manual => f.write_str("by hand"),
        }
    }
}
