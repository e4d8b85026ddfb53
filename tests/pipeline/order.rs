//! The safe order of the parts.

use futures_util::future::join_all;
use portcullis::circuit_breaker::State;
use tower::{Layer, service_fn};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_full_bulkhead_does_not_count_against_the_circuit() {
    let settings = breaker().minimum_calls(1).consecutive_failures(1);
    let pipeline = builder()
        .bulkhead(limit(0))
        .circuit_breaker(settings)
        .build()
        .unwrap();
    let service = pipeline.layer().layer(Backend::default());

    for _ in 0..100 {
        assert!(rejection(ask(&service, Ask::Succeed).await).is_bulkhead_full());
    }
    assert_eq!(pipeline.circuit_breaker().state(), State::Closed);
    assert_eq!(pipeline.snapshot().window.judged(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_circuit_is_asked_first() {
    let pipeline = builder()
        .bulkhead(limit(0))
        .queue(queue(1))
        .build()
        .unwrap();
    let service = pipeline.layer().layer(Backend::default());

    pipeline.circuit_breaker().trip();
    assert_eq!(
        reason(ask(&service, Ask::Succeed).await),
        Reason::CircuitOpen
    );
    assert_eq!(counted(pipeline.control()), [("circuit_open", 1)]);
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_calls_nobody_and_holds_nothing() {
    let pipeline = builder().build().unwrap();
    let backend = Backend::default();
    let mut service = pipeline.layer().layer(backend.clone());

    pipeline.circuit_breaker().trip();
    let refused = soon(service.ready()).await.unwrap().call(Ask::Hang);
    let snapshot = pipeline.snapshot();
    assert_eq!((snapshot.in_flight, snapshot.peak_in_flight), (0, 0));
    assert!(rejection(soon(refused).await).is_circuit_open());
    assert_eq!(backend.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_full_bulkhead_gives_the_place_of_a_probe_back() {
    let pipeline = builder().bulkhead(limit(0)).build().unwrap();
    let service = pipeline.layer().layer(Backend::default());
    pipeline.circuit_breaker().trip();
    tokio::time::advance(Duration::from_secs(6)).await;

    assert!(rejection(ask(&service, Ask::Succeed).await).is_bulkhead_full());
    assert_eq!(pipeline.circuit_breaker().state(), State::HalfOpen);
    pipeline.bulkhead().set_limit(1);
    ask(&service, Ask::Succeed).await.unwrap();
    assert_eq!(pipeline.circuit_breaker().state(), State::Closed);
}

/// Notes how many calls the pipeline has in flight when the work ends.
struct OnEnd(Control, Arc<AtomicU32>);

impl Drop for OnEnd {
    fn drop(&mut self) {
        self.1.store(self.0.snapshot().in_flight, Ordering::Relaxed);
    }
}

#[tokio::test(start_paused = true)]
async fn the_permit_is_held_until_the_late_work_was_dropped() {
    let pipeline = builder().build().unwrap();
    let in_flight = Arc::new(AtomicU32::new(u32::MAX));
    let service = pipeline.layer().layer({
        let (control, in_flight) = (pipeline.control().clone(), Arc::clone(&in_flight));
        service_fn(move |what| {
            let on_end = OnEnd(control.clone(), Arc::clone(&in_flight));
            async move {
                let _on_end = on_end;
                work(what).await
            }
        })
    });

    assert!(rejection(ask(&service, Ask::Hang).await).is_timeout());
    assert_eq!(in_flight.load(Ordering::Relaxed), 1);
    assert_eq!(pipeline.snapshot().in_flight, 0);
    drop(begin(&service, Ask::Hang));
    assert_eq!(in_flight.load(Ordering::Relaxed), 1);
    assert_eq!(pipeline.snapshot().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn hanging_calls_never_run_above_the_limit() {
    let settings = breaker().failure_rate(None);
    let pipeline = builder()
        .timeout(ms(100))
        .bulkhead(limit(5))
        .queue(queue(20).longest_wait(ms(250)))
        .circuit_breaker(settings)
        .build()
        .unwrap();
    let backend = Backend::default();
    let service = pipeline.layer().layer(backend.clone());

    for _ in 0..10 {
        let calls = (0..50).map(|_| ask(&service, Ask::Hang));
        soon(join_all(calls)).await;
    }
    assert_eq!((backend.peak(), backend.running()), (5, 0));
    // Of 50 calls 5 run at once, 10 get their turn within the longest wait, and 10 more wait in vain.
    let expected = [
        ("timeout", 150),
        ("bulkhead_full", 250),
        ("wait_timed_out", 100),
    ];
    assert_eq!(counted_for_life(pipeline.control()), expected);
    assert_eq!(pipeline.snapshot().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn time_runs_from_admission_and_not_from_arrival() {
    let pipeline = builder()
        .timeout(ms(100))
        .bulkhead(limit(1))
        .queue(queue(1))
        .build()
        .unwrap();
    let service = pipeline.layer().layer(Backend::default());

    let (first, second) = soon(async {
        tokio::join!(
            ask(&service, Ask::Take(ms(90))),
            ask(&service, Ask::Take(ms(90)))
        )
    })
    .await;
    assert_eq!((first.unwrap(), second.unwrap()), ("done", "done"));
}

#[tokio::test(start_paused = true)]
async fn without_a_timeout_calls_take_as_long_as_they_take() {
    let pipeline = builder().timeout(None).build().unwrap();
    let service = pipeline.layer().layer(Backend::default());

    let mut call = begin(&service, Ask::Hang);
    tokio::time::advance(Duration::from_secs(86_400)).await;
    assert_pending!(call.poll());
    assert_eq!(pipeline.snapshot().in_flight, 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_bulkhead_calls_are_only_counted() {
    let pipeline = builder().bulkhead(None).build().unwrap();
    let service = pipeline.layer().layer(Backend::default());

    let calls: Vec<_> = (0..1_000).map(|_| begin(&service, Ask::Hang)).collect();
    let snapshot = pipeline.snapshot();
    assert_eq!((snapshot.in_flight, snapshot.limit), (1_000, u32::MAX));
    drop(calls);
    assert_eq!(pipeline.snapshot().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn without_rules_the_circuit_opens_by_hand_only() {
    let settings = breaker().failure_rate(None);
    let pipeline = builder().circuit_breaker(settings).build().unwrap();
    let service = pipeline.layer().layer(Backend::default());

    for _ in 0..1_000 {
        let _ = ask(&service, Ask::Fail).await;
    }
    assert_eq!(counted(pipeline.control()), [("failure", 1_000)]);
    pipeline.circuit_breaker().trip();
    assert!(rejection(ask(&service, Ask::Succeed).await).is_circuit_open());
}

#[tokio::test(start_paused = true)]
async fn the_defaults_are_a_second_and_a_hundred_calls() {
    let pipeline = builder().build().unwrap();
    let service = pipeline.layer().layer(Backend::default());
    let calls: Vec<_> = (0..100).map(|_| begin(&service, Ask::Hang)).collect();
    assert!(rejection(ask(&service, Ask::Hang).await).is_bulkhead_full());
    drop(calls);

    let start = tokio::time::Instant::now();
    assert!(rejection(ask(&service, Ask::Hang).await).is_timeout());
    assert_eq!(start.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn an_error_of_readiness_passes_through_and_counts_as_a_failure() {
    let pipeline = builder().build().unwrap();
    let (inner, mut handle) = tower_test::mock::pair::<(), ()>();
    handle.send_error("broken");
    let mut service = pipeline.layer().layer(inner);

    let error = soon(service.ready()).await.expect_err("broken");
    assert_eq!(error.to_string(), "broken");
    assert_eq!(counted(pipeline.control()), [("failure", 1)]);
    assert_eq!(pipeline.snapshot().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn idle_clones_that_are_ready_hold_nothing() {
    let pipeline = builder().bulkhead(limit(1)).build().unwrap();
    let service = pipeline.layer().layer(Backend::default());
    let mut idle: Vec<_> = (0..10).map(|_| service.clone()).collect();
    for service in &mut idle {
        soon(service.ready()).await.unwrap();
    }

    assert_eq!(pipeline.snapshot().in_flight, 0);
    ask(&service, Ask::Succeed).await.unwrap();
}
