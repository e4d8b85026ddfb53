//! A circuit in simulated time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use portcullis::{
    circuit_breaker::{CircuitBreaker, Settings, State},
    clock::{Clock, Tick},
    event::{Event, Scope},
    gate::Flight,
    outcome::Outcome,
    rejection::{Reason, Rejection},
};

use crate::support::Log;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MS: Duration = Duration::from_millis(1);

/// Half of four calls at least, 10 s of window, 5 s open, one probe, no jitter.
pub(crate) fn quick() -> Settings {
    Settings::default().minimum_calls(4).open_jitter(0.0)
}

/// A clock that stands still until it is moved.
#[derive(Clone, Debug, Default)]
pub(crate) struct Time(Arc<AtomicU64>);

impl Time {
    pub(crate) fn clock(&self) -> Clock {
        let time = self.clone();
        Clock::from_fn(move || Tick::from_nanos(time.0.load(Ordering::Relaxed)))
    }

    pub(crate) fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_nanos()).unwrap();
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    pub(crate) fn nanos(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A circuit called "inventory", its time, and what its observers were told of it.
#[derive(Debug)]
pub(crate) struct Sim {
    pub(crate) breaker: CircuitBreaker,
    pub(crate) time: Time,
    pub(crate) log: Log,
}

impl Sim {
    pub(crate) fn new(settings: Settings) -> Self {
        let (time, log) = (Time::default(), Log::default());
        let scope = Scope::named("inventory")
            .on_clock(time.clock())
            .observed_by({
                let log = log.clone();
                move |_: Option<&str>, event: &Event| note(&log, event)
            });
        Self {
            breaker: CircuitBreaker::scoped(settings, scope).unwrap(),
            time,
            log,
        }
    }

    /// Makes a circuit that has just opened.
    pub(crate) fn opened(settings: Settings) -> Self {
        let sim = Self::new(settings);
        sim.breaker.trip();
        sim.log.take();
        sim
    }

    /// Makes a circuit whose open time is over.
    pub(crate) fn at_probe_time(settings: Settings) -> Self {
        let sim = Self::opened(settings);
        sim.advance(sim.breaker.remaining_open().unwrap());
        sim
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.time.advance(by);
    }

    pub(crate) fn state(&self) -> State {
        self.breaker.state()
    }

    pub(crate) fn admit(&self) -> Flight<CircuitBreaker> {
        self.breaker.admit_owned().unwrap()
    }

    pub(crate) fn rejection(&self) -> Rejection {
        self.breaker.admit().unwrap_err()
    }

    pub(crate) fn reason(&self) -> Reason {
        self.rejection().reason()
    }

    /// Makes calls that take no time.
    pub(crate) fn calls(&self, number: usize, outcome: Outcome) {
        for _ in 0..number {
            self.admit().settle(outcome);
        }
    }

    pub(crate) fn succeed(&self, number: usize) {
        self.calls(number, Outcome::Success);
    }

    pub(crate) fn fail(&self, number: usize) {
        self.calls(number, Outcome::Failure);
    }

    /// Makes a call that takes some time.
    pub(crate) fn take(&self, latency: Duration, outcome: Outcome) {
        let flight = self.admit();
        self.advance(latency);
        flight.settle(outcome);
    }

    /// Opens, waits and sends one probe, which fails.
    pub(crate) fn fail_a_probe(&self) {
        self.advance(self.breaker.remaining_open().unwrap());
        self.fail(1);
    }
}

fn note(log: &Log, event: &Event) {
    match event {
        Event::Transition {
            from, to, cause, ..
        } => log.note(format!("{} > {}: {cause}", from.as_str(), to.as_str())),
        Event::Mode { from, to, .. } => log.note(format!("{} > {}", from.as_str(), to.as_str())),
        Event::Settings { changed, .. } => log.note(format!("{changed} settings")),
        Event::WouldReject { reason, .. } => log.note(format!("would reject: {reason}")),
        _ => {}
    }
}
