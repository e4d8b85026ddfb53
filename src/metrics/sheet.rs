//! How figures are written to a recorder.
//!
//! Each series is looked up anew for each value. A handle that was kept might be one that was made before there
//! was a recorder, or one of a series that an exporter has dropped, and would then count for nobody.

use std::{sync::Arc, time::Duration};

use metrics::{Key, Label, Recorder, SharedString};

use super::{
    catalogue::{
        CALLS, FAILURE_RATIO, FALLBACKS, IN_FLIGHT, LATENCY, LIMIT, METADATA, MODE, Metric, OPENED,
        PEAK_IN_FLIGHT, QUEUED, REJECTIONS, REMAINING_OPEN, SLOW_CALLS, STATE, TOTAL_LATENCY,
        WOULD_REJECT,
    },
    ledger::Figures,
};
use crate::{
    event::{Mode, State},
    pipeline::{Latencies, Snapshot},
    rejection::Reason,
    window::Tally,
};

/// Where the series of one name are written.
pub(super) struct Sheet<'a> {
    pub(super) recorder: &'a dyn Recorder,
    pub(super) figures: &'a Figures,
}

/// A label beside the name.
type By = (&'static str, &'static str);

impl Sheet<'_> {
    pub(super) fn write(&self) {
        self.write_calls();
        self.write_rejections();
        self.write_circuit();
        self.write_load();
        self.write_latencies(&LATENCY, |snapshot| &snapshot.latency);
        self.write_latencies(&TOTAL_LATENCY, |snapshot| &snapshot.total_latency);
    }

    fn write_calls(&self) {
        let totals = &self.figures.totals;
        let tally = &totals.tally;
        self.counters(
            &CALLS,
            "outcome",
            [
                ("success", tally.success),
                ("failure", tally.failure),
                ("timeout", tally.timeout),
                ("ignored", tally.ignored),
                ("cancelled", tally.cancelled),
                ("rejected", tally.rejected()),
            ],
        );
        self.counters(
            &FALLBACKS,
            "outcome",
            [
                ("success", tally.fallback_success),
                ("failure", tally.fallback_failure),
                ("rejected", tally.fallback_rejected),
            ],
        );
        self.counter(&SLOW_CALLS, None, tally.slow);
        self.counter(&WOULD_REJECT, None, tally.would_reject);
        self.counter(&OPENED, None, totals.times_opened);
    }

    fn write_rejections(&self) {
        let tally = &self.figures.totals.tally;
        self.counters(
            &REJECTIONS,
            "reason",
            [
                (Reason::CircuitOpen.as_str(), tally.circuit_open),
                (
                    Reason::CircuitForcedOpen.as_str(),
                    tally.circuit_forced_open,
                ),
                (Reason::HalfOpenFull.as_str(), tally.half_open_full),
                (Reason::RampingUp.as_str(), tally.ramping_up),
                (Reason::NotReady.as_str(), tally.not_ready),
                (Reason::BulkheadFull.as_str(), tally.bulkhead_full),
                (Reason::WaitTimedOut.as_str(), tally.wait_timed_out),
                ("other", tally.other_rejection),
            ],
        );
    }

    fn write_circuit(&self) {
        for state in [
            State::Closed,
            State::RampingUp,
            State::Open,
            State::HalfOpen,
        ] {
            let by = Some(("state", state.as_str()));
            self.sum(&STATE, by, |one| f64::from(u8::from(one.state == state)));
        }
        for mode in [
            Mode::Automatic,
            Mode::ForcedOpen,
            Mode::ForcedClosed,
            Mode::DryRun,
        ] {
            let by = Some(("mode", mode.as_str()));
            self.sum(&MODE, by, |one| f64::from(u8::from(one.mode == mode)));
        }
        self.longest(&REMAINING_OPEN, None, |one| {
            one.remaining_open.unwrap_or_default()
        });
        let mut window = Tally::default();
        for snapshot in &self.figures.snapshots {
            window += snapshot.window;
        }
        self.gauge(&FAILURE_RATIO, None, window.failure_rate());
    }

    fn write_load(&self) {
        self.sum(&IN_FLIGHT, None, |one| f64::from(one.in_flight));
        self.sum(&PEAK_IN_FLIGHT, None, |one| f64::from(one.peak_in_flight));
        self.sum(&LIMIT, None, |one| match one.limit {
            u32::MAX => f64::INFINITY,
            limit => f64::from(limit),
        });
        self.sum(&QUEUED, None, |one| {
            f64::from(u32::try_from(one.queued).unwrap_or(u32::MAX))
        });
    }

    fn write_latencies(&self, metric: &Metric, of: fn(&Snapshot) -> &Latencies) {
        type Quantile = (&'static str, fn(&Latencies) -> Duration);
        const QUANTILES: [Quantile; 5] = [
            ("0.5", |all| all.p50),
            ("0.9", |all| all.p90),
            ("0.99", |all| all.p99),
            ("0.995", |all| all.p99_5),
            ("1", |all| all.max),
        ];
        for (quantile, read) in QUANTILES {
            let by = Some(("quantile", quantile));
            self.longest(metric, by, |one| read(of(one)));
        }
    }

    fn counters<const N: usize>(
        &self,
        metric: &Metric,
        label: &'static str,
        totals: [(&'static str, u64); N],
    ) {
        for (value, total) in totals {
            self.counter(metric, Some((label, value)), total);
        }
    }

    fn counter(&self, metric: &Metric, by: Option<By>, total: u64) {
        let key = key(metric, &self.figures.name, by.as_slice());
        let counter = self.recorder.register_counter(&key, &METADATA);
        counter.absolute(total);
    }

    fn sum(&self, metric: &Metric, by: Option<By>, read: impl Fn(&Snapshot) -> f64) {
        self.gauge(metric, by, self.figures.snapshots.iter().map(read).sum());
    }

    fn longest(&self, metric: &Metric, by: Option<By>, read: impl Fn(&Snapshot) -> Duration) {
        let longest = self.figures.snapshots.iter().map(read).max();
        self.gauge(metric, by, longest.unwrap_or_default().as_secs_f64());
    }

    fn gauge(&self, metric: &Metric, by: Option<By>, value: f64) {
        let key = key(metric, &self.figures.name, by.as_slice());
        self.recorder.register_gauge(&key, &METADATA).set(value);
    }
}

/// Returns what tells a series from all others.
pub(super) fn key(metric: &Metric, name: &Arc<str>, by: &[By]) -> Key {
    let name = SharedString::from_shared(Arc::clone(name));
    let mut labels = Vec::with_capacity(1 + by.len());
    labels.push(Label::new("name", name));
    for (label, value) in by {
        labels.push(Label::from_static_parts(label, value));
    }
    Key::from_parts(metric.name, labels)
}

#[cfg(all(test, not(portcullis_loom)))]
mod tests {
    use std::collections::BTreeSet;

    use metrics_util::debugging::{DebugValue, DebuggingRecorder};

    use super::*;
    use crate::metrics::ledger::Totals;

    /// As no run makes them: each number is another.
    const TALLY: Tally = Tally {
        success: 1,
        failure: 2,
        timeout: 3,
        slow: 4,
        ignored: 5,
        cancelled: 6,
        circuit_open: 10,
        circuit_forced_open: 20,
        half_open_full: 30,
        ramping_up: 40,
        not_ready: 50,
        bulkhead_full: 60,
        wait_timed_out: 70,
        other_rejection: 80,
        would_reject: 7,
        fallback_success: 8,
        fallback_failure: 9,
        fallback_rejected: 11,
    };

    #[test]
    fn each_number_has_its_own_series() {
        let recorder = DebuggingRecorder::new();
        let figures = Figures {
            name: "a".into(),
            totals: Totals {
                tally: TALLY,
                times_opened: 12,
            },
            snapshots: Vec::new(),
            has_new_calls: false,
        };
        Sheet {
            recorder: &recorder,
            figures: &figures,
        }
        .write();
        let told = recorder.snapshotter().snapshot().into_vec();
        let counters = told.iter().filter_map(|(key, .., value)| {
            let DebugValue::Counter(total) = value else {
                return None;
            };
            let key = key.key();
            let by = key.labels().find(|label| label.key() != "name");
            Some((key.name(), by.map_or("", Label::value), *total))
        });
        assert_eq!(
            counters.collect::<BTreeSet<_>>(),
            BTreeSet::from([
                ("portcullis_calls_total", "success", 1),
                ("portcullis_calls_total", "failure", 2),
                ("portcullis_calls_total", "timeout", 3),
                ("portcullis_calls_total", "ignored", 5),
                ("portcullis_calls_total", "cancelled", 6),
                ("portcullis_calls_total", "rejected", 360),
                ("portcullis_rejections_total", "circuit_open", 10),
                ("portcullis_rejections_total", "circuit_forced_open", 20),
                ("portcullis_rejections_total", "half_open_full", 30),
                ("portcullis_rejections_total", "ramping_up", 40),
                ("portcullis_rejections_total", "not_ready", 50),
                ("portcullis_rejections_total", "bulkhead_full", 60),
                ("portcullis_rejections_total", "wait_timed_out", 70),
                ("portcullis_rejections_total", "other", 80),
                ("portcullis_fallbacks_total", "success", 8),
                ("portcullis_fallbacks_total", "failure", 9),
                ("portcullis_fallbacks_total", "rejected", 11),
                ("portcullis_slow_calls_total", "", 4),
                ("portcullis_would_reject_total", "", 7),
                ("portcullis_circuit_opened_total", "", 12),
            ])
        );
    }
}
