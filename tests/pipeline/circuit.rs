//! How the circuit of a pipeline opens, closes and is steered.

use futures_util::future::join_all;
use portcullis::{
    circuit_breaker::{Mode, State},
    event::Event,
};
use tower::Layer;

use super::*;
use crate::support::Log;

#[tokio::test(start_paused = true)]
async fn a_dependency_that_hangs_opens_the_circuit() {
    let pipeline = builder().build().unwrap();
    let backend = Backend::default();
    let service = pipeline.layer().layer(backend.clone());

    let calls = (0..20).map(|_| ask(&service, Ask::Hang));
    for reply in soon(join_all(calls)).await {
        assert!(rejection(reply).is_timeout());
    }
    assert_eq!(pipeline.circuit_breaker().state(), State::Open);
    assert_eq!(pipeline.snapshot().times_opened, 1);

    let refused = rejection(ask(&service, Ask::Hang).await);
    assert!(refused.is_circuit_open());
    let remaining = pipeline.snapshot().remaining_open;
    assert_eq!(refused.retry_after(), remaining);
    assert!(remaining.is_some_and(|time| (ms(5_000)..=ms(5_500)).contains(&time)));
    assert_eq!(backend.calls(), 20);
}

#[tokio::test(start_paused = true)]
async fn callers_who_leave_a_hanging_dependency_open_the_circuit_if_that_is_slow() {
    let settings = breaker().slow_calls(ms(500), 0.5);
    let pipeline = builder().circuit_breaker(settings).build().unwrap();
    let service = pipeline.layer().layer(Backend::default());

    let calls: Vec<_> = (0..20).map(|_| begin(&service, Ask::Hang)).collect();
    tokio::time::advance(ms(600)).await;
    drop(calls);
    assert_eq!(pipeline.circuit_breaker().state(), State::Open);
    assert_eq!(
        counted(pipeline.control()),
        [("slow", 20), ("cancelled", 20)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_dependency_that_recovers_closes_the_circuit() {
    let pipeline = builder().build().unwrap();
    let service = pipeline.layer().layer(Backend::default());
    for _ in 0..20 {
        assert_eq!(
            ask(&service, Ask::Fail).await.unwrap_err().to_string(),
            "down"
        );
    }
    let wait = rejection(ask(&service, Ask::Fail).await).retry_after();

    // The probe fails, and the circuit stays open for as long again.
    tokio::time::advance(wait.unwrap()).await;
    assert_eq!(
        ask(&service, Ask::Fail).await.unwrap_err().to_string(),
        "down"
    );
    assert_eq!(pipeline.snapshot().times_opened, 2);
    let wait = rejection(ask(&service, Ask::Succeed).await).retry_after();

    tokio::time::advance(wait.unwrap()).await;
    for _ in 0..100 {
        ask(&service, Ask::Succeed).await.unwrap();
    }
    let snapshot = pipeline.snapshot();
    assert_eq!((snapshot.state, snapshot.times_opened), (State::Closed, 2));
    assert_eq!(snapshot.remaining_open, None);
    let expected = [("success", 100), ("failure", 21), ("circuit_open", 2)];
    assert_eq!(counted_for_life(pipeline.control()), expected);
    // The probe closed the circuit, and with that began a new window.
    assert_eq!(snapshot.window.calls(), 99);
}

#[tokio::test(start_paused = true)]
async fn ignored_calls_neither_open_the_circuit_nor_dilute_it() {
    let pipeline = builder().classify(by_sense).build().unwrap();
    let service = pipeline.layer().layer(Backend::default());
    for _ in 0..100 {
        let _ = ask(&service, Ask::Nonsense).await;
    }
    assert_eq!(pipeline.circuit_breaker().state(), State::Closed);
    for _ in 0..20 {
        let _ = ask(&service, Ask::Fail).await;
    }
    assert_eq!(pipeline.circuit_breaker().state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn an_operator_opens_and_closes_the_circuit() {
    let pipeline = builder().build().unwrap();
    let service = pipeline.layer().layer(Backend::default());
    let breaker = pipeline.circuit_breaker();

    breaker.trip();
    assert!(ask(&service, Ask::Succeed).await.is_err());
    breaker.reset();
    assert!(ask(&service, Ask::Succeed).await.is_ok());
    breaker.set_mode(Mode::ForcedOpen);
    assert!(ask(&service, Ask::Succeed).await.is_err());
    assert_eq!(pipeline.snapshot().mode, Mode::ForcedOpen);

    breaker.set_mode(Mode::ForcedClosed);
    for _ in 0..100 {
        let failed = ask(&service, Ask::Fail).await.unwrap_err();
        assert_eq!(failed.to_string(), "down");
    }
    assert_eq!(pipeline.snapshot().window.failure, 100);
    assert_eq!(pipeline.snapshot().state, State::Closed);
    assert_eq!(pipeline.snapshot().times_opened, 1);
}

#[tokio::test(start_paused = true)]
async fn a_mode_can_be_set_before_the_first_call() {
    let settings = breaker().mode(Mode::ForcedOpen);
    let pipeline = builder().circuit_breaker(settings).build().unwrap();
    let service = pipeline.layer().layer(Backend::default());

    let refused = reason(ask(&service, Ask::Succeed).await);
    assert_eq!(refused, Reason::CircuitForcedOpen);
}

#[tokio::test(start_paused = true)]
async fn the_limit_changes_while_calls_run() {
    let pipeline = builder().bulkhead(limit(1)).build().unwrap();
    let service = pipeline.layer().layer(Backend::default());
    let first = begin(&service, Ask::Hang);
    assert!(ask(&service, Ask::Succeed).await.is_err());

    pipeline.bulkhead().set_limit(2);
    assert!(ask(&service, Ask::Succeed).await.is_ok());
    pipeline.bulkhead().set_limit(1);
    assert!(ask(&service, Ask::Succeed).await.is_err());
    assert_eq!(pipeline.snapshot().limit, 1);
    drop(first);
    assert!(ask(&service, Ask::Succeed).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_counts_what_it_would_reject() {
    let settings = breaker().mode(Mode::DryRun);
    let pipeline = builder().circuit_breaker(settings).build().unwrap();
    let backend = Backend::default();
    let service = pipeline.layer().layer(backend.clone());

    for _ in 0..30 {
        let failed = ask(&service, Ask::Fail).await.unwrap_err();
        assert_eq!(failed.to_string(), "down");
    }
    assert_eq!(backend.calls(), 30);
    assert_eq!(pipeline.snapshot().state, State::Open);
    let expected = [("failure", 30), ("would_reject", 10)];
    assert_eq!(counted(pipeline.control()), expected);
    assert_eq!(pipeline.snapshot().lifetime.calls(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_counts_a_call_that_waits_once() {
    let settings = breaker().mode(Mode::DryRun);
    let log = Log::default();
    let pipeline = builder()
        .bulkhead(limit(1))
        .queue(queue(1))
        .circuit_breaker(settings)
        .observed_by({
            let log = log.clone();
            move |_: Option<&str>, event: &Event| {
                if let Event::WouldReject { reason, .. } = event {
                    log.note(format!("{reason:?}"));
                }
            }
        })
        .build()
        .unwrap();
    let service = pipeline.layer().layer(Backend::default());
    let running = begin(&service, Ask::Hang);
    pipeline.circuit_breaker().trip();

    let waiting = begin(&service, Ask::Take(ms(1)));
    drop(running);
    soon(waiting).await.unwrap();
    let expected = [("success", 1), ("cancelled", 1), ("would_reject", 1)];
    assert_eq!(counted_for_life(pipeline.control()), expected);
    assert_eq!(log.take(), ["CircuitOpen"]);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_does_not_count_what_the_bulkhead_refuses() {
    let settings = breaker().mode(Mode::DryRun);
    let pipeline = builder()
        .bulkhead(limit(0))
        .circuit_breaker(settings)
        .build()
        .unwrap();
    let service = pipeline.layer().layer(Backend::default());
    pipeline.circuit_breaker().trip();

    assert!(rejection(ask(&service, Ask::Succeed).await).is_bulkhead_full());
    assert_eq!(counted(pipeline.control()), [("bulkhead_full", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_window_of_calls_judges_calls_and_shows_ten_seconds() {
    let window = circuit_breaker::Window::Last(4);
    let settings = breaker().window(window).minimum_calls(4);
    let pipeline = builder().circuit_breaker(settings).build().unwrap();
    let service = pipeline.layer().layer(Backend::default());

    for _ in 0..10 {
        ask(&service, Ask::Succeed).await.unwrap();
    }
    assert_eq!(pipeline.snapshot().window.success, 10);
    assert_eq!(pipeline.snapshot().window_length, Duration::from_secs(10));
    for _ in 0..2 {
        assert_eq!(pipeline.snapshot().state, State::Closed);
        let _ = ask(&service, Ask::Fail).await;
    }
    assert_eq!(pipeline.snapshot().state, State::Open);
}
