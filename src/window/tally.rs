//! Numbers of events by kind, as they are shown.

use std::ops::AddAssign;

use super::{Kind, LastCalls};

/// Numbers of events by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Tally {
    /// Calls that succeeded.
    pub success: u64,
    /// Calls that failed, but for timeouts.
    pub failure: u64,
    /// Calls that ran out of time.
    pub timeout: u64,
    /// Calls that were slow; each is also counted by its outcome.
    pub slow: u64,
    /// Calls that said nothing about the dependency.
    pub ignored: u64,
    /// Calls whose caller went away.
    pub cancelled: u64,
    /// Calls refused because the circuit was open.
    pub circuit_open: u64,
    /// Calls refused because the circuit was forced open.
    pub circuit_forced_open: u64,
    /// Calls refused because all probes were under way.
    pub half_open_full: u64,
    /// Calls refused because the circuit was ramping up.
    pub ramping_up: u64,
    /// Calls refused because the inner service was not ready.
    pub not_ready: u64,
    /// Calls refused because the bulkhead was full.
    pub bulkhead_full: u64,
    /// Calls refused after the longest wait in a queue.
    pub wait_timed_out: u64,
    /// Calls refused for another reason.
    pub other_rejection: u64,
    /// Calls that a circuit in dry run let through and would have refused.
    pub would_reject: u64,
    /// Fallbacks that answered.
    pub fallback_success: u64,
    /// Fallbacks that failed.
    pub fallback_failure: u64,
    /// Fallbacks that their own limit refused.
    pub fallback_rejected: u64,
}

/// Adds up what several of a kind counted.
impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        let Self {
            success,
            failure,
            timeout,
            slow,
            ignored,
            cancelled,
            circuit_open,
            circuit_forced_open,
            half_open_full,
            ramping_up,
            not_ready,
            bulkhead_full,
            wait_timed_out,
            other_rejection,
            would_reject,
            fallback_success,
            fallback_failure,
            fallback_rejected,
        } = other;
        self.success += success;
        self.failure += failure;
        self.timeout += timeout;
        self.slow += slow;
        self.ignored += ignored;
        self.cancelled += cancelled;
        self.circuit_open += circuit_open;
        self.circuit_forced_open += circuit_forced_open;
        self.half_open_full += half_open_full;
        self.ramping_up += ramping_up;
        self.not_ready += not_ready;
        self.bulkhead_full += bulkhead_full;
        self.wait_timed_out += wait_timed_out;
        self.other_rejection += other_rejection;
        self.would_reject += would_reject;
        self.fallback_success += fallback_success;
        self.fallback_failure += fallback_failure;
        self.fallback_rejected += fallback_rejected;
    }
}

impl Tally {
    pub(super) fn from_fn(count: impl Fn(Kind) -> u64) -> Self {
        Self {
            success: count(Kind::Success),
            failure: count(Kind::Failure),
            timeout: count(Kind::Timeout),
            slow: count(Kind::Slow) + count(Kind::SlowCancelled),
            ignored: count(Kind::Ignored),
            cancelled: count(Kind::Cancelled),
            circuit_open: count(Kind::CircuitOpen),
            circuit_forced_open: count(Kind::CircuitForcedOpen),
            half_open_full: count(Kind::HalfOpenFull),
            ramping_up: count(Kind::RampingUp),
            not_ready: count(Kind::NotReady),
            bulkhead_full: count(Kind::BulkheadFull),
            wait_timed_out: count(Kind::WaitTimedOut),
            other_rejection: count(Kind::OtherRejection),
            would_reject: count(Kind::WouldReject),
            fallback_success: count(Kind::FallbackSuccess),
            fallback_failure: count(Kind::FallbackFailure),
            fallback_rejected: count(Kind::FallbackRejected),
        }
    }

    pub(crate) fn of_last(last: LastCalls) -> Self {
        Self {
            success: u64::from(last.calls - last.failed.min(last.calls)),
            failure: u64::from(last.failed),
            slow: u64::from(last.slow),
            ..Self::default()
        }
    }

    /// Returns the calls that spoke for or against the dependency.
    #[must_use]
    pub const fn judged(&self) -> u64 {
        self.success + self.failure + self.timeout
    }

    /// Returns the calls that failed, timeouts included.
    #[must_use]
    pub const fn failed(&self) -> u64 {
        self.failure + self.timeout
    }

    /// Returns the calls that a circuit breaker refused (Hystrix's "short-circuited").
    #[must_use]
    pub const fn short_circuited(&self) -> u64 {
        self.circuit_open
            + self.circuit_forced_open
            + self.half_open_full
            + self.ramping_up
            + self.not_ready
    }

    /// Returns all calls that were refused.
    #[must_use]
    pub const fn rejected(&self) -> u64 {
        self.short_circuited() + self.bulkhead_full + self.wait_timed_out + self.other_rejection
    }

    /// Returns all calls that came: each is counted once, by outcome or rejection.
    #[must_use]
    pub const fn calls(&self) -> u64 {
        self.judged() + self.ignored + self.cancelled + self.rejected()
    }

    /// Returns the share of the judged calls that failed, between 0 and 1; 0 without any.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "for display; decisions are made in integers"
    )]
    pub fn failure_rate(&self) -> f64 {
        match self.judged() {
            0 => 0.0,
            judged => self.failed() as f64 / judged as f64,
        }
    }
}
