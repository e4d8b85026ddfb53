//! The layer that holds a fallback.

use std::{fmt, sync::Arc};

use tower_layer::Layer;

use super::{AnyError, Fallback, Respond, Run, Second, Value, When, future::Plan};
use crate::{
    event::{Event, FallbackEnding, Scope},
    gate::{Host, Policy},
    window::{Counts, Kind},
};

/// Answers in place of a service that failed.
///
/// See the [module docs](super).
pub struct FallbackLayer<A, W = AnyError, P = ()> {
    shared: Arc<Shared<A, W, P>>,
}

#[derive(Clone)]
struct Shared<A, W, P> {
    answer: A,
    when: W,
    guard: P,
    observed: Scope,
    /// The same without the observers, who would take a settled fallback for a settled call.
    scope: Scope,
    counts: Option<Arc<Counts>>,
}

impl<V> FallbackLayer<Value<V>> {
    /// Creates a fallback that answers with clones of a value.
    #[must_use]
    pub fn value(value: V) -> Self {
        Self::new(Value(value))
    }
}

impl<F> FallbackLayer<Respond<F>> {
    /// Creates a fallback that answers with what `respond` makes of a reference to the error.
    #[must_use]
    pub fn respond(respond: F) -> Self {
        Self::new(Respond(respond))
    }
}

impl<F> FallbackLayer<Run<F>> {
    /// Creates a fallback that answers with the future that `run` makes of a reference to the error.
    ///
    /// The future cannot borrow from the error, which is handed out if it fails: take what it needs
    /// before an `async move` block.
    #[must_use]
    pub fn future(run: F) -> Self {
        Self::new(Run(run))
    }
}

impl<T, C> FallbackLayer<Second<T, C>> {
    /// Creates a fallback that asks a second service.
    ///
    /// A service takes requests by value, so `copy` makes a second one of each request before the
    /// call, or none if there is to be no fallback for it. Each fallback gets a clone of `service`
    /// of its own; for the response futures to be `Send` it must be `Sync`.
    #[must_use]
    pub fn service(service: T, copy: C) -> Self {
        Self::new(Second { service, copy })
    }
}

impl<A> FallbackLayer<A> {
    fn new(answer: A) -> Self {
        Self {
            shared: Arc::new(Shared {
                answer,
                when: AnyError,
                guard: (),
                observed: Scope::new(),
                scope: Scope::new(),
                counts: None,
            }),
        }
    }
}

impl<A: Clone, W: Clone, P: Clone> FallbackLayer<A, W, P> {
    /// Sets which errors the fallback is for; the others come out untouched. Default: all.
    #[must_use]
    pub fn when<W2>(self, when: W2) -> FallbackLayer<A, W2, P> {
        self.with(|shared| Shared {
            when,
            answer: shared.answer,
            guard: shared.guard,
            observed: shared.observed,
            scope: shared.scope,
            counts: shared.counts,
        })
    }

    /// Sets a policy that the fallback must pass, such as a bulkhead, so that a failing service does
    /// not drown what stands in for it. What it refuses ends with the original error. Default: none.
    #[must_use]
    pub fn guarded_by<P2>(self, guard: P2) -> FallbackLayer<A, W, P2> {
        self.with(|shared| Shared {
            guard,
            answer: shared.answer,
            when: shared.when,
            observed: shared.observed,
            scope: shared.scope,
            counts: shared.counts,
        })
    }

    /// Sets the observers, who are told of each fallback, and the clock of the guard.
    #[must_use]
    pub fn scoped(self, scope: Scope) -> Self {
        self.with(|shared| Shared {
            scope: Scope::new().on_clock(scope.clock().clone()),
            observed: scope,
            ..shared
        })
    }

    /// Sets where fallbacks that were needed are counted; a call that succeeds does not touch it.
    pub(crate) fn counting(self, counts: Arc<Counts>) -> Self {
        self.with(|shared| Shared {
            counts: Some(counts),
            ..shared
        })
    }

    fn with<W2, P2>(
        self,
        change: impl FnOnce(Shared<A, W, P>) -> Shared<A, W2, P2>,
    ) -> FallbackLayer<A, W2, P2> {
        FallbackLayer {
            shared: Arc::new(change(Arc::unwrap_or_clone(self.shared))),
        }
    }
}

impl<A, W, P> FallbackLayer<A, W, P> {
    pub(super) fn answers(&self) -> &A {
        &self.shared.answer
    }

    pub(super) fn applies<Err>(&self, error: &Err) -> bool
    where
        W: When<Err>,
    {
        self.shared.when.applies(error)
    }

    pub(super) fn report(&self, ending: FallbackEnding) {
        if let Some(counts) = &self.shared.counts {
            counts.record(Kind::of_fallback(ending), self.shared.scope.clock().now());
        }
        self.shared.observed.tell(&Event::Fallback { ending });
    }
}

/// What the flights of the guard need.
impl<A, W, P: Policy> Host for FallbackLayer<A, W, P> {
    type Policy = P;

    fn policy(&self) -> &P {
        &self.shared.guard
    }

    fn scope(&self) -> &Scope {
        &self.shared.scope
    }
}

impl<A, W, P: Policy> Plan for FallbackLayer<A, W, P> {
    type Answer = A;
}

impl<S, A, W, P> Layer<S> for FallbackLayer<A, W, P> {
    type Service = Fallback<S, Self>;

    fn layer(&self, inner: S) -> Self::Service {
        Fallback::new(inner, self.clone())
    }
}

impl<A, W, P> Clone for FallbackLayer<A, W, P> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<A: fmt::Debug, W, P> fmt::Debug for FallbackLayer<A, W, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FallbackLayer")
            .field("answer", &self.shared.answer)
            .field("scope", &self.shared.observed)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{future::ready, time::Duration};

    use futures_util::FutureExt;
    use tower::{Service, service_fn};

    use super::*;
    use crate::{
        clock::Now,
        rejection::{BoxError, Reason, Rejection},
    };

    #[derive(Clone)]
    struct Full;

    impl Policy for Full {
        type Permit = ();

        fn admit(&self, _: &Now<'_>) -> Result<(), Rejection> {
            Err(Rejection::new(Reason::BulkheadFull))
        }
    }

    #[test]
    fn fallbacks_that_were_needed_are_counted() {
        let counts = Arc::new(Counts::new(Duration::from_secs(10), 10).unwrap());
        let answers = FallbackLayer::value(0).counting(Arc::clone(&counts));
        let fails = FallbackLayer::future(|_: &BoxError| ready(Err::<u32, _>("down")))
            .counting(Arc::clone(&counts));
        let service =
            || service_fn(|n: Option<u32>| ready(n.ok_or_else(|| BoxError::from("down"))));
        for request in [Some(1), None] {
            answers.layer(service()).call(request).now_or_never();
        }
        fails.layer(service()).call(None).now_or_never();
        answers
            .guarded_by(Full)
            .layer(service())
            .call(None)
            .now_or_never();
        let counted = counts.lifetime();
        assert_eq!(
            (
                counted.fallback_success,
                counted.fallback_failure,
                counted.fallback_rejected
            ),
            (1, 1, 1)
        );
    }
}
