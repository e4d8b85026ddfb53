//! What the caller gets.

use std::{convert::Infallible, error::Error, fmt, future::ready, io};

use portcullis::{
    event::Scope,
    gate::GateLayer,
    outcome::Outcome,
    rejection::{BoxError, Reason, Rejection},
};
use tokio_test::{assert_ready_err, assert_ready_ok, task};
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{Log, Spy};

fn refusing(log: &Log) -> Spy {
    let spy = Spy::new("spy", log);
    spy.refuse(true);
    spy
}

/// An error enum of a user.
#[derive(Debug)]
enum ClientError {
    Refused(Rejection),
    Status(u16),
}

impl From<Rejection> for ClientError {
    fn from(rejection: Rejection) -> Self {
        Self::Refused(rejection)
    }
}

/// A user's error around another.
#[derive(Debug)]
struct Wrapped(BoxError);

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wrapped")
    }
}

impl Error for Wrapped {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

#[test]
fn a_rejection_becomes_a_boxed_error() {
    let log = Log::default();
    let gate = GateLayer::new(refusing(&log)).layer(service_fn(|()| ready(Ok::<_, BoxError>(()))));

    let error = assert_ready_err!(task::spawn(gate.oneshot(())).poll());
    let rejection: &Rejection = error.downcast_ref().expect("not nested");
    assert_eq!(rejection.reason(), Reason::CircuitOpen);
}

#[test]
fn a_rejection_becomes_a_variant_of_the_services_error() {
    let log = Log::default();
    let spy = Spy::new("spy", &log);
    let gate = GateLayer::new(spy.clone()).layer(service_fn(|()| {
        ready(Err::<(), _>(ClientError::Status(503)))
    }));

    let error = assert_ready_err!(task::spawn(gate.clone().oneshot(())).poll());
    assert!(matches!(error, ClientError::Status(503)));
    spy.refuse(true);
    let error = assert_ready_err!(task::spawn(gate.oneshot(())).poll());
    assert!(matches!(error, ClientError::Refused(r) if r.is_circuit_open()));
}

#[test]
fn a_rejection_becomes_a_response_where_the_service_cannot_fail() {
    let log = Log::default();
    let spy = Spy::new("spy", &log);
    let gate = GateLayer::new(spy.clone())
        .reject_with(|rejection: &Rejection| rejection.to_string())
        .layer(service_fn(|()| {
            ready(Ok::<_, Infallible>("hello".to_owned()))
        }));

    let answer = assert_ready_ok!(task::spawn(gate.clone().oneshot(())).poll());
    assert_eq!(answer, "hello");
    spy.refuse(true);
    let answer = assert_ready_ok!(task::spawn(gate.oneshot(())).poll());
    assert_eq!(answer, "circuit open");
}

#[test]
fn an_error_of_the_service_comes_out_untouched() {
    let log = Log::default();
    let gate = GateLayer::new(Spy::new("spy", &log)).layer(service_fn(|()| {
        let cause: BoxError = io::Error::from(io::ErrorKind::ConnectionReset).into();
        ready(Err::<(), BoxError>(Wrapped(cause).into()))
    }));

    let error = assert_ready_err!(task::spawn(gate.oneshot(())).poll());
    let wrapped: &Wrapped = error.downcast_ref().expect("the service's own type");
    let cause: &io::Error = wrapped
        .source()
        .and_then(|cause| cause.downcast_ref())
        .expect("the chain is kept");
    assert_eq!(cause.kind(), io::ErrorKind::ConnectionReset);
    assert!(Rejection::find(&*error).is_none());
}

#[test]
fn a_rejection_is_found_in_a_chain_of_errors() {
    let log = Log::default();
    let gate = GateLayer::new(refusing(&log))
        .layer(service_fn(|()| ready(Ok::<_, BoxError>(()))))
        .map_err(|error| Wrapped(Wrapped(error).into()));

    let error = assert_ready_err!(task::spawn(gate.oneshot(())).poll());
    let rejection = Rejection::find(&error).expect("two errors further in");
    assert!(rejection.is_circuit_open());
}

#[test]
fn a_rejection_from_further_in_says_nothing_about_the_dependency() {
    let log = Log::default();
    let outer = GateLayer::new(Spy::new("outer", &log));
    let inner = GateLayer::new(refusing(&log));
    let gate = outer.layer(inner.layer(service_fn(|()| ready(Ok::<_, BoxError>(())))));

    assert_ready_err!(task::spawn(gate.oneshot(())).poll());
    assert_eq!(
        log.take(),
        ["outer admits", "spy refuses", "outer settles Ignored"]
    );
}

#[test]
fn a_classifier_decides_over_errors_and_answers() {
    let log = Log::default();
    let gate = GateLayer::new(Spy::new("spy", &log))
        .classify(|answer: Result<&u16, &ClientError>| match answer {
            Ok(500..) => Outcome::Failure,
            Ok(_) => Outcome::Success,
            Err(_) => Outcome::Ignored,
        })
        .layer(service_fn(|status: u16| {
            ready(match status {
                0 => Err(ClientError::Status(0)),
                _ => Ok(status),
            })
        }));

    assert_ready_ok!(task::spawn(gate.clone().oneshot(503)).poll());
    assert_eq!(log.take(), ["spy admits", "spy settles Failure"]);
    assert_ready_err!(task::spawn(gate.oneshot(0)).poll());
    assert_eq!(log.take(), ["spy admits", "spy settles Ignored"]);
}

#[test]
fn a_rejection_for_want_of_readiness_carries_the_name() {
    let log = Log::default();
    let spy = Spy::new("spy", &log);
    let (mut gate, _handle) = tower_test::mock::spawn_layer::<(), (), _>(
        GateLayer::new(spy.clone()).scoped(Scope::named("inventory")),
    );
    spy.shut(true);
    assert_ready_ok!(gate.poll_ready());
    spy.shut(false);

    let error = assert_ready_err!(task::spawn(gate.call(())).poll());
    let rejection = Rejection::find(&*error).unwrap();
    assert_eq!(rejection.reason(), Reason::NotReady);
    assert_eq!(rejection.name(), Some("inventory"));
}
