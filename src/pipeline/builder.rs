//! How a pipeline is put together.

use std::{sync::Arc, time::Duration};

use super::{
    Control, Fault, NoFallback, Pipeline, Recovery, Settings,
    fault::{AsFault, ByFault},
};
use crate::{
    bulkhead, circuit_breaker,
    clock::Clock,
    event::{History, Observer, Scope},
    fallback::{FallbackLayer, Respond},
    gate::{AsError, GateLayer, RespondWith},
    outcome::ErrorsAsFailures,
    settings::SettingsError,
};

/// Builds a [`Pipeline`]: settings, and what cannot be written into a file.
#[derive(Clone, Debug)]
#[must_use = "a builder builds nothing until `build`"]
pub struct Builder<C = ErrorsAsFailures, F = NoFallback, R = AsError> {
    scope: Scope,
    /// How many events are kept.
    history: u32,
    settings: Settings,
    classify: C,
    fallback: F,
    refusal: R,
}

impl Builder {
    pub(super) fn new(name: Arc<str>) -> Self {
        Self {
            scope: Scope::named(name),
            history: History::USUAL,
            settings: Settings::default(),
            classify: ErrorsAsFailures,
            fallback: NoFallback,
            refusal: AsError,
        }
    }
}

impl<C, F, R> Builder<C, F, R> {
    pub(crate) const fn clock_in_use(&self) -> &Clock {
        self.scope.clock()
    }

    /// Sets all settings.
    pub fn settings(self, settings: Settings) -> Self {
        Self { settings, ..self }
    }

    /// Sets [`Settings::timeout`].
    pub fn timeout(self, timeout: impl Into<Option<Duration>>) -> Self {
        self.with(|settings| settings.timeout(timeout))
    }

    /// Sets [`Settings::bulkhead`].
    pub fn bulkhead(self, bulkhead: impl Into<Option<bulkhead::Settings>>) -> Self {
        self.with(|settings| settings.bulkhead(bulkhead))
    }

    /// Sets [`Settings::queue`].
    pub fn queue(self, queue: impl Into<Option<bulkhead::QueueSettings>>) -> Self {
        self.with(|settings| settings.queue(queue))
    }

    /// Sets [`Settings::circuit_breaker`].
    pub fn circuit_breaker(self, circuit_breaker: circuit_breaker::Settings) -> Self {
        self.with(|settings| settings.circuit_breaker(circuit_breaker))
    }

    /// Sets the clock. Default: [`Clock::new`].
    pub fn clock(self, clock: Clock) -> Self {
        let scope = self.scope.on_clock(clock);
        Self { scope, ..self }
    }

    pub(crate) fn renamed(self, name: Arc<str>) -> Self {
        let scope = self.scope.renamed(name);
        Self { scope, ..self }
    }

    pub(crate) fn observed_like(self, other: &Scope) -> Self {
        let scope = self.scope.observed_like(other);
        Self { scope, ..self }
    }

    /// Adds an observer of all parts.
    pub fn observed_by(self, observer: impl Observer + 'static) -> Self {
        let scope = self.scope.observed_by(observer);
        Self { scope, ..self }
    }

    /// Sets how many of its last changes the pipeline [keeps](Control::events), from 1 to 10,000. Default: 64.
    pub fn history(self, capacity: u32) -> Self {
        Self {
            history: capacity,
            ..self
        }
    }

    /// Sets who says what an answer means, for all parts alike: a closure or another
    /// [`Classify`](crate::outcome::Classify) over the inner service's answer. Default:
    /// [`ErrorsAsFailures`]. The pipeline's own rejections are not asked about.
    pub fn classify<C2>(self, classify: C2) -> Builder<C2, F, R> {
        Builder {
            scope: self.scope,
            history: self.history,
            settings: self.settings,
            classify,
            fallback: self.fallback,
            refusal: self.refusal,
        }
    }

    /// Sets a function that makes an answer of the [`Fault`] where there is none.
    ///
    /// For a fallback that waits, may fail, or is for some faults only, see
    /// [`fallback_layer`](Self::fallback_layer).
    pub fn fallback<E, Res, N>(self, respond: N) -> Builder<C, FallbackLayer<Respond<N>>, R>
    where
        N: Fn(&Fault<E>) -> Res,
    {
        self.fallback_layer(FallbackLayer::respond(respond))
    }

    /// Sets any fallback, over the error type [`Fault`].
    pub fn fallback_layer<F2>(self, fallback: F2) -> Builder<C, F2, R> {
        Builder {
            scope: self.scope,
            history: self.history,
            settings: self.settings,
            classify: self.classify,
            fallback,
            refusal: self.refusal,
        }
    }

    /// Answers rejected calls with a response made of the rejection, so that the inner service's error
    /// need not be `From<Rejection>`.
    pub fn reject_with<N>(self, respond: N) -> Builder<C, F, RespondWith<N>> {
        Builder {
            scope: self.scope,
            history: self.history,
            settings: self.settings,
            classify: self.classify,
            fallback: self.fallback,
            refusal: RespondWith(respond),
        }
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.scope.name().unwrap_or_default()
    }

    /// Returns the settings so far, which need not be in their ranges.
    #[must_use]
    pub const fn own_settings(&self) -> &Settings {
        &self.settings
    }

    /// Builds the pipeline.
    ///
    /// # Errors
    ///
    /// As for [`Settings::check`] and [`History::new`].
    pub fn build(self) -> Result<Pipeline<C, F, R>, SettingsError>
    where
        C: Clone,
        F: Recovery,
    {
        let history = History::new(self.history, self.scope.clock().clone())?;
        let control = Control::new::<F>(self.settings, self.scope.clone(), history)?;
        let fallback = self
            .fallback
            .counting(&self.scope, Arc::clone(control.counts()));
        let gate = GateLayer::new(control)
            .classify(ByFault(self.classify))
            .scoped(self.scope)
            .refusing(AsFault(fallback));
        Ok(Pipeline::new(gate, self.refusal))
    }

    fn with(self, change: impl FnOnce(Settings) -> Settings) -> Self {
        Self {
            settings: change(self.settings),
            ..self
        }
    }
}
