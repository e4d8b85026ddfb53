//! The queue, and its change while calls wait.

use std::sync::{Arc, Mutex};

use portcullis::{
    event::{Event, Scope},
    outcome::Outcome,
};
use tokio::time::{Instant, advance};
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Layer, Service, ServiceExt};

use super::*;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn fifo(length: u32) -> QueueSettings {
    QueueSettings::default().length(length)
}

/// Begins waits of which none is over.
fn wait(
    bulkhead: &QueuedBulkhead,
    number: usize,
) -> Vec<task::Spawn<impl Future<Output = Result<u32, Rejection>>>> {
    let mut waits: Vec<_> = (0..number)
        .map(|_| {
            let bulkhead = bulkhead.clone();
            task::spawn(async move {
                let flight = bulkhead.acquire_owned().await?;
                flight.settle(Outcome::Success);
                Ok(bulkhead.in_flight())
            })
        })
        .collect();
    for wait in &mut waits {
        assert_pending!(wait.poll());
    }
    waits
}

#[tokio::test(start_paused = true)]
async fn a_longer_queue_has_places_at_once() {
    let bulkhead = queued(1, 1, Order::Fifo);
    let _running = bulkhead.admit().unwrap();
    let _waiting = wait(&bulkhead, 1);
    assert!(soon(bulkhead.acquire()).await.is_err());
    bulkhead.set_queue(fifo(3)).unwrap();
    let _more = wait(&bulkhead, 2);
    assert!(soon(bulkhead.acquire()).await.is_err());
    assert_eq!(bulkhead.queued(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_shorter_queue_sends_nobody_away() {
    for length in [0, 1] {
        let bulkhead = queued(1, 3, Order::Fifo);
        let running = bulkhead.admit().unwrap();
        let waiting = wait(&bulkhead, 3);
        bulkhead.set_queue(fifo(length)).unwrap();
        assert_eq!(bulkhead.queued(), 3);
        let refused = soon(bulkhead.acquire()).await.unwrap_err();
        assert_eq!(refused.reason(), Reason::BulkheadFull);
        running.settle(Outcome::Success);
        for waiting in waiting {
            soon(waiting).await.unwrap();
        }
        assert_eq!((bulkhead.in_flight(), bulkhead.queued()), (0, 0));
        assert!(bulkhead.admit().is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_order_goes_for_those_who_wait_already() {
    let orders = [(Order::Fifo, Order::Lifo, 2), (Order::Lifo, Order::Fifo, 0)];
    for (before, after, next) in orders {
        let bulkhead = queued(1, 3, before);
        let running = bulkhead.admit().unwrap();
        let waiting = wait(&bulkhead, 3);
        bulkhead.set_queue(fifo(3).order(after)).unwrap();
        running.settle(Outcome::Success);
        let woken: Vec<_> = waiting.iter().map(task::Spawn::is_woken).collect();
        let mut expected = vec![false; 3];
        expected[next] = true;
        assert_eq!(woken, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_goes_on_for_as_long_as_it_was_given() {
    let bulkhead = queued(1, 9, Order::Fifo);
    let _running = bulkhead.admit().unwrap();
    let start = Instant::now();
    let mut early = wait(&bulkhead, 1);
    for longest_wait in [ms(100), ms(9_000)] {
        bulkhead
            .set_queue(fifo(9).longest_wait(longest_wait))
            .unwrap();
        let late = wait(&bulkhead, 1).remove(0);
        let (since, refused) = (Instant::now(), soon(late).await.unwrap_err());
        assert_eq!(refused.reason(), Reason::WaitTimedOut);
        assert_eq!(since.elapsed(), longest_wait);
        if start.elapsed() < ms(1_000) {
            assert_pending!(early[0].poll());
        }
    }
    assert!(early[0].is_woken());
    assert!(assert_ready!(early[0].poll()).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_wait_is_given_its_length_when_it_begins_and_not_when_it_is_first_polled() {
    let bulkhead = queued(1, 9, Order::Fifo);
    let _running = bulkhead.admit().unwrap();
    let (inner, _backend) = backend();
    let mut service = bulkhead.layer().layer(inner);
    let call = soon(service.ready()).await.unwrap().call("early");
    let start = Instant::now();
    bulkhead.set_queue(fifo(9).longest_wait(ms(1))).unwrap();
    advance(ms(400)).await;
    assert_eq!(reason(&soon(call).await.unwrap_err()), Reason::WaitTimedOut);
    assert_eq!(start.elapsed(), ms(1_000));
}

#[tokio::test(start_paused = true)]
async fn a_queue_out_of_range_changes_nothing() {
    let bulkhead = queued(1, 2, Order::Lifo);
    let before = bulkhead.queue();
    let refused = bulkhead.set_queue(fifo(9).longest_wait(Duration::ZERO));
    assert_eq!(refused.unwrap_err().field(), "longest_wait");
    assert_eq!(bulkhead.queue(), before);
}

#[tokio::test(start_paused = true)]
async fn observers_are_told_of_a_queue_that_really_changed() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let scope = Scope::new().observed_by({
        let told = Arc::clone(&told);
        move |_: Option<&str>, event: &Event| {
            if let Event::Settings { changed, .. } = event {
                told.lock().unwrap().push(*changed);
            }
        }
    });
    let bulkhead = QueuedBulkhead::scoped(Settings::default(), fifo(5), scope).unwrap();
    bulkhead.set_queue(fifo(5)).unwrap();
    bulkhead.set_queue(fifo(6)).unwrap();
    let other = fifo(7).order(Order::Lifo).longest_wait(ms(5));
    bulkhead.set_queue(other).unwrap();
    assert_eq!(*told.lock().unwrap(), [1, 3]);
    assert_eq!(bulkhead.queue(), other);
}
