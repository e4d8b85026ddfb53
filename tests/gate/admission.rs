//! When a call is admitted, and what readiness means.

use std::{
    cell::Cell,
    future::{Ready, ready},
    rc::Rc,
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll},
};

use portcullis::{
    clock::Now,
    gate::{Completion, Gate, GateLayer, Policy},
    rejection::{BoxError, Reason, Rejection},
};
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_test::{assert_request_eq, mock};

use crate::support::{Log, Spy, soon};

/// A service that is as ready as it is told to be, and notes how often it was asked.
#[derive(Clone, Debug, Default)]
struct Moody {
    asked: Rc<Cell<u32>>,
    mood: Rc<Cell<Mood>>,
}

#[derive(Clone, Copy, Debug, Default)]
enum Mood {
    #[default]
    Ready,
    Busy,
    Broken,
}

impl Service<()> for Moody {
    type Response = ();
    type Error = BoxError;
    type Future = Ready<Result<(), BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.asked.set(self.asked.get() + 1);
        match self.mood.get() {
            Mood::Ready => Poll::Ready(Ok(())),
            Mood::Busy => Poll::Pending,
            Mood::Broken => Poll::Ready(Err("broken".into())),
        }
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(()))
    }
}

type Guarded = mock::Spawn<Gate<Moody, GateLayer<Spy>>>;

/// A gate before a moody service.
fn guarded(log: &Log) -> (Spy, Moody, Guarded) {
    let spy = Spy::new("spy", log);
    let service = Moody::default();
    let gate = GateLayer::new(spy.clone()).layer(service.clone());
    (spy, service, mock::Spawn::new(gate))
}

/// Calls once, whatever `poll_ready` said.
fn call(gate: &mut Guarded) -> Result<(), Reason> {
    assert_ready!(task::spawn(gate.call(())).poll()).map_err(|error| reason_of(&error))
}

fn reason_of(error: &BoxError) -> Reason {
    Rejection::find(&**error).expect("a rejection").reason()
}

#[tokio::test(start_paused = true)]
async fn a_call_is_admitted_in_call_and_not_in_poll_ready() {
    let log = Log::default();
    let (mut gate, mut handle) =
        mock::spawn_layer::<&str, &str, _>(GateLayer::new(Spy::new("spy", &log)));

    assert_ready_ok!(gate.poll_ready());
    assert!(log.take().is_empty());

    let call = gate.call("ping");
    assert_eq!(log.take(), ["spy admits"]);
    assert_request_eq!(handle, "ping").send_response("pong");
    assert_eq!(soon(call).await.unwrap(), "pong");
    assert_eq!(log.take(), ["spy settles Success"]);
}

#[test]
fn idle_clones_hold_nothing() {
    let log = Log::default();
    let gate = GateLayer::new(Spy::new("spy", &log)).layer(Moody::default());
    let clones: Vec<_> = (0..10)
        .map(|_| {
            let mut clone = task::spawn(gate.clone());
            assert_ready_ok!(clone.enter(|cx, mut clone| clone.poll_ready(cx)));
            clone
        })
        .collect();

    drop(clones);
    assert!(log.take().is_empty());
}

#[test]
fn readiness_is_never_a_rejection() {
    let log = Log::default();
    let (spy, _, mut gate) = guarded(&log);

    spy.refuse(true);
    assert_ready_ok!(gate.poll_ready::<()>());
    spy.shut(true);
    assert_ready_ok!(gate.poll_ready::<()>());
    assert!(log.take().is_empty());

    assert_eq!(call(&mut gate), Err(Reason::CircuitOpen));
    assert_eq!(log.take(), ["spy refuses"]);
}

#[test]
fn asking_for_readiness_again_changes_nothing() {
    let log = Log::default();
    let (_, _, mut gate) = guarded(&log);
    for _ in 0..3 {
        assert_ready_ok!(gate.poll_ready::<()>());
    }

    assert_eq!(call(&mut gate), Ok(()));
    assert_eq!(log.take(), ["spy admits", "spy settles Success"]);
}

#[test]
fn a_gate_that_is_not_ready_wakes_its_caller_when_it_is() {
    let log = Log::default();
    let (mut gate, mut handle) =
        mock::spawn_layer::<(), (), _>(GateLayer::new(Spy::new("spy", &log)));
    handle.allow(0);
    assert_pending!(gate.poll_ready());
    assert!(!gate.is_woken());

    handle.allow(1);
    assert!(gate.is_woken());
    assert_ready_ok!(gate.poll_ready());
}

#[test]
fn a_shut_gate_rejects_without_asking_a_busy_service() {
    let log = Log::default();
    let (spy, service, mut gate) = guarded(&log);
    spy.shut(true);
    service.mood.set(Mood::Busy);

    assert_ready_ok!(gate.poll_ready::<()>());
    assert_eq!(call(&mut gate), Err(Reason::CircuitOpen));
    assert_eq!(service.asked.get(), 0);
}

#[test]
fn a_gate_that_opened_meanwhile_rejects_and_gives_the_permit_back() {
    let log = Log::default();
    let (spy, service, mut gate) = guarded(&log);
    spy.shut(true);
    assert_ready_ok!(gate.poll_ready::<()>());
    spy.shut(false);

    assert_eq!(call(&mut gate), Err(Reason::NotReady));
    assert_eq!(log.take(), ["spy admits", "spy withdraws"]);
    assert_eq!(service.asked.get(), 0, "a caller in `call` cannot be woken");
    assert_ready_ok!(gate.poll_ready::<()>());
    assert_eq!(call(&mut gate), Ok(()));
}

/// As all of Tower's middleware does: whoever calls without asking answers for it.
#[test]
fn a_caller_who_never_asks_for_readiness_gets_what_the_service_makes_of_it() {
    let log = Log::default();
    let (_, service, mut gate) = guarded(&log);
    service.mood.set(Mood::Busy);

    assert_eq!(call(&mut gate), Ok(()));
    assert_eq!(service.asked.get(), 0);
}

#[test]
fn an_older_readiness_is_not_used_after_the_gate_was_shut() {
    let log = Log::default();
    let (spy, service, mut gate) = guarded(&log);
    assert_ready_ok!(gate.poll_ready::<()>());
    spy.shut(true);
    assert_ready_ok!(gate.poll_ready::<()>());
    spy.shut(false);
    service.mood.set(Mood::Busy);

    assert_eq!(call(&mut gate), Err(Reason::NotReady));
}

#[test]
fn an_error_of_readiness_passes_through_and_counts_as_a_failure() {
    let log = Log::default();
    let (_, service, mut gate) = guarded(&log);
    service.mood.set(Mood::Broken);

    let error = assert_ready_err!(gate.poll_ready::<()>());
    assert_eq!(error.to_string(), "broken");
    assert_eq!(log.take(), ["spy hears of a Failure"]);
}

#[test]
fn an_error_of_readiness_passes_through_a_policy_that_refuses() {
    let log = Log::default();
    let (spy, service, mut gate) = guarded(&log);
    spy.refuse(true);
    service.mood.set(Mood::Broken);

    let error = assert_ready_err!(gate.poll_ready::<()>());
    assert_eq!(error.to_string(), "broken");
    assert_eq!(log.take(), ["spy hears of a Failure"]);
}

/// One call at a time. It is no handle: it cannot be cloned, and shares nothing by itself.
#[derive(Debug, Default)]
struct OneAtATime(AtomicBool);

impl Policy for OneAtATime {
    type Permit = ();

    fn admit(&self, _: &Now<'_>) -> Result<(), Rejection> {
        match self.0.swap(true, Ordering::Relaxed) {
            true => Err(Rejection::new(Reason::BulkheadFull)),
            false => Ok(()),
        }
    }

    fn settle(&self, (): (), _: &Completion<'_>) {
        self.0.store(false, Ordering::Relaxed);
    }
}

#[tokio::test(start_paused = true)]
async fn services_of_one_layer_and_its_clones_share_their_state() {
    let layer = GateLayer::new(OneAtATime::default());
    let mut one = layer.layer(Moody::default());
    let mut another = layer.clone().layer(Moody::default());

    let running = soon(one.ready()).await.unwrap().call(());
    let error = soon(another.clone().oneshot(())).await.unwrap_err();
    assert_eq!(reason_of(&error), Reason::BulkheadFull);

    soon(running).await.unwrap();
    soon(another.ready()).await.unwrap();
    soon(another.call(())).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_service_need_be_neither_clone_nor_send_nor_static() {
    let log = Log::default();
    let mut calls = 0;
    let local = Rc::new(7);
    let service = service_fn(|more: u32| {
        calls += 1;
        let local = &local;
        async move { Ok::<_, BoxError>(**local + more) }
    });
    let mut gate = GateLayer::new(Spy::new("spy", &log)).layer(service);

    assert_eq!(soon(gate.ready()).await.unwrap().call(1).await.unwrap(), 8);
    assert_eq!(soon(gate.ready()).await.unwrap().call(2).await.unwrap(), 9);
    drop(gate);
    assert_eq!(calls, 2);
}
