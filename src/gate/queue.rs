//! What a policy with a queue offers.

use std::{future::Future, time::Duration};

use super::{Policy, policy::Held};
use crate::{clock::Now, rejection::Rejection};

/// A policy in whose queue a refused call may wait.
///
/// While a call waits it holds a place in the queue and nothing else: the permits of the policies to the
/// left are taken anew when its turn comes, so that a circuit that opened meanwhile refuses it. Then it
/// waits for the service to be ready, holding its permits, for as long again at most.
pub trait Queue: Policy {
    /// What a call has whose turn has come; dropping it lets the next one in.
    type Place;
    /// The wait; dropping it leaves the queue.
    type Ticket: Future<Output = Result<Self::Place, Rejection>>;

    /// Lets the call that met `rejection` wait, or hands the rejection back.
    ///
    /// # Errors
    ///
    /// The rejection, if it came from another policy or if there is no place in the queue.
    fn enqueue(&self, rejection: Rejection, now: &Now<'_>) -> Result<Self::Ticket, Rejection>;

    /// Returns how long a call may wait, for its turn and then for the service to be ready.
    fn longest_wait(&self) -> Duration;

    /// Admits a call whose turn has come.
    ///
    /// # Errors
    ///
    /// The rejection of another policy.
    fn admit_from(&self, place: Self::Place, now: &Now<'_>) -> Result<Self::Permit, Rejection>;
}

/// The queue is that of the last policy.
impl<A: Policy, B: Queue> Queue for (A, B) {
    type Place = B::Place;
    type Ticket = B::Ticket;

    fn enqueue(&self, rejection: Rejection, now: &Now<'_>) -> Result<Self::Ticket, Rejection> {
        self.1.enqueue(rejection, now)
    }

    fn longest_wait(&self) -> Duration {
        self.1.longest_wait()
    }

    fn admit_from(&self, place: B::Place, now: &Now<'_>) -> Result<Self::Permit, Rejection> {
        let held = Held::new(&self.0, self.0.admit(now)?);
        let last = self.1.admit_from(place, now)?;
        Ok((held.keep(), last))
    }
}

/// The queue is that of the last policy.
impl<A: Policy, B: Policy, C: Queue> Queue for (A, B, C) {
    type Place = C::Place;
    type Ticket = C::Ticket;

    fn enqueue(&self, rejection: Rejection, now: &Now<'_>) -> Result<Self::Ticket, Rejection> {
        self.2.enqueue(rejection, now)
    }

    fn longest_wait(&self) -> Duration {
        self.2.longest_wait()
    }

    fn admit_from(&self, place: C::Place, now: &Now<'_>) -> Result<Self::Permit, Rejection> {
        let first = Held::new(&self.0, self.0.admit(now)?);
        let second = Held::new(&self.1, self.1.admit(now)?);
        let last = self.2.admit_from(place, now)?;
        let second = second.keep();
        Ok((first.keep(), second, last))
    }
}
