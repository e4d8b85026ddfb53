//! The bulkhead in front of which calls may wait.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project::pin_project;
use tokio::time::Sleep;

use super::{
    Permit, QueueSettings, Settings,
    handle::{full, tell_limit},
    queue::{Number, WaitQueue},
};
use crate::{
    clock::{Now, Tick},
    event::{Scope, tell_settings},
    gate::{
        self, Borrowed, Completion, Flight, GateLayer, Handle, Later, Policy, Queue, QueuedLayer,
    },
    rejection::{Reason, Rejection},
    settings::SettingsError,
};

/// A limit on the calls in flight, with a bounded queue for the calls above it.
///
/// See the [module docs](super).
#[derive(Clone)]
pub struct QueuedBulkhead {
    shared: Arc<Shared>,
}

struct Shared {
    queue: WaitQueue,
    scope: Scope,
}

impl QueuedBulkhead {
    /// Creates a bulkhead without a name or observers.
    ///
    /// # Errors
    ///
    /// A setting that is out of its range.
    pub fn new(settings: Settings, queue: QueueSettings) -> Result<Self, SettingsError> {
        Self::scoped(settings, queue, Scope::new())
    }

    /// Creates a bulkhead that rejects in the name of `scope` and tells its observers.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn scoped(
        settings: Settings,
        queue: QueueSettings,
        scope: Scope,
    ) -> Result<Self, SettingsError> {
        queue.check()?;
        Ok(Self {
            shared: Arc::new(Shared {
                queue: WaitQueue::new(settings.limit, queue),
                scope,
            }),
        })
    }

    /// Returns a layer whose services, and all clones of this handle, share limit and queue.
    ///
    /// The services must be `Clone` to be called, since a waiting call takes a clone along.
    #[must_use]
    pub fn layer(&self) -> QueuedLayer<GateLayer<Self>> {
        GateLayer::new(self.clone())
            .scoped(self.shared.scope.clone())
            .queued()
    }

    /// Admits a call by hand and without a wait; settle the flight with its outcome.
    ///
    /// # Errors
    ///
    /// [`Reason::BulkheadFull`], also when all free permits are promised to waiting calls.
    #[inline(always)]
    pub fn admit(&self) -> Result<Flight<Borrowed<'_, Self>>, Rejection> {
        Flight::borrowing(self)
    }

    /// As [`admit`](Self::admit), for a flight that is kept or sent somewhere.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn admit_owned(&self) -> Result<Flight<Self>, Rejection> {
        Flight::by_hand(self)
    }

    /// Admits a call by hand, after a wait if need be; settle the flight with its outcome.
    ///
    /// A wait needs a tokio runtime with its timer.
    ///
    /// # Errors
    ///
    /// [`Reason::BulkheadFull`] if there is no place in the queue, [`Reason::WaitTimedOut`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the queue at once. A permit that was given to it by then goes to
    /// the next in the queue.
    pub async fn acquire(&self) -> Result<Flight<Borrowed<'_, Self>>, Rejection> {
        gate::acquire(&gate::borrow(self))
            .await
            .map(Flight::running)
    }

    /// As [`acquire`](Self::acquire), for a flight that is kept or sent somewhere.
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Cancel safety
    ///
    /// As there.
    pub async fn acquire_owned(&self) -> Result<Flight<Self>, Rejection> {
        gate::acquire(self).await.map(Flight::running)
    }

    /// Runs a future as one call, after a wait if need be.
    ///
    /// # Errors
    ///
    /// The future's own, or as for [`acquire`](Self::acquire).
    pub fn call<F, Res, Err>(
        &self,
        future: F,
    ) -> impl Future<Output = Result<Res, Err>> + use<F, Res, Err>
    where
        F: Future<Output = Result<Res, Err>>,
        Err: From<Rejection> + 'static,
    {
        gate::call_queued(self.clone(), future)
    }

    /// Sets the limit for the calls to come. Growth lets waiting calls in at once; after a cut there
    /// may be more calls in flight than the limit for a while, and those who wait go on waiting.
    pub fn set_limit(&self, limit: u32) {
        let from = self.shared.queue.permits().set_limit(limit);
        self.limit_changed(from, limit);
    }

    /// Sets the limit and the queue, which was checked, where there are new ones, in one step, so that no
    /// call meets the smaller one of both; returns those before. A new limit is to be followed by
    /// [`limit_changed`](Self::limit_changed), under no lock.
    pub(crate) fn exchange(
        &self,
        limit: Option<u32>,
        queue: Option<QueueSettings>,
    ) -> (u32, QueueSettings) {
        self.shared.queue.exchange(limit, queue)
    }

    /// Lets in whom a new limit admits, and tells observers of it.
    pub(crate) fn limit_changed(&self, from: u32, to: u32) {
        self.shared.queue.serve();
        tell_limit(&self.shared.scope, from, to);
    }

    /// Sets the queue for the calls to come. Those who wait go on waiting, for as long as they were given
    /// when they came, also if they are more than the new length; whose turn is next goes by the new order
    /// for them too.
    ///
    /// # Errors
    ///
    /// A setting that is out of its range; then nothing has changed.
    pub fn set_queue(&self, queue: QueueSettings) -> Result<(), SettingsError> {
        queue.check()?;
        let (_, before) = self.exchange(None, Some(queue));
        let applied = QueueSettings::applied(&before, &queue);
        tell_settings(&self.shared.scope, &applied);
        Ok(())
    }

    /// Returns the settings of the queue.
    #[must_use]
    pub fn queue(&self) -> QueueSettings {
        self.shared.queue.settings()
    }

    /// Returns how many calls may be in flight.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.shared.queue.permits().limit()
    }

    /// Returns how many calls are in flight, with those that have been let in from the queue and do
    /// not know yet.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.shared.queue.permits().in_flight()
    }

    /// Returns how many calls wait.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.shared.queue.len()
    }

    /// Returns whether no call is in flight and none waits. Whoever sees it sees what ended calls did.
    pub(crate) fn is_at_rest(&self) -> bool {
        // In this order: who has left the queue is in flight by then.
        self.shared.queue.len() == 0 && self.shared.queue.permits().is_idle()
    }

    /// Tells this bulkhead from others for as long as it lives.
    fn address(&self) -> usize {
        Arc::as_ptr(&self.shared).addr()
    }

    #[cold]
    fn full(&self) -> Rejection {
        full(&self.shared.scope).with_queue(self.address())
    }

    pub(super) fn join(&self) -> Option<Waiter> {
        let number = self.shared.queue.join()?;
        Some(Waiter {
            bulkhead: Some(self.clone()),
            number,
        })
    }
}

impl Policy for QueuedBulkhead {
    type Permit = Permit;

    #[inline(always)]
    fn admit(&self, _: &Now<'_>) -> Result<Permit, Rejection> {
        match self.shared.queue.try_acquire() {
            true => Ok(Permit::counted()),
            false => Err(self.full()),
        }
    }

    #[inline(always)]
    fn settle(&self, permit: Permit, _: &Completion<'_>) {
        self.withdraw(permit);
    }

    fn settle_later(&self, permit: Permit, _: &Completion<'_>) -> Option<Later> {
        Some(Later::new(self.clone(), permit))
    }

    #[inline]
    fn withdraw(&self, _: Permit) {
        self.shared.queue.release();
    }

    fn needs_latency(&self) -> bool {
        false
    }
}

impl Queue for QueuedBulkhead {
    type Place = Place;
    type Ticket = Ticket;

    fn enqueue(&self, rejection: Rejection, now: &Now<'_>) -> Result<Ticket, Rejection> {
        // Another bulkhead may be full as well; only its own refusals can wait here.
        if !rejection.comes_from_queue(self.address()) {
            return Err(rejection);
        }
        let waiter = self.join().ok_or(rejection)?;
        Ok(Ticket {
            waiter,
            sleep: None,
            end: now.tick() + self.longest_wait(),
        })
    }

    fn longest_wait(&self) -> Duration {
        self.shared.queue.longest_wait()
    }

    fn admit_from(&self, place: Place, _: &Now<'_>) -> Result<Permit, Rejection> {
        Ok(place.into_permit())
    }
}

impl Handle for QueuedBulkhead {
    fn own_scope(&self) -> &Scope {
        &self.shared.scope
    }
}

impl fmt::Debug for QueuedBulkhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueuedBulkhead")
            .field("queue", &self.shared.queue)
            .field("scope", &self.shared.scope)
            .finish()
    }
}

/// The permit of a call whose turn has come. Dropped, it goes to the next in the queue.
#[derive(Debug)]
pub struct Place {
    /// None once the permit was taken.
    bulkhead: Option<QueuedBulkhead>,
}

impl Place {
    fn into_permit(mut self) -> Permit {
        self.bulkhead = None;
        Permit::counted()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(bulkhead) = self.bulkhead.take() {
            bulkhead.shared.queue.release();
        }
    }
}

/// A number in the queue, which is left when this is dropped.
#[derive(Debug)]
pub(super) struct Waiter {
    /// None once the wait is over.
    bulkhead: Option<QueuedBulkhead>,
    number: Number,
}

impl Waiter {
    pub(super) fn poll_turn(&mut self, cx: &Context<'_>) -> Poll<Place> {
        let bulkhead = self.bulkhead.as_ref().expect("polled after it was ready");
        ready!(bulkhead.shared.queue.poll_turn(self.number, cx));
        Poll::Ready(Place {
            bulkhead: self.bulkhead.take(),
        })
    }

    /// Returns how much of a wait is left.
    fn rest(&self, end: Tick) -> Duration {
        let bulkhead = self.bulkhead.as_ref().expect("polled after it was ready");
        end.since(bulkhead.shared.scope.clock().now())
    }

    /// Ends the wait, if the turn has not come in the very last moment.
    fn give_up(&mut self) -> Result<Place, Rejection> {
        let bulkhead = self.bulkhead.take().expect("polled after it was ready");
        if bulkhead.shared.queue.leave(self.number) {
            return Ok(Place {
                bulkhead: Some(bulkhead),
            });
        }
        let name = bulkhead.shared.scope.shared_name();
        Err(Rejection::new(Reason::WaitTimedOut).named(name))
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        if self.bulkhead.is_some() {
            // A place that was given already goes to the next.
            drop(self.give_up());
        }
    }
}

/// The wait of one call in the queue of a [`QueuedBulkhead`].
#[pin_project]
#[derive(Debug)]
pub struct Ticket {
    waiter: Waiter,
    /// Made when it is clear that there is a wait.
    #[pin]
    sleep: Option<Sleep>,
    /// Of the longest wait.
    end: Tick,
}

impl Future for Ticket {
    type Output = Result<Place, Rejection>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Poll::Ready(place) = this.waiter.poll_turn(cx) {
            return Poll::Ready(Ok(place));
        }
        if this.sleep.is_none() {
            let rest = this.waiter.rest(*this.end);
            this.sleep.set(Some(tokio::time::sleep(rest)));
        }
        let sleep = this.sleep.as_pin_mut().expect("it was made above");
        ready!(sleep.poll(cx));
        Poll::Ready(this.waiter.give_up())
    }
}
