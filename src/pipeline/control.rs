//! The shared part of a pipeline: its policies, its statistics, and what operators see of them.

use std::{fmt, sync::Arc, time::Duration};

use super::{Settings, Snapshot};
use crate::{
    bulkhead::{self, QueuedBulkhead},
    circuit_breaker::CircuitBreaker,
    clock::{Now, Tick, nanos},
    event::Scope,
    gate::{Completion, Handle, Later, Policy, Queue},
    outcome::Outcome,
    rejection::Rejection,
    settings::SettingsError,
    window::{Counts, Latency},
};

/// The policies of a pipeline as one, with its statistics: a handle without the types of its closures,
/// to keep, to look at and to steer by.
///
/// Clones are the same pipeline. It is a policy itself, breaker and bulkhead in one, so that a policy of
/// your own can be put before it by hand: `GateLayer::new((own, control)).queued()`. That is a gate and
/// not a pipeline: it has neither time limit nor fallback, and a classifier of its own.
#[derive(Clone)]
pub struct Control {
    parts: Arc<Parts>,
}

struct Parts {
    /// Always both: a pipeline without rules still has a circuit to force open, and one without a limit
    /// still has its calls counted.
    policies: (CircuitBreaker, QueuedBulkhead),
    counts: Arc<Counts>,
    latency: Latency,
    /// Waits included; none if nobody can wait, and it would be the same.
    total_latency: Option<Latency>,
    scope: Scope,
}

impl Control {
    pub(super) fn new(settings: &Settings, scope: Scope) -> Result<Self, SettingsError> {
        let breaker = &settings.circuit_breaker;
        let in_breaker = |error: SettingsError| error.within("circuit_breaker");
        let counts = Arc::new(breaker.counts().map_err(in_breaker)?);
        let circuit = CircuitBreaker::counting(breaker, scope.clone(), Arc::clone(&counts));
        let queue = settings.queue_or_none();
        let bulkhead =
            QueuedBulkhead::scoped(settings.bulkhead_or_unlimited(), queue, scope.clone());
        // A histogram has two slices; a window of less than two milliseconds is no reason to refuse.
        let window = counts.length().max(Latency::SHORTEST);
        let latency = || Latency::new(window).map_err(in_breaker);
        Ok(Self {
            parts: Arc::new(Parts {
                policies: (
                    circuit.map_err(in_breaker)?,
                    bulkhead.map_err(|error| error.within("queue"))?,
                ),
                latency: latency()?,
                total_latency: match queue.length {
                    0 => None,
                    _ => Some(latency()?),
                },
                counts,
                scope,
            }),
        })
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
        let total_latency = self.parts.total_latency.as_ref();
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

    pub(super) fn counts(&self) -> &Arc<Counts> {
        &self.parts.counts
    }

    #[inline(always)]
    fn observe_latency(&self, completion: &Completion<'_>, now: Tick) {
        let latency_ns = completion.latency_ns_at(now);
        self.parts.latency.record_ns(latency_ns, now);
        if let Some(total) = &self.parts.total_latency {
            let waited_ns = nanos(completion.waited());
            total.record_ns(latency_ns.saturating_add(waited_ns), now);
        }
    }
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
