//! Keys in numbers, from several threads.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
};

use futures_util::FutureExt;
use portcullis::{
    clock::{Clock, Tick},
    event::{Mode, State},
    registry::Keyed,
    window::Tally,
};
use tower::ServiceExt;

use super::*;

/// Simulated time for all threads.
#[derive(Clone, Default)]
struct Time(Arc<AtomicU64>);

impl Time {
    fn clock(&self) -> Clock {
        let time = self.clone();
        Clock::from_fn(move || Tick::from_nanos(time.0.load(Relaxed)))
    }

    fn advance(&self, by: Duration) {
        self.0
            .fetch_add(u64::try_from(by.as_nanos()).unwrap(), Relaxed);
    }
}

fn set_on(registry: &Registry, time: &Time, max_keys: u32) -> Keyed {
    let clock = time.clock();
    registry
        .keyed_up_to("set", max_keys, move |builder| {
            fragile(builder).clock(clock.clone())
        })
        .unwrap()
}

fn ask(set: &Keyed, request: Request) -> Result<String, BoxError> {
    let service = set.layer(tenant).layer(Backend);
    service
        .oneshot(request)
        .now_or_never()
        .expect("it answers at once")
}

#[test]
fn the_bound_holds_in_a_flood_and_what_matters_survives_it() {
    const MAX_KEYS: u32 = 500;
    let (registry, time) = (Registry::new(), Time::default());
    let set = set_on(&registry, &time, MAX_KEYS);
    for number in 0..20 {
        let _ = ask(&set, bad(format!("open {number}")));
        ask(&set, good(format!("forced {number}"))).unwrap();
        ask(&set, good(format!("called {number}"))).unwrap();
    }
    let control = |name: String| registry.get(&format!("set:{name}")).unwrap();
    let flights: Vec<_> = (0..20)
        .map(|number| {
            let forced = control(format!("forced {number}"));
            forced.circuit_breaker().set_mode(Mode::ForcedClosed);
            control(format!("called {number}"))
                .bulkhead()
                .admit_owned()
                .unwrap()
        })
        .collect();
    time.advance(seconds(3_600));
    let before = registry.controls().len();
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let (set, time) = (set.clone(), time.clone());
            thread::spawn(move || {
                for number in 0..MAX_KEYS * 10 / 4 {
                    ask(&set, good(format!("flood {thread} {number}"))).unwrap();
                    assert!(set.key_count() <= MAX_KEYS as usize);
                    // About three times in the flood a window goes by.
                    time.advance(Duration::from_millis(6));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(before, 61);
    for number in 0..20 {
        assert_eq!(
            control(format!("open {number}")).snapshot().state,
            State::Open
        );
        assert_eq!(
            control(format!("forced {number}")).snapshot().mode,
            Mode::ForcedClosed
        );
        assert_eq!(control(format!("called {number}")).snapshot().in_flight, 1);
    }
    let overflowed = set.overflow().snapshot().lifetime.success;
    let evicted = set.evicted();
    assert!(
        evicted.instances > 0 && overflowed > 0,
        "{evicted:?} {overflowed}"
    );
    assert_eq!(
        total(&registry, &set).success,
        u64::from(MAX_KEYS) * 10 + 40
    );
    assert_eq!(registry.len(), set.key_count() + 1);
    drop(flights);
}

fn total(registry: &Registry, set: &Keyed) -> Tally {
    let mut total = set.evicted().lifetime;
    for snapshot in registry.snapshots() {
        total += snapshot.lifetime;
    }
    total
}

/// So few places that keys are evicted all the time, while they are called.
#[test]
fn no_call_is_lost_with_an_evicted_pipeline() {
    const CALLS: u64 = 6_000;
    let (registry, time) = (Registry::new(), Time::default());
    let set = set_on(&registry, &time, 4);
    let threads: Vec<_> = (0..4_u64)
        .map(|thread| {
            let (set, time) = (set.clone(), time.clone());
            thread::spawn(move || {
                for turn in 0..CALLS {
                    let key = (turn * (thread + 1)) % 7;
                    ask(&set, good(key.to_string())).unwrap();
                    time.advance(seconds(4));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert!(set.evicted().instances > 100, "{:?}", set.evicted());
    assert_eq!(total(&registry, &set).success, 4 * CALLS);
    assert_eq!(registry.len(), set.key_count() + 1);
}

/// What is told of comings and goings adds up to what is there.
#[test]
fn added_and_removed_are_told_of_each_pipeline() {
    let told: Arc<Mutex<HashMap<String, i64>>> = Arc::default();
    let noted = Arc::clone(&told);
    let scope = Scope::new().observed_by(move |name: Option<&str>, event: &Event| {
        let change = match event {
            Event::Added { .. } => 1,
            Event::Removed { .. } => -1,
            _ => return,
        };
        let name = name.unwrap_or_default().to_owned();
        *noted.lock().unwrap().entry(name).or_default() += change;
    });
    let (registry, time) = (Registry::scoped(scope), Time::default());
    let set = set_on(&registry, &time, 3);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for turn in 0..3_000 {
                    ask(&set, good((turn % 5).to_string())).unwrap();
                    time.advance(seconds(3));
                }
            });
        }
    });
    let mut told: Vec<_> = told.lock().unwrap().clone().into_iter().collect();
    told.retain(|(_, balance)| *balance != 0);
    told.sort();
    let listed = registry.controls();
    let expected: Vec<_> = names(&listed)
        .iter()
        .map(|name| ((*name).to_owned(), 1))
        .collect();
    assert_eq!(told, expected);
}

/// With what the registry knows of it.
#[test]
fn a_pipeline_by_key_takes_less_than_8_kib() {
    const KEYS: usize = 1_000;
    let (registry, time) = (Registry::new(), Time::default());
    let set = set_on(&registry, &time, 10_000);
    let memory = allocation_counter::measure(|| {
        for key in 0..KEYS {
            ask(&set, good(format!("tenant-{key}"))).unwrap();
        }
    });
    assert_eq!(set.key_count(), KEYS);
    let each = usize::try_from(memory.bytes_current).unwrap() / KEYS;
    println!("{each} bytes a key");
    assert!(each <= 8 << 10, "{each}");
}
