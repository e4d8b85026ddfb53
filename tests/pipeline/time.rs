//! Latencies, peaks, and how often the clock is read.

use portcullis::{
    circuit_breaker::State,
    clock::{Clock, Tick},
    pipeline::Latencies,
};
use tower::Layer;

use super::*;

/// Checks a latency to the precision of the histogram.
#[track_caller]
fn assert_near(shown: Duration, exact: Duration) {
    assert!(
        shown.abs_diff(exact) * 16 <= exact,
        "{exact:?} shown as {shown:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn latencies_are_shown_with_and_without_the_wait() {
    let pipeline = builder()
        .bulkhead(limit(1))
        .queue(queue(1))
        .build()
        .unwrap();
    let service = pipeline.layer().layer(Backend::default());

    let (first, second) = soon(async {
        tokio::join!(
            ask(&service, Ask::Take(ms(400))),
            ask(&service, Ask::Take(ms(100)))
        )
    })
    .await;
    assert!(first.is_ok() && second.is_ok());
    let snapshot = pipeline.snapshot();
    assert_eq!(
        (snapshot.latency.count, snapshot.total_latency.count),
        (2, 2)
    );
    assert_near(snapshot.latency.p50, ms(100));
    assert_near(snapshot.latency.max, ms(400));
    assert_near(snapshot.latency.mean, ms(250));
    assert_near(snapshot.total_latency.p50, ms(400));
    assert_near(snapshot.total_latency.max, ms(500));
    assert_near(snapshot.total_latency.mean, ms(450));
}

#[tokio::test(start_paused = true)]
async fn without_a_queue_both_latencies_are_the_same() {
    let pipeline = builder().build().unwrap();
    let service = pipeline.layer().layer(Backend::default());
    for millis in 1..=100 {
        ask(&service, Ask::Take(ms(millis))).await.unwrap();
    }

    let snapshot = pipeline.snapshot();
    assert_eq!(snapshot.latency, snapshot.total_latency);
    assert_eq!(snapshot.latency.count, 100);
    assert_near(snapshot.latency.min, ms(1));
    assert_near(snapshot.latency.p25, ms(25));
    assert_near(snapshot.latency.p50, ms(50));
    assert_near(snapshot.latency.p75, ms(75));
    assert_near(snapshot.latency.p90, ms(90));
    assert_near(snapshot.latency.p95, ms(95));
    assert_near(snapshot.latency.p99, ms(99));
    assert_near(snapshot.latency.p99_5, ms(100));
    assert_near(snapshot.latency.max, ms(100));
}

#[tokio::test(start_paused = true)]
async fn late_and_failed_calls_have_latencies_cancelled_and_refused_ones_have_none() {
    let pipeline = builder().timeout(ms(300)).build().unwrap();
    let service = pipeline.layer().layer(Backend::default());

    drop(begin(&service, Ask::Hang));
    pipeline.circuit_breaker().trip();
    let _ = ask(&service, Ask::Succeed).await;
    assert_eq!(pipeline.snapshot().latency, Latencies::default());

    pipeline.circuit_breaker().reset();
    let _ = ask(&service, Ask::Hang).await;
    assert_near(pipeline.snapshot().latency.max, ms(300));
    let _ = ask(&service, Ask::Fail).await;
    assert_eq!(pipeline.snapshot().latency.count, 2);
}

#[tokio::test(start_paused = true)]
async fn the_peak_is_the_most_calls_in_flight_within_the_window() {
    let pipeline = builder().timeout(None).build().unwrap();
    let service = pipeline.layer().layer(Backend::default());

    let mut calls: Vec<_> = (0..3).map(|_| begin(&service, Ask::Hang)).collect();
    let snapshot = pipeline.snapshot();
    assert_eq!((snapshot.in_flight, snapshot.peak_in_flight), (3, 3));
    // Calls that only run are seen, too.
    tokio::time::advance(Duration::from_secs(3_600)).await;
    assert_eq!(pipeline.snapshot().peak_in_flight, 3);
    calls.truncate(1);
    let snapshot = pipeline.snapshot();
    assert_eq!((snapshot.in_flight, snapshot.peak_in_flight), (1, 3));
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(pipeline.snapshot().peak_in_flight, 1);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_shows_everything_and_changes_nothing() {
    let settings = breaker().consecutive_failures(3).open_jitter(0.0);
    let pipeline = builder()
        .bulkhead(limit(2))
        .queue(queue(2))
        .circuit_breaker(settings)
        .build()
        .unwrap();
    let service = pipeline.layer().layer(Backend::default());
    let fresh = pipeline.snapshot();
    assert_eq!(fresh.name, "inventory");
    assert_eq!((fresh.state, fresh.times_opened), (State::Closed, 0));
    assert_eq!((fresh.remaining_open, fresh.limit), (None, 2));
    assert_eq!(fresh.window_length, Duration::from_secs(10));
    assert_eq!(fresh.latency, Latencies::default());

    for _ in 0..2 {
        let _ = ask(&service, Ask::Fail).await;
    }
    assert_eq!(pipeline.snapshot().consecutive_failures, 2);
    let calls: Vec<_> = (0..3).map(|_| begin(&service, Ask::Hang)).collect();
    let snapshot = pipeline.snapshot();
    assert_eq!((snapshot.in_flight, snapshot.queued), (2, 1));
    drop(calls);
    let _ = ask(&service, Ask::Fail).await;

    let snapshot = pipeline.snapshot();
    assert_eq!((snapshot.state, snapshot.times_opened), (State::Open, 1));
    assert_eq!(snapshot.remaining_open, Some(Duration::from_secs(5)));
    assert_eq!((snapshot.in_flight, snapshot.queued), (0, 0));
    assert!((snapshot.calls_per_second() - 0.3).abs() < 1e-9);
    tokio::time::advance(Duration::from_secs(4)).await;
    let later = pipeline.snapshot();
    assert_eq!(later.remaining_open, Some(Duration::from_secs(1)));
    tokio::time::advance(Duration::from_secs(4)).await;
    let later = pipeline.snapshot();
    assert_eq!(later.remaining_open, Some(Duration::ZERO));
    assert_eq!(later.state, State::Open, "a read opens nothing by half");
}

/// A clock that stands still and counts how often it is read.
fn counting_clock() -> (Clock, Arc<AtomicU32>) {
    let reads = Arc::new(AtomicU32::new(0));
    let clock = Clock::from_fn({
        let reads = Arc::clone(&reads);
        move || {
            reads.fetch_add(1, Ordering::Relaxed);
            Tick::ZERO
        }
    });
    (clock, reads)
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_reads_the_clock_once_on_the_way_in_and_once_on_the_way_out() {
    let (clock, reads) = counting_clock();
    let pipeline = builder()
        .queue(queue(10))
        .circuit_breaker(breaker().slow_calls(ms(1), 0.5).consecutive_failures(9))
        .fallback(|_| "instead")
        .clock(clock)
        .build()
        .unwrap();
    let mut service = pipeline.layer().layer(Backend::default());

    reads.store(0, Ordering::Relaxed);
    let call = soon(service.ready()).await.unwrap().call(Ask::Succeed);
    assert_eq!(reads.load(Ordering::Relaxed), 1);
    soon(call).await.unwrap();
    assert_eq!(reads.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_reads_the_clock_once_a_step() {
    let (clock, reads) = counting_clock();
    let pipeline = builder().clock(clock).build().unwrap();
    let mut service = pipeline.layer().layer(Backend::default());

    pipeline.circuit_breaker().trip();
    reads.store(0, Ordering::Relaxed);
    soon(service.ready()).await.unwrap();
    assert_eq!(reads.load(Ordering::Relaxed), 1);
    let call = service.call(Ask::Succeed);
    assert_eq!(reads.load(Ordering::Relaxed), 2);
    assert!(rejection(soon(call).await).is_circuit_open());
    assert_eq!(reads.load(Ordering::Relaxed), 2);

    pipeline.circuit_breaker().reset();
    pipeline.bulkhead().set_limit(0);
    reads.store(0, Ordering::Relaxed);
    assert!(rejection(ask(&service, Ask::Succeed).await).is_bulkhead_full());
    assert_eq!(reads.load(Ordering::Relaxed), 1);
}
