//! Which names have series of their own, and the histograms of those whose calls are recorded.

use std::{
    fmt, mem,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use foldhash::fast::RandomState;
use metrics::{Histogram, Key, Recorder, with_recorder};
use papaya::{HashMap, HashMapRef, LocalGuard};
use parking_lot::Mutex;

use super::{
    catalogue::{DURATION, METADATA},
    sheet::key,
};

/// The name that all have who came when there was no place left.
const OTHER: &str = "other";

/// A name once seen has its place for good: a recorder keeps a series as long as it likes, so one that goes makes
/// no room for another.
pub(super) struct AllSeries {
    named: HashMap<Arc<str>, Named, RandomState>,
    other: Arc<str>,
    /// How many are left, for ever fewer: only who holds `naming` takes one.
    places: AtomicU32,
    naming: Mutex<()>,
}

type Pinned<'a> = HashMapRef<'a, Arc<str>, Named, RandomState, LocalGuard<'a>>;

/// What is replaced as a whole: calls read it without a lock.
struct Named {
    name: Arc<str>,
    key: Key,
    histogram: Handle,
}

/// The histogram of the calls of a name.
#[derive(Clone)]
enum Handle {
    /// No call was recorded.
    Unused,
    /// It is looked up for each call.
    LookedUp,
    /// It was looked up when figures were last published.
    Held(Histogram),
}

impl AllSeries {
    pub(super) fn new(max_names: u32) -> Self {
        let other: Arc<str> = OTHER.into();
        let named = HashMap::with_hasher(RandomState::default());
        named
            .pin()
            .insert(Arc::clone(&other), Named::new(Arc::clone(&other)));
        Self {
            named,
            other,
            places: AtomicU32::new(max_names),
            naming: Mutex::default(),
        }
    }

    /// Returns the name whose series stand for a name.
    pub(super) fn name_for(&self, name: &str) -> Arc<str> {
        let named = self.named.pin();
        let known = self.place_of(name, &named);
        Arc::clone(known.map_or(&self.other, |known| &known.name))
    }

    /// Returns the place of a name, a new one if there is room, or that of all others.
    #[cold]
    fn place_of<'a>(&self, name: &str, named: &'a Pinned<'_>) -> Option<&'a Named> {
        let own = || named.get(name);
        let known = own().or_else(|| {
            self.make_place(name, named);
            own()
        });
        known.or_else(|| named.get(&self.other))
    }

    fn make_place(&self, name: &str, named: &Pinned<'_>) {
        // Without the lock, which each call of a name without a place would take.
        if self.places.load(Ordering::Acquire) == 0 {
            return;
        }
        let _naming = self.naming.lock();
        let places = self.places.load(Ordering::Relaxed);
        if places > 0 && named.get(name).is_none() {
            let name: Arc<str> = name.into();
            named.insert(Arc::clone(&name), Named::new(name));
            // After the name, so that whoever finds no place left finds the name that took the last.
            self.places.store(places - 1, Ordering::Release);
        }
    }

    /// Records how long a call took.
    pub(super) fn record(&self, name: &str, duration: Duration) {
        let named = self.named.pin();
        let known = named.get(name).or_else(|| self.place_of(name, &named));
        let Some(known) = known else {
            return;
        };
        if let Handle::Held(histogram) = &known.histogram {
            histogram.record(duration);
            return;
        }
        if matches!(known.histogram, Handle::Unused) {
            let looked_up = known.with(Handle::LookedUp);
            named.insert(Arc::clone(&known.name), looked_up);
        }
        with_recorder(|recorder| recorder.register_histogram(&known.key, &METADATA))
            .record(duration);
    }

    /// Looks up the histogram of a name for the calls to come, if one is worth being held.
    ///
    /// That of a name without recent calls is not: an exporter may drop its series at any time.
    pub(super) fn refresh(&self, recorder: &dyn Recorder, name: &str, has_new_calls: bool) {
        let named = self.named.pin();
        let Some(known) = named.get(name) else {
            return;
        };
        if matches!(known.histogram, Handle::Unused) {
            return;
        }
        let histogram = match has_new_calls && keeps_anything(recorder) {
            true => Handle::Held(recorder.register_histogram(&known.key, &METADATA)),
            false => Handle::LookedUp,
        };
        named.insert(Arc::clone(&known.name), known.with(histogram));
    }
}

/// Returns whether a handle of this recorder may be held.
///
/// As long as none is installed, `metrics` lends one without any state, whose handles do nothing for ever. One
/// of a user's without state is taken for it, and costs each call a look-up.
fn keeps_anything(recorder: &dyn Recorder) -> bool {
    mem::size_of_val(recorder) > 0
}

impl Named {
    fn new(name: Arc<str>) -> Self {
        Self {
            key: key(&DURATION, &name, &[]),
            name,
            histogram: Handle::Unused,
        }
    }

    fn with(&self, histogram: Handle) -> Self {
        Self {
            name: Arc::clone(&self.name),
            key: self.key.clone(),
            histogram,
        }
    }
}

impl fmt::Debug for AllSeries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AllSeries")
            .field("names", &self.named.len())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(portcullis_loom)))]
mod tests {
    use std::{sync::Barrier, thread};

    use super::*;

    #[test]
    fn names_that_come_at_once_take_no_more_places_than_there_are_and_keep_them() {
        for _ in 0..100 {
            take_places_at_once();
        }
    }

    fn take_places_at_once() {
        let series = AllSeries::new(5);
        let names = ["0", "1", "2", "3", "4", "5", "6", "7"];
        let standing_for = || names.map(|name| series.name_for(name));
        let begin = Barrier::new(4);
        let told: Vec<_> = thread::scope(|scope| {
            let threads = [(); 4].map(|()| {
                scope.spawn(|| {
                    begin.wait();
                    standing_for()
                })
            });
            threads.map(|one| one.join().unwrap()).into()
        });
        let now = standing_for();
        let own = now.iter().zip(names).filter(|(is, name)| &***is == *name);
        assert_eq!(own.count(), 5);
        for told in told {
            assert_eq!(told, now);
        }
    }
}
