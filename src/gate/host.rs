//! What a flight needs of the thing that it flies from: a gate, or a policy by itself.

use std::fmt;

use super::{Flight, Policy, ResponseFuture, flight::abandon};
use crate::{
    clock::Now,
    event::{Event, Scope},
    outcome::{Aloft, Classify, ErrorsAsFailures, Verdict},
    rejection::Rejection,
};

/// A shared policy and what surrounds it: a [`GateLayer`](super::GateLayer), or a [`Handle`].
///
/// A clone is one reference count at most.
pub trait Host: Clone {
    /// The policy.
    type Policy: Policy;

    /// Returns the policy.
    fn policy(&self) -> &Self::Policy;

    /// Returns a clone for one call.
    #[doc(hidden)]
    #[inline(always)]
    #[must_use]
    fn board(&self) -> Self {
        self.clone()
    }

    /// Takes note that calls of several threads get in each other's way.
    #[doc(hidden)]
    #[inline(always)]
    fn spread(&self) {}

    /// Returns name, clock and observers.
    fn scope(&self) -> &Scope;

    /// Settles a flight that is dropped.
    #[doc(hidden)]
    #[inline(always)]
    fn abandon(flight: &mut Flight<Self>) {
        flight.abandon();
    }

    /// Tells policy and observers of a call that was refused for good.
    fn refused(&self, rejection: &Rejection, now: &Now<'_>) {
        self.policy().refused(rejection, now);
        self.scope().tell(&Event::Rejected {
            reason: rejection.reason(),
        });
    }
}

pub(super) type PermitOf<G> = <<G as Host>::Policy as Policy>::Permit;

/// A host that understands one kind of answer.
#[diagnostic::on_unimplemented(
    message = "the classifier of `{Self}` is not for answers of `{Res}`",
    note = "for those of reqwest there is `portcullis::reqwest::ByStatus`"
)]
pub trait Judge<Res, Err>: Host {
    /// Classifies an answer.
    fn verdict(&self, answer: Result<&Res, &Err>) -> Verdict;

    /// Turns a rejection into an answer.
    fn refuse(&self, rejection: Rejection) -> Result<Res, Err>;

    /// Returns whether the call goes on after this answer.
    #[inline]
    fn goes_on(&self, response: &Res) -> bool {
        let _ = response;
        false
    }

    /// Hands a call that goes on over to its answer.
    fn go_on(&self, response: &mut Res, call: Aloft) {
        let _ = response;
        call.end();
    }

    /// Sees an answer before it is passed on.
    #[inline]
    fn pass(&self, answer: &mut Result<Res, Err>) {
        let _ = answer;
    }

    /// Takes note of a rejection, then refuses, in the name of the gate if it has no other.
    #[inline]
    fn reject(&self, mut rejection: Rejection, now: &Now<'_>) -> Result<Res, Err> {
        rejection.name_if_unnamed(|| self.scope().shared_name());
        self.refused(&rejection, now);
        self.refuse(rejection)
    }
}

/// A policy that can be used by itself, because it knows its scope.
pub trait Handle: Policy + Clone {
    /// Returns the scope that the policy was made with.
    fn own_scope(&self) -> &Scope;
}

impl<H: Handle> Host for H {
    type Policy = Self;

    fn policy(&self) -> &Self {
        self
    }

    fn scope(&self) -> &Scope {
        self.own_scope()
    }
}

/// A host that somebody else keeps, for calls that end before it does: they touch no reference count.
pub struct Borrowed<'a, G>(&'a G);

pub(crate) const fn borrow<G>(host: &G) -> Borrowed<'_, G> {
    Borrowed(host)
}

impl<G> Clone for Borrowed<'_, G> {
    #[inline(always)]
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

impl<G: Host> Host for Borrowed<'_, G> {
    type Policy = G::Policy;

    #[inline(always)]
    fn policy(&self) -> &G::Policy {
        self.0.policy()
    }

    #[inline(always)]
    fn scope(&self) -> &Scope {
        self.0.scope()
    }

    // In pieces: of a flight whose address nobody takes, the compiler makes no block in memory that it would
    // have to move as a whole.
    #[inline(always)]
    fn abandon(flight: &mut Flight<Self>) {
        let host = flight.host().0;
        if let Some(left) = flight.leave() {
            abandon(host, left);
        }
    }
}

impl<G: fmt::Debug> fmt::Debug for Borrowed<'_, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Errors are failures, rejections are errors.
impl<H: Handle, Res, Err: From<Rejection> + 'static> Judge<Res, Err> for H {
    fn verdict(&self, answer: Result<&Res, &Err>) -> Verdict {
        ErrorsAsFailures.classify(answer)
    }

    fn refuse(&self, rejection: Rejection) -> Result<Res, Err> {
        Err(rejection.into())
    }
}

/// Runs a future behind a policy. It is admitted when it is first polled.
pub(crate) async fn call<G, Fut, Res, Err>(host: G, future: Fut) -> Result<Res, Err>
where
    G: Judge<Res, Err>,
    Fut: Future<Output = Result<Res, Err>>,
{
    let admitted = {
        let now = Now::of(host.scope().clock());
        Flight::admit(&host, &now).map_err(|rejection| host.reject(rejection, &now))
    };
    match admitted {
        Ok(flight) => ResponseFuture::called(future, flight).await,
        Err(refused) => refused,
    }
}
