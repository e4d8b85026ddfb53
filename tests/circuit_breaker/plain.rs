//! The circuit without Tower.

use std::{
    future::{pending, ready},
    panic::{AssertUnwindSafe, catch_unwind},
};

use portcullis::{
    circuit_breaker::{CircuitBreaker, Settings, State},
    outcome::Outcome,
    rejection::{BoxError, Reason, Rejection},
};
use tokio_test::{assert_pending, assert_ready_err, task};

use crate::{
    sim::{SECOND, quick},
    support::soon,
};

fn breaker(settings: Settings) -> CircuitBreaker {
    CircuitBreaker::new(settings).unwrap()
}

fn is_refused<T>(answer: Result<T, BoxError>) -> bool {
    let reason = |error: BoxError| Rejection::find(&*error).map(Rejection::reason);
    answer.is_err_and(|error| reason(error) == Some(Reason::CircuitOpen))
}

#[test]
fn a_flight_is_settled_cancelled_or_failed() {
    let breaker = breaker(quick());
    breaker.admit().unwrap().settle(Outcome::Success);
    drop(breaker.admit().unwrap());
    catch_unwind(AssertUnwindSafe(|| {
        let _flight = breaker.admit().unwrap();
        panic!("the call's own")
    }))
    .unwrap_err();
    let counts = breaker.counts().lifetime;
    assert_eq!(
        (counts.success, counts.cancelled, counts.failure),
        (1, 1, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn futures_fail_by_their_errors() {
    let breaker = breaker(quick());
    let call = |answer: Result<u32, BoxError>| breaker.call(ready(answer));
    assert_eq!(soon(call(Ok(7))).await.unwrap(), 7);
    for _ in 0..3 {
        let error = soon(call(Err("broken".into()))).await.unwrap_err();
        assert_eq!(error.to_string(), "broken");
    }
    assert_eq!(breaker.state(), State::Open);
    assert!(is_refused(soon(call(Ok(7))).await));
    assert_eq!(breaker.counts().lifetime.calls(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_future_is_admitted_when_it_is_polled() {
    let breaker = breaker(quick());
    drop(breaker.call(pending::<Result<(), BoxError>>()));
    assert_eq!(breaker.counts().lifetime.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn futures_that_panic_fail_and_dropped_ones_are_cancelled() {
    let breaker = breaker(quick());
    let mut hanging = task::spawn(breaker.call(pending::<Result<(), BoxError>>()));
    assert_pending!(hanging.poll());
    drop(hanging);
    let mut panicking = task::spawn(breaker.call(async {
        if breaker.state() == State::Closed {
            panic!("the future's own");
        }
        Ok::<_, BoxError>(())
    }));
    catch_unwind(AssertUnwindSafe(|| drop(panicking.poll()))).unwrap_err();
    drop(panicking);
    let counts = breaker.counts().lifetime;
    assert_eq!((counts.cancelled, counts.failure), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_dependency_that_hangs_behind_an_outer_timeout_trips() {
    let breaker = breaker(quick().slow_calls(SECOND, 0.5));
    for _ in 0..4 {
        assert_eq!(breaker.state(), State::Closed);
        let hanging = breaker.call(pending::<Result<(), BoxError>>());
        tokio::time::timeout(SECOND, hanging).await.unwrap_err();
    }
    assert_eq!(breaker.state(), State::Open);
    let answer = assert_ready_err!(task::spawn(breaker.call(ready(Ok::<_, BoxError>(())))).poll());
    assert!(is_refused(Err::<(), _>(answer)));
}

#[test]
fn functions_fail_by_their_errors_and_panics() {
    let breaker = breaker(quick().minimum_calls(3));
    let call = |answer: Result<u32, BoxError>| breaker.call_blocking(|| answer);
    assert_eq!(call(Ok(7)).unwrap(), 7);
    assert_eq!(
        call(Err("broken".into())).unwrap_err().to_string(),
        "broken"
    );
    catch_unwind(AssertUnwindSafe(|| {
        breaker.call_blocking(|| -> Result<(), BoxError> { panic!("the function's own") })
    }))
    .unwrap_err();
    assert_eq!(breaker.state(), State::Open);
    assert!(is_refused(call(Ok(7))));
    assert_eq!(breaker.counts().lifetime.failure, 2);
}

#[test]
fn a_rejection_of_a_circuit_further_in_says_nothing_about_the_outer_one() {
    let (outer, inner) = (breaker(quick()), breaker(quick()));
    inner.trip();
    for _ in 0..10 {
        let answer = outer.call_blocking(|| inner.call_blocking(|| Ok::<_, BoxError>(())));
        assert!(is_refused(answer));
    }
    assert_eq!(outer.state(), State::Closed);
    assert_eq!(outer.counts().lifetime.ignored, 10);
}

#[test]
fn a_rejection_is_an_error_and_goes_through_question_marks() {
    fn call(breaker: &CircuitBreaker) -> Result<(), BoxError> {
        breaker.admit()?.settle(Outcome::Success);
        Ok(())
    }
    let breaker = breaker(quick());
    breaker.trip();
    assert!(is_refused(call(&breaker)));
}

#[test]
fn clones_are_the_same_circuit() {
    let breaker = breaker(quick());
    let clone = breaker.clone();
    clone.trip();
    assert_eq!(breaker.state(), State::Open);
    assert_eq!(clone.state(), State::Open);
}
