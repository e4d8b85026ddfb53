//! The map, and how keys come and go.

use std::{borrow::Borrow, collections::VecDeque, hash::Hash, mem, sync::Arc};

use foldhash::fast::RandomState;
use papaya::HashMap;

use super::entry::{Entry, Look, Using};
use crate::{
    clock::Tick,
    settings::{self, SettingsError},
    sync::Mutex,
};

/// How many of the oldest instances each new key has looked at. One that may go takes two looks at most: so
/// where more than a quarter of all may go, more go than come, and in the long run fewer are kept in vain.
const LOOKS: usize = 8;

/// Something of which there is one for each key.
pub(crate) trait Instance {
    /// Returns whether nothing would be lost with it. It must be false while a call is in it, and whoever
    /// sees that it is true must see all that ended calls did.
    fn is_at_rest(&self, now: Tick) -> bool;
}

/// Makes instances, and is told what became of them, under no lock.
pub(crate) trait Maker<Q: ?Sized, K, T> {
    /// What is known of an instance until it is in the map.
    type Made;

    /// Reads the clock of the instances.
    fn now(&self) -> Tick;

    /// Returns whether a key is that of the instance for keys beyond the bound.
    fn is_overflow(&self, key: &Q) -> bool;

    fn key(&self, key: &Q) -> K;

    fn make(&self, key: &K) -> (T, Self::Made);

    fn added(&self, instance: &T, made: Self::Made);

    fn removed(&self, instance: &T);
}

/// When instances at rest go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sweep {
    /// As new keys come.
    Always,
    /// As there is no room for a new key.
    WhenFull,
}

pub(crate) struct KeyedMap<K, T> {
    entries: HashMap<K, Arc<Entry<T>>, RandomState>,
    overflow: Arc<Entry<T>>,
    making: Mutex<Row<K, T>>,
    max_keys: u32,
    sweep: Sweep,
}

/// The instances that may go one day, the oldest first.
struct Row<K, T> {
    oldest: VecDeque<(K, Arc<Entry<T>>)>,
    /// How many places are taken: by instances that are not kept, and by those being made.
    taken: u32,
}

/// A place for an instance that is being made, given back if it is not.
struct Place<'a, K, T> {
    making: &'a Mutex<Row<K, T>>,
}

impl<'a, K, T> Place<'a, K, T> {
    /// Takes one that the caller has counted.
    const fn counted(making: &'a Mutex<Row<K, T>>) -> Self {
        Self { making }
    }
}

impl<K, T> Drop for Place<'_, K, T> {
    fn drop(&mut self) {
        self.making.lock().taken -= 1;
    }
}

impl<K, T> KeyedMap<K, T> {
    /// Creates a map of at most `max_keys` instances, those that are kept aside, with one for all keys beyond.
    pub(crate) fn new(max_keys: u32, sweep: Sweep, overflow: T) -> Result<Self, SettingsError> {
        Ok(Self {
            entries: HashMap::with_hasher(RandomState::default()),
            overflow: Arc::new(Entry::new(overflow)),
            making: Mutex::new(Row {
                oldest: VecDeque::new(),
                taken: 0,
            }),
            max_keys: settings::within("max_keys", max_keys, 1..=u32::MAX)?,
            sweep,
        })
    }

    /// Returns the instance for keys beyond the bound.
    pub(crate) fn overflow(&self) -> &T {
        &self.overflow
    }
}

impl<K: Hash + Eq + Clone, T: Instance> KeyedMap<K, T> {
    /// Returns how many keys have an instance.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Visits each key and its instance, in no order, but for those that are about to go.
    pub(crate) fn each(&self, mut visit: impl FnMut(&K, &T)) {
        for (key, entry) in &self.entries.pin() {
            if let Some(instance) = entry.visit() {
                visit(key, &instance);
            }
        }
    }

    /// Returns the instance of a key, if there is one that is not about to go.
    #[inline]
    pub(crate) fn find<Q>(&self, key: &Q) -> Option<Using<T>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.entries.pin().get(key)?.enter()
    }

    /// Returns the instance of a key, making it if need be, or the one for all keys beyond the bound.
    #[inline]
    pub(crate) fn find_or_make<Q>(&self, key: &Q, maker: &impl Maker<Q, K, T>) -> Using<T>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.find(key)
            .or_else(|| self.make_within_bound(key, maker))
            .unwrap_or_else(|| self.use_overflow())
    }

    /// Returns the instance of a key, which is kept from now on and needs no place.
    pub(crate) fn find_or_make_kept<Q>(&self, key: &Q, maker: &impl Maker<Q, K, T>) -> Using<T>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let using = match self.find(key).or_else(|| self.find_under_lock(key)) {
            Some(using) => using,
            None if maker.is_overflow(key) => return self.use_overflow(),
            None => self.make(key, maker, None),
        };
        if !using.entry().is_kept() {
            let mut row = self.making.lock();
            if using.entry().keep() {
                row.taken -= 1;
            }
        }
        using
    }

    fn use_overflow(&self) -> Using<T> {
        self.overflow.enter().expect("it stands in no row")
    }

    #[cold]
    fn find_under_lock<Q>(&self, key: &Q) -> Option<Using<T>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let _row = self.making.lock();
        self.find(key)
    }

    #[cold]
    fn make_within_bound<Q>(&self, key: &Q, maker: &impl Maker<Q, K, T>) -> Option<Using<T>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        if maker.is_overflow(key) {
            return None;
        }
        let now = maker.now();
        let mut row = self.making.lock();
        if let Some(using) = self.find(key) {
            return Some(using);
        }
        let removed = self.sweep(&mut row, now);
        let has_room = row.taken < self.max_keys;
        row.taken += u32::from(has_room);
        drop(row);
        let place = has_room.then(|| Place::counted(&self.making));
        for entry in removed {
            maker.removed(&entry);
        }
        Some(self.make(key, maker, Some(place?)))
    }

    /// Makes an instance, unless somebody else has in the meantime.
    fn make<Q>(
        &self,
        key: &Q,
        maker: &impl Maker<Q, K, T>,
        place: Option<Place<'_, K, T>>,
    ) -> Using<T>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let own = maker.key(key);
        let (instance, made) = maker.make(&own);
        let entry = Arc::new(Entry::new(instance));
        let fresh = entry.enter().expect("nobody else has it yet");
        let mut row = self.making.lock();
        if let Some(present) = self.find(key) {
            // Before what was made in vain is dropped, and the place given back.
            drop(row);
            return present;
        }
        match place {
            // It is the instance's from now on.
            Some(place) => mem::forget(place),
            None => row.taken += 1,
        }
        self.entries.pin().insert(own.clone(), Arc::clone(&entry));
        row.oldest.push_back((own, entry));
        drop(row);
        maker.added(&fresh, made);
        fresh
    }

    /// Removes what may go, and returns it.
    fn sweep(&self, row: &mut Row<K, T>, now: Tick) -> Vec<Arc<Entry<T>>> {
        let mut removed = Vec::new();
        let once_each = row.oldest.len();
        for look in 0..LOOKS {
            let has_room = row.taken < self.max_keys;
            if has_room && (self.sweep == Sweep::WhenFull || look >= once_each) {
                break;
            }
            let Some((key, oldest)) = row.oldest.pop_front() else {
                break;
            };
            match oldest.look(|instance| instance.is_at_rest(now)) {
                Look::Stays => row.oldest.push_back((key, oldest)),
                Look::Kept => {}
                Look::Goes => {
                    self.entries.pin().remove(&key);
                    row.taken -= 1;
                    removed.push(oldest);
                }
            }
        }
        removed
    }
}

#[cfg(all(test, not(portcullis_loom)))]
mod tests {
    use std::{
        cell::Cell,
        panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    };

    use super::*;

    struct Resting(&'static str);

    impl Instance for Resting {
        fn is_at_rest(&self, _: Tick) -> bool {
            true
        }
    }

    /// Makes what a function returns.
    struct Making<F>(F);

    impl<F: Fn() -> Resting> Maker<u8, u8, Resting> for Making<F> {
        type Made = ();

        fn now(&self) -> Tick {
            Tick::ZERO
        }

        fn is_overflow(&self, _: &u8) -> bool {
            false
        }

        fn key(&self, key: &u8) -> u8 {
            *key
        }

        fn make(&self, _: &u8) -> (Resting, ()) {
            ((self.0)(), ())
        }

        fn added(&self, instance: &Resting, (): ()) {
            assert_eq!(instance.0, "first");
        }

        fn removed(&self, _: &Resting) {
            unreachable!("there is room");
        }
    }

    fn map() -> KeyedMap<u8, Resting> {
        KeyedMap::new(2, Sweep::WhenFull, Resting("overflow")).unwrap()
    }

    #[test]
    fn two_who_make_one_key_get_one_instance_and_take_one_place() {
        let map = map();
        let key = Cell::new(1);
        let first = Making(|| Resting("first"));
        let overtaken = Making(|| {
            drop(map.find_or_make(&key.get(), &first));
            Resting("second")
        });
        assert_eq!(map.find_or_make(&key.get(), &overtaken).0, "first");
        assert_eq!((map.len(), map.making.lock().taken), (1, 1));
        key.set(2);
        assert_eq!(map.find_or_make_kept(&key.get(), &overtaken).0, "first");
        assert_eq!((map.len(), map.making.lock().taken), (2, 1));
    }

    #[test]
    fn a_place_is_given_back_after_a_panic() {
        let map = map();
        let panicking = Making(|| resume_unwind(Box::new("the user's own")));
        let make = AssertUnwindSafe(|| drop(map.find_or_make(&1, &panicking)));
        assert!(catch_unwind(make).is_err());
        assert_eq!((map.len(), map.making.lock().taken), (0, 0));
    }
}
