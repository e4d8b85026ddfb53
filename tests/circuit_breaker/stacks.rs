//! The circuit as a Tower layer.

use std::{
    cell::Cell,
    convert::Infallible,
    future::{Future, Ready, pending, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use portcullis::{
    bulkhead::{self, Bulkhead},
    circuit_breaker::{CircuitBreaker, Mode, State},
    clock::Now,
    gate::{GateLayer, Policy},
    outcome::Outcome,
    rejection::{BoxError, Reason, Rejection},
};
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_test::mock;

use crate::{
    sim::{SECOND, Sim, quick},
    support::soon,
};

type Answer = Result<(), BoxError>;

/// A service that is ready, busy or broken, and answers.
#[derive(Clone, Debug)]
struct Moody(Rc<Cell<Mood>>);

#[derive(Clone, Copy, Debug)]
enum Mood {
    Ready,
    Busy,
    Broken,
}

impl Moody {
    fn new(mood: Mood) -> Self {
        Self(Rc::new(Cell::new(mood)))
    }
}

impl Service<()> for Moody {
    type Response = ();
    type Error = BoxError;
    type Future = Ready<Answer>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Answer> {
        match self.0.get() {
            Mood::Ready => Poll::Ready(Ok(())),
            Mood::Busy => Poll::Pending,
            Mood::Broken => Poll::Ready(Err("broken".into())),
        }
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(()))
    }
}

fn reason_of(error: &BoxError) -> Option<Reason> {
    Rejection::find(&**error).map(Rejection::reason)
}

#[test]
fn an_open_circuit_does_not_wait_for_a_busy_service() {
    let sim = Sim::opened(quick());
    let mut gate = mock::Spawn::new(sim.breaker.layer().layer(Moody::new(Mood::Busy)));
    assert_ready_ok!(gate.poll_ready::<()>());
    let error = assert_ready_err!(task::spawn(gate.call(())).poll());
    assert_eq!(reason_of(&error), Some(Reason::CircuitOpen));
}

#[test]
fn a_circuit_that_may_be_probed_waits_for_its_service() {
    let sim = Sim::at_probe_time(quick());
    let mut gate = mock::Spawn::new(sim.breaker.layer().layer(Moody::new(Mood::Busy)));
    assert_pending!(gate.poll_ready::<()>());
    assert_eq!(sim.state(), State::Open, "nobody has called");
}

#[test]
fn a_half_open_circuit_with_a_place_waits_for_its_service() {
    let sim = Sim::at_probe_time(quick().probes(2, 1.0));
    let _probe = sim.admit();
    let mut gate = mock::Spawn::new(sim.breaker.layer().layer(Moody::new(Mood::Busy)));
    assert_pending!(gate.poll_ready::<()>());
}

#[test]
fn a_half_open_circuit_without_a_place_does_not_wait_for_a_busy_service() {
    let sim = Sim::at_probe_time(quick());
    let _probe = sim.admit();
    let mut gate = mock::Spawn::new(sim.breaker.layer().layer(Moody::new(Mood::Busy)));
    assert_ready_ok!(gate.poll_ready::<()>());
    let error = assert_ready_err!(task::spawn(gate.call(())).poll());
    assert_eq!(reason_of(&error), Some(Reason::HalfOpenFull));
    sim.advance(10 * SECOND);
    assert_pending!(gate.poll_ready::<()>());
}

/// tower-resilience goes on rejecting with a readiness granted while open.
#[test]
fn a_readiness_granted_while_open_is_asked_for_again_after_closing() {
    let sim = Sim::opened(quick());
    let mut gate = mock::Spawn::new(sim.breaker.layer().layer(Moody::new(Mood::Ready)));
    assert_ready_ok!(gate.poll_ready::<()>());
    sim.breaker.reset();
    let error = assert_ready_err!(task::spawn(gate.call(())).poll());
    assert_eq!(reason_of(&error), Some(Reason::NotReady));
    assert_ready_ok!(gate.poll_ready::<()>());
    assert_ready_ok!(task::spawn(gate.call(())).poll());
    let lifetime = sim.breaker.counts().lifetime;
    assert_eq!((lifetime.not_ready, lifetime.calls()), (1, 2));
}

#[test]
fn a_probe_whose_service_was_not_ready_gives_its_place_back() {
    let sim = Sim::opened(quick());
    let mut gate = mock::Spawn::new(sim.breaker.layer().layer(Moody::new(Mood::Busy)));
    assert_ready_ok!(gate.poll_ready::<()>());
    sim.advance(5 * SECOND);
    let error = assert_ready_err!(task::spawn(gate.call(())).poll());
    assert_eq!(reason_of(&error), Some(Reason::NotReady));
    assert_eq!(sim.state(), State::HalfOpen);
    sim.succeed(1);
    assert_eq!(sim.state(), State::Closed);
}

#[test]
fn a_late_refusal_does_not_count_from_before_the_circuit_opened() {
    let sim = Sim::opened(quick());
    let mut gate = mock::Spawn::new(sim.breaker.layer().layer(Moody::new(Mood::Ready)));
    assert_ready_ok!(gate.poll_ready::<()>());
    sim.breaker.reset();
    sim.advance(3_600 * SECOND);
    sim.breaker.trip();
    let error = assert_ready_err!(task::spawn(gate.call(())).poll());
    let rejection = Rejection::find(&*error).unwrap();
    assert_eq!(rejection.reason(), Reason::CircuitOpen);
    assert_eq!(rejection.retry_after(), Some(5 * SECOND));
}

#[test]
fn a_late_refusal_does_not_begin_a_half_open_state_in_the_past() {
    let sim = Sim::at_probe_time(quick());
    let layer = sim.breaker.layer();
    let [mut late, mut next] =
        [(); 2].map(|()| mock::Spawn::new(layer.layer(Moody::new(Mood::Ready))));
    sim.breaker.set_mode(Mode::ForcedOpen);
    assert_ready_ok!(late.poll_ready::<()>());
    sim.advance(60 * SECOND);
    sim.breaker.set_mode(Mode::Automatic);
    assert_ready_err!(task::spawn(late.call(())).poll());
    assert_ready_ok!(next.poll_ready::<()>());
    assert_ready_ok!(task::spawn(next.call(())).poll());
    assert_eq!(sim.state(), State::Closed);
}

#[test]
fn a_withdrawn_probe_of_an_older_state_takes_no_place_of_a_later_one() {
    // A policy to the right that changes the state before it refuses.
    #[derive(Clone)]
    struct Meddler(CircuitBreaker);
    impl Policy for Meddler {
        type Permit = ();

        fn admit(&self, _: &Now<'_>) -> Result<(), Rejection> {
            self.0.reset();
            Err(Rejection::new(Reason::Policy("meddling")))
        }
    }
    let sim = Sim::at_probe_time(quick());
    let meddler = Meddler(sim.breaker.clone());
    let gate = GateLayer::new((sim.breaker.clone(), meddler));
    assert_eq!(
        gate.admit().unwrap_err().reason(),
        Reason::Policy("meddling")
    );
    assert_eq!(sim.state(), State::Closed);
    sim.succeed(100);
}

/// tower-resilience does not count them.
#[test]
fn errors_of_readiness_trip() {
    let sim = Sim::new(quick());
    let mut gate = mock::Spawn::new(sim.breaker.layer().layer(Moody::new(Mood::Broken)));
    for _ in 0..4 {
        let error = assert_ready_err!(gate.poll_ready::<()>());
        assert_eq!(error.to_string(), "broken");
    }
    assert_eq!(sim.state(), State::Open);
    assert_eq!(sim.breaker.counts().lifetime.failure, 4);
    assert_ready_ok!(gate.poll_ready::<()>());
}

#[test]
fn an_error_of_readiness_is_a_bad_probe() {
    let sim = Sim::at_probe_time(quick());
    let mut gate = mock::Spawn::new(sim.breaker.layer().layer(Moody::new(Mood::Broken)));
    assert_ready_err!(gate.poll_ready::<()>());
    assert_eq!(sim.state(), State::Open);
}

/// recloser, failsafe and tower-resilience do not count them.
#[test]
fn panics_trip() {
    let sim = Sim::new(quick());
    let mut in_future = sim.breaker.layer().layer(service_fn(async |()| -> Answer {
        panic!("the service's own")
    }));
    let mut in_call = sim.breaker.layer().layer(service_fn(|()| -> Ready<Answer> {
        panic!("the service's own")
    }));
    for _ in 0..2 {
        let mut call = task::spawn(in_future.call(()));
        catch_unwind(AssertUnwindSafe(|| drop(call.poll()))).unwrap_err();
        catch_unwind(AssertUnwindSafe(|| drop(in_call.call(())))).unwrap_err();
    }
    assert_eq!(sim.state(), State::Open);
    assert_eq!(sim.breaker.counts().lifetime.failure, 4);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_hangs_behind_an_outer_timeout_trips() {
    let breaker = CircuitBreaker::new(quick().slow_calls(SECOND, 0.5)).unwrap();
    let mut service = ServiceBuilder::new()
        .timeout(2 * SECOND)
        .layer(breaker.layer())
        .service_fn(|()| pending::<Answer>());
    for _ in 0..4 {
        assert_eq!(breaker.state(), State::Closed);
        soon(service.ready().await.unwrap().call(()))
            .await
            .unwrap_err();
    }
    assert_eq!(breaker.state(), State::Open);
    assert_eq!(breaker.counts().lifetime.cancelled, 4);
}

/// In tower-resilience each `layer()` has its own state.
#[test]
fn all_services_of_all_layers_share_the_circuit() {
    let sim = Sim::new(quick());
    let failing = || service_fn(|()| ready::<Answer>(Err("broken".into())));
    let layer = sim.breaker.layer();
    let mut gates = [
        layer.layer(failing()),
        layer.clone().layer(failing()),
        sim.breaker.layer().layer(failing()),
    ];
    for number in 0..4 {
        assert_ready_err!(task::spawn(gates[number % 3].call(())).poll());
    }
    for gate in &mut gates {
        let error = assert_ready_err!(task::spawn(gate.call(())).poll());
        assert_eq!(reason_of(&error), Some(Reason::CircuitOpen));
    }
}

/// By default an axum route never fails: its error is `Infallible`.
#[test]
fn answers_may_be_failures_and_rejections_answers() {
    let sim = Sim::new(quick());
    let gate = sim
        .breaker
        .layer()
        .classify(|answer: Result<&u16, &Infallible>| match answer {
            Ok(500..) => Outcome::Failure,
            Ok(_) => Outcome::Success,
            Err(never) => match *never {},
        })
        .reject_with(|_: &Rejection| 503_u16)
        .layer(service_fn(|()| ready(Ok::<_, Infallible>(500))));
    for _ in 0..4 {
        assert_eq!(
            assert_ready_ok!(task::spawn(gate.clone().oneshot(())).poll()),
            500
        );
    }
    assert_eq!(assert_ready_ok!(task::spawn(gate.oneshot(())).poll()), 503);
}

/// tower-resilience's errors have no source.
#[test]
fn errors_of_the_service_come_out_untouched() {
    let sim = Sim::new(quick());
    let gate = sim.breaker.layer().layer(service_fn(|()| {
        let error = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        ready(Err::<(), BoxError>(error.into()))
    }));
    let error = assert_ready_err!(task::spawn(gate.oneshot(())).poll());
    let inner: &std::io::Error = error.downcast_ref().unwrap();
    assert_eq!(inner.kind(), std::io::ErrorKind::ConnectionRefused);
}

/// A slow answer that is on its way when its call is dropped.
#[test]
fn a_call_dropped_at_once_says_nothing() {
    struct Never;
    impl Future for Never {
        type Output = Answer;

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Answer> {
            Poll::Pending
        }
    }
    let sim = Sim::new(quick().slow_calls(SECOND, 0.5));
    let mut gate = sim.breaker.layer().layer(service_fn(|()| Never));
    for _ in 0..100 {
        drop(gate.call(()));
    }
    assert_eq!(sim.state(), State::Closed);
    assert_eq!(sim.breaker.counts().lifetime.cancelled, 100);
}

#[test]
fn errors_of_readiness_trip_also_beside_a_full_bulkhead() {
    let sim = Sim::new(quick());
    let full = Bulkhead::new(bulkhead::Settings::default().limit(0)).unwrap();
    let gate = GateLayer::new((sim.breaker.clone(), full));
    let mut gate = mock::Spawn::new(gate.layer(Moody::new(Mood::Broken)));
    while sim.state() == State::Closed {
        assert_ready_err!(gate.poll_ready::<()>());
    }
    assert_eq!(sim.breaker.counts().lifetime.rejected(), 0);
}

#[test]
fn errors_of_readiness_are_all_counted_while_the_circuit_ramps_up() {
    let sim = Sim::at_probe_time(quick().ramp_up(100 * SECOND).minimum_calls(20));
    sim.succeed(1);
    assert_eq!(sim.state(), State::RampingUp);
    let mut gate = mock::Spawn::new(sim.breaker.layer().layer(Moody::new(Mood::Broken)));
    for _ in 0..20 {
        assert_ready_err!(gate.poll_ready::<()>());
    }
    assert_eq!(sim.state(), State::Open);
}
