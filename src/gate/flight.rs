//! One admitted call, from permit to settlement.

use std::{cell::Cell, fmt};

use super::{
    Completion, Policy,
    host::{Borrowed, Host, PermitOf, borrow},
    policy::Start,
};
use crate::{
    clock::Now,
    event::{Event, Scope},
    outcome::{Outcome, Verdict},
    rejection::Rejection,
};

/// An admitted call, which is settled once.
///
/// Dropped unsettled, it counts as cancelled, or as a failure when that happens because of a panic
/// in the call. A flight by hand either [borrows](super::Borrowed) what admitted it, or owns a share of it and
/// may go anywhere.
#[must_use = "dropping a flight cancels it"]
pub struct Flight<G: Host> {
    host: G,
    /// None once settled.
    permit: Option<PermitOf<G>>,
    start: Start,
    waited_ns: u64,
    running: Running,
}

/// Whose code runs, which tells a panic of the call from a cancellation.
// A whole word: a byte leaves padding, which is moved along in overlapping halves.
#[repr(usize)]
#[derive(Clone, Copy, Debug)]
enum Running {
    /// Nobody's: the future rests.
    Nothing,
    /// The service's. Nothing but a panic leads from there to a drop.
    Service,
    /// That of whoever holds the flight, until it is dropped.
    Holder,
}

impl<G: Host> Flight<G> {
    /// Asks the policy.
    #[inline(always)]
    pub(crate) fn admit(host: &G, now: &Now<'_>) -> Result<Self, Rejection> {
        let permit = host.policy().admit(now)?;
        Ok(Self::take_off(host, permit, now))
    }

    /// Takes off with the permit that the policy has just given.
    #[inline(always)]
    pub(super) fn take_off(host: &G, permit: PermitOf<G>, now: &Now<'_>) -> Self {
        // Before the host boards: that is three instructions less a call than after it.
        let start = Self::start(host, now);
        Self::new(host.board(), permit, start, 0)
    }

    /// Asks the policy on behalf of code that settles the flight by itself.
    #[inline(always)]
    pub(crate) fn by_hand(host: &G) -> Result<Self, Rejection> {
        let now = Now::of(host.scope().clock());
        match Self::admit(host, &now) {
            // From here on, a panic is the call's.
            Ok(flight) => Ok(flight.running()),
            Err(rejection) => Err(now.lend(|now| Self::refused(host, rejection, now))),
        }
    }

    #[cold]
    fn refused(host: &G, rejection: Rejection, now: &Now<'_>) -> Rejection {
        host.refused(&rejection, now);
        rejection
    }

    /// The same without a share in the host.
    #[inline(always)]
    pub(crate) fn borrowing(host: &G) -> Result<Flight<Borrowed<'_, G>>, Rejection> {
        Flight::by_hand(&borrow(host))
    }

    /// Takes off with a permit that the host's policy gave a moment ago.
    #[inline(always)]
    pub(crate) fn with_permit(host: G, permit: PermitOf<G>) -> Self {
        let start = Self::start(&host, &Now::of(host.scope().clock()));
        Self::new(host, permit, start, 0)
    }

    #[inline(always)]
    fn start(host: &G, now: &Now<'_>) -> Start {
        if Self::wants_latency(host) {
            Start::at(now.tick())
        } else {
            Start::UNTIMED
        }
    }

    /// Takes off with a permit that was got by other means.
    pub(super) const fn new(host: G, permit: PermitOf<G>, start: Start, waited_ns: u64) -> Self {
        Self {
            host,
            permit: Some(permit),
            start,
            waited_ns,
            running: Running::Nothing,
        }
    }

    pub(super) fn wants_latency(host: &G) -> bool {
        host.policy().needs_latency() || host.scope().wants_settlements()
    }

    /// Hands the flight to somebody who does the work while holding it; a panic from here on is the
    /// call's.
    pub(crate) const fn running(mut self) -> Self {
        self.running = Running::Holder;
        self
    }

    /// Marks that the service's code runs from here on.
    #[inline(always)]
    pub(super) const fn in_service(mut self) -> Self {
        self.running = Running::Service;
        self
    }

    /// Marks where the service's code begins and ends.
    pub(crate) const fn set_running(&mut self, running: bool) {
        self.running = if running {
            Running::Service
        } else {
            Running::Nothing
        };
    }

    pub(crate) const fn host(&self) -> &G {
        &self.host
    }

    /// Settles the call with what became of it.
    #[inline(always)]
    pub fn settle(mut self, verdict: impl Into<Verdict>) {
        self.finish(verdict.into());
    }

    /// Gives everything back as if the call had never been admitted.
    pub(super) fn withdraw(mut self) {
        if let Some(permit) = self.permit.take() {
            self.host.policy().withdraw(permit);
        }
    }

    #[inline(always)]
    pub(crate) fn finish(&mut self, verdict: Verdict) {
        if let Some(permit) = self.permit.take() {
            finish(&self.host, permit, self.start, self.waited_ns, verdict);
        }
    }
}

#[inline(always)]
fn finish<G: Host>(host: &G, permit: PermitOf<G>, start: Start, waited_ns: u64, verdict: Verdict) {
    let now = Now::of(host.scope().clock());
    let completion = Completion {
        verdict,
        start,
        waited_ns,
        now: &now,
        do_threads_meet: Cell::new(false),
    };
    host.policy().settle(permit, &completion);
    if completion.do_threads_meet.get() {
        host.spread();
    }
    if host.scope().wants_settlements() {
        completion.lend(|completion| tell_settled(host.scope(), completion));
    }
}

#[cold]
pub(super) fn tell_settled(scope: &Scope, completion: &Completion<'_>) {
    if scope.wants_settlements() {
        scope.tell(&Event::Settled {
            outcome: completion.outcome(),
            latency: completion.latency(),
        });
    }
}

/// What is left of a flight that was dropped, or is continued elsewhere, before it was settled.
pub(super) struct Abandoned<P> {
    pub(super) permit: P,
    pub(super) start: Start,
    pub(super) waited_ns: u64,
    running: Running,
}

impl<G: Host> Flight<G> {
    #[inline(always)]
    pub(super) fn leave(&mut self) -> Option<Abandoned<PermitOf<G>>> {
        self.permit.take().map(|permit| Abandoned {
            permit,
            start: self.start,
            waited_ns: self.waited_ns,
            running: self.running,
        })
    }

    #[cold]
    pub(super) fn abandon(&mut self) {
        if let Some(left) = self.leave() {
            abandon(&self.host, left);
        }
    }
}

#[cold]
pub(super) fn abandon<G: Host>(host: &G, left: Abandoned<PermitOf<G>>) {
    let panicked = match left.running {
        Running::Nothing => false,
        // Without a look at the thread: whoever catches a panic may drop the future later.
        Running::Service => true,
        Running::Holder => std::thread::panicking(),
    };
    let outcome = if panicked {
        Outcome::Failure
    } else {
        Outcome::Cancelled
    };
    finish(
        host,
        left.permit,
        left.start,
        left.waited_ns,
        outcome.into(),
    );
}

impl<G: Host> Drop for Flight<G> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.permit.is_some() {
            G::abandon(self);
        }
    }
}

impl<G: Host> fmt::Debug for Flight<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flight")
            .field("start", &self.start)
            .field("settled", &self.permit.is_none())
            .finish_non_exhaustive()
    }
}
