//! How a call ended, and who says so.
//!
//! One [`Classify`] per gate decides for policies, statistics and observers alike. Linkerd learned
//! why: with two classifiers, circuits trip on other criteria than the ones shown.

use std::{any::Any, fmt, time::Duration};

use crate::{
    clock::nanos,
    rejection::{BoxError, Rejection},
};

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Outcome {
    /// The dependency did its work.
    Success,
    /// The dependency failed.
    Failure,
    /// The call ran out of time: a failure, counted apart.
    Timeout,
    /// The call says nothing about the dependency, for example because the request was invalid.
    Ignored,
    /// The caller went away before the answer came.
    Cancelled,
}

impl Outcome {
    /// Returns whether this outcome speaks against the dependency.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Failure | Self::Timeout)
    }
}

/// An outcome, and what the dependency asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    outcome: Outcome,
    /// In nanoseconds, or [`NOTHING`], so that every call carries one word less.
    retry_after_ns: u64,
}

const NOTHING: u64 = u64::MAX;

impl Verdict {
    /// Adds how long the dependency asks to be left alone; an opening circuit stays open that long
    /// at least.
    #[must_use]
    pub fn with_retry_after(self, retry_after: Duration) -> Self {
        Self {
            retry_after_ns: nanos(retry_after).min(NOTHING - 1),
            ..self
        }
    }

    /// Returns the outcome.
    #[must_use]
    pub const fn outcome(self) -> Outcome {
        self.outcome
    }

    /// Returns how long the dependency asks to be left alone.
    #[inline]
    #[must_use]
    pub const fn retry_after(self) -> Option<Duration> {
        match self.retry_after_ns {
            NOTHING => None,
            retry_after_ns => Some(Duration::from_nanos(retry_after_ns)),
        }
    }
}

impl From<Outcome> for Verdict {
    fn from(outcome: Outcome) -> Self {
        Self {
            outcome,
            retry_after_ns: NOTHING,
        }
    }
}

/// Says what an answer means for the dependency's health.
///
/// Closures from `Result<&Response, &Error>` to an [`Outcome`] or a [`Verdict`] are classifiers:
///
/// ```
/// use portcullis::outcome::{Classify, Outcome};
///
/// let by_status = |answer: Result<&u16, &std::io::Error>| match answer {
///     Ok(500..) | Err(_) => Outcome::Failure,
///     Ok(400..) => Outcome::Ignored,
///     Ok(_) => Outcome::Success,
/// };
/// assert_eq!(by_status.classify(Ok(&503)).outcome(), Outcome::Failure);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not classify answers of `Result<&{Res}, &{Err}>`",
    note = "a closure needs the types of its arguments: `|answer: Result<&Response, &Error>| ...`"
)]
pub trait Classify<Res, Err> {
    /// Classifies one answer.
    fn classify(&self, answer: Result<&Res, &Err>) -> Verdict;

    /// Returns whether the call goes on after this answer, because it is the beginning of one only. If so, the gate
    /// hands the call over by [`go_on`](Self::go_on); if not, which is the default, the call ends here.
    #[inline]
    fn goes_on(&self, response: &Res) -> bool {
        let _ = response;
        false
    }

    /// Puts a call where it stays until it has ended: into its answer. The default ends it.
    fn go_on(&self, response: &mut Res, call: Aloft) {
        let _ = response;
        call.end();
    }
}

/// A call that holds its permits until the last of its answer, of which the beginning has come and was classified.
///
/// Dropped, it counts as cancelled, if it had begun as a success; else as what it had begun.
#[must_use = "dropping a call cancels it"]
pub struct Aloft {
    begun: Verdict,
    /// None once it has landed.
    landing: Option<Box<dyn Landing>>,
}

/// What is left to be done for a call when it ends.
pub(crate) trait Landing: Send + Sync {
    fn land(self: Box<Self>, verdict: Verdict);
}

impl Aloft {
    pub(crate) fn new(begun: Verdict, landing: impl Landing + 'static) -> Self {
        Self {
            begun,
            landing: Some(Box::new(landing)),
        }
    }

    /// Returns what the beginning of the answer was classified as.
    #[must_use]
    pub const fn begun(&self) -> Verdict {
        self.begun
    }

    /// Settles the call with what became of it.
    pub fn settle(mut self, verdict: impl Into<Verdict>) {
        self.land(verdict.into());
    }

    /// Settles the call as what it began.
    pub fn end(self) {
        let begun = self.begun;
        self.settle(begun);
    }

    fn land(&mut self, verdict: Verdict) {
        if let Some(landing) = self.landing.take() {
            landing.land(verdict);
        }
    }
}

impl Drop for Aloft {
    fn drop(&mut self) {
        let verdict = match self.begun.outcome() {
            Outcome::Success => Outcome::Cancelled.into(),
            _ => self.begun,
        };
        self.land(verdict);
    }
}

impl fmt::Debug for Aloft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aloft")
            .field("begun", &self.begun)
            .finish_non_exhaustive()
    }
}

impl<F, V, Res, Err> Classify<Res, Err> for F
where
    F: Fn(Result<&Res, &Err>) -> V,
    V: Into<Verdict>,
{
    #[inline]
    fn classify(&self, answer: Result<&Res, &Err>) -> Verdict {
        self(answer).into()
    }
}

/// The default classifier: every answer is a success and every error a failure.
///
/// A [`Rejection`] from further in is [ignored](Outcome::Ignored), because a full bulkhead says
/// nothing about the dependency; one for an exceeded deadline is a [timeout](Outcome::Timeout). It
/// is recognised when the error is a `Rejection` or a [`BoxError`] with one in its chain. In an error
/// enum of your own only you can see it: classify with a closure there.
#[derive(Clone, Copy, Debug, Default)]
pub struct ErrorsAsFailures;

impl<Res, Err: 'static> Classify<Res, Err> for ErrorsAsFailures {
    #[inline]
    fn classify(&self, answer: Result<&Res, &Err>) -> Verdict {
        match answer {
            Ok(_) => Outcome::Success,
            Err(error) => outcome_of_error(error),
        }
        .into()
    }
}

fn outcome_of_error(error: &dyn Any) -> Outcome {
    let rejection = error.downcast_ref::<Rejection>().or_else(|| {
        let boxed = error.downcast_ref::<BoxError>()?;
        Rejection::find(&**boxed)
    });
    rejection.map_or(Outcome::Failure, outcome_of_rejection)
}

/// What a rejection from further in means for the dependency.
pub(crate) fn outcome_of_rejection(rejection: &Rejection) -> Outcome {
    if rejection.is_timeout() {
        Outcome::Timeout
    } else {
        Outcome::Ignored
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rejection::Reason;

    fn by_default<Err: 'static>(error: &Err) -> Outcome {
        Classify::<(), Err>::classify(&ErrorsAsFailures, Err(error)).outcome()
    }

    #[test]
    fn only_rejections_are_not_failures() {
        let full = Rejection::new(Reason::BulkheadFull);
        let late = Rejection::new(Reason::DeadlineExceeded);
        assert_eq!(by_default(&"broken"), Outcome::Failure);
        assert_eq!(by_default(&full), Outcome::Ignored);
        assert_eq!(by_default(&BoxError::from(full)), Outcome::Ignored);
        assert_eq!(by_default(&late), Outcome::Timeout);
    }
}
