//! What the page is told again and again.

use std::time::Duration;

use serde::Serialize;

use super::{Settings, past::Sample, sampler::Sampler};
use crate::{
    circuit_breaker,
    event::{self, Cause, Event, Mode},
    pipeline::{Control, Latencies},
    registry::Registry,
    window::Tally,
};

/// All circuits, worst first.
#[derive(Serialize)]
pub(super) struct State {
    /// In seconds.
    interval: f64,
    sample: u64,
    /// How many are left out because there are too many.
    unlisted: usize,
    circuits: Vec<Circuit>,
}

impl State {
    /// Looks at all pipelines.
    pub(super) fn of(registry: &Registry, sampler: &Sampler, settings: &Settings) -> Self {
        let all = registry.controls();
        let unlisted = all.len().saturating_sub(settings.circuits);
        let controls = match unlisted {
            0 => all,
            _ => worst_of(&all, settings.circuits),
        };
        let (sample, samples) = sampler.newest(controls.iter());
        let seen = controls.iter().zip(samples);
        let mut circuits: Vec<_> = seen
            .map(|(control, sample)| Circuit::of(control, sample))
            .collect();
        circuits.sort_by(|one, other| {
            let by_standing = one.standing().worst_first(&other.standing());
            by_standing.then_with(|| one.name.cmp(&other.name))
        });
        Self {
            interval: settings.interval.as_secs_f64(),
            sample,
            unlisted,
            circuits,
        }
    }
}

/// Returns the worst of circuits that come by name. To tell them apart takes a small part of the time that it takes to
/// look at all there is.
fn worst_of(controls: &[Control], most: usize) -> Vec<Control> {
    let standings = controls.iter().map(Standing::of);
    let mut order: Vec<_> = standings.enumerate().collect();
    order.sort_by(|(_, one), (_, other)| one.worst_first(other));
    order.truncate(most);
    let worst = order.iter().map(|(index, _)| controls[*index].clone());
    worst.collect()
}

#[derive(Serialize)]
struct Circuit {
    name: String,
    state: event::State,
    mode: Mode,
    #[serde(serialize_with = "crate::seconds::serialize_option")]
    remaining_open: Option<Duration>,
    cause: Option<Cause>,
    #[serde(serialize_with = "crate::seconds::serialize_option")]
    since: Option<Duration>,
    outage: Option<Outage>,
    times_opened: u64,
    #[serde(serialize_with = "crate::seconds::serialize")]
    window_length: Duration,
    window: Tally,
    calls_per_second: f64,
    failure_rate: f64,
    slow_rate: f64,
    #[serde(flatten)]
    rules: Rules,
    latency: Percentiles,
    in_flight: u32,
    limit: Option<u32>,
    queued: usize,
    queue: u32,
    fallback: bool,
    calls: Option<u64>,
    bad: Option<u64>,
}

impl Circuit {
    fn of(control: &Control, sample: Option<Sample>) -> Self {
        let snapshot = control.snapshot();
        let transition = control.last_transition();
        let cause = transition.as_ref().and_then(|entry| cause_of(&entry.event));
        Self {
            calls_per_second: snapshot.calls_per_second(),
            failure_rate: snapshot.window.failure_rate(),
            slow_rate: slow_rate(&snapshot.window),
            latency: Percentiles::of(&snapshot.latency),
            limit: Some(snapshot.limit).filter(|limit| *limit < u32::MAX),
            name: snapshot.name,
            state: snapshot.state,
            mode: snapshot.mode,
            remaining_open: snapshot.remaining_open,
            cause,
            since: transition.map(|entry| entry.age),
            outage: Outage::of(control, snapshot.state),
            times_opened: snapshot.times_opened,
            window_length: snapshot.window_length,
            window: snapshot.window,
            rules: Rules::of(&control.settings().circuit_breaker),
            in_flight: snapshot.in_flight,
            queued: snapshot.queued,
            queue: control.bulkhead().queue().length,
            fallback: control.has_fallback(),
            calls: sample.map(|sample| sample.calls),
            bad: sample.map(|sample| sample.bad),
        }
    }

    const fn standing(&self) -> Standing {
        Standing {
            state: self.state,
            mode: self.mode,
            failure_rate: self.failure_rate,
        }
    }
}

/// How bad it is.
struct Standing {
    state: event::State,
    mode: Mode,
    failure_rate: f64,
}

impl Standing {
    fn of(control: &Control) -> Self {
        let circuit = control.circuit_breaker();
        Self {
            state: circuit.state(),
            mode: circuit.mode(),
            failure_rate: control.window().failure_rate(),
        }
    }

    fn worst_first(&self, other: &Self) -> std::cmp::Ordering {
        let rank = self.rank().cmp(&other.rank());
        rank.then_with(|| other.failure_rate.total_cmp(&self.failure_rate))
    }

    const fn rank(&self) -> u8 {
        match (self.mode, self.state) {
            // Whoever forced it knows of it.
            (Mode::ForcedOpen, _) => 2,
            (_, event::State::Closed) => 5,
            // They refuse no call.
            (Mode::DryRun | Mode::ForcedClosed, _) => 4,
            (_, event::State::Open) => 0,
            (_, event::State::HalfOpen) => 1,
            (_, event::State::RampingUp) => 3,
        }
    }
}

const fn cause_of(event: &Event) -> Option<Cause> {
    match event {
        Event::Transition { cause, .. } => Some(*cause),
        _ => None,
    }
}

/// From the opening of a closed circuit until it is closed again; it may open many times meanwhile.
#[derive(Serialize)]
struct Outage {
    cause: Option<Cause>,
    #[serde(serialize_with = "crate::seconds::serialize")]
    age: Duration,
}

impl Outage {
    fn of(control: &Control, state: event::State) -> Option<Self> {
        if state == event::State::Closed {
            return None;
        }
        let opening = control.last_opening()?;
        Some(Self {
            cause: cause_of(&opening.event),
            age: opening.age,
        })
    }
}

/// Returns the share of the calls that was slow, between 0 and 1. Slow calls that were cancelled count too, so that
/// there may be more of them than were judged.
#[expect(clippy::cast_precision_loss, reason = "for display")]
fn slow_rate(window: &Tally) -> f64 {
    match window.judged().max(window.slow) {
        0 => 0.0,
        calls => window.slow as f64 / calls as f64,
    }
}

/// When the circuit opens; none where there is no such rule.
#[derive(Serialize)]
struct Rules {
    failure_threshold: Option<f64>,
    slow_threshold: Option<f64>,
    minimum_calls: u32,
}

impl Rules {
    fn of(settings: &circuit_breaker::Settings) -> Self {
        Self {
            failure_threshold: settings.failure_rate,
            slow_threshold: settings.slow_calls.map(|slow| slow.rate),
            minimum_calls: settings.minimum_calls,
        }
    }
}

/// In seconds; none where nothing was measured.
#[derive(Serialize)]
struct Percentiles {
    p50: Option<f64>,
    p90: Option<f64>,
    p99: Option<f64>,
    p99_5: Option<f64>,
}

impl Percentiles {
    fn of(latencies: &Latencies) -> Self {
        let seconds = |latency: Duration| (latencies.count > 0).then_some(latency.as_secs_f64());
        Self {
            p50: seconds(latencies.p50),
            p90: seconds(latencies.p90),
            p99: seconds(latencies.p99),
            p99_5: seconds(latencies.p99_5),
        }
    }
}
