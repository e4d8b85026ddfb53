//! Gates in and around tower's own middleware.

use std::{
    future::{Ready, ready},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use portcullis::{
    gate::GateLayer,
    rejection::{BoxError, Rejection},
};
use tokio_test::{assert_ready_err, task};
use tower::{
    Layer, Service, ServiceExt,
    balance::p2c::Balance,
    buffer::Buffer,
    discover::ServiceList,
    limit::ConcurrencyLimit,
    load::Constant,
    load_shed::{LoadShed, error::Overloaded},
    retry::{self, Retry},
    service_fn,
};
use tower_test::mock;

use crate::support::{Log, Spy, soon};

fn is_rejection(error: &BoxError) -> bool {
    Rejection::find(&**error).is_some()
}

fn upper(word: &'static str) -> Ready<Result<String, BoxError>> {
    ready(Ok(word.to_uppercase()))
}

#[tokio::test(start_paused = true)]
async fn a_buffer_survives_the_rejections_of_a_gate_in_it() {
    let log = Log::default();
    let spy = Spy::new("spy", &log);
    let mut buffer = Buffer::new(GateLayer::new(spy.clone()).layer(service_fn(upper)), 4);

    spy.shut(true);
    for _ in 0..2 {
        let error = soon(soon(buffer.ready()).await.unwrap().call("a"))
            .await
            .unwrap_err();
        assert!(is_rejection(&error));
    }
    spy.shut(false);
    // The worker asked for readiness ahead, while the gate was shut: that must cost no call.
    for word in ["a", "b"] {
        let answer = soon(soon(buffer.ready()).await.unwrap().call(word)).await;
        assert_eq!(answer.unwrap(), word.to_uppercase());
    }
}

#[tokio::test(start_paused = true)]
async fn a_gate_guards_a_buffer() {
    let log = Log::default();
    let spy = Spy::new("spy", &log);
    let gate = GateLayer::new(spy.clone()).layer(Buffer::new(service_fn(upper), 4));

    assert_eq!(soon(gate.clone().oneshot("a")).await.unwrap(), "A");
    assert_eq!(log.take(), ["spy admits", "spy settles Success"]);
    spy.refuse(true);
    assert!(is_rejection(&soon(gate.oneshot("a")).await.unwrap_err()));
}

#[test]
fn load_shed_around_a_shut_gate_passes_the_rejection_on() {
    let log = Log::default();
    let spy = Spy::new("spy", &log);
    let (mock, mut handle) = mock::pair::<(), ()>();
    handle.allow(0);
    let shed = LoadShed::new(GateLayer::new(spy.clone()).layer(mock));

    let error = assert_ready_err!(task::spawn(shed.clone().oneshot(())).poll());
    assert!(error.is::<Overloaded>());
    spy.shut(true);
    let error = assert_ready_err!(task::spawn(shed.oneshot(())).poll());
    assert!(is_rejection(&error));
}

#[test]
fn a_gate_around_load_shed_lets_its_error_through() {
    let log = Log::default();
    let (mock, mut handle) = mock::pair::<(), ()>();
    handle.allow(0);
    let gate = GateLayer::new(Spy::new("spy", &log)).layer(LoadShed::new(mock));

    let error = assert_ready_err!(task::spawn(gate.oneshot(())).poll());
    assert!(error.is::<Overloaded>());
    assert_eq!(log.take(), ["spy admits", "spy settles Failure"]);
}

/// Tries again while attempts are left.
#[derive(Clone, Debug)]
struct Attempts(u32);

impl<Res, Err> retry::Policy<(), Res, Err> for Attempts {
    type Future = Ready<()>;

    fn retry(&mut self, (): &mut (), answer: &mut Result<Res, Err>) -> Option<Ready<()>> {
        self.0 = self.0.checked_sub(1).filter(|_| answer.is_err())?;
        Some(ready(()))
    }

    fn clone_request(&mut self, (): &()) -> Option<()> {
        Some(())
    }
}

/// Fails twice, then succeeds.
fn third_time_lucky() -> impl Service<(), Response = (), Error = BoxError, Future: Send> + Clone {
    let calls = Arc::new(AtomicU32::new(0));
    service_fn(move |()| {
        let call = calls.fetch_add(1, Ordering::Relaxed);
        ready(match call {
            0 | 1 => Err(BoxError::from("broken")),
            _ => Ok(()),
        })
    })
}

#[tokio::test(start_paused = true)]
async fn a_retry_around_a_gate_has_each_attempt_admitted() {
    let log = Log::default();
    let gate = GateLayer::new(Spy::new("spy", &log)).layer(third_time_lucky());

    soon(Retry::new(Attempts(5), gate).oneshot(()))
        .await
        .unwrap();
    assert_eq!(
        log.take(),
        [
            "spy admits",
            "spy settles Failure",
            "spy admits",
            "spy settles Failure",
            "spy admits",
            "spy settles Success"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_gate_around_a_retry_sees_one_call() {
    let log = Log::default();
    let gate =
        GateLayer::new(Spy::new("spy", &log)).layer(Retry::new(Attempts(5), third_time_lucky()));

    soon(gate.oneshot(())).await.unwrap();
    assert_eq!(log.take(), ["spy admits", "spy settles Success"]);
}

#[tokio::test(start_paused = true)]
async fn a_balancer_keeps_an_endpoint_whose_gate_was_shut() {
    let log = Log::default();
    let spy = Spy::new("spy", &log);
    let endpoint = GateLayer::new(spy.clone()).layer(service_fn(upper));
    let endpoints = ServiceList::new::<&str>([Constant::new(endpoint, 0)]);
    let mut balance = Balance::new(endpoints);

    for shut in [false, true, false] {
        spy.shut(shut);
        let answer = soon(soon(balance.ready()).await.unwrap().call("a")).await;
        assert_eq!(answer.is_err(), shut, "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_gate_guards_a_balancer() {
    let log = Log::default();
    let endpoints = [0, 1].map(|load| Constant::new(service_fn(upper), load));
    let balance = Balance::new(ServiceList::new::<&str>(endpoints));
    let mut gate = GateLayer::new(Spy::new("spy", &log)).layer(balance);

    for _ in 0..3 {
        let answer = soon(soon(gate.ready()).await.unwrap().call("a")).await;
        assert_eq!(answer.unwrap(), "A");
    }
    assert_eq!(log.take().len(), 6);
}

/// A waker that nobody holds would leave a reservation behind that nobody uses.
#[tokio::test(start_paused = true)]
async fn a_rejected_call_leaves_no_reservation_in_the_service() {
    let spy = Spy::new("spy", &Log::default());
    let limit = ConcurrencyLimit::new(service_fn(|()| ready(Ok::<_, BoxError>(()))), 1);
    let layer = GateLayer::new(spy.clone());
    let [mut one, mut other, mut third] = [(); 3].map(|()| layer.layer(limit.clone()));
    let running = soon(third.ready()).await.unwrap().call(());

    spy.shut(true);
    soon(one.ready()).await.unwrap();
    spy.shut(false);
    soon(one.call(())).await.unwrap_err();

    soon(running).await.unwrap();
    soon(other.ready()).await.unwrap();
}
