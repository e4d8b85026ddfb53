//! One bulkhead for each key.

use std::{
    fmt,
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use papaya::HashMap;

use super::{Bulkhead, KeyedLayer, Settings, handle::Refusal, permits::Kept};
use crate::{
    clock::Now,
    event::Scope,
    gate::{Flight, Host},
    rejection::Rejection,
    settings::{self, SettingsError},
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
    bulkheads: HashMap<K, Bulkhead>,
    overflow: Bulkhead,
    limit: u32,
    max_keys: u32,
    /// How many keys without a limit of their own are in the map or are about to be. Relaxed: it is
    /// a count and guards nothing.
    evictable: AtomicU32,
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
        Ok(Self {
            shared: Arc::new(Shared {
                bulkheads: HashMap::new(),
                overflow: Bulkhead::scoped(settings, scope.clone())?,
                limit: settings.limit,
                max_keys: settings::within("max_keys", max_keys, 1..=u32::MAX)?,
                evictable: AtomicU32::new(0),
                scope,
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

    pub(super) fn depart(&self, key: &K) -> Result<Flight<Bulkhead>, Rejection> {
        loop {
            let bulkhead = self.find(key).unwrap_or_else(|| self.create(key));
            match bulkhead.take() {
                Ok(permit) => return Ok(Flight::with_permit(bulkhead, permit)),
                Err(Refusal::Rejected(rejection)) => return Err(rejection),
                // Whoever evicts it may have been held up before the removal; nobody waits for that.
                Err(Refusal::Retired) => self.remove(key, &bulkhead),
            }
        }
    }

    /// Gives a key a limit of its own. The key is kept from then on, and does not count as one of
    /// the most keys there may be.
    pub fn set_limit(&self, key: &K, limit: u32) {
        let bulkhead = loop {
            let bulkhead = self.find(key).unwrap_or_else(|| self.create_kept(key));
            match bulkhead.permits().keep() {
                Kept::Now => {
                    self.shared.evictable.fetch_sub(1, Relaxed);
                    break bulkhead;
                }
                Kept::Already => break bulkhead,
                Kept::TooLate => self.remove(key, &bulkhead),
            }
        };
        bulkhead.set_limit(limit);
    }

    /// Returns how full the bulkhead of a key is, or none if there is none at the moment.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<Usage> {
        self.find(key).map(|bulkhead| Usage::of(&bulkhead))
    }

    /// Returns how full the bulkhead for the calls beyond the bound on keys is.
    #[must_use]
    pub fn overflow(&self) -> Usage {
        Usage::of(&self.shared.overflow)
    }

    /// Returns how many keys have a bulkhead.
    #[must_use]
    pub fn key_count(&self) -> usize {
        self.shared.bulkheads.len()
    }

    /// Returns all keys and how full their bulkheads are, in no order.
    #[must_use]
    pub fn usage(&self) -> Vec<(K, Usage)> {
        let bulkheads = self.shared.bulkheads.pin();
        bulkheads
            .iter()
            .map(|(key, bulkhead)| (key.clone(), Usage::of(bulkhead)))
            .collect()
    }

    /// The bulkhead that tells of rejections, of whichever key.
    pub(super) fn spokesman(&self) -> &Bulkhead {
        &self.shared.overflow
    }

    fn find(&self, key: &K) -> Option<Bulkhead> {
        self.shared.bulkheads.pin().get(key).cloned()
    }

    /// Makes a bulkhead for a new key, or returns the one that all share who are too many.
    #[cold]
    fn create(&self, key: &K) -> Bulkhead {
        if !self.reserve() && !self.evict() {
            return self.shared.overflow.clone();
        }
        let fresh = self.fresh();
        match self.insert(key, &fresh) {
            Ok(()) => fresh,
            Err(present) => {
                self.shared.evictable.fetch_sub(1, Relaxed);
                present
            }
        }
    }

    /// Makes a bulkhead that is never evicted, and needs no place therefore.
    #[cold]
    fn create_kept(&self, key: &K) -> Bulkhead {
        let fresh = self.fresh();
        // Before anybody else sees it, so that its `Kept::Now` frees no place.
        let Kept::Now = fresh.permits().keep() else {
            unreachable!("nobody else has it yet");
        };
        self.insert(key, &fresh)
            .map_or_else(|present| present, |()| fresh)
    }

    fn fresh(&self) -> Bulkhead {
        Bulkhead::with_limit(self.shared.limit, self.shared.scope.clone())
    }

    /// Puts a bulkhead in the map, or returns the one that another thread has put there.
    fn insert(&self, key: &K, fresh: &Bulkhead) -> Result<(), Bulkhead> {
        match self
            .shared
            .bulkheads
            .pin()
            .try_insert(key.clone(), fresh.clone())
        {
            Ok(_) => Ok(()),
            Err(occupied) => Err(occupied.current.clone()),
        }
    }

    /// Takes a place for one more key, if there is one.
    fn reserve(&self) -> bool {
        self.shared
            .evictable
            .fetch_update(Relaxed, Relaxed, |keys| {
                (keys < self.shared.max_keys).then(|| keys + 1)
            })
            .is_ok()
    }

    /// Removes an idle key, whose place is the caller's then.
    ///
    /// Any of them: an idle bulkhead has nothing to lose, and to find the one that was used least
    /// would cost each call a time stamp.
    fn evict(&self) -> bool {
        let bulkheads = self.shared.bulkheads.pin();
        let idle = bulkheads
            .iter()
            .find(|(_, bulkhead)| bulkhead.permits().retire());
        let Some((key, bulkhead)) = idle else {
            return false;
        };
        self.remove(key, bulkhead);
        true
    }

    /// Removes this very bulkhead: by now there may be another one with its key.
    fn remove(&self, key: &K, retired: &Bulkhead) {
        let bulkheads = self.shared.bulkheads.pin();
        // An error says that somebody else has removed it.
        let _ = bulkheads.remove_if(key, |_, present| present.is(retired));
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
            .field("limit", &self.shared.limit)
            .field("max_keys", &self.shared.max_keys)
            .field("evictable", &self.shared.evictable)
            .field("overflow", &self.shared.overflow)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(portcullis_loom)))]
mod tests {
    use super::*;

    fn keyed() -> KeyedBulkhead<&'static str> {
        KeyedBulkhead::new(Settings::default().limit(1), 10).unwrap()
    }

    #[test]
    fn a_call_that_finds_an_evicted_bulkhead_makes_a_new_one() {
        let keyed = keyed();
        // Evicted, but held up before the removal.
        assert!(keyed.create(&"key").permits().retire());
        let flight = keyed.admit(&"key").unwrap();
        assert_eq!(keyed.get(&"key").unwrap().in_flight, 1);
        drop(flight);
        assert!(keyed.find(&"key").unwrap().permits().retire());
        keyed.set_limit(&"key", 7);
        assert_eq!(keyed.get(&"key").unwrap().limit, 7);
    }

    #[test]
    fn a_late_removal_spares_the_successor() {
        let keyed = keyed();
        let evicted = keyed.create(&"key");
        assert!(evicted.permits().retire());
        let _flight = keyed.admit(&"key").unwrap();
        keyed.remove(&"key", &evicted);
        assert_eq!(keyed.get(&"key").unwrap().in_flight, 1);
        assert!(keyed.admit(&"key").is_err());
    }

    #[test]
    fn two_who_make_one_key_get_one_bulkhead_and_one_place() {
        let keyed = keyed();
        let (first, second) = (keyed.create(&"key"), keyed.create(&"key"));
        assert!(first.is(&second));
        assert_eq!(keyed.shared.evictable.load(Relaxed), 1);
    }
}
