//! The rolling window by itself. Time stands still: to read the clock is for the gate.

use std::time::Duration;

use divan::{Bencher, black_box};
use portcullis::{
    clock::Tick,
    window::{Counts, Kind, Latency},
};

use crate::thousand;

const WINDOW: Duration = Duration::from_secs(10);

#[divan::bench(threads = [1, 2])]
fn record(bencher: Bencher<'_, '_>) {
    let counts = Counts::new(WINDOW, 10).expect("valid");
    bencher.bench(|| thousand(|| counts.record(Kind::Success, black_box(Tick::ZERO))));
}

#[divan::bench(args = [1, 10, 100])]
fn read_by_buckets(bencher: Bencher<'_, '_>, buckets: u32) {
    let counts = Counts::new(WINDOW, buckets).expect("valid");
    counts.record(Kind::Success, Tick::ZERO);
    bencher.bench(|| thousand(|| counts.window(black_box(Tick::ZERO))));
}

#[divan::bench(threads = [1, 2])]
fn record_latency(bencher: Bencher<'_, '_>) {
    let latency = Latency::new(WINDOW).expect("valid");
    let took = Duration::from_micros(300);
    bencher.bench(|| thousand(|| latency.record(black_box(took), black_box(Tick::ZERO))));
}

#[divan::bench]
fn read_quantiles(bencher: Bencher<'_, '_>) {
    let latency = Latency::new(WINDOW).expect("valid");
    latency.record(Duration::from_micros(300), Tick::ZERO);
    bencher.bench(|| thousand(|| latency.quantiles(black_box(Tick::ZERO))));
}
