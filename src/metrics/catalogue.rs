//! What there is to see: names, units and descriptions.

use metrics::{KeyName, Level, Metadata, Recorder, SharedString, Unit};

/// What recorders may filter by.
pub(super) const METADATA: Metadata<'static> =
    Metadata::new("portcullis", Level::INFO, Some(module_path!()));

/// A metric, of which there is a series for each name and what else is told apart.
#[derive(Debug)]
pub(super) struct Metric {
    pub(super) name: &'static str,
    kind: Kind,
    unit: Option<Unit>,
    description: &'static str,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

pub(super) static CALLS: Metric = counter(
    "portcullis_calls_total",
    "Calls by how they ended; each is counted once",
);
pub(super) static REJECTIONS: Metric = counter(
    "portcullis_rejections_total",
    "Calls that were refused, by the reason",
);
pub(super) static SLOW_CALLS: Metric = counter(
    "portcullis_slow_calls_total",
    "Calls that took longer than the slow-call threshold",
);
pub(super) static WOULD_REJECT: Metric = counter(
    "portcullis_would_reject_total",
    "Calls that a circuit in dry run let through and would have refused",
);
pub(super) static FALLBACKS: Metric = counter(
    "portcullis_fallbacks_total",
    "Fallbacks that were needed, by how they ended",
);
pub(super) static OPENED: Metric = counter(
    "portcullis_circuit_opened_total",
    "How often the circuit opened",
);
pub(super) static TRANSITIONS: Metric = counter(
    "portcullis_circuit_transitions_total",
    "How often the circuit changed its state, by the state before and after",
);
pub(super) static STATE: Metric = gauge(
    "portcullis_circuit_state",
    Unit::Count,
    "1 for the state of the circuit, 0 for the others",
);
pub(super) static MODE: Metric = gauge(
    "portcullis_circuit_mode",
    Unit::Count,
    "1 for who decides about the circuit, 0 for the others",
);
pub(super) static REMAINING_OPEN: Metric = gauge(
    "portcullis_circuit_remaining_open_seconds",
    Unit::Seconds,
    "How long the circuit stays open, 0 if it is not",
);
pub(super) static FAILURE_RATIO: Metric = Metric {
    unit: None,
    ..gauge(
        "portcullis_window_failure_ratio",
        Unit::Count,
        "The share of the judged calls in the rolling window that failed, from 0 to 1",
    )
};
pub(super) static LATENCY: Metric = gauge(
    "portcullis_window_latency_seconds",
    Unit::Seconds,
    "Quantiles of the latency in the rolling window, from admission on",
);
pub(super) static TOTAL_LATENCY: Metric = gauge(
    "portcullis_window_total_latency_seconds",
    Unit::Seconds,
    "Quantiles of the latency in the rolling window, waits in the queue included",
);
pub(super) static IN_FLIGHT: Metric = gauge("portcullis_in_flight", Unit::Count, "Calls in flight");
pub(super) static PEAK_IN_FLIGHT: Metric = gauge(
    "portcullis_peak_in_flight",
    Unit::Count,
    "The most calls in flight in the rolling window",
);
pub(super) static LIMIT: Metric = gauge(
    "portcullis_limit",
    Unit::Count,
    "How many calls may be in flight, infinite without a limit",
);
pub(super) static QUEUED: Metric = gauge(
    "portcullis_queued",
    Unit::Count,
    "Calls that wait in the queue",
);
pub(super) static DURATION: Metric = Metric {
    name: "portcullis_call_duration_seconds",
    kind: Kind::Histogram,
    unit: Some(Unit::Seconds),
    description: "How long calls took from admission on, those cancelled left out",
};

static ALL: [&Metric; 18] = [
    &CALLS,
    &REJECTIONS,
    &SLOW_CALLS,
    &WOULD_REJECT,
    &FALLBACKS,
    &OPENED,
    &TRANSITIONS,
    &STATE,
    &MODE,
    &REMAINING_OPEN,
    &FAILURE_RATIO,
    &LATENCY,
    &TOTAL_LATENCY,
    &IN_FLIGHT,
    &PEAK_IN_FLIGHT,
    &LIMIT,
    &QUEUED,
    &DURATION,
];

/// Tells a recorder what all metrics are.
pub(super) fn describe_all(recorder: &dyn Recorder) {
    for metric in ALL {
        let name = KeyName::from_const_str(metric.name);
        let description = SharedString::const_str(metric.description);
        match metric.kind {
            Kind::Counter => recorder.describe_counter(name, metric.unit, description),
            Kind::Gauge => recorder.describe_gauge(name, metric.unit, description),
            Kind::Histogram => recorder.describe_histogram(name, metric.unit, description),
        }
    }
}

const fn counter(name: &'static str, description: &'static str) -> Metric {
    Metric {
        name,
        kind: Kind::Counter,
        unit: Some(Unit::Count),
        description,
    }
}

const fn gauge(name: &'static str, unit: Unit, description: &'static str) -> Metric {
    Metric {
        name,
        kind: Kind::Gauge,
        unit: Some(unit),
        description,
    }
}
