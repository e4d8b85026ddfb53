//! The bulkhead: as a layer, with a queue, and one for each key.

use std::sync::atomic::{AtomicU32, Ordering};

use divan::Bencher;
use portcullis::{
    bulkhead::{Bulkhead, KeyedBulkhead, QueueSettings, QueuedBulkhead, Settings},
    outcome::Outcome,
};
use tower::Layer;

use crate::{calls, echo, thousand};

fn bulkhead(limit: u32) -> Bulkhead {
    Bulkhead::new(Settings::default().limit(limit)).expect("valid")
}

#[divan::bench(threads = [1, 2])]
fn admitted(bencher: Bencher<'_, '_>) {
    calls(bencher, &bulkhead(100).layer().layer(echo()));
}

#[divan::bench]
fn full(bencher: Bencher<'_, '_>) {
    calls(bencher, &bulkhead(0).layer().layer(echo()));
}

#[divan::bench(threads = [1, 2])]
fn with_a_queue(bencher: Bencher<'_, '_>) {
    let (settings, queue) = (Settings::default(), QueueSettings::default());
    let bulkhead = QueuedBulkhead::new(settings, queue).expect("valid");
    calls(bencher, &bulkhead.layer().layer(echo()));
}

/// Finds the key, takes a permit and gives it back; any of so many keys.
#[divan::bench(args = [1, 1_000, 100_000], threads = [1, 2])]
fn keyed(bencher: Bencher<'_, '_>, keys: u32) {
    let bulkhead = KeyedBulkhead::new(Settings::default(), keys).expect("valid");
    let call = |key| {
        bulkhead
            .admit(&key)
            .map(|flight| flight.settle(Outcome::Success))
    };
    for key in 0..keys {
        assert!(call(key).is_ok(), "room for all");
    }
    let seed = AtomicU32::new(0);
    bencher
        .with_inputs(|| seed.fetch_add(12_345, Ordering::Relaxed))
        .bench_values(|mut number| {
            thousand(|| {
                // Knuth's step: neighbours in time are far apart in the map.
                number = number.wrapping_add(2_654_435_769);
                call(((u64::from(number) * u64::from(keys)) >> 32) as u32)
            });
        });
}
