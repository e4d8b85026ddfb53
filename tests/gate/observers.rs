//! Who is told, and when.

use std::{
    future::ready,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use portcullis::{
    clock::{Clock, Tick},
    event::{Event, History, Observer, Scope},
    gate::GateLayer,
    rejection::BoxError,
};
use tokio_test::{assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::support::{Log, Spy};

type Answer = Result<(), BoxError>;

/// Notes settlements and rejections.
fn scope(log: &Log) -> Scope {
    let log = log.clone();
    Scope::named("inventory").observed_by(move |name: Option<&str>, event: &Event| {
        let name = name.unwrap_or("nobody");
        match event {
            Event::Settled {
                outcome, latency, ..
            } => {
                assert!(latency.is_some(), "observers get latencies");
                log.note(format!("{name} settled {outcome:?}"));
            }
            Event::Rejected { reason, .. } => log.note(format!("{name} rejected {reason:?}")),
            other => panic!("unexpected {other:?}"),
        }
    })
}

#[test]
fn observers_are_told_after_the_change() {
    let log = Log::default();
    let spy = Spy::new("spy", &log);
    let gate = GateLayer::new(spy.clone())
        .scoped(scope(&log))
        .layer(service_fn(|()| ready::<Answer>(Ok(()))));

    assert_ready_ok!(task::spawn(gate.clone().oneshot(())).poll());
    let settled = log.take();
    assert_eq!(settled[0], "spy admits");
    assert!(settled[1].starts_with("spy settles Success"));
    assert_eq!(settled[2..], ["inventory settled Success"]);

    spy.refuse(true);
    assert_ready_err!(task::spawn(gate.oneshot(())).poll());
    assert_eq!(
        log.take(),
        ["spy refuses", "inventory rejected CircuitOpen"]
    );
}

#[test]
fn observers_are_told_of_cancelled_calls_and_of_missing_readiness() {
    let log = Log::default();
    let mut gate = GateLayer::new(Spy::new("spy", &log))
        .scoped(scope(&log))
        .layer(service_fn(|()| ready::<Answer>(Ok(()))));
    drop(gate.call(()));
    assert!(log.take().contains(&"inventory settled Cancelled".into()));

    let spy = Spy::new("spy", &log);
    let (mut gate, _handle) =
        tower_test::mock::spawn_layer::<(), (), _>(GateLayer::new(spy.clone()).scoped(scope(&log)));
    spy.shut(true);
    assert_ready_ok!(gate.poll_ready());
    spy.shut(false);
    assert_ready_err!(task::spawn(gate.call(())).poll());
    assert_eq!(
        log.take(),
        ["spy admits", "spy withdraws", "inventory rejected NotReady"]
    );
}

#[test]
fn calls_are_timed_for_observers_of_settlements_only() {
    let reads = Arc::new(AtomicU64::new(0));
    let clock = Clock::from_fn({
        let reads = Arc::clone(&reads);
        move || Tick::from_nanos(reads.fetch_add(1, Ordering::Relaxed))
    });
    let read_by = |scope: Scope| {
        let before = reads.load(Ordering::Relaxed);
        let gate = GateLayer::new(Spy::new("spy", &Log::default()))
            .scoped(scope)
            .layer(service_fn(|()| ready::<Answer>(Ok(()))));
        assert_ready_ok!(task::spawn(gate.oneshot(())).poll());
        reads.load(Ordering::Relaxed) - before
    };
    let history = History::new(10, clock.clone()).unwrap();
    let scope = Scope::new().on_clock(clock).observed_by(history);
    assert_eq!(read_by(scope.clone()), 0);
    assert_eq!(
        read_by(scope.observed_by(|_: Option<&str>, _: &Event| {})),
        2
    );
}

#[test]
fn a_history_keeps_no_calls_whoever_tells_it_of_them() {
    let history = History::new(10, Clock::new()).unwrap();
    let told = history.clone();
    let scope = Scope::new().observed_by(move |name: Option<&str>, event: &Event| {
        told.observe(name, event);
    });
    let gate = GateLayer::new(Spy::new("spy", &Log::default()))
        .scoped(scope)
        .layer(service_fn(|()| ready::<Answer>(Ok(()))));
    assert_ready_ok!(task::spawn(gate.oneshot(())).poll());
    assert!(history.entries().is_empty());
}

#[test]
fn a_panicking_observer_harms_neither_policy_nor_caller() {
    let log = Log::default();
    let spy = Spy::new("spy", &log);
    let gate = GateLayer::new(spy.clone())
        .scoped(Scope::new().observed_by(|_: Option<&str>, _: &Event| panic!("observer")))
        .layer(service_fn(|()| ready::<Answer>(Ok(()))));

    assert_ready_ok!(task::spawn(gate.clone().oneshot(())).poll());
    assert_eq!(log.take().len(), 2);
    spy.refuse(true);
    assert_ready_err!(task::spawn(gate.oneshot(())).poll());
}
