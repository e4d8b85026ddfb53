//! What a stack says when it does not let a call through, or stops it.

use std::{error::Error, fmt, sync::Arc, time::Duration};

/// A type-erased error, as tower uses it.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A call that a policy refused or stopped.
///
/// There is one rejection type for all policies, so that one downcast finds it anywhere: see
/// [`Rejection::find`]. Making, cloning and dropping one allocates nothing.
#[derive(Clone, Debug)]
pub struct Rejection {
    reason: Reason,
    name: Option<Arc<str>>,
    retry_after: Option<Duration>,
    fallback: Option<Arc<dyn Error + Send + Sync>>,
    /// The address of the bulkhead in whose queue the call may wait.
    queue: usize,
}

/// Why a call was refused or stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(into = "&'static str")
)]
#[non_exhaustive]
pub enum Reason {
    /// The circuit is open.
    CircuitOpen,
    /// An operator holds the circuit open.
    CircuitForcedOpen,
    /// The circuit is half-open and all its probes are under way.
    HalfOpenFull,
    /// The circuit closed a moment ago and lets through only a part of the calls.
    RampingUp,
    /// The inner service was not made ready, because the circuit was open when it was asked.
    NotReady,
    /// As many calls are in flight as may be, and there is no place in the queue, if there is one.
    BulkheadFull,
    /// The longest wait is over: for a turn in the queue of a bulkhead, or after it for the service to be
    /// ready.
    WaitTimedOut,
    /// The call did not end within its time limit.
    DeadlineExceeded,
    /// A policy of your own refused, and says why.
    Policy(&'static str),
}

impl Reason {
    /// Returns a short name in snake case, for logs and labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CircuitOpen => "circuit_open",
            Self::CircuitForcedOpen => "circuit_forced_open",
            Self::HalfOpenFull => "half_open_full",
            Self::RampingUp => "ramping_up",
            Self::NotReady => "not_ready",
            Self::BulkheadFull => "bulkhead_full",
            Self::WaitTimedOut => "wait_timed_out",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::Policy(why) => why,
        }
    }
}

impl From<Reason> for &'static str {
    fn from(reason: Reason) -> Self {
        reason.as_str()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CircuitOpen => "circuit open",
            Self::CircuitForcedOpen => "circuit forced open",
            Self::HalfOpenFull => "circuit half-open, all probes under way",
            Self::RampingUp => "circuit ramping up",
            Self::NotReady => "service was not ready when the circuit closed",
            Self::BulkheadFull => "bulkhead full",
            Self::WaitTimedOut => "longest wait is over",
            Self::DeadlineExceeded => "deadline exceeded",
            Self::Policy(why) => why,
        })
    }
}

impl Rejection {
    /// Creates a rejection without a name.
    #[must_use]
    pub const fn new(reason: Reason) -> Self {
        Self {
            reason,
            name: None,
            retry_after: None,
            fallback: None,
            queue: 0,
        }
    }

    /// Sets the name of the stack that rejects.
    #[must_use]
    pub fn named(self, name: Option<Arc<str>>) -> Self {
        Self { name, ..self }
    }

    /// Sets how long the caller should wait before it tries again.
    #[must_use]
    pub fn with_retry_after(self, retry_after: Option<Duration>) -> Self {
        Self {
            retry_after,
            ..self
        }
    }

    /// Marks the rejection as coming from a policy with a queue.
    #[must_use]
    pub(crate) fn with_queue(self, queue: usize) -> Self {
        Self { queue, ..self }
    }

    pub(crate) const fn comes_from_queue(&self, queue: usize) -> bool {
        self.queue == queue
    }

    pub(crate) fn name_if_unnamed(&mut self, name: impl FnOnce() -> Option<Arc<str>>) {
        if self.name.is_none() {
            self.name = name();
        }
    }

    /// Attaches the error of a fallback that failed too; it becomes the source.
    #[must_use]
    pub(crate) fn with_fallback(self, error: BoxError) -> Self {
        Self {
            fallback: Some(Arc::from(error)),
            ..self
        }
    }

    /// Returns why.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// Returns the name of the stack that rejected, if it has one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns how long to wait before the next try, where that is known: the remaining open time
    /// of a circuit.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Returns the error of the fallback that was tried and failed, if one was.
    #[must_use]
    pub fn fallback(&self) -> Option<&(dyn Error + 'static)> {
        match &self.fallback {
            Some(error) => Some(&**error),
            None => None,
        }
    }

    /// Returns whether a circuit breaker refused (Hystrix's "short-circuited").
    #[must_use]
    pub const fn is_circuit_open(&self) -> bool {
        matches!(
            self.reason,
            Reason::CircuitOpen
                | Reason::CircuitForcedOpen
                | Reason::HalfOpenFull
                | Reason::RampingUp
                | Reason::NotReady
        )
    }

    /// Returns whether a bulkhead refused, at once or after a wait in its queue.
    #[must_use]
    pub const fn is_bulkhead_full(&self) -> bool {
        matches!(self.reason, Reason::BulkheadFull | Reason::WaitTimedOut)
    }

    /// Returns whether the call was admitted and then ran out of time.
    #[must_use]
    pub const fn is_timeout(&self) -> bool {
        matches!(self.reason, Reason::DeadlineExceeded)
    }

    /// Finds the rejection in an error or in the chain of its sources.
    ///
    /// ```
    /// use portcullis::rejection::{BoxError, Reason, Rejection};
    ///
    /// let error: BoxError = Rejection::new(Reason::CircuitOpen).into();
    /// assert!(Rejection::find(&*error).is_some_and(Rejection::is_circuit_open));
    /// ```
    #[must_use]
    pub fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(rejection) = error.downcast_ref() {
                return Some(rejection);
            }
            next = error.source();
        }
        None
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name}: {}", self.reason),
            None => write!(f, "{}", self.reason),
        }
    }
}

impl Error for Rejection {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.fallback()
    }
}
