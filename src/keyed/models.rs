//! Models of the race for an entry, and of the map around it. The hash map itself is not modelled: its
//! operations are single steps here, and loom does not see what they order, so no thread finds in it what another
//! one has just made.

use std::sync::Arc;

use loom::{
    model,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    thread,
};

use super::{
    Instance, KeyedMap, Maker, Sweep,
    entry::{Entry, Look},
};
use crate::{
    clock::Tick,
    sync::{
        AtomicU64,
        Ordering::{Acquire, Release},
    },
};

/// Counts calls: those in it in the low half, those that it remembers in the high half.
#[derive(Clone, Debug)]
struct Counter(Arc<AtomicU64>);

impl Counter {
    fn new() -> Self {
        Self(Arc::new(AtomicU64::new(0)))
    }

    fn begin(&self) {
        self.0.fetch_add(1, Acquire);
    }

    fn end(&self) {
        self.0.fetch_add((1 << 32) - 1, Release);
    }

    fn ended(&self) -> u64 {
        self.0.load(Acquire) >> 32
    }
}

impl Instance for Counter {
    fn is_at_rest(&self, _: Tick) -> bool {
        self.0.load(Acquire) == 0
    }
}

fn unused(counter: &Counter) -> Arc<Entry<Counter>> {
    let entry = Arc::new(Entry::new(counter.clone()));
    let at_rest = |counter: &Counter| counter.is_at_rest(Tick::ZERO);
    assert_eq!(entry.look(|_| false), Look::Stays);
    assert!(at_rest(&entry));
    entry
}

fn look(entry: &Entry<Counter>) -> Look {
    entry.look(|counter| counter.is_at_rest(Tick::ZERO))
}

#[test]
fn a_call_comes_before_eviction_or_is_told_to_look_again() {
    model(|| {
        let counter = Counter::new();
        let entry = unused(&counter);
        let call = thread::spawn({
            let entry = Arc::clone(&entry);
            move || {
                let using = entry.enter()?;
                using.begin();
                Some(())
            }
        });
        let looked = look(&entry);
        let called = call.join().unwrap().is_some();
        assert!(!called || looked != Look::Goes, "a call was lost");
        // Whoever was told so for nothing gets in when it looks again.
        assert_eq!(entry.enter().is_some(), looked != Look::Goes);
    });
}

#[test]
fn eviction_sees_what_the_last_user_did() {
    model(|| {
        let entry = unused(&Counter::new());
        let written = Arc::new(AtomicU32::new(0));
        let user = thread::spawn({
            let (entry, written) = (Arc::clone(&entry), Arc::clone(&written));
            move || {
                let using = entry.enter();
                if using.is_some() {
                    written.store(1, Relaxed);
                }
                using.is_some()
            }
        });
        // The first look may find that it was used.
        let goes = look(&entry) == Look::Goes || look(&entry) == Look::Goes;
        let seen = written.load(Relaxed);
        let was_used = user.join().unwrap();
        assert!(!(goes && was_used) || seen == 1);
    });
}

#[test]
fn what_is_kept_in_time_does_not_go() {
    model(|| {
        let entry = unused(&Counter::new());
        let keep = thread::spawn({
            let entry = Arc::clone(&entry);
            move || entry.enter().is_some_and(|using| using.entry().keep())
        });
        let looked = look(&entry);
        let is_kept = keep.join().unwrap();
        assert!(!is_kept || looked != Look::Goes);
        assert_eq!(look(&entry) == Look::Kept, is_kept);
    });
}

/// Makes counters, and sees that those which are evicted may go.
struct Counters;

impl Maker<u8, u8, Counter> for Counters {
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

    fn make(&self, _: &u8) -> (Counter, ()) {
        (Counter::new(), ())
    }

    fn added(&self, _: &Counter, (): ()) {}

    fn removed(&self, counter: &Counter) {
        assert!(counter.is_at_rest(Tick::ZERO), "a call was lost");
    }
}

#[test]
fn calls_of_the_map_are_counted_where_they_are_looked_for() {
    model(|| {
        let overflow = Counter::new();
        let map = KeyedMap::new(1, Sweep::WhenFull, overflow.clone()).unwrap();
        let map = Arc::new(map);
        // There, and not used since it was looked at.
        drop(map.find_or_make(&1, &Counters));
        let calls = [1, 2].map(|key| {
            let map = Arc::clone(&map);
            thread::spawn(move || {
                let using = map.find_or_make(&key, &Counters);
                using.begin();
                using.end();
            })
        });
        for call in calls {
            call.join().unwrap();
        }
        let mut counted = overflow.ended();
        map.each(|_, counter| counted += counter.ended());
        assert_eq!(counted, 2, "a call was lost");
        assert_eq!(map.len(), 1);
    });
}
