//! Policies in a tuple.

use std::{
    future::ready,
    panic::{AssertUnwindSafe, catch_unwind},
};

use portcullis::{
    bulkhead::{Bulkhead, QueueSettings, QueuedBulkhead, Settings},
    clock::{Now, Tick},
    gate::{Completion, GateLayer, Policy},
    outcome::Outcome,
    rejection::{BoxError, Rejection},
};
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::support::{Log, Spy, soon};

fn three(log: &Log) -> (Spy, Spy, Spy) {
    (Spy::new("a", log), Spy::new("b", log), Spy::new("c", log))
}

#[test]
fn policies_admit_left_to_right_and_settle_right_to_left() {
    let log = Log::default();
    let service = service_fn(|()| ready(Ok::<_, BoxError>(())));

    let two = GateLayer::new((Spy::new("a", &log), Spy::new("b", &log))).layer(service);
    assert_ready_ok!(task::spawn(two.oneshot(())).poll());
    assert_eq!(
        log.take(),
        [
            "a admits",
            "b admits",
            "b settles Success",
            "a settles Success"
        ]
    );

    let three = GateLayer::new(three(&log)).layer(service);
    assert_ready_ok!(task::spawn(three.oneshot(())).poll());
    assert_eq!(
        log.take(),
        [
            "a admits",
            "b admits",
            "c admits",
            "c settles Success",
            "b settles Success",
            "a settles Success"
        ]
    );
}

#[test]
fn a_later_refusal_withdraws_the_earlier_permits() {
    let log = Log::default();
    let (a, b, c) = three(&log);

    b.refuse(true);
    GateLayer::new((a.clone(), b.clone())).admit().unwrap_err();
    assert_eq!(log.take(), ["a admits", "b refuses", "a withdraws"]);
    b.refuse(false);
    c.refuse(true);
    GateLayer::new((a, b, c)).admit().unwrap_err();
    assert_eq!(
        log.take(),
        [
            "a admits",
            "b admits",
            "c refuses",
            "b withdraws",
            "a withdraws"
        ]
    );
}

#[test]
fn an_earlier_refusal_spares_the_later_policies() {
    let log = Log::default();
    let (a, b, c) = three(&log);
    a.refuse(true);

    GateLayer::new((a, b, c)).admit().unwrap_err();
    assert_eq!(log.take(), ["a refuses"]);
}

#[test]
fn a_later_panic_withdraws_the_earlier_permits() {
    let log = Log::default();
    let (a, b, c) = three(&log);

    b.panic(true);
    let two = GateLayer::new((a.clone(), b.clone()));
    catch_unwind(AssertUnwindSafe(|| two.admit())).unwrap_err();
    assert_eq!(log.take(), ["a admits", "b panics", "a withdraws"]);
    b.panic(false);
    c.panic(true);
    let three = GateLayer::new((a, b, c));
    catch_unwind(AssertUnwindSafe(|| three.admit())).unwrap_err();
    assert_eq!(
        log.take(),
        [
            "a admits",
            "b admits",
            "c panics",
            "b withdraws",
            "a withdraws"
        ]
    );
}

#[test]
fn a_stack_is_shut_if_one_of_its_policies_is() {
    let log = Log::default();
    let now = Now::at(Tick::ZERO);
    let stack = three(&log);
    let pair = (stack.0.clone(), Some(stack.1.clone()));
    assert!(!stack.is_shut(&now) && !pair.is_shut(&now));

    for shut in [&stack.0, &stack.1, &stack.2] {
        shut.shut(true);
        assert!(stack.is_shut(&now));
        shut.shut(false);
    }
    stack.1.shut(true);
    assert!(pair.is_shut(&now));
}

#[test]
fn a_stack_measures_latency_if_one_of_its_policies_wants_it() {
    let log = Log::default();
    let spy = || Spy::new("spy", &log);
    assert!(!(spy(), spy(), spy()).needs_latency());
    assert!((spy().wanting_latency(), spy(), spy()).needs_latency());
    assert!((spy(), spy().wanting_latency(), spy()).needs_latency());
    assert!((spy(), spy(), spy().wanting_latency()).needs_latency());
    assert!((spy().wanting_latency(), spy()).needs_latency());
    assert!((spy(), Some(spy().wanting_latency())).needs_latency());
    assert!(!(spy(), None::<Spy>).needs_latency());
}

#[test]
fn stacks_nest_and_absent_policies_admit_everything() {
    let log = Log::default();
    let (a, b, c) = three(&log);
    let layer = GateLayer::new(((a, Some(b)), (None::<Spy>, (c, ()))));

    layer.admit().unwrap().settle(Outcome::Timeout);
    assert_eq!(
        log.take(),
        [
            "a admits",
            "b admits",
            "c admits",
            "c settles Timeout",
            "b settles Timeout",
            "a settles Timeout"
        ]
    );
}

#[test]
fn a_refusal_withdraws_whole_stacks_to_its_left() {
    let log = Log::default();
    let (a, b, c) = three(&log);
    c.refuse(true);

    let layer = GateLayer::new(((a, Some(b)), c));
    layer.admit().unwrap_err();
    assert_eq!(
        log.take(),
        [
            "a admits",
            "b admits",
            "c refuses",
            "b withdraws",
            "a withdraws"
        ]
    );
}

/// A policy whose bookkeeping fails.
#[derive(Clone)]
struct PanicsInSettle;

impl Policy for PanicsInSettle {
    type Permit = ();

    fn admit(&self, _: &Now<'_>) -> Result<(), Rejection> {
        Ok(())
    }

    fn settle(&self, (): (), _: &Completion<'_>) {
        panic!("the policy's own");
    }
}

#[test]
fn a_panic_in_settle_loses_no_permit_of_the_policies_to_the_left() {
    let log = Log::default();
    let first = Spy::new("first", &log);
    let second = Spy::new("second", &log);
    let gate = GateLayer::new((first, second, PanicsInSettle));
    let flight = gate.admit().unwrap();
    catch_unwind(AssertUnwindSafe(|| flight.settle(Outcome::Success))).unwrap_err();
    let seen = log.take();
    assert_eq!(seen[2..], ["second withdraws", "first withdraws"]);
}

#[tokio::test(start_paused = true)]
async fn only_its_own_refusals_wait_in_the_queue_of_a_bulkhead() {
    let other = Bulkhead::new(Settings::default().limit(0)).unwrap();
    let queued = QueuedBulkhead::new(Settings::default().limit(1), QueueSettings::default());
    let queued = queued.unwrap();
    let _running = queued.admit().unwrap();
    let mut gate = GateLayer::new((other, queued.clone()))
        .queued()
        .layer(service_fn(|()| ready(Ok::<_, BoxError>(()))));
    let call = soon(gate.ready()).await.unwrap().call(());
    let error = assert_ready_err!(task::spawn(call).poll());
    assert!(Rejection::find(&*error).is_some_and(Rejection::is_bulkhead_full));
}

#[tokio::test(start_paused = true)]
async fn three_policies_may_have_a_queue() {
    let queued = QueuedBulkhead::new(Settings::default().limit(1), QueueSettings::default());
    let queued = queued.unwrap();
    let running = queued.admit_owned().unwrap();
    let mut gate = GateLayer::new(((), None::<()>, queued))
        .queued()
        .layer(service_fn(|()| ready(Ok::<_, BoxError>(()))));
    let mut waiting = task::spawn(soon(gate.ready()).await.unwrap().call(()));
    assert_pending!(waiting.poll());
    running.settle(Outcome::Success);
    assert_ready_ok!(waiting.poll());
}
