//! When a circuit trips: rules as values, joined by *or*.

use std::num::NonZeroU32;

use crate::{event::Cause, ratio::Ratio};

/// One reason to open a circuit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Rule {
    FailureRate { threshold: Ratio, minimum: u64 },
    SlowCallRate { threshold: Ratio, minimum: u64 },
    ConsecutiveFailures { failures: u32 },
}

/// What the rules judge: the calls in the window, and the failures in a row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Evidence {
    /// Calls that succeeded or failed.
    pub(super) calls: u64,
    pub(super) failed: u64,
    pub(super) slow: u64,
    /// Slow calls that were cancelled: they are among the slow ones, and not among the calls.
    pub(super) slow_cancelled: u64,
    pub(super) in_a_row: u32,
}

impl Rule {
    fn verdict(self, evidence: &Evidence) -> Option<Cause> {
        match self {
            Self::FailureRate { threshold, minimum } => {
                let Evidence { calls, failed, .. } = *evidence;
                let reached = calls >= minimum && threshold.is_reached(failed, calls);
                let failures = failed;
                reached.then_some(Cause::FailureRate { failures, calls })
            }
            Self::SlowCallRate { threshold, minimum } => {
                let calls = evidence.calls + evidence.slow_cancelled;
                let slow = evidence.slow;
                let reached = calls >= minimum && threshold.is_reached(slow, calls);
                reached.then_some(Cause::SlowCallRate { slow, calls })
            }
            Self::ConsecutiveFailures { failures } => {
                let in_a_row = evidence.in_a_row;
                let cause = Cause::ConsecutiveFailures { failures: in_a_row };
                (in_a_row >= failures).then_some(cause)
            }
        }
    }

    /// Returns whether one more good call could make this rule trip.
    ///
    /// It can as long as there is something bad and too few calls to judge it; with enough of them a
    /// good call only lowers the rate.
    const fn awaits_a_good_call(self, evidence: &Evidence) -> bool {
        match self {
            Self::FailureRate { minimum, .. } => evidence.failed > 0 && evidence.calls < minimum,
            Self::SlowCallRate { minimum, .. } => {
                evidence.slow > 0 && evidence.calls + evidence.slow_cancelled < minimum
            }
            Self::ConsecutiveFailures { .. } => false,
        }
    }
}

/// The rules of a circuit; one is enough to trip it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rules {
    pub(super) failure_rate: Option<Ratio>,
    pub(super) slow_call_rate: Option<Ratio>,
    /// How many calls a rate is judged on at least.
    pub(super) minimum: u32,
    pub(super) consecutive_failures: Option<NonZeroU32>,
}

impl Rules {
    pub(super) fn verdict(&self, evidence: &Evidence) -> Option<Cause> {
        self.each().find_map(|rule| rule.verdict(evidence))
    }

    /// Returns whether neither this evidence nor any with more good calls trips.
    pub(super) fn are_content_with(&self, evidence: &Evidence) -> bool {
        self.each()
            .all(|rule| rule.verdict(evidence).is_none() && !rule.awaits_a_good_call(evidence))
    }

    fn each(&self) -> impl Iterator<Item = Rule> {
        let minimum = u64::from(self.minimum);
        let failure_rate = |threshold| Rule::FailureRate { threshold, minimum };
        let slow_call_rate = |threshold| Rule::SlowCallRate { threshold, minimum };
        let in_a_row = |failures: NonZeroU32| Rule::ConsecutiveFailures {
            failures: failures.get(),
        };
        let rules = [
            self.failure_rate.map(failure_rate),
            self.slow_call_rate.map(slow_call_rate),
            self.consecutive_failures.map(in_a_row),
        ];
        rules.into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn failure_rate(threshold: f64, minimum: u64) -> Rule {
        let threshold = Ratio::new(threshold).unwrap();
        Rule::FailureRate { threshold, minimum }
    }

    fn evidence(calls: u64, failed: u64) -> Evidence {
        Evidence {
            calls,
            failed,
            ..Evidence::default()
        }
    }

    #[test]
    fn the_threshold_itself_trips_at_every_percentage() {
        // Hystrix truncates 29, 57 and 58 % to one less.
        for percent in 1..=100 {
            let rule = failure_rate(percent as f64 / 100.0, 100);
            assert!(
                rule.verdict(&evidence(100, percent)).is_some(),
                "{percent} %"
            );
            assert!(
                rule.verdict(&evidence(100, percent - 1)).is_none(),
                "{percent} %"
            );
        }
    }

    #[test]
    fn too_few_calls_are_not_judged() {
        let rule = failure_rate(0.5, 20);
        assert!(rule.verdict(&evidence(19, 19)).is_none());
        assert!(rule.verdict(&evidence(20, 19)).is_some());
    }

    proptest! {
        #[test]
        fn content_rules_stay_content_whatever_good_calls_come(
            calls in 0..50_u64, failed in 0..50_u64, slow in 0..50_u64, slow_cancelled in 0..50_u64,
            more in 1..100_u64, minimum in 1..60_u32, threshold in 0.01..1.0_f64,
        ) {
            let rules = Rules {
                failure_rate: Ratio::new(threshold),
                slow_call_rate: Ratio::new(threshold),
                minimum,
                consecutive_failures: None,
            };
            let before = Evidence {
                calls,
                failed: failed.min(calls),
                slow: slow.min(calls) + slow_cancelled,
                slow_cancelled,
                in_a_row: 0,
            };
            let after = Evidence { calls: calls + more, ..before };
            if rules.are_content_with(&before) {
                prop_assert_eq!(rules.verdict(&after), None);
                prop_assert!(rules.are_content_with(&after));
            }
        }
    }
}
