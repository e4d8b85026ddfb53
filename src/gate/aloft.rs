//! A call that goes on when its future has given the answer.

use std::{cell::Cell, fmt};

use super::{
    Completion, Flight, Policy,
    flight::tell_settled,
    host::{Host, Judge, PermitOf},
    policy::Start,
};
use crate::{
    clock::Now,
    event::Scope,
    outcome::{Aloft, Landing, Verdict},
};

/// A permit with the policy that takes it back, for a call that outlives its gate's future.
///
/// Dropped unsettled, the permit is withdrawn.
pub struct Later(Box<dyn Settle>);

impl Later {
    /// Keeps a permit and a handle of the policy that gave it.
    #[must_use]
    pub fn new<P>(policy: P, permit: P::Permit) -> Self
    where
        P: Policy + Send + Sync + 'static,
        P::Permit: Send + Sync + 'static,
    {
        Self(Box::new(Kept {
            policy,
            permit: Some(permit),
        }))
    }

    /// Joins what two policies have to settle, the second one first.
    pub(super) fn join(first: Option<Self>, last: Option<Self>) -> Option<Self> {
        match (first, last) {
            (Some(first), Some(last)) => Some(Self(Box::new((first, last)))),
            (first, last) => first.or(last),
        }
    }

    fn settle(mut self, completion: &Completion<'_>) {
        self.0.settle(completion);
    }
}

impl fmt::Debug for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Later")
    }
}

trait Settle: Send + Sync {
    /// Settles what is not settled yet.
    fn settle(&mut self, completion: &Completion<'_>);
}

struct Kept<P: Policy> {
    policy: P,
    permit: Option<P::Permit>,
}

impl<P> Settle for Kept<P>
where
    P: Policy + Send + Sync,
    P::Permit: Send + Sync,
{
    fn settle(&mut self, completion: &Completion<'_>) {
        if let Some(permit) = self.permit.take() {
            self.policy.settle(permit, completion);
        }
    }
}

impl<P: Policy> Drop for Kept<P> {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            self.policy.withdraw(permit);
        }
    }
}

impl Settle for (Later, Later) {
    fn settle(&mut self, completion: &Completion<'_>) {
        self.1.0.settle(completion);
        self.0.0.settle(completion);
    }
}

/// What a call that goes on takes along: nothing of the types of its gate.
struct Rest {
    permits: Later,
    scope: Scope,
    start: Start,
    waited_ns: u64,
}

impl Landing for Rest {
    fn land(self: Box<Self>, verdict: Verdict) {
        let now = Now::of(self.scope.clock());
        let completion = Completion {
            verdict,
            start: self.start,
            waited_ns: self.waited_ns,
            now: &now,
            // The gate may be gone; there is nobody to spread.
            do_threads_meet: Cell::new(false),
        };
        self.permits.settle(&completion);
        tell_settled(&self.scope, &completion);
    }
}

/// Hands a call over to its answer.
#[cold]
pub(super) fn go_on<G, Res, Err>(flight: &mut Flight<G>, response: &mut Res, verdict: Verdict)
where
    G: Judge<Res, Err>,
{
    let Some(left) = flight.leave() else { return };
    if let Some(call) = part(
        flight.host(),
        left.permit,
        left.start,
        left.waited_ns,
        verdict,
    ) {
        flight.host().go_on(response, call);
    }
}

/// Settles the part of a call that ends with the head of its answer, and returns the rest.
fn part<G: Host>(
    host: &G,
    permit: PermitOf<G>,
    start: Start,
    waited_ns: u64,
    verdict: Verdict,
) -> Option<Aloft> {
    let scope = host.scope();
    let now = Now::of(scope.clock());
    let completion = Completion {
        verdict,
        start,
        waited_ns,
        now: &now,
        do_threads_meet: Cell::new(false),
    };
    let Some(permits) = host.policy().settle_later(permit, &completion) else {
        tell_settled(scope, &completion);
        return None;
    };
    let rest = Rest {
        permits,
        scope: scope.clone(),
        start,
        waited_ns,
    };
    Some(Aloft::new(verdict, rest))
}
