//! The queue against a naive one, and what calls leave behind.

use std::{
    collections::BTreeMap,
    future::{Future, Pending, pending, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use proptest::collection::vec;
use proptest::prelude::*;
use tokio::time::{advance, sleep, timeout};

use super::{
    ResponseFuture,
    due::{Due, Sharing, waiting},
    queue::{Place, Queue},
};
use crate::{gate::AsError, rejection::Rejection};

/// A future is moved through all layers of a stack, and a name and a limit are all that a timeout needs to
/// have with it: what is more grows with each pending call only.
#[test]
fn a_call_is_small() {
    assert!(size_of::<Due>() <= 24);
    assert!(size_of::<ResponseFuture<(), AsError>>() <= 40);
    // With each other node on a cache line of its own, and an `Instant` of 16 bytes.
    assert!(size_of::<Place>() <= 16);
}

#[test]
fn the_memory_of_a_crowd_is_given_back_when_it_is_gone() {
    let mut queue = Queue::new();
    let places: Vec<Place> = (0..10_000)
        .map(|number| queue.push(number, number, Waker::noop().clone()))
        .collect();
    assert!(places.iter().all(|place| queue.remove(*place).is_some()));
    assert!(queue.capacity() < 100, "{}", queue.capacity());
    assert!(queue.waker(places[9_999]).is_none());
    let again = queue.push(10_000, 0, Waker::noop().clone());
    assert_eq!((queue.len(), queue.remove(again).is_some()), (1, true));
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Push { after: u64 },
    Remove { which: usize },
    PopDue { after: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..5_u64).prop_map(|after| Step::Push { after }),
        any::<usize>().prop_map(|which| Step::Remove { which }),
        (0..8_u64).prop_map(|after| Step::PopDue { after }),
    ]
}

proptest! {
    #[test]
    fn the_queue_is_in_order_and_forgets_nobody(steps in vec(step(), 0..200)) {
        let mut queue = Queue::new();
        // By number; and all places that ever were, most of which are void.
        let mut naive = BTreeMap::new();
        let mut places = Vec::new();
        let (mut pushed, mut popped) = (0, 0);
        for step in steps {
            match step {
                Step::Push { after } => {
                    pushed += after;
                    let number = places.len() as u64 + 1;
                    let place = queue.push(number, pushed, Waker::noop().clone());
                    naive.insert(number, pushed);
                    places.push(place);
                }
                Step::Remove { which } if !places.is_empty() => {
                    let place: Place = places[which % places.len()];
                    let removed = queue.remove(place).map(|call| call.deadline);
                    prop_assert_eq!(removed, naive.remove(&place.number));
                }
                Step::Remove { .. } => {}
                Step::PopDue { after } => {
                    popped += after;
                    let due = queue.pop_due(popped).map(|call| (call.number, call.deadline));
                    let first = naive.first_key_value().map(|(number, at)| (*number, *at));
                    prop_assert_eq!(due, first.filter(|(_, at)| *at <= popped));
                    due.and_then(|(number, _)| naive.remove(&number));
                }
            }
            prop_assert_eq!(queue.first(), naive.first_key_value().map(|(_, at)| *at));
            prop_assert_eq!(queue.len(), naive.len());
            for place in &places {
                prop_assert_eq!(queue.waker(*place).is_some(), naive.contains_key(&place.number));
            }
        }
    }
}

#[test]
fn a_clock_that_steps_back_makes_nobody_early() {
    let mut queue = Queue::new();
    for deadline in [5, 3, 6] {
        queue.push(deadline, deadline, Waker::noop().clone());
    }
    let deadlines = [(); 3].map(|()| queue.pop().map(|call| call.deadline));
    assert_eq!(deadlines, [Some(5), Some(5), Some(6)]);
}

type Answer = Result<(), Rejection>;

fn call<F: Future<Output = Answer>>(
    inner: F,
    limit: Duration,
) -> Pin<Box<ResponseFuture<F, AsError>>> {
    Box::pin(ResponseFuture::new(
        inner,
        Some(limit),
        Sharing::Shared,
        AsError,
        None,
    ))
}

fn stuck(limit: Duration) -> Pin<Box<ResponseFuture<Pending<Answer>, AsError>>> {
    call(pending(), limit)
}

fn poll<F: Future>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
}

const LIMIT: Duration = Duration::from_millis(100);

#[tokio::test(start_paused = true)]
async fn a_call_waits_from_its_first_poll_without_an_answer_until_it_ends() {
    for polls in 0..4 {
        for ends in ["dropped", "answered", "late"] {
            let is_ready = Arc::new(());
            let mut call = call(
                poll_fn({
                    let is_ready = Arc::clone(&is_ready);
                    move |_| match Arc::strong_count(&is_ready) {
                        3.. => Poll::Ready(Ok(())),
                        _ => Poll::Pending,
                    }
                }),
                LIMIT,
            );
            for _ in 0..polls {
                assert!(poll(&mut call).is_pending());
            }
            let before = waiting(LIMIT).unwrap_or(0);
            assert_eq!(before, polls.min(1));
            match ends {
                "answered" => {
                    let _ready = Arc::clone(&is_ready);
                    assert!(matches!(poll(&mut call), Poll::Ready(Ok(()))));
                }
                "late" => {
                    let late = timeout(10 * LIMIT, call.as_mut()).await;
                    assert!(late.expect("it hangs").is_err());
                }
                _ => {}
            }
            drop(call);
            assert_eq!(waiting(LIMIT).unwrap_or(0), 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_leaked_waits_until_its_deadline() {
    let mut leaked = stuck(LIMIT);
    assert!(poll(&mut leaked).is_pending());
    std::mem::forget(leaked);
    advance(LIMIT / 2).await;
    let mut other = stuck(LIMIT);
    assert!(poll(&mut other).is_pending());
    assert_eq!(waiting(LIMIT), Some(2));
    sleep(LIMIT / 2).await;
    assert_eq!(waiting(LIMIT), Some(1));
    sleep(LIMIT / 2).await;
    assert_eq!(waiting(LIMIT), None);
}

#[tokio::test(start_paused = true)]
async fn the_timer_is_gone_a_limit_after_the_last_call() {
    for _ in 0..3 {
        let mut calls = [(); 5].map(|()| stuck(LIMIT));
        calls
            .iter_mut()
            .for_each(|call| assert!(poll(call).is_pending()));
        assert_eq!(waiting(LIMIT), Some(5));
        drop(calls);
        assert_eq!(waiting(LIMIT), Some(0));
        sleep(LIMIT).await;
        assert_eq!(waiting(LIMIT), None);
    }
}

#[test]
fn nodes_are_used_again() {
    let mut queue = Queue::new();
    let mut numbers = 1..;
    for _ in 0..100 {
        let places: Vec<_> = (&mut numbers)
            .take(10)
            .map(|number| queue.push(number, number, Waker::noop().clone()))
            .collect();
        assert!(places.iter().all(|place| place.node <= 10), "{places:?}");
        for place in places.iter().step_by(2) {
            assert!(queue.remove(*place).is_some());
        }
        while queue.pop().is_some() {}
    }
}
