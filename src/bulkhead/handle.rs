//! The bulkhead that refuses at once.

use std::{fmt, future::Future, sync::Arc};

use super::{Settings, permits::Permits};
use crate::{
    clock::Now,
    event::{Event, Scope},
    gate::{self, Borrowed, Completion, Flight, GateLayer, Handle, Later, Policy},
    rejection::{Reason, Rejection},
    settings::SettingsError,
};

/// A limit on the calls in flight that refuses the calls above it at once.
///
/// See the [module docs](super).
#[derive(Clone)]
pub struct Bulkhead {
    shared: Arc<Shared>,
}

struct Shared {
    permits: Permits,
    scope: Scope,
}

/// The right of one call to be in flight.
///
/// It is plain data and releases nothing when dropped: give it back by
/// [`settle`](Policy::settle) or [`withdraw`](Policy::withdraw), as gates do.
#[derive(Debug)]
#[must_use = "a permit that is not given back is lost"]
pub struct Permit(());

impl Permit {
    /// Stands for a permit that was counted.
    pub(super) const fn counted() -> Self {
        Self(())
    }
}

impl Bulkhead {
    /// Creates a bulkhead without a name or observers.
    ///
    /// # Errors
    ///
    /// A setting that is out of its range; of today's settings none has one.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        Self::scoped(settings, Scope::new())
    }

    /// Creates a bulkhead that rejects in the name of `scope` and tells its observers.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn scoped(settings: Settings, scope: Scope) -> Result<Self, SettingsError> {
        Ok(Self::with_limit(settings.limit, scope))
    }

    pub(super) fn with_limit(limit: u32, scope: Scope) -> Self {
        let permits = Permits::new(limit);
        Self {
            shared: Arc::new(Shared { permits, scope }),
        }
    }

    /// Returns a layer whose services, and all clones of this handle, share the limit.
    #[must_use]
    pub fn layer(&self) -> GateLayer<Self> {
        GateLayer::new(self.clone()).scoped(self.shared.scope.clone())
    }

    /// Admits a call by hand, for use without Tower; settle the flight with its outcome.
    ///
    /// # Errors
    ///
    /// [`Reason::BulkheadFull`].
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

    /// Runs a future as one call, admitted when it is first polled.
    ///
    /// # Errors
    ///
    /// The future's own, or [`Reason::BulkheadFull`].
    pub fn call<F, Res, Err>(
        &self,
        future: F,
    ) -> impl Future<Output = Result<Res, Err>> + use<F, Res, Err>
    where
        F: Future<Output = Result<Res, Err>>,
        Err: From<Rejection> + 'static,
    {
        gate::call(self.clone(), future)
    }

    /// Sets the limit for the calls to come; those in flight are left alone, so that after a cut
    /// there may be more of them than the limit for a while.
    pub fn set_limit(&self, limit: u32) {
        let from = self.shared.permits.set_limit(limit);
        tell_limit(&self.shared.scope, from, limit);
    }

    /// Returns how many calls may be in flight.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.shared.permits.limit()
    }

    /// Returns how many calls are in flight.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.shared.permits.in_flight()
    }

    pub(super) fn permits(&self) -> &Permits {
        &self.shared.permits
    }

    /// Takes a permit. All rejections of bulkheads without a queue are made here.
    #[inline]
    pub(super) fn take(&self) -> Result<Permit, Rejection> {
        match self.shared.permits.try_acquire() {
            true => Ok(Permit::counted()),
            false => Err(full(&self.shared.scope)),
        }
    }
}

#[cold]
pub(super) fn full(scope: &Scope) -> Rejection {
    Rejection::new(Reason::BulkheadFull).named(scope.shared_name())
}

pub(super) fn tell_limit(scope: &Scope, from: u32, to: u32) {
    if from != to {
        scope.tell(&Event::Limit { from, to });
    }
}

impl Policy for Bulkhead {
    type Permit = Permit;

    #[inline]
    fn admit(&self, _: &Now<'_>) -> Result<Permit, Rejection> {
        self.take()
    }

    #[inline]
    fn settle(&self, permit: Permit, _: &Completion<'_>) {
        self.withdraw(permit);
    }

    fn settle_later(&self, permit: Permit, _: &Completion<'_>) -> Option<Later> {
        Some(Later::new(self.clone(), permit))
    }

    #[inline]
    fn withdraw(&self, Permit(()): Permit) {
        // A bulkhead without a queue has no waiters.
        let _ = self.shared.permits.release();
    }

    fn needs_latency(&self) -> bool {
        false
    }
}

impl Handle for Bulkhead {
    fn own_scope(&self) -> &Scope {
        &self.shared.scope
    }
}

impl fmt::Debug for Bulkhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bulkhead")
            .field("permits", &self.shared.permits)
            .field("scope", &self.shared.scope)
            .finish()
    }
}
