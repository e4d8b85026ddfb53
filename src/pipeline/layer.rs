//! The stack that a pipeline wraps around a service.

use std::{sync::Arc, time::Duration};

use tower_layer::Layer;
use tower_service::Service;

use super::{
    Builder, Control, Snapshot,
    fault::{AsFault, ByFault, Lift, Lower},
};
use crate::{
    bulkhead::QueuedBulkhead,
    circuit_breaker::CircuitBreaker,
    clock::nanos,
    event::Scope,
    fallback::{Fallback, FallbackLayer, Plan, Way},
    gate::{AsError, GateLayer, Policy, QueueFuture, QueuedGate},
    outcome::ErrorsAsFailures,
    sync::{AtomicU64, Ordering::Relaxed},
    timeout::{Limit, Timeout, TimeoutLayer},
    window::Counts,
};

/// Fallback, circuit breaker, bulkhead and timeout around a service, in this order, under one name.
///
/// See the [module docs](super). Clones are the same pipeline. Its type names the types of its closures;
/// what is kept in a struct of yours is better its [`Control`].
#[derive(Clone, Debug)]
pub struct Pipeline<C = ErrorsAsFailures, F = NoFallback, R = AsError> {
    gate: PipelineGate<C, F>,
    refusal: R,
}

type PipelineGate<C, F> = GateLayer<Control, ByFault<C>, AsFault<F>>;
type Guarded<S, C, F> = QueuedGate<Timeout<Lift<S>, TimeLimit, AsError>, PipelineGate<C, F>>;

impl Pipeline {
    /// Begins a pipeline with the default settings.
    pub fn builder(name: impl Into<Arc<str>>) -> Builder {
        Builder::new(name.into())
    }
}

impl<C, F, R> Pipeline<C, F, R> {
    pub(super) const fn new(gate: PipelineGate<C, F>, refusal: R) -> Self {
        Self { gate, refusal }
    }

    /// Returns the part that is shared, without the types of the closures.
    #[must_use]
    pub fn control(&self) -> &Control {
        self.gate.policy()
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.control().name()
    }

    /// Returns the circuit breaker, to look at and to steer by hand.
    #[must_use]
    pub fn circuit_breaker(&self) -> &CircuitBreaker {
        self.control().circuit_breaker()
    }

    /// Returns the bulkhead, to look at and to steer by hand.
    #[must_use]
    pub fn bulkhead(&self) -> &QueuedBulkhead {
        self.control().bulkhead()
    }

    /// Returns the pipeline as it is now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.control().snapshot()
    }

    /// Returns a layer; all services that any of them makes are this pipeline's.
    #[must_use]
    pub fn layer(&self) -> PipelineLayer<C, F, R>
    where
        Self: Clone,
    {
        PipelineLayer(self.clone())
    }

    /// Wraps a service, as the layer does.
    #[inline]
    pub(crate) fn around<S>(&self, inner: S) -> <PipelineLayer<C, F, R> as Layer<S>>::Service
    where
        F: Recovery,
        R: Clone,
    {
        let time_limit = self.control().time_limit().clone();
        let timed = TimeoutLayer::with(time_limit).layer(Lift(inner));
        Lower {
            stack: self.gate.refusal().0.wrap(self.gate.layer_queued(timed)),
            refusal: self.refusal.clone(),
        }
    }
}

/// The layer of a [`Pipeline`].
///
/// The service that it wraps must be `Clone` to be called, since a call that waits in the queue takes a
/// clone along.
#[derive(Clone, Debug)]
pub struct PipelineLayer<C = ErrorsAsFailures, F = NoFallback, R = AsError>(Pipeline<C, F, R>);

impl<S, C, F, R> Layer<S> for PipelineLayer<C, F, R>
where
    F: Recovery,
    R: Clone,
{
    type Service = Lower<F::Service<Guarded<S, C, F>>, R>;

    fn layer(&self, inner: S) -> Self::Service {
        self.0.around(inner)
    }
}

/// The time limit of each call; clones are the same limit.
///
/// It has a reference count of its own: calls read it, and services that are cloned and dropped must not
/// write to the words beside which the policies lie.
#[derive(Clone, Debug)]
pub struct TimeLimit(Arc<AtomicU64>);

/// In place of a limit.
const NONE: u64 = u64::MAX;

impl TimeLimit {
    pub(super) fn new(limit: Option<Duration>) -> Self {
        Self(Arc::new(AtomicU64::new(word(limit))))
    }

    /// Sets the limit of the calls to come. Relaxed: it goes with nothing else.
    pub(super) fn set(&self, limit: Option<Duration>) {
        self.0.store(word(limit), Relaxed);
    }
}

fn word(limit: Option<Duration>) -> u64 {
    limit.map_or(NONE, nanos)
}

impl<Req> Limit<Req> for TimeLimit {
    #[inline]
    fn limit(&self, _: &Req) -> Option<Duration> {
        match self.0.load(Relaxed) {
            NONE => None,
            limit_ns => Some(Duration::from_nanos(limit_ns)),
        }
    }

    fn repeats(&self) -> bool {
        true
    }
}

/// Faults come out as they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFallback;

/// A fallback that can be part of a pipeline: [`NoFallback`], or any [`FallbackLayer`].
///
/// It is sealed.
pub trait Recovery: sealed::Sealed {
    /// What it makes of a service.
    type Service<S>;

    /// Whether there is a fallback.
    const EXISTS: bool;

    /// Puts the fallback around the guarded service.
    fn wrap<S>(&self, guarded: S) -> Self::Service<S>;

    /// Has endings counted and observers told.
    #[must_use]
    fn counting(self, scope: &Scope, counts: Arc<Counts>) -> Self;
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for super::NoFallback {}

    impl<A, W, P> Sealed for super::FallbackLayer<A, W, P> {}
}

impl Recovery for NoFallback {
    type Service<S> = S;

    const EXISTS: bool = false;

    fn wrap<S>(&self, guarded: S) -> S {
        guarded
    }

    fn counting(self, _: &Scope, _: Arc<Counts>) -> Self {
        self
    }
}

impl<A: Clone, W: Clone, P: Policy + Clone> Recovery for FallbackLayer<A, W, P> {
    type Service<S> = Fallback<S, Within<Self>>;

    const EXISTS: bool = true;

    fn wrap<S>(&self, guarded: S) -> Self::Service<S> {
        Fallback::new(guarded, Within(self.clone()))
    }

    fn counting(self, scope: &Scope, counts: Arc<Counts>) -> Self {
        self.scoped(scope.clone()).counting(counts)
    }
}

/// The way to a fallback that the gate around the call keeps.
#[derive(Clone, Debug)]
pub struct Within<L>(L);

impl<S, C, L, Req> Way<QueueFuture<S, PipelineGate<C, L>, Req>> for Within<L>
where
    S: Service<Req>,
    L: Plan,
{
    type Layer = L;

    #[inline(always)]
    fn layer(&self) -> &L {
        &self.0
    }

    #[inline(always)]
    fn take_along(&self, inner: &QueueFuture<S, PipelineGate<C, L>, Req>) -> Option<L> {
        match inner.host() {
            Some(_) => None,
            None => Some(self.0.clone()),
        }
    }

    fn follow(inner: &QueueFuture<S, PipelineGate<C, L>, Req>) -> Option<L> {
        inner.host().map(|gate| gate.refusal().0.clone())
    }
}

#[cfg(all(test, not(portcullis_loom)))]
mod tests {
    use std::future::ready;

    use futures_util::FutureExt;
    use tower::service_fn;

    use super::*;
    use crate::{clock::Tick, rejection::BoxError, window::Kind};

    /// It is told when the window's first bucket is begun anew, or threads meet once more.
    #[test]
    fn where_threads_meet_in_the_window_the_gate_spreads_as_well() {
        let pipeline = Pipeline::builder("inventory").build().unwrap();
        let mut service = pipeline
            .layer()
            .layer(service_fn(|()| ready(Ok::<_, BoxError>(()))));
        let mut call = || service.call(()).now_or_never().unwrap().unwrap();
        call();
        assert!(!pipeline.gate.is_spread());
        pipeline
            .control()
            .counts()
            .record(Kind::Success, Tick::ZERO);
        pipeline.control().counts().spread();
        call();
        assert!(pipeline.gate.is_spread());
        assert_eq!(pipeline.snapshot().lifetime.success, 3);
    }
}
