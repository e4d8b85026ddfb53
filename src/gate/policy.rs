//! What a policy decides and learns.

use std::{cell::Cell, time::Duration};

use super::Later;
use crate::{
    clock::{Now, Tick},
    outcome::{Outcome, Verdict},
    rejection::Rejection,
};

/// Decides whether a call may go ahead, and learns how it ended.
///
/// A policy is a handle: its clones share their state. Between [`admit`](Self::admit) and its end,
/// exactly one of [`settle`](Self::settle) and [`withdraw`](Self::withdraw) is called for each
/// permit. A permit is plain data, so that a stack of policies needs one reference count a call and
/// not one each; a permit may also release by itself when dropped, and then `admit` is all there is
/// to write.
///
/// ```
/// use portcullis::{clock::Now, gate::Policy, rejection::{Reason, Rejection}};
/// use std::sync::{Arc, atomic::{AtomicBool, Ordering}};
///
/// /// Refuses all calls while the switch is on.
/// #[derive(Clone, Default)]
/// struct Maintenance(Arc<AtomicBool>);
///
/// impl Policy for Maintenance {
///     type Permit = ();
///
///     fn admit(&self, _: &Now<'_>) -> Result<(), Rejection> {
///         match self.0.load(Ordering::Relaxed) {
///             true => Err(Rejection::new(Reason::Policy("maintenance"))),
///             false => Ok(()),
///         }
///     }
/// }
///
/// let maintenance = Maintenance::default();
/// assert!(maintenance.admit(&Now::at(Default::default())).is_ok());
/// ```
pub trait Policy {
    /// What an admitted call holds until it ends.
    type Permit;

    /// Lets a call through, or says why not.
    fn admit(&self, now: &Now<'_>) -> Result<Self::Permit, Rejection>;

    /// Takes back the permit of a call that ended.
    fn settle(&self, permit: Self::Permit, completion: &Completion<'_>) {
        let _ = (permit, completion);
    }

    /// Takes back the permit of a call whose answer has begun and may go on, now or when it has ended.
    ///
    /// The default is now. For a permit that is to be held until the end, return [`Later::new`] of a clone of the
    /// policy and the permit.
    fn settle_later(&self, permit: Self::Permit, completion: &Completion<'_>) -> Option<Later> {
        self.settle(permit, completion);
        None
    }

    /// Takes back the permit of a call that never began, because another policy refused it.
    fn withdraw(&self, permit: Self::Permit) {
        drop(permit);
    }

    /// Takes note of a call that this policy, or one beside it, refused for good.
    fn refused(&self, rejection: &Rejection, now: &Now<'_>) {
        let _ = (rejection, now);
    }

    /// Takes note of a call whose caller left while it waited in a queue.
    fn abandoned(&self, now: &Now<'_>) {
        let _ = now;
    }

    /// Takes note of a failure of the inner service to become ready, which no call had to do with.
    fn broken(&self, completion: &Completion<'_>) {
        let _ = completion;
    }

    /// Returns whether the policy is sure to refuse now, so that the inner service need not be made
    /// ready first.
    ///
    /// `false`, the default, is always right.
    fn is_shut(&self, now: &Now<'_>) -> bool {
        let _ = now;
        false
    }

    /// Returns whether [`Completion::latency`] will be wanted; if not, a clock reading is saved.
    fn needs_latency(&self) -> bool {
        true
    }
}

/// How an admitted call ended.
#[derive(Debug)]
pub struct Completion<'a> {
    pub(super) verdict: Verdict,
    pub(super) start: Start,
    pub(super) waited_ns: u64,
    pub(super) now: &'a Now<'a>,
    pub(super) do_threads_meet: Cell<bool>,
}

/// When a call was admitted, unless nobody wants to know; in one word, since every call carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Start(Tick);

impl Start {
    pub(super) const UNTIMED: Self = Self(Tick::MAX);

    #[inline(always)]
    pub(super) const fn at(tick: Tick) -> Self {
        Self(tick)
    }

    /// Returns the nanoseconds from here to `now`, which is read if the start is known.
    #[inline(always)]
    pub(super) fn latency_ns(self, now: &Now<'_>) -> Option<u64> {
        (self != Self::UNTIMED).then(|| self.latency_ns_at(now.tick()))
    }

    /// Returns the nanoseconds from here to `now`, or 0 if the start is not known.
    #[inline(always)]
    const fn latency_ns_at(self, now: Tick) -> u64 {
        now.as_nanos().saturating_sub(self.0.as_nanos())
    }
}

impl<'a> Completion<'a> {
    /// Creates a completion, for tests and simulations of a policy.
    #[must_use]
    pub fn new(verdict: impl Into<Verdict>, admitted: Option<Tick>, now: &'a Now<'a>) -> Self {
        Self {
            verdict: verdict.into(),
            start: admitted.map_or(Start::UNTIMED, Start::at),
            waited_ns: 0,
            now,
            do_threads_meet: Cell::new(false),
        }
    }

    /// Returns how it ended.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        self.verdict.outcome()
    }

    /// Returns how long the dependency asks to be left alone.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.verdict.retry_after()
    }

    /// Returns the time from admission to the end, or none if no policy asked for it.
    #[must_use]
    pub fn latency(&self) -> Option<Duration> {
        self.latency_ns().map(Duration::from_nanos)
    }

    /// The same in nanoseconds, for those who count them.
    #[inline(always)]
    pub(crate) fn latency_ns(&self) -> Option<u64> {
        self.start.latency_ns(self.now)
    }

    /// The same for a `now` that was read already; 0 if no policy asked for it.
    #[inline(always)]
    pub(crate) const fn latency_ns_at(&self, now: Tick) -> u64 {
        self.start.latency_ns_at(now)
    }

    /// Lets a function that is not inlined have this completion: see [`Now::lend`].
    #[inline(always)]
    pub(crate) fn lend<R>(&self, use_it: impl FnOnce(&Completion<'_>) -> R) -> R {
        self.now.lend(|now| {
            use_it(&Completion {
                verdict: self.verdict,
                start: self.start,
                waited_ns: self.waited_ns,
                now,
                do_threads_meet: Cell::new(false),
            })
        })
    }

    /// Tells the gate that threads get in each other's way here, so that it sees to it that they do not over
    /// its own reference count either.
    #[inline(always)]
    pub(crate) fn threads_meet(&self) {
        self.do_threads_meet.set(true);
    }

    /// Returns how long the call waited in a queue before it was admitted.
    #[must_use]
    pub const fn waited(&self) -> Duration {
        Duration::from_nanos(self.waited_ns)
    }

    /// Returns the time of the end.
    #[must_use]
    pub const fn now(&self) -> &'a Now<'a> {
        self.now
    }
}

/// Admits everything.
impl Policy for () {
    type Permit = ();

    fn admit(&self, _: &Now<'_>) -> Result<(), Rejection> {
        Ok(())
    }

    fn needs_latency(&self) -> bool {
        false
    }
}

/// None admits everything.
impl<P: Policy> Policy for Option<P> {
    type Permit = Option<P::Permit>;

    fn admit(&self, now: &Now<'_>) -> Result<Self::Permit, Rejection> {
        self.as_ref().map(|policy| policy.admit(now)).transpose()
    }

    fn settle(&self, permit: Self::Permit, completion: &Completion<'_>) {
        if let (Some(policy), Some(permit)) = (self, permit) {
            policy.settle(permit, completion);
        }
    }

    fn settle_later(&self, permit: Self::Permit, completion: &Completion<'_>) -> Option<Later> {
        let (policy, permit) = self.as_ref().zip(permit)?;
        policy.settle_later(permit, completion)
    }

    fn withdraw(&self, permit: Self::Permit) {
        if let (Some(policy), Some(permit)) = (self, permit) {
            policy.withdraw(permit);
        }
    }

    fn refused(&self, rejection: &Rejection, now: &Now<'_>) {
        if let Some(policy) = self {
            policy.refused(rejection, now);
        }
    }

    fn abandoned(&self, now: &Now<'_>) {
        if let Some(policy) = self {
            policy.abandoned(now);
        }
    }

    fn broken(&self, completion: &Completion<'_>) {
        if let Some(policy) = self {
            policy.broken(completion);
        }
    }

    fn is_shut(&self, now: &Now<'_>) -> bool {
        self.as_ref().is_some_and(|policy| policy.is_shut(now))
    }

    fn needs_latency(&self) -> bool {
        self.as_ref().is_some_and(Policy::needs_latency)
    }
}

/// Admits left to right, settles right to left.
impl<A: Policy, B: Policy> Policy for (A, B) {
    type Permit = (A::Permit, B::Permit);

    #[inline(always)]
    fn admit(&self, now: &Now<'_>) -> Result<Self::Permit, Rejection> {
        let held = Held::new(&self.0, self.0.admit(now)?);
        let last = self.1.admit(now)?;
        Ok((held.keep(), last))
    }

    #[inline(always)]
    fn settle(&self, (first, last): Self::Permit, completion: &Completion<'_>) {
        let first = Held::new(&self.0, first);
        self.1.settle(last, completion);
        self.0.settle(first.keep(), completion);
    }

    fn settle_later(
        &self,
        (first, last): Self::Permit,
        completion: &Completion<'_>,
    ) -> Option<Later> {
        let first = Held::new(&self.0, first);
        let last = self.1.settle_later(last, completion);
        Later::join(self.0.settle_later(first.keep(), completion), last)
    }

    fn withdraw(&self, (first, last): Self::Permit) {
        self.1.withdraw(last);
        self.0.withdraw(first);
    }

    fn refused(&self, rejection: &Rejection, now: &Now<'_>) {
        self.0.refused(rejection, now);
        self.1.refused(rejection, now);
    }

    fn abandoned(&self, now: &Now<'_>) {
        self.0.abandoned(now);
        self.1.abandoned(now);
    }

    fn broken(&self, completion: &Completion<'_>) {
        self.1.broken(completion);
        self.0.broken(completion);
    }

    fn is_shut(&self, now: &Now<'_>) -> bool {
        self.0.is_shut(now) || self.1.is_shut(now)
    }

    fn needs_latency(&self) -> bool {
        self.0.needs_latency() || self.1.needs_latency()
    }
}

/// Admits left to right, settles right to left.
impl<A: Policy, B: Policy, C: Policy> Policy for (A, B, C) {
    type Permit = (A::Permit, B::Permit, C::Permit);

    #[inline]
    fn admit(&self, now: &Now<'_>) -> Result<Self::Permit, Rejection> {
        let first = Held::new(&self.0, self.0.admit(now)?);
        let second = Held::new(&self.1, self.1.admit(now)?);
        let last = self.2.admit(now)?;
        let second = second.keep();
        Ok((first.keep(), second, last))
    }

    #[inline]
    fn settle(&self, (first, second, last): Self::Permit, completion: &Completion<'_>) {
        let first = Held::new(&self.0, first);
        let second = Held::new(&self.1, second);
        self.2.settle(last, completion);
        self.1.settle(second.keep(), completion);
        self.0.settle(first.keep(), completion);
    }

    fn settle_later(
        &self,
        (first, second, last): Self::Permit,
        completion: &Completion<'_>,
    ) -> Option<Later> {
        let first = Held::new(&self.0, first);
        let second = Held::new(&self.1, second);
        let last = self.2.settle_later(last, completion);
        let last = Later::join(self.1.settle_later(second.keep(), completion), last);
        Later::join(self.0.settle_later(first.keep(), completion), last)
    }

    fn withdraw(&self, (first, second, last): Self::Permit) {
        self.2.withdraw(last);
        self.1.withdraw(second);
        self.0.withdraw(first);
    }

    fn refused(&self, rejection: &Rejection, now: &Now<'_>) {
        self.0.refused(rejection, now);
        self.1.refused(rejection, now);
        self.2.refused(rejection, now);
    }

    fn abandoned(&self, now: &Now<'_>) {
        self.0.abandoned(now);
        self.1.abandoned(now);
        self.2.abandoned(now);
    }

    fn broken(&self, completion: &Completion<'_>) {
        self.2.broken(completion);
        self.1.broken(completion);
        self.0.broken(completion);
    }

    fn is_shut(&self, now: &Now<'_>) -> bool {
        self.0.is_shut(now) || self.1.is_shut(now) || self.2.is_shut(now)
    }

    fn needs_latency(&self) -> bool {
        self.0.needs_latency() || self.1.needs_latency() || self.2.needs_latency()
    }
}

/// A permit that is withdrawn unless it is kept: the policy to the right may refuse, or panic.
pub(super) struct Held<'a, P: Policy> {
    policy: &'a P,
    permit: Option<P::Permit>,
}

impl<'a, P: Policy> Held<'a, P> {
    pub(super) const fn new(policy: &'a P, permit: P::Permit) -> Self {
        Self {
            policy,
            permit: Some(permit),
        }
    }

    pub(super) fn keep(mut self) -> P::Permit {
        self.permit.take().expect("only `keep` and `drop` take it")
    }
}

impl<P: Policy> Drop for Held<'_, P> {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            self.policy.withdraw(permit);
        }
    }
}
