//! Calls that wait in a pipeline.

use std::{future::Ready, sync::Mutex};

use portcullis::{bulkhead::Order, circuit_breaker::State};
use tower::{Layer, service_fn};
use tower_test::mock;

use super::*;
use crate::support::Log;

#[tokio::test(start_paused = true)]
async fn turns_come_in_the_order_asked_for() {
    let orders = [
        (Order::Fifo, ["a", "b", "c", "d"]),
        (Order::Lifo, ["a", "d", "c", "b"]),
    ];
    for (order, expected) in orders {
        let pipeline = builder()
            .bulkhead(limit(1))
            .queue(queue(3).order(order))
            .build()
            .unwrap();
        let log = Log::default();
        let service = pipeline.layer().layer(service_fn({
            let log = log.clone();
            move |name: &'static str| {
                log.note(name);
                work(Ask::Take(ms(10)))
            }
        }));
        let calls = ["a", "b", "c", "d"].map(|name| service.clone().oneshot(name));
        for reply in soon(futures_util::future::join_all(calls)).await {
            reply.unwrap();
        }
        assert_eq!(log.take(), expected);
        assert_eq!(counted(pipeline.control()), [("success", 4)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_waiting_call_is_refused_when_the_circuit_opened_meanwhile() {
    let settings = breaker().consecutive_failures(1);
    let pipeline = builder()
        .bulkhead(limit(1))
        .queue(queue(2))
        .circuit_breaker(settings)
        .build()
        .unwrap();
    let backend = Backend::default();
    let service = pipeline.layer().layer(backend.clone());
    let running = begin(&service, Ask::Hang);
    let waiting = [begin(&service, Ask::Hang), begin(&service, Ask::Hang)];

    // It hangs until its time is over, which opens the circuit.
    assert!(rejection(soon(running).await).is_timeout());
    for call in waiting {
        let refused = rejection(soon(call).await);
        assert_eq!(refused.reason(), Reason::CircuitOpen);
        assert!(refused.retry_after().is_some());
    }
    assert_eq!(backend.calls(), 1);
    let expected = [("timeout", 1), ("circuit_open", 2)];
    assert_eq!(counted(pipeline.control()), expected);
    let snapshot = pipeline.snapshot();
    assert_eq!((snapshot.in_flight, snapshot.queued), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_in_the_queue_is_cancelled() {
    let pipeline = builder()
        .bulkhead(limit(1))
        .queue(queue(2))
        .build()
        .unwrap();
    let backend = Backend::default();
    let service = pipeline.layer().layer(backend.clone());
    let running = begin(&service, Ask::Take(ms(10)));
    let (first, second) = (begin(&service, Ask::Hang), begin(&service, Ask::Succeed));

    drop(first);
    assert_eq!(pipeline.snapshot().queued, 1);
    assert_eq!(counted(pipeline.control()), [("cancelled", 1)]);
    assert!(soon(running).await.is_ok());
    assert!(soon(second).await.is_ok());
    assert_eq!(backend.calls(), 2);
    let expected = [("success", 2), ("cancelled", 1)];
    assert_eq!(counted(pipeline.control()), expected);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_with_its_turn_is_cancelled_once_and_passes_the_turn_on() {
    let pipeline = builder()
        .bulkhead(limit(1))
        .queue(queue(2))
        .build()
        .unwrap();
    let service = pipeline.layer().layer(Backend::default());
    let running = begin(&service, Ask::Take(ms(10)));
    let (first, second) = (begin(&service, Ask::Hang), begin(&service, Ask::Succeed));

    assert!(soon(running).await.is_ok());
    assert!(first.is_woken() && !second.is_woken());
    drop(first);
    assert!(soon(second).await.is_ok());
    let expected = [("success", 2), ("cancelled", 1)];
    assert_eq!(counted(pipeline.control()), expected);
    assert_eq!(pipeline.snapshot().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_unpolled_in_the_queue_is_cancelled() {
    let pipeline = builder()
        .bulkhead(limit(0))
        .queue(queue(1))
        .build()
        .unwrap();
    let mut service = pipeline.layer().layer(Backend::default());

    let call = soon(service.ready()).await.unwrap().call(Ask::Succeed);
    assert_eq!(pipeline.snapshot().queued, 1);
    drop(call);
    assert_eq!(pipeline.snapshot().queued, 0);
    assert_eq!(counted(pipeline.control()), [("cancelled", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_after_its_turn_is_cancelled_once() {
    let pipeline = builder()
        .bulkhead(limit(1))
        .queue(queue(1))
        .build()
        .unwrap();
    let service = pipeline.layer().layer(Backend::default());
    let running = begin(&service, Ask::Take(ms(10)));
    let mut waiting = begin(&service, Ask::Hang);
    assert!(soon(running).await.is_ok());

    assert_pending!(waiting.poll());
    assert_eq!(pipeline.snapshot().in_flight, 1);
    drop(waiting);
    let expected = [("success", 1), ("cancelled", 1)];
    assert_eq!(counted(pipeline.control()), expected);
    assert_eq!(pipeline.snapshot().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_higher_limit_lets_waiting_calls_in() {
    let pipeline = builder()
        .bulkhead(limit(0))
        .queue(queue(3))
        .build()
        .unwrap();
    let service = pipeline.layer().layer(Backend::default());
    let waiting = [(); 3].map(|()| begin(&service, Ask::Succeed));

    pipeline.bulkhead().set_limit(3);
    let snapshot = pipeline.snapshot();
    assert_eq!((snapshot.in_flight, snapshot.queued), (3, 0));
    for call in waiting {
        soon(call).await.unwrap();
    }
    assert_eq!(counted(pipeline.control()), [("success", 3)]);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_call_may_be_a_probe() {
    let pipeline = builder()
        .bulkhead(limit(0))
        .queue(queue(1))
        .build()
        .unwrap();
    let service = pipeline.layer().layer(Backend::default());
    pipeline.circuit_breaker().trip();
    tokio::time::advance(Duration::from_secs(6)).await;

    let waiting = begin(&service, Ask::Succeed);
    pipeline.bulkhead().set_limit(1);
    soon(waiting).await.unwrap();
    assert_eq!(pipeline.circuit_breaker().state(), State::Closed);
    assert_eq!(counted_for_life(pipeline.control()), [("success", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_after_the_wait_is_a_failure_and_gives_the_permit_back() {
    let pipeline = builder()
        .bulkhead(limit(1))
        .queue(queue(1))
        .build()
        .unwrap();
    let service = pipeline.layer().layer(Backend::default());
    let running = begin(&service, Ask::Take(ms(10)));
    let waiting = tokio::spawn(service.oneshot(Ask::Panic));
    tokio::task::yield_now().await;

    assert!(soon(running).await.is_ok());
    assert!(soon(waiting).await.unwrap_err().is_panic());
    let expected = [("success", 1), ("failure", 1)];
    assert_eq!(counted(pipeline.control()), expected);
    let snapshot = pipeline.snapshot();
    assert_eq!((snapshot.in_flight, snapshot.queued), (0, 0));
}

/// Waits in a queue for a service that is not ready; the permit is there, the service is not.
async fn in_front_of_a_busy_service(
    pipeline: &Pipeline,
) -> (
    task::Spawn<impl Future<Output = Result<&'static str, BoxError>> + use<>>,
    mock::Handle<&'static str, &'static str>,
) {
    let (inner, mut handle) = mock::pair::<&'static str, &'static str>();
    handle.allow(1);
    let mut service = pipeline.layer().layer(inner);
    let call = soon(service.ready()).await.unwrap().call("late");
    handle.allow(0);
    let mut call = task::spawn(call);
    assert_pending!(call.poll());
    assert_eq!(pipeline.snapshot().queued, 1);
    pipeline.bulkhead().set_limit(1);
    assert_pending!(call.poll());
    assert_eq!(pipeline.snapshot().in_flight, 1);
    (call, handle)
}

fn of_one_waiting_call() -> Pipeline {
    builder()
        .bulkhead(limit(0))
        .queue(queue(1))
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn after_the_wait_the_service_is_made_ready_before_it_is_called() {
    let pipeline = of_one_waiting_call();
    let (call, mut handle) = in_front_of_a_busy_service(&pipeline).await;

    handle.allow(1);
    let backend = tokio::spawn(async move {
        let (request, respond) = soon(handle.next_request()).await.unwrap();
        respond.send_response(request);
    });
    assert_eq!(soon(call).await.unwrap(), "late");
    soon(backend).await.unwrap();
    assert_eq!(counted(pipeline.control()), [("success", 1)]);
}

#[tokio::test(start_paused = true)]
async fn in_front_of_a_busy_service_a_call_waits_no_longer_than_in_the_queue() {
    let pipeline = of_one_waiting_call();
    let (call, _handle) = in_front_of_a_busy_service(&pipeline).await;

    let began = tokio::time::Instant::now();
    let error = soon(call).await.unwrap_err();
    assert_eq!(began.elapsed(), queue(1).longest_wait);
    let rejection = Rejection::find(&*error).unwrap();
    assert_eq!(rejection.reason(), Reason::WaitTimedOut);
    assert_eq!(counted(pipeline.control()), [("wait_timed_out", 1)]);
    let snapshot = pipeline.snapshot();
    assert_eq!((snapshot.in_flight, snapshot.peak_in_flight), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_in_front_of_a_busy_service_is_cancelled_once() {
    let pipeline = of_one_waiting_call();
    let (call, _handle) = in_front_of_a_busy_service(&pipeline).await;

    drop(call);
    assert_eq!(counted(pipeline.control()), [("cancelled", 1)]);
    assert_eq!(pipeline.snapshot().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_breaks_after_the_wait_is_a_failure() {
    let pipeline = of_one_waiting_call();
    let (call, mut handle) = in_front_of_a_busy_service(&pipeline).await;

    handle.send_error("broken");
    assert_eq!(soon(call).await.unwrap_err().to_string(), "broken");
    assert_eq!(counted(pipeline.control()), [("failure", 1)]);
    assert_eq!(pipeline.snapshot().in_flight, 0);
}

/// Panics when it is asked for readiness for the second time.
#[derive(Clone, Default)]
struct ReadyOnce(Arc<Mutex<bool>>);

impl Service<()> for ReadyOnce {
    type Response = ();
    type Error = BoxError;
    type Future = Ready<Result<(), BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let was_ready = std::mem::replace(&mut *self.0.lock().unwrap(), true);
        assert!(!was_ready, "the service's own");
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        unreachable!("it is never ready")
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_readiness_after_the_wait_is_a_failure() {
    let pipeline = of_one_waiting_call();
    let mut service = pipeline.layer().layer(ReadyOnce::default());
    let call = soon(service.ready()).await.unwrap().call(());

    pipeline.bulkhead().set_limit(1);
    assert!(soon(tokio::spawn(call)).await.unwrap_err().is_panic());
    assert_eq!(counted(pipeline.control()), [("failure", 1)]);
    assert_eq!(pipeline.snapshot().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_moment_of_the_call_after_the_wait_is_a_failure() {
    let pipeline = of_one_waiting_call();
    let panics = service_fn(|()| -> Ready<Result<(), BoxError>> {
        resume_unwind(Box::new("the service's own"))
    });
    let mut service = pipeline.layer().layer(panics);
    let call = soon(service.ready()).await.unwrap().call(());

    pipeline.bulkhead().set_limit(1);
    assert!(soon(tokio::spawn(call)).await.unwrap_err().is_panic());
    assert_eq!(counted(pipeline.control()), [("failure", 1)]);
    assert_eq!(pipeline.snapshot().in_flight, 0);
}
