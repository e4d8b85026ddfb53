//! Calls that wait.

use std::task::Poll;

use portcullis::{
    clock::Now,
    gate::{GateLayer, Policy, Queue},
    outcome::Outcome,
};
use tokio::time::{Instant, advance};
use tokio_test::{assert_pending, task};
use tower::{Layer, Service, ServiceExt};

use super::*;

/// Makes calls named `names`, polls them once and returns them.
async fn calls<S>(service: &S, names: &[&'static str]) -> Vec<task::Spawn<Waiting>>
where
    S: Service<&'static str, Response = &'static str, Error = BoxError> + Clone,
    S::Future: Send + 'static,
{
    let mut calls = Vec::new();
    for name in names {
        let mut service = service.clone();
        let call = soon(service.ready()).await.unwrap().call(name);
        let mut call: task::Spawn<Waiting> = task::spawn(Box::pin(call));
        assert_pending!(call.poll());
        calls.push(call);
    }
    calls
}

/// Answers calls one by one and returns their names in the order in which they came through.
async fn served(backend: &mut Backend, calls: &mut [task::Spawn<Waiting>]) -> Vec<&'static str> {
    let mut served = Vec::new();
    for _ in 0..calls.len() {
        poll_woken(calls);
        let (name, respond) = next_call(backend).await;
        served.push(name);
        respond.send_response(name);
        poll_woken(calls);
    }
    served
}

fn poll_woken(calls: &mut [task::Spawn<Waiting>]) {
    for call in calls.iter_mut().filter(|call| call.is_woken()) {
        let _ = call.poll();
    }
}

#[tokio::test(start_paused = true)]
async fn turns_come_in_the_order_asked_for() {
    let orders = [
        (Order::Fifo, ["running", "a", "b", "c"]),
        (Order::Lifo, ["running", "c", "b", "a"]),
    ];
    for (order, expected) in orders {
        let bulkhead = queued(1, 3, order);
        let (inner, mut backend) = backend();
        let service = bulkhead.layer().layer(inner);
        let mut calls = calls(&service, &["running", "a", "b", "c"]).await;
        assert_eq!((bulkhead.in_flight(), bulkhead.queued()), (1, 3));
        assert_eq!(served(&mut backend, &mut calls).await, expected);
        assert_eq!((bulkhead.in_flight(), bulkhead.queued()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_does_not_overtake_who_waits() {
    let bulkhead = queued(1, 3, Order::Fifo);
    let running = bulkhead.admit().unwrap();
    let mut waiter = task::spawn(bulkhead.acquire());
    assert_pending!(waiter.poll());
    running.settle(Outcome::Success);
    // The permit is the waiter's, although it has not been polled since.
    assert!(bulkhead.admit().is_err());
    assert_eq!((bulkhead.in_flight(), bulkhead.queued()), (1, 0));
    assert!(soon(waiter).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_longest_wait_is_kept_to_the_millisecond() {
    let queue = QueueSettings::default().longest_wait(Duration::from_millis(250));
    let bulkhead = QueuedBulkhead::new(Settings::default().limit(1), queue).unwrap();
    let _running = bulkhead.admit().unwrap();
    let start = Instant::now();
    let rejection = soon(bulkhead.acquire()).await.unwrap_err();
    assert_eq!(rejection.reason(), Reason::WaitTimedOut);
    assert_eq!(start.elapsed(), Duration::from_millis(250));
    assert_eq!(bulkhead.queued(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_longest_wait_counts_from_arrival_and_not_from_the_first_poll() {
    let bulkhead = queued(1, 3, Order::Fifo);
    let _running = bulkhead.admit().unwrap();
    let (inner, _backend) = backend();
    let mut service = bulkhead.layer().layer(inner);
    let call = soon(service.ready()).await.unwrap().call("late");
    let start = Instant::now();
    advance(Duration::from_millis(600)).await;
    assert_eq!(reason(&soon(call).await.unwrap_err()), Reason::WaitTimedOut);
    assert_eq!(start.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_comes_with_the_end_of_the_wait_is_taken() {
    let bulkhead = queued(1, 3, Order::Fifo);
    let running = bulkhead.admit().unwrap();
    let mut waiter = task::spawn(bulkhead.acquire());
    assert_pending!(waiter.poll());
    advance(Duration::from_secs(1)).await;
    running.settle(Outcome::Success);
    assert!(matches!(waiter.poll(), Poll::Ready(Ok(_))));
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_the_newcomer() {
    for length in [0, 1, 2] {
        let bulkhead = queued(1, length, Order::Lifo);
        let (inner, _backend) = backend();
        let mut service = bulkhead.layer().layer(inner);
        let names = &["running", "a", "b"][..=length as usize];
        let _calls = calls(&service, names).await;
        let refused = soon(service.ready()).await.unwrap().call("refused");
        let refused = soon(refused).await.unwrap_err();
        assert_eq!(reason(&refused), Reason::BulkheadFull);
        assert_eq!(bulkhead.queued(), length as usize);
    }
}

#[tokio::test(start_paused = true)]
async fn cancelled_waiters_leave_at_once() {
    let bulkhead = queued(1, 2, Order::Fifo);
    let running = bulkhead.admit().unwrap();
    let (inner, mut backend) = backend();
    let service = bulkhead.layer().layer(inner);
    let mut calls = calls(&service, &["a", "b"]).await;
    drop(calls.remove(0));
    assert_eq!(bulkhead.queued(), 1);
    running.settle(Outcome::Success);
    assert_eq!(served(&mut backend, &mut calls).await, ["b"]);
    assert_eq!(bulkhead.in_flight(), 0);
    assert!(bulkhead.admit().is_ok(), "nobody waits any more");
}

#[tokio::test(start_paused = true)]
async fn the_last_waiter_to_leave_opens_the_way_for_newcomers() {
    let bulkhead = queued(1, 2, Order::Fifo);
    let running = bulkhead.admit().unwrap();
    let mut waiter = task::spawn(bulkhead.acquire());
    assert_pending!(waiter.poll());
    drop(waiter);
    drop(running);
    assert!(bulkhead.admit().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_is_never_taken_goes_to_the_next() {
    let bulkhead = queued(1, 2, Order::Fifo);
    let running = bulkhead.admit().unwrap();
    let (mut first, mut second) = (
        task::spawn(bulkhead.acquire()),
        task::spawn(bulkhead.acquire()),
    );
    assert_pending!(first.poll());
    assert_pending!(second.poll());
    running.settle(Outcome::Success);
    assert!(first.is_woken() && !second.is_woken());
    drop(first);
    assert!(second.is_woken());
    drop(soon(second).await.unwrap());
    assert_eq!(bulkhead.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_place_dropped_between_wait_and_call_goes_to_the_next() {
    let bulkhead = queued(1, 2, Order::Fifo);
    let running = bulkhead.admit().unwrap();
    let now = Now::at(Default::default());
    let full = Policy::admit(&bulkhead, &now).unwrap_err();
    let ticket = bulkhead.enqueue(full, &now).unwrap();
    running.settle(Outcome::Success);
    let place = soon(ticket).await.unwrap();
    assert_eq!(bulkhead.in_flight(), 1);
    drop(place);
    assert_eq!(bulkhead.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_was_freed_meanwhile_ends_the_wait_before_it_begins() {
    let bulkhead = queued(1, 2, Order::Fifo);
    let running = bulkhead.admit().unwrap();
    let now = Now::at(Default::default());
    let full = Policy::admit(&bulkhead, &now).unwrap_err();
    running.settle(Outcome::Success);
    let mut ticket = task::spawn(bulkhead.enqueue(full, &now).unwrap());
    assert_eq!((bulkhead.in_flight(), bulkhead.queued()), (1, 0));
    let Poll::Ready(Ok(place)) = ticket.poll() else {
        panic!("there was a permit");
    };
    let permit = bulkhead.admit_from(place, &now).unwrap();
    assert_eq!(bulkhead.in_flight(), 1);
    bulkhead.withdraw(permit);
    assert_eq!(bulkhead.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn only_its_own_rejection_lets_a_call_wait() {
    let bulkhead = queued(1, 2, Order::Fifo);
    let open = Rejection::new(Reason::CircuitOpen);
    let handed_back = bulkhead.enqueue(open, &Now::at(Default::default()));
    assert_eq!(handed_back.unwrap_err().reason(), Reason::CircuitOpen);
}

#[tokio::test(start_paused = true)]
async fn a_panic_after_the_wait_gives_the_permit_back() {
    let bulkhead = queued(1, 2, Order::Fifo);
    let running = bulkhead.admit().unwrap();
    let service = bulkhead
        .layer()
        .layer(tower::service_fn(async |()| -> Result<(), BoxError> {
            panic!("after the wait")
        }));
    let call = tokio::spawn(service.oneshot(()));
    tokio::task::yield_now().await;
    running.settle(Outcome::Success);
    assert!(soon(call).await.unwrap_err().is_panic());
    assert_eq!((bulkhead.in_flight(), bulkhead.queued()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_future_by_hand_waits_for_its_turn() {
    let bulkhead = queued(1, 1, Order::Fifo);
    let running = bulkhead.admit().unwrap();
    let mut call = task::spawn(bulkhead.call(async { Ok::<_, BoxError>("done") }));
    assert_pending!(call.poll());
    let refused = soon(bulkhead.call(async { Ok::<_, BoxError>("refused") })).await;
    assert_eq!(reason(&refused.unwrap_err()), Reason::BulkheadFull);
    running.settle(Outcome::Success);
    assert_eq!(soon(call).await.unwrap(), "done");
    assert_eq!(bulkhead.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn no_more_run_than_the_limit_and_all_come_through() {
    let bulkhead = queued(4, 1_000, Order::Lifo);
    let service = GateLayer::new(bulkhead.clone()).queued().layer({
        let bulkhead = bulkhead.clone();
        tower::service_fn(move |()| {
            let bulkhead = bulkhead.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(1)).await;
                Ok::<_, BoxError>(bulkhead.in_flight())
            }
        })
    });
    let calls = (0..1_000).map(|_| service.clone().oneshot(()));
    let in_flight = soon(futures_util::future::join_all(calls)).await;
    assert!(in_flight.iter().all(|seen| matches!(seen, Ok(1..=4))));
    assert_eq!((bulkhead.in_flight(), bulkhead.queued()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_wait_out_of_range_is_refused() {
    for wait in [Duration::ZERO, Duration::MAX] {
        let queue = QueueSettings::default().longest_wait(wait);
        let error = QueuedBulkhead::new(Settings::default(), queue).unwrap_err();
        assert_eq!(error.field(), "longest_wait");
    }
}
