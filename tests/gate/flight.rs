//! How an admitted call ends.

use std::{
    future::{Future, pending, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use portcullis::{
    clock::{Clock, Tick},
    event::Scope,
    gate::GateLayer,
    outcome::Outcome,
    rejection::BoxError,
};
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::support::{Log, Spy, soon};

type Answer = Result<(), BoxError>;

/// A future that never ends and notes when it is dropped.
struct Hanging(Log);

impl Future for Hanging {
    type Output = Answer;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Answer> {
        Poll::Pending
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        self.0.note("service dropped");
    }
}

/// A clock that counts how often it is read.
fn counting_clock() -> (Clock, Arc<AtomicU32>) {
    let reads = Arc::new(AtomicU32::new(0));
    let clock = Clock::from_fn({
        let reads = Arc::clone(&reads);
        move || Tick::from_nanos(u64::from(reads.fetch_add(1, Ordering::Relaxed)))
    });
    (clock, reads)
}

/// Drops something because of a panic.
fn unwind_over<T>(held: T) {
    catch_unwind(AssertUnwindSafe(|| {
        let _held = held;
        panic!("the caller's own")
    }))
    .unwrap_err();
}

#[test]
fn a_call_is_settled_once_when_the_answer_is_there() {
    let log = Log::default();
    let mut gate =
        GateLayer::new(Spy::new("spy", &log)).layer(service_fn(|answer: Answer| ready(answer)));

    let mut success = task::spawn(gate.call(Ok(())));
    assert_eq!(log.take(), ["spy admits"]);
    assert_ready_ok!(success.poll());
    assert_eq!(log.take(), ["spy settles Success"]);
    drop(success);
    assert!(log.take().is_empty());

    assert_ready_err!(task::spawn(gate.call(Err("broken".into()))).poll());
    assert_eq!(log.take(), ["spy admits", "spy settles Failure"]);
}

#[test]
fn a_call_dropped_before_it_was_polled_is_cancelled() {
    let log = Log::default();
    let mut gate =
        GateLayer::new(Spy::new("spy", &log)).layer(service_fn(|()| ready::<Answer>(Ok(()))));

    drop(gate.call(()));
    assert_eq!(log.take(), ["spy admits", "spy settles Cancelled"]);
}

#[test]
fn a_call_dropped_on_its_way_is_cancelled_after_the_service_has_stopped() {
    let log = Log::default();
    let mut gate = GateLayer::new(Spy::new("spy", &log)).layer(service_fn({
        let log = log.clone();
        move |()| Hanging(log.clone())
    }));

    let mut call = task::spawn(gate.call(()));
    assert_pending!(call.poll());
    drop(call);
    assert_eq!(
        log.take(),
        ["spy admits", "service dropped", "spy settles Cancelled"]
    );
}

#[test]
fn a_panic_in_the_call_of_the_service_is_a_failure() {
    let log = Log::default();
    let mut gate = GateLayer::new(Spy::new("spy", &log)).layer(service_fn(
        |()| -> std::future::Ready<Answer> { panic!("the service's own") },
    ));

    catch_unwind(AssertUnwindSafe(|| gate.call(()))).unwrap_err();
    assert_eq!(log.take(), ["spy admits", "spy settles Failure"]);
}

#[test]
fn a_panic_in_the_future_of_the_service_is_a_failure() {
    let log = Log::default();
    let mut gate = GateLayer::new(Spy::new("spy", &log)).layer(service_fn(async |()| -> Answer {
        panic!("the service's own")
    }));

    let mut call = task::spawn(gate.call(()));
    catch_unwind(AssertUnwindSafe(|| drop(call.poll()))).unwrap_err();
    drop(call);
    assert_eq!(log.take(), ["spy admits", "spy settles Failure"]);
}

#[test]
fn a_call_dropped_while_its_caller_unwinds_is_cancelled() {
    let log = Log::default();
    let mut gate =
        GateLayer::new(Spy::new("spy", &log)).layer(service_fn(|()| pending::<Answer>()));

    let mut call = task::spawn(gate.call(()));
    assert_pending!(call.poll());
    unwind_over(call);
    assert_eq!(log.take(), ["spy admits", "spy settles Cancelled"]);
}

#[test]
fn a_call_not_yet_polled_while_its_caller_unwinds_is_cancelled() {
    let log = Log::default();
    let mut gate =
        GateLayer::new(Spy::new("spy", &log)).layer(service_fn(|()| pending::<Answer>()));

    let call = gate.call(());
    unwind_over(call);
    assert_eq!(log.take(), ["spy admits", "spy settles Cancelled"]);
}

#[test]
fn a_flight_by_hand_is_settled_cancelled_or_failed() {
    let log = Log::default();
    let layer = GateLayer::new(Spy::new("spy", &log));

    layer.admit().unwrap().settle(Outcome::Ignored);
    assert_eq!(log.take(), ["spy admits", "spy settles Ignored"]);
    drop(layer.admit().unwrap());
    assert_eq!(log.take(), ["spy admits", "spy settles Cancelled"]);

    unwind_over(layer.admit().unwrap());
    assert_eq!(log.take(), ["spy admits", "spy settles Failure"]);
}

#[tokio::test(start_paused = true)]
async fn latency_is_the_time_from_admission_to_the_answer() {
    let log = Log::default();
    let gate = GateLayer::new(Spy::new("spy", &log).wanting_latency()).layer(service_fn(
        async |()| -> Answer {
            tokio::time::sleep(Duration::from_millis(30)).await;
            Ok(())
        },
    ));

    soon(gate.oneshot(())).await.unwrap();
    assert_eq!(log.take(), ["spy admits", "spy settles Success after 30ms"]);
}

#[test]
fn a_stack_reads_the_clock_once_on_the_way_in_and_once_on_the_way_out() {
    let log = Log::default();
    let (clock, reads) = counting_clock();
    let policies = (
        Spy::new("a", &log).wanting_latency(),
        Spy::new("b", &log).wanting_latency(),
        Spy::new("c", &log).wanting_latency(),
    );
    let mut gate = GateLayer::new(policies)
        .scoped(Scope::new().on_clock(clock))
        .layer(service_fn(|()| ready::<Answer>(Ok(()))));

    let call = gate.call(());
    assert_eq!(reads.load(Ordering::Relaxed), 1);
    assert_ready_ok!(task::spawn(call).poll());
    assert_eq!(reads.load(Ordering::Relaxed), 2);
}

#[test]
fn the_clock_is_not_read_when_nobody_asks_for_the_time() {
    let log = Log::default();
    let clock = Clock::from_fn(|| unreachable!("nobody asked"));
    let gate = GateLayer::new((Spy::new("a", &log), Spy::new("b", &log)))
        .scoped(Scope::new().on_clock(clock))
        .layer(service_fn(|()| ready::<Answer>(Ok(()))));

    assert_ready_ok!(task::spawn(gate.oneshot(())).poll());
    assert_eq!(log.take().len(), 4);
}

#[test]
fn an_answer_is_classified_once_for_all_policies() {
    let log = Log::default();
    let asked = Arc::new(AtomicU32::new(0));
    let gate = GateLayer::new((Spy::new("a", &log), Spy::new("b", &log)))
        .classify({
            let asked = Arc::clone(&asked);
            move |_: Result<&(), &BoxError>| {
                asked.fetch_add(1, Ordering::Relaxed);
                Outcome::Ignored
            }
        })
        .layer(service_fn(|()| ready::<Answer>(Ok(()))));

    assert_ready_ok!(task::spawn(gate.oneshot(())).poll());
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    assert_eq!(
        log.take(),
        [
            "a admits",
            "b admits",
            "b settles Ignored",
            "a settles Ignored"
        ]
    );
}
