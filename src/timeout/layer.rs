//! The layer that holds a time limit.

use std::{fmt, sync::Arc, time::Duration};

use tower_layer::Layer;

use super::Timeout;
use crate::{
    event::Scope,
    gate::{AsError, RespondWith},
    settings::{self, LONGEST, SettingsError},
};

/// Says how long the call of a request may take.
///
/// Closures from `&Req` to an `Option<Duration>` are limits.
pub trait Limit<Req> {
    /// Returns the limit of one call, or none if the call may take for ever.
    fn limit(&self, request: &Req) -> Option<Duration>;

    /// Returns whether few different limits are asked for, again and again, so that calls had better
    /// [share timers](super#timers).
    ///
    /// Nothing but the cost depends on it. By default, and with closures, each call has a timer of its own.
    fn repeats(&self) -> bool {
        false
    }
}

impl<F, Req> Limit<Req> for F
where
    F: Fn(&Req) -> Option<Duration>,
{
    fn limit(&self, request: &Req) -> Option<Duration> {
        self(request)
    }
}

/// The same limit for every call.
#[derive(Clone, Copy, Debug)]
pub struct Constant(Duration);

impl<Req> Limit<Req> for Constant {
    fn limit(&self, _: &Req) -> Option<Duration> {
        Some(self.0)
    }

    fn repeats(&self) -> bool {
        true
    }
}

/// Ends calls that take too long.
///
/// See the [module docs](super).
#[derive(Clone)]
pub struct TimeoutLayer<L, R = AsError> {
    limit: L,
    refusal: R,
    name: Option<Arc<str>>,
}

impl TimeoutLayer<Constant> {
    /// Creates a layer with one limit for all calls, from a nanosecond to a year.
    ///
    /// # Errors
    ///
    /// The limit is zero or more than a year.
    pub fn new(timeout: Duration) -> Result<Self, SettingsError> {
        settings::duration("timeout", timeout, Duration::from_nanos(1)..=LONGEST)?;
        Ok(Self::with(Constant(timeout)))
    }
}

impl<L> TimeoutLayer<L> {
    /// Creates a layer that asks each request for its [`Limit`].
    ///
    /// Nothing that a request asks for is an error: with a limit of zero the call ends at the first
    /// poll that has no answer, and a limit of more than a year is none.
    #[must_use]
    pub const fn with(limit: L) -> Self {
        Self {
            limit,
            refusal: AsError,
            name: None,
        }
    }
}

impl<L, R> TimeoutLayer<L, R> {
    /// Answers late calls with a response made of the rejection, so that the error type stays the
    /// inner service's and need not be `From<Rejection>`.
    #[must_use]
    pub fn reject_with<F>(self, respond: F) -> TimeoutLayer<L, RespondWith<F>> {
        self.refusing(RespondWith(respond))
    }

    pub(crate) fn refusing<R2>(self, refusal: R2) -> TimeoutLayer<L, R2> {
        TimeoutLayer {
            limit: self.limit,
            refusal,
            name: self.name,
        }
    }

    /// Sets the name that the rejections bear.
    ///
    /// Clock and observers of the scope are not used: the time is tokio's, and the gate around the
    /// timeout reports how the call ended.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "as on all layers")]
    pub fn scoped(self, scope: Scope) -> Self {
        Self {
            name: scope.shared_name(),
            ..self
        }
    }
}

impl<S, L: Clone, R: Clone> Layer<S> for TimeoutLayer<L, R> {
    type Service = Timeout<S, L, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Timeout::new(
            inner,
            self.limit.clone(),
            self.refusal.clone(),
            self.name.clone(),
        )
    }
}

impl<L, R> fmt::Debug for TimeoutLayer<L, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeoutLayer")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
