//! One bulkhead for each key.

use std::{fmt, hash::Hash, sync::Arc};

use super::{Bulkhead, KeyedLayer, Settings};
use crate::{
    clock::{Now, Tick},
    event::Scope,
    gate::{Flight, Host},
    keyed::{Instance, KeyedMap, Maker, Sweep},
    rejection::Rejection,
    settings::SettingsError,
};

/// A bulkhead for each key, made when its first call comes.
///
/// See the [module docs](super).
pub struct KeyedBulkhead<K> {
    shared: Arc<Shared<K>>,
}

struct Shared<K> {
    /// The handles in here do not get out other than within a flight, or else somebody could hold
    /// one that was evicted.
    bulkheads: KeyedMap<K, Bulkhead>,
    maker: BulkheadMaker,
}

struct BulkheadMaker {
    limit: u32,
    scope: Scope,
}

/// How full the bulkhead of a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// How many calls are in flight.
    pub in_flight: u32,
    /// How many may be.
    pub limit: u32,
}

impl Usage {
    fn of(bulkhead: &Bulkhead) -> Self {
        Self {
            in_flight: bulkhead.in_flight(),
            limit: bulkhead.limit(),
        }
    }
}

impl<K: Hash + Eq + Clone> KeyedBulkhead<K> {
    /// Creates a bulkhead without a name or observers, for at most `max_keys` keys, from 1 to
    /// [`u32::MAX`]; `settings` are those of each key.
    ///
    /// # Errors
    ///
    /// A setting that is out of its range.
    pub fn new(settings: Settings, max_keys: u32) -> Result<Self, SettingsError> {
        Self::scoped(settings, max_keys, Scope::new())
    }

    /// Creates a bulkhead that rejects in the name of `scope` and tells its observers.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn scoped(settings: Settings, max_keys: u32, scope: Scope) -> Result<Self, SettingsError> {
        let overflow = Bulkhead::scoped(settings, scope.clone())?;
        Ok(Self {
            shared: Arc::new(Shared {
                // Nothing but the calls in flight would be lost, so only want of room is a reason to evict.
                bulkheads: KeyedMap::new(max_keys, Sweep::WhenFull, overflow)?,
                maker: BulkheadMaker {
                    limit: settings.limit,
                    scope,
                },
            }),
        })
    }

    /// Returns a layer that takes the key from the request. Its services, and all clones of this
    /// handle, share the bulkheads.
    pub fn layer<Req, F>(&self, key: F) -> KeyedLayer<K, F>
    where
        F: Fn(&Req) -> K,
    {
        KeyedLayer::new(self.clone(), key)
    }

    /// Admits a call by hand, for use without Tower; settle the flight with its outcome.
    ///
    /// # Errors
    ///
    /// [`Reason::BulkheadFull`](crate::rejection::Reason::BulkheadFull).
    pub fn admit(&self, key: &K) -> Result<Flight<Bulkhead>, Rejection> {
        self.depart(key)
            .map(Flight::running)
            .inspect_err(|rejection| {
                let host = self.spokesman();
                host.refused(rejection, &Now::of(host.scope().clock()));
            })
    }

    #[inline]
    pub(super) fn depart(&self, key: &K) -> Result<Flight<Bulkhead>, Rejection> {
        let Shared { bulkheads, maker } = &*self.shared;
        let bulkhead = bulkheads.find_or_make(key, maker);
        let permit = bulkhead.take()?;
        Ok(Flight::with_permit(bulkhead.clone(), permit))
    }

    /// Gives a key a limit of its own. The key is kept from then on, and does not count as one of
    /// the most keys there may be.
    pub fn set_limit(&self, key: &K, limit: u32) {
        let Shared { bulkheads, maker } = &*self.shared;
        bulkheads.find_or_make_kept(key, maker).set_limit(limit);
    }

    /// Returns how full the bulkhead of a key is, or none if there is none at the moment.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<Usage> {
        let bulkhead = self.shared.bulkheads.find(key);
        bulkhead.map(|bulkhead| Usage::of(&bulkhead))
    }

    /// Returns how full the bulkhead for the calls beyond the bound on keys is.
    #[must_use]
    pub fn overflow(&self) -> Usage {
        Usage::of(self.spokesman())
    }

    /// Returns how many keys have a bulkhead.
    #[must_use]
    pub fn key_count(&self) -> usize {
        self.shared.bulkheads.len()
    }

    /// Returns all keys and how full their bulkheads are, in no order.
    #[must_use]
    pub fn usage(&self) -> Vec<(K, Usage)> {
        let mut usage = Vec::with_capacity(self.key_count());
        self.shared
            .bulkheads
            .each(|key, bulkhead| usage.push((key.clone(), Usage::of(bulkhead))));
        usage
    }

    /// The bulkhead that tells of rejections, of whichever key.
    pub(super) fn spokesman(&self) -> &Bulkhead {
        self.shared.bulkheads.overflow()
    }
}

impl<K: Clone> Maker<K, K, Bulkhead> for BulkheadMaker {
    type Made = ();

    fn now(&self) -> Tick {
        // Whether a bulkhead is idle is no question of time.
        Tick::ZERO
    }

    fn is_overflow(&self, _: &K) -> bool {
        false
    }

    fn key(&self, key: &K) -> K {
        key.clone()
    }

    fn make(&self, _: &K) -> (Bulkhead, ()) {
        (Bulkhead::with_limit(self.limit, self.scope.clone()), ())
    }

    fn added(&self, _: &Bulkhead, (): ()) {}

    fn removed(&self, _: &Bulkhead) {}
}

impl Instance for Bulkhead {
    fn is_at_rest(&self, _: Tick) -> bool {
        self.permits().is_idle()
    }
}

impl<K> Clone for KeyedBulkhead<K> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<K> fmt::Debug for KeyedBulkhead<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedBulkhead")
            .field("limit", &self.shared.maker.limit)
            .field("overflow", self.shared.bulkheads.overflow())
            .finish_non_exhaustive()
    }
}
