//! The shared part of a pipeline: its policies, its statistics, and what operators see of them.

use std::{fmt, sync::Arc, time::Duration};

use super::{Recovery, Settings, Snapshot, TimeLimit};
use crate::{
    bulkhead::{self, QueueSettings, QueuedBulkhead},
    circuit_breaker::CircuitBreaker,
    clock::{Now, Tick, nanos},
    event::{Entry, History, Mode, Scope},
    gate::{Completion, Handle, Later, Policy, Queue},
    outcome::Outcome,
    rejection::Rejection,
    settings::SettingsError,
    sync::{Mutex, OnceLock},
    window::{Bucket, Counts, Latency, Tally},
};

/// The policies of a pipeline as one, with its statistics: a handle without the types of its closures,
/// to keep, to look at and to steer by.
///
/// Clones are the same pipeline. It is a policy itself, breaker and bulkhead in one, so that a policy of
/// your own can be put before it by hand: `GateLayer::new((own, control)).queued()`. That is a gate and
/// not a pipeline: it has neither time limit nor fallback, and a classifier of its own.
#[derive(Clone)]
pub struct Control {
    pub(super) parts: Arc<Parts>,
}

pub(super) struct Parts {
    /// Always both: a pipeline without rules still has a circuit to force open, and one without a limit
    /// still has its calls counted.
    pub(super) policies: (CircuitBreaker, QueuedBulkhead),
    counts: Arc<Counts>,
    latency: Latency,
    /// Waits included; none as long as nobody could wait, and it would be the same.
    total_latency: OnceLock<Latency>,
    pub(super) time_limit: TimeLimit,
    pub(super) scope: Scope,
    history: History,
    has_fallback: bool,
    /// Locked while the parts change, by no call.
    pub(super) steering: Mutex<Steering>,
}

/// What a pipeline was told, apart from what was set on its parts by hand.
pub(super) struct Steering {
    /// Those applied last.
    pub(super) settings: Settings,
    /// The mode that stands above that of the settings.
    pub(super) ordered: Option<Mode>,
}

impl Control {
    pub(super) fn new<F: Recovery>(
        settings: Settings,
        scope: Scope,
        history: History,
    ) -> Result<Self, SettingsError> {
        settings.check()?;
        // First, so that the others find there what they are told.
        let scope = scope.first_observed_by(history.clone());
        let breaker = &settings.circuit_breaker;
        let counts = Arc::new(breaker.counts()?);
        let circuit = CircuitBreaker::counting(breaker, scope.clone(), Arc::clone(&counts))?;
        let queue = settings.queue_after(QueueSettings::default());
        let limit = settings.bulkhead_or_unlimited();
        let bulkhead = QueuedBulkhead::scoped(limit, queue, scope.clone())?;
        let control = Self {
            parts: Arc::new(Parts {
                policies: (circuit, bulkhead),
                latency: latency_of(&counts)?,
                total_latency: OnceLock::new(),
                time_limit: TimeLimit::new(settings.timeout),
                counts,
                scope,
                history,
                has_fallback: F::EXISTS,
                steering: Mutex::new(Steering {
                    settings,
                    ordered: None,
                }),
            }),
        };
        control.prepare_for(queue)?;
        Ok(control)
    }

    /// Makes what is needed for calls that wait, if any may.
    pub(super) fn prepare_for(&self, queue: QueueSettings) -> Result<(), SettingsError> {
        if queue.length > 0 {
            let latency = latency_of(&self.parts.counts)?;
            self.parts.total_latency.get_or_init(|| latency);
        }
        Ok(())
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.parts.scope.name().unwrap_or_default()
    }

    /// Returns the circuit breaker, to look at and to steer by hand.
    #[must_use]
    pub fn circuit_breaker(&self) -> &CircuitBreaker {
        &self.parts.policies.0
    }

    /// Returns the bulkhead, to look at and to steer by hand. Its limit is [`u32::MAX`] if none was set.
    #[must_use]
    pub fn bulkhead(&self) -> &QueuedBulkhead {
        &self.parts.policies.1
    }

    /// Returns the pipeline as it is now. Reading changes nothing.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let (breaker, bulkhead) = &self.parts.policies;
        let now = self.parts.scope.clock().now();
        let in_flight = bulkhead.in_flight();
        let latency = (&self.parts.latency.quantiles(now)).into();
        let total_latency = self.parts.total_latency.get();
        Snapshot {
            name: self.name().to_owned(),
            state: breaker.state(),
            mode: breaker.mode(),
            remaining_open: breaker.remaining_open(),
            times_opened: breaker.times_opened(),
            consecutive_failures: breaker.consecutive_failures(),
            window_length: self.parts.counts.length(),
            window: self.parts.counts.window(now),
            lifetime: self.parts.counts.lifetime(),
            latency,
            total_latency: total_latency.map_or(latency, |total| (&total.quantiles(now)).into()),
            in_flight,
            peak_in_flight: self.parts.counts.peak(in_flight, now),
            limit: bulkhead.limit(),
            queued: bulkhead.queued(),
        }
    }

    /// Returns the last changes, oldest first: transitions with their causes, modes, limits, settings, orders, and
    /// whether the pipeline was added or removed. [`Builder::history`](super::Builder::history) says how many are kept.
    #[must_use]
    pub fn events(&self) -> Vec<Entry> {
        self.parts.history.entries()
    }

    /// Returns the last transition of the circuit, unless it is no longer among the [events](Self::events): what made
    /// the circuit what it is, and when.
    #[must_use]
    pub fn last_transition(&self) -> Option<Entry> {
        self.parts.history.last_transition()
    }

    /// Returns the last transition that opened the circuit when it was closed, also if it is no longer among the
    /// [events](Self::events): why an outage began, and when.
    #[must_use]
    pub fn last_opening(&self) -> Option<Entry> {
        self.parts.history.last_opening()
    }

    /// Returns how many calls of the window took how long from admission on, in buckets from the fastest on;
    /// [`Snapshot::latency`] has what they come to.
    #[must_use]
    pub fn latency_histogram(&self) -> Vec<Bucket> {
        let now = self.parts.scope.clock().now();
        self.parts.latency.quantiles(now).buckets().collect()
    }

    pub(crate) fn has_fallback(&self) -> bool {
        self.parts.has_fallback
    }

    /// Returns whether nothing would be lost with the pipeline but its counts for life: no call is in it, its
    /// circuit has nothing to lose, and its limits are those of the settings. A mode that was ordered is not
    /// lost: who orders it for a pattern orders it again.
    pub(crate) fn is_at_rest(&self, now: Tick) -> bool {
        let (breaker, bulkhead) = &self.parts.policies;
        // First, since it shows what ended calls did.
        bulkhead.is_at_rest() && {
            let Steering { settings, ordered } = &*self.parts.steering.lock();
            bulkhead.limit() == settings.bulkhead_or_unlimited().limit
                && bulkhead.queue() == settings.queue_after(bulkhead.queue())
                && breaker.has_nothing_to_lose(*ordered, now)
        }
    }

    /// Sets the mode of a pipeline that nobody has yet, and tells nobody.
    pub(crate) fn begin_in(&self, mode: Mode) {
        self.parts.steering.lock().ordered = Some(mode);
        self.parts.policies.0.begin_in(mode);
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        self.address() == other.address()
    }

    /// Returns what tells it from all other pipelines there are.
    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(&self.parts).addr()
    }

    /// Returns what happened within the window: what [`snapshot`](Self::snapshot) says of it, at a small part of its
    /// cost.
    #[must_use]
    pub fn window(&self) -> Tally {
        self.parts.counts.window(self.parts.scope.clock().now())
    }

    /// Returns what was counted for life, without a look at the clock.
    pub(crate) fn lifetime(&self) -> Tally {
        self.parts.counts.lifetime()
    }

    pub(super) fn time_limit(&self) -> &TimeLimit {
        &self.parts.time_limit
    }

    pub(super) fn counts(&self) -> &Arc<Counts> {
        &self.parts.counts
    }

    #[inline(always)]
    fn observe_latency(&self, completion: &Completion<'_>, now: Tick) {
        let latency_ns = completion.latency_ns_at(now);
        self.parts.latency.record_ns(latency_ns, now);
        if let Some(total) = self.parts.total_latency.get() {
            let waited_ns = nanos(completion.waited());
            total.record_ns(latency_ns.saturating_add(waited_ns), now);
        }
    }
}

fn latency_of(counts: &Counts) -> Result<Latency, SettingsError> {
    // A histogram has two slices; a window of less than two milliseconds is no reason to refuse.
    Latency::new(counts.length().max(Latency::SHORTEST))
}

type Permits = <(CircuitBreaker, QueuedBulkhead) as Policy>::Permit;

impl Policy for Control {
    type Permit = Permits;

    // Not as a pair, here and in `settle`, which guards the one permit against a panic of the other policy: these
    // are our own, and do not panic before they have done what is to be done.
    #[inline(always)]
    fn admit(&self, now: &Now<'_>) -> Result<Permits, Rejection> {
        let (breaker, bulkhead) = &self.parts.policies;
        let probe = Policy::admit(breaker, now)?;
        match Policy::admit(bulkhead, now) {
            Ok(permit) => Ok((probe, permit)),
            Err(rejection) => {
                breaker.withdraw(probe);
                Err(rejection)
            }
        }
    }

    #[inline(always)]
    fn settle(&self, (probe, permit): Permits, completion: &Completion<'_>) {
        let (breaker, bulkhead) = &self.parts.policies;
        let now = completion.now().tick();
        let cursor = self.parts.counts.cursor(now);
        let in_flight = bulkhead.in_flight();
        self.parts.counts.before_fall_at(cursor, in_flight);
        // A call that was cancelled took as long as its caller had patience.
        if completion.outcome() != Outcome::Cancelled {
            self.observe_latency(completion, now);
        }
        breaker.settle_at(cursor, probe, completion);
        // Last, for it wakes whoever is next, and that is the code of others.
        bulkhead.withdraw(permit);
    }

    fn settle_later(&self, permits: Permits, _: &Completion<'_>) -> Option<Later> {
        Some(Later::new(self.clone(), permits))
    }

    #[cold]
    fn withdraw(&self, permits: Permits) {
        let now = self.parts.scope.clock().now();
        self.parts
            .counts
            .before_fall(self.bulkhead().in_flight(), now);
        self.parts.policies.withdraw(permits);
    }

    fn refused(&self, rejection: &Rejection, now: &Now<'_>) {
        self.parts.policies.refused(rejection, now);
    }

    fn broken(&self, completion: &Completion<'_>) {
        self.parts.policies.broken(completion);
    }

    fn abandoned(&self, now: &Now<'_>) {
        self.parts.policies.abandoned(now);
    }

    #[inline]
    fn is_shut(&self, now: &Now<'_>) -> bool {
        self.parts.policies.is_shut(now)
    }
}

impl Queue for Control {
    type Place = bulkhead::Place;
    type Ticket = bulkhead::Ticket;

    fn enqueue(&self, rejection: Rejection, now: &Now<'_>) -> Result<Self::Ticket, Rejection> {
        self.parts.policies.enqueue(rejection, now)
    }

    fn longest_wait(&self) -> Duration {
        self.parts.policies.longest_wait()
    }

    fn admit_from(&self, place: Self::Place, now: &Now<'_>) -> Result<Permits, Rejection> {
        self.parts.policies.admit_from(place, now)
    }
}

impl Handle for Control {
    fn own_scope(&self) -> &Scope {
        &self.parts.scope
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control")
            .field("policies", &self.parts.policies)
            .finish_non_exhaustive()
    }
}
