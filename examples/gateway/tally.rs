//! What became of the calls, as their callers see it.

use std::time::Duration;

use crate::load::Ask;

/// A call that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) ask: Ask,
    pub(crate) outcome: Outcome,
    /// Whether the caller got the fallback's answer, or a page without some of its parts.
    pub(crate) by_fallback: bool,
    /// Whether the upstream was down when the call was due.
    pub(crate) while_down: bool,
    pub(crate) latency: Duration,
}

/// How the call to the upstream ended; a fallback may have made the best of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success,
    Failure,
    Timeout,
    /// Circuit open or bulkhead full: the upstream was not asked.
    Rejected,
    /// This client has too many calls under way.
    Throttled,
}

impl Outcome {
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Timeout => "timeout",
            Self::Rejected => "rejected",
            Self::Throttled => "throttled",
        }
    }

    pub(crate) fn from_label(label: &str) -> Self {
        [Self::Success, Self::Timeout, Self::Rejected]
            .into_iter()
            .find(|outcome| outcome.label() == label)
            .unwrap_or(Self::Failure)
    }
}

/// Tallies of what is told apart.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tallies {
    /// What only the inventory answers.
    pub(crate) items: Tally,
    pub(crate) pages: Tally,
    /// What does without the inventory.
    pub(crate) others: Tally,
    pub(crate) greedy: Tally,
}

impl Tallies {
    pub(crate) fn add(&mut self, ended: &Ended) {
        let tally = match ended.ask {
            Ask::Item | Ask::Stock => &mut self.items,
            Ask::Page => &mut self.pages,
            Ask::Price | Ask::Reviews => &mut self.others,
            Ask::Greedy => &mut self.greedy,
        };
        tally.add(ended);
    }
}

/// Calls by outcome, and their latencies.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) success: u64,
    pub(crate) failure: u64,
    pub(crate) timeout: u64,
    pub(crate) rejected: u64,
    pub(crate) throttled: u64,
    /// Those among failure, timeout and rejected that the fallback answered.
    pub(crate) fallback: u64,
    latencies: Vec<Duration>,
}

impl Tally {
    pub(crate) fn add(&mut self, ended: &Ended) {
        let count = match ended.outcome {
            Outcome::Success => &mut self.success,
            Outcome::Failure => &mut self.failure,
            Outcome::Timeout => &mut self.timeout,
            Outcome::Rejected => &mut self.rejected,
            Outcome::Throttled => &mut self.throttled,
        };
        *count += 1;
        self.fallback += u64::from(ended.by_fallback);
        self.latencies.push(ended.latency);
    }

    pub(crate) fn calls(&self) -> u64 {
        self.latencies.len() as u64
    }

    /// Returns how many calls got no answer of use.
    pub(crate) fn unanswered(&self) -> u64 {
        self.calls() - self.success - self.fallback
    }

    /// Returns the share of calls that got an answer of use, in percent.
    pub(crate) fn answered_percent(&self) -> f64 {
        let calls = self.calls().max(1);
        (self.success + self.fallback) as f64 * 100.0 / calls as f64
    }

    /// Returns the exact quantile in milliseconds, or none if no call ended.
    pub(crate) fn quantile_ms(&self, quantile: f64) -> Option<f64> {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        // The smallest value that has this share of the calls at or below it.
        let rank = (sorted.len() as f64 * quantile).ceil() as usize;
        let latency = sorted.get(rank.saturating_sub(1))?;
        Some((latency.as_secs_f64() * 1e6).round() / 1e3)
    }
}
