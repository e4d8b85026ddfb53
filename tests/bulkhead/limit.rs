//! The limit, and its change while calls run.

use std::sync::{Arc, Mutex};

use portcullis::{
    event::{Event, Scope},
    outcome::Outcome,
};
use tokio_test::{assert_pending, task};

use super::*;

#[tokio::test(start_paused = true)]
async fn exactly_as_many_as_the_limit_are_admitted() {
    for limit in [0, 1, 2, 3, 100] {
        let bulkhead = bulkhead(limit);
        let flights: Vec<_> = std::iter::from_fn(|| bulkhead.admit().ok()).collect();
        assert_eq!(flights.len(), limit as usize);
        assert_eq!(bulkhead.in_flight(), limit);
    }
}

#[tokio::test(start_paused = true)]
async fn the_largest_limit_only_counts() {
    let bulkhead = bulkhead(u32::MAX);
    let flights: Vec<_> = (0..10_000).map(|_| bulkhead.admit().unwrap()).collect();
    assert_eq!(bulkhead.in_flight(), 10_000);
    drop(flights);
    assert_eq!(bulkhead.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_cut_refuses_until_enough_calls_have_ended() {
    let bulkhead = bulkhead(3);
    let mut flights: Vec<_> = (0..3).map(|_| bulkhead.admit().unwrap()).collect();
    bulkhead.set_limit(1);
    assert_eq!((bulkhead.in_flight(), bulkhead.limit()), (3, 1));
    while let Some(flight) = flights.pop() {
        assert!(bulkhead.admit().is_err());
        flight.settle(Outcome::Success);
    }
    assert!(bulkhead.admit().is_ok());
}

#[tokio::test(start_paused = true)]
async fn growth_admits_at_once() {
    let bulkhead = bulkhead(0);
    assert!(bulkhead.admit().is_err());
    bulkhead.set_limit(2);
    let _flights = (bulkhead.admit().unwrap(), bulkhead.admit().unwrap());
    assert!(bulkhead.admit().is_err());
    bulkhead.set_limit(u32::MAX);
    assert!(bulkhead.admit().is_ok());
}

#[tokio::test(start_paused = true)]
async fn growth_lets_in_as_many_waiters_as_it_makes_room_for() {
    let bulkhead = queued(0, 10, Order::Fifo);
    let mut waiters: Vec<_> = (0..5).map(|_| task::spawn(bulkhead.acquire())).collect();
    for waiter in &mut waiters {
        assert_pending!(waiter.poll());
    }
    bulkhead.set_limit(3);
    assert_eq!((bulkhead.in_flight(), bulkhead.queued()), (3, 2));
    assert_eq!(waiters.iter().filter(|waiter| waiter.is_woken()).count(), 3);
    bulkhead.set_limit(u32::MAX);
    assert_eq!((bulkhead.in_flight(), bulkhead.queued()), (5, 0));
    for waiter in waiters {
        soon(waiter).await.unwrap().settle(Outcome::Success);
    }
    assert_eq!(bulkhead.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_cut_keeps_waiters_waiting_and_loses_none() {
    let bulkhead = queued(2, 10, Order::Fifo);
    let running = (bulkhead.admit().unwrap(), bulkhead.admit().unwrap());
    let mut waiter = task::spawn(bulkhead.acquire());
    assert_pending!(waiter.poll());
    bulkhead.set_limit(1);
    running.0.settle(Outcome::Success);
    assert!(!waiter.is_woken());
    running.1.settle(Outcome::Success);
    assert!(waiter.is_woken());
    assert!(soon(waiter).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn observers_are_told_of_a_limit_that_really_changed() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let scope = Scope::new().observed_by({
        let told = Arc::clone(&told);
        move |_: Option<&str>, event: &Event| {
            if let Event::Limit { from, to, .. } = event {
                told.lock().unwrap().push((*from, *to));
            }
        }
    });
    let settings = Settings::default().limit(5);
    let plain = Bulkhead::scoped(settings, scope.clone()).unwrap();
    let queued = QueuedBulkhead::scoped(settings, QueueSettings::default(), scope).unwrap();
    plain.set_limit(7);
    plain.set_limit(7);
    queued.set_limit(2);
    assert_eq!(*told.lock().unwrap(), [(5, 7), (5, 2)]);
}
