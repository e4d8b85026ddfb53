//! The layer that holds a gate's policy.

use std::fmt;

use tower_layer::Layer;

use super::{
    AsError, Flight, Gate, Policy, Queue, QueuedGate, Refusal, RespondWith,
    host::{Borrowed, Host, Judge},
};
use crate::{
    event::Scope,
    outcome::{Aloft, Classify, ErrorsAsFailures, Verdict},
    rejection::Rejection,
    stripes::Spread,
};

/// A gate around any service: a policy, a classifier and a way to refuse.
///
/// See the [module docs](super).
pub struct GateLayer<P, C = ErrorsAsFailures, R = AsError> {
    shared: Spread<Shared<P, C, R>>,
}

/// One block for the whole stack, since each reference count that a call touches costs more than
/// its breaker once two cores share it.
#[derive(Clone)]
struct Shared<P, C, R> {
    policy: P,
    classify: C,
    refusal: R,
    scope: Scope,
}

impl<P> GateLayer<P> {
    /// Creates a gate that counts errors as failures and refuses with an error.
    ///
    /// A queue in the last policy is used by [`queued`](GateLayer::queued) gates only; in others a full
    /// bulkhead refuses at once.
    #[must_use]
    pub fn new(policy: P) -> Self {
        Self {
            shared: Spread::new(Shared {
                policy,
                classify: ErrorsAsFailures,
                refusal: AsError,
                scope: Scope::new(),
            }),
        }
    }
}

impl<P: Clone, C: Clone, R: Clone> GateLayer<P, C, R> {
    /// Sets who says what an answer means.
    #[must_use]
    pub fn classify<C2>(self, classify: C2) -> GateLayer<P, C2, R> {
        self.with(|shared| Shared {
            classify,
            policy: shared.policy,
            refusal: shared.refusal,
            scope: shared.scope,
        })
    }

    /// Answers refused calls with a response made of the rejection, so that the error type stays
    /// the inner service's and need not be `From<Rejection>`.
    #[must_use]
    pub fn reject_with<F>(self, respond: F) -> GateLayer<P, C, RespondWith<F>> {
        self.refusing(RespondWith(respond))
    }

    pub(crate) fn refusing<R2>(self, refusal: R2) -> GateLayer<P, C, R2> {
        self.with(|shared| Shared {
            refusal,
            policy: shared.policy,
            classify: shared.classify,
            scope: shared.scope,
        })
    }

    /// Sets the clock and the observers of the gate. Its policies keep their own: give them the
    /// same ones.
    #[must_use]
    pub fn scoped(self, scope: Scope) -> Self {
        self.with(|shared| Shared { scope, ..shared })
    }

    fn with<C2, R2>(
        self,
        change: impl FnOnce(Shared<P, C, R>) -> Shared<P, C2, R2>,
    ) -> GateLayer<P, C2, R2> {
        GateLayer {
            shared: self.shared.map(change),
        }
    }
}

impl<P, C, R> GateLayer<P, C, R> {
    /// Returns the policy.
    #[must_use]
    pub fn policy(&self) -> &P {
        &self.shared.policy
    }

    #[cfg(all(test, not(portcullis_loom)))]
    pub(crate) fn is_spread(&self) -> bool {
        self.shared.is_spread()
    }

    pub(crate) fn refusal(&self) -> &R {
        &self.shared.refusal
    }

    /// Wraps a service so that a call refused by a full bulkhead waits in its queue.
    ///
    /// The service must be `Clone` to be called, since a waiting call takes a clone along.
    pub fn layer_queued<S>(&self, inner: S) -> QueuedGate<S, Self>
    where
        P: Queue,
    {
        QueuedGate::new(inner, self.clone())
    }
}

impl<P: Queue, C, R> GateLayer<P, C, R> {
    /// Returns a layer that wraps services by [`layer_queued`](Self::layer_queued).
    #[must_use]
    pub const fn queued(self) -> QueuedLayer<Self> {
        QueuedLayer { host: self }
    }
}

impl<P: Policy, C, R> GateLayer<P, C, R> {
    /// Admits a call by hand, for use without Tower; settle the flight with its outcome.
    ///
    /// # Errors
    ///
    /// The policy's [`Rejection`].
    #[inline(always)]
    pub fn admit(&self) -> Result<Flight<Borrowed<'_, Self>>, Rejection> {
        Flight::borrowing(self)
    }

    /// As [`admit`](Self::admit), for a flight that is kept or sent somewhere.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn admit_owned(&self) -> Result<Flight<Self>, Rejection> {
        Flight::by_hand(self)
    }
}

impl<P: Policy, C, R> Host for GateLayer<P, C, R> {
    type Policy = P;

    #[inline]
    fn policy(&self) -> &P {
        &self.shared.policy
    }

    #[inline]
    fn scope(&self) -> &Scope {
        &self.shared.scope
    }

    #[inline(always)]
    fn board(&self) -> Self {
        Self {
            shared: self.shared.board(),
        }
    }

    #[inline(always)]
    fn spread(&self) {
        self.shared.spread();
    }
}

impl<P, C, R, Res, Err> Judge<Res, Err> for GateLayer<P, C, R>
where
    P: Policy,
    C: Classify<Res, Err>,
    R: Refusal<Res, Err>,
{
    #[inline]
    fn verdict(&self, answer: Result<&Res, &Err>) -> Verdict {
        self.shared.classify.classify(answer)
    }

    #[inline]
    fn goes_on(&self, response: &Res) -> bool {
        self.shared.classify.goes_on(response)
    }

    fn go_on(&self, response: &mut Res, call: Aloft) {
        self.shared.classify.go_on(response, call);
    }

    fn refuse(&self, rejection: Rejection) -> Result<Res, Err> {
        self.shared.refusal.refuse(rejection)
    }

    #[inline]
    fn pass(&self, answer: &mut Result<Res, Err>) {
        self.shared.refusal.pass(answer, &self.shared.scope);
    }
}

impl<S, P, C, R> Layer<S> for GateLayer<P, C, R> {
    type Service = Gate<S, Self>;

    fn layer(&self, inner: S) -> Self::Service {
        Gate::new(inner, self.clone())
    }
}

impl<P, C, R> Clone for GateLayer<P, C, R> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
        }
    }
}

impl<P: fmt::Debug, C, R> fmt::Debug for GateLayer<P, C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateLayer")
            .field("policy", &self.shared.policy)
            .field("scope", &self.shared.scope)
            .finish_non_exhaustive()
    }
}

/// A gate in which calls may wait, around any service that can be cloned; made by
/// [`GateLayer::queued`].
#[derive(Clone, Debug)]
pub struct QueuedLayer<G> {
    host: G,
}

impl<S, G: Clone> Layer<S> for QueuedLayer<G> {
    type Service = QueuedGate<S, G>;

    fn layer(&self, inner: S) -> Self::Service {
        QueuedGate::new(inner, self.host.clone())
    }
}
