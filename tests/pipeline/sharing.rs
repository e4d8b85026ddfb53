//! What is shared, and with whom.

use std::{convert::Infallible, time::Duration};

use portcullis::{
    event::{Event, State},
    gate::GateLayer,
    pipeline::Fault,
};
use tower::{Layer, service_fn};

use super::*;
use crate::support::{Log, Spy};

#[tokio::test(start_paused = true)]
async fn layers_services_and_clones_share_everything() {
    let pipeline = builder().bulkhead(limit(1)).build().unwrap();
    let layer = pipeline.layer();
    let services = [
        layer.layer(Backend::default()),
        layer.clone().layer(Backend::default()),
        pipeline.layer().layer(Backend::default()),
        pipeline.clone().layer().layer(Backend::default()),
    ];
    let services = [services.clone(), services].concat();

    let running = begin(&services[0], Ask::Hang);
    for service in &services {
        assert!(rejection(ask(service, Ask::Succeed).await).is_bulkhead_full());
    }
    drop(running);
    for service in &services {
        assert!(ask(service, Ask::Fail).await.is_err());
    }
    let expected = [("failure", 8), ("cancelled", 1), ("bulkhead_full", 8)];
    assert_eq!(counted(pipeline.clone().control()), expected);

    pipeline.clone().circuit_breaker().trip();
    for service in &services {
        assert!(rejection(ask(service, Ask::Succeed).await).is_circuit_open());
    }
}

#[tokio::test(start_paused = true)]
async fn two_pipelines_share_nothing() {
    let (one, other) = (builder().build().unwrap(), builder().build().unwrap());
    let service = other.layer().layer(Backend::default());

    one.circuit_breaker().trip();
    one.bulkhead().set_limit(0);
    ask(&service, Ask::Succeed).await.unwrap();
    assert_eq!(counted(one.control()), []);
    assert_eq!(counted(other.control()), [("success", 1)]);
}

/// Notes what observers hear.
fn noting(log: &Log) -> impl Fn(Option<&str>, &Event) + Send + Sync + 'static {
    let log = log.clone();
    move |name, event| {
        assert_eq!(name, Some("inventory"));
        log.note(match event {
            Event::Transition { from, to, .. } => format!("{from:?} to {to:?}"),
            Event::Mode { from, to, .. } => format!("{from:?} to {to:?}"),
            Event::Limit { from, to, .. } => format!("limit {from} to {to}"),
            Event::Rejected { reason, .. } => format!("rejected {reason:?}"),
            Event::WouldReject { reason, .. } => format!("would reject {reason:?}"),
            Event::Settled {
                outcome, latency, ..
            } => {
                format!("settled {outcome:?} in {latency:?}")
            }
            Event::Fallback { ending, .. } => format!("fallback {ending:?}"),
            other => panic!("unexpected {other:?}"),
        });
    }
}

#[tokio::test(start_paused = true)]
async fn observers_hear_of_all_parts_in_order() {
    let log = Log::default();
    let pipeline = builder()
        .bulkhead(limit(5))
        .circuit_breaker(breaker().consecutive_failures(1))
        .fallback(|_| "instead")
        .observed_by(noting(&log))
        .build()
        .unwrap();
    let service = pipeline.layer().layer(Backend::default());

    ask(&service, Ask::Take(ms(30))).await.unwrap();
    assert_eq!(log.take(), ["settled Success in Some(30ms)"]);
    ask(&service, Ask::Hang).await.unwrap();
    let expected = [
        "Closed to Open",
        "settled Timeout in Some(1s)",
        "fallback Answered",
    ];
    assert_eq!(log.take(), expected);
    ask(&service, Ask::Succeed).await.unwrap();
    assert_eq!(log.take(), ["rejected CircuitOpen", "fallback Answered"]);

    tokio::time::advance(Duration::from_secs(6)).await;
    ask(&service, Ask::Succeed).await.unwrap();
    let expected = [
        "Open to HalfOpen",
        "HalfOpen to Closed",
        "settled Success in Some(0ns)",
    ];
    assert_eq!(log.take(), expected);
    pipeline.bulkhead().set_limit(0);
    ask(&service, Ask::Succeed).await.unwrap();
    let expected = ["limit 5 to 0", "rejected BulkheadFull", "fallback Answered"];
    assert_eq!(log.take(), expected);
}

#[tokio::test(start_paused = true)]
async fn an_observer_may_look_at_the_pipeline_it_observes() {
    let control = Arc::new(std::sync::OnceLock::<Control>::new());
    let log = Log::default();
    let pipeline = builder()
        .circuit_breaker(breaker().consecutive_failures(1))
        .observed_by({
            let (control, log) = (Arc::clone(&control), log.clone());
            move |_: Option<&str>, event: &Event| {
                if let Event::Transition { to, .. } = event {
                    let state = control.get().unwrap().snapshot().state;
                    assert_eq!(state, *to, "it is told after the change");
                    log.note(format!("{state:?}"));
                }
            }
        })
        .build()
        .unwrap();
    control.set(pipeline.control().clone()).unwrap();
    let service = pipeline.layer().layer(Backend::default());

    let _ = ask(&service, Ask::Fail).await;
    assert_eq!(log.take(), ["Open"]);
}

#[tokio::test(start_paused = true)]
async fn a_policy_of_ones_own_goes_before_the_pipelines() {
    let log = Log::default();
    let own = Spy::new("own", &log);
    let pipeline = builder().bulkhead(limit(1)).build().unwrap();
    let service =
        GateLayer::new((own.clone(), pipeline.control().clone())).layer(Backend::default());

    ask(&service, Ask::Succeed).await.unwrap();
    assert!(log.take()[1].starts_with("own settles Success"));
    let running = begin(&service, Ask::Hang);
    assert!(rejection(ask(&service, Ask::Succeed).await).is_bulkhead_full());
    assert_eq!(log.take(), ["own admits", "own admits", "own withdraws"]);
    drop(running);
    own.refuse(true);
    assert_eq!(
        reason(ask(&service, Ask::Succeed).await),
        Reason::CircuitOpen
    );
    // The pipeline hears of calls that others refuse.
    let expected = [
        ("success", 1),
        ("cancelled", 1),
        ("circuit_open", 1),
        ("bulkhead_full", 1),
    ];
    assert_eq!(counted(pipeline.control()), expected);
    assert_eq!(pipeline.snapshot().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_policy_of_ones_own_goes_before_the_pipelines_queue() {
    let log = Log::default();
    let own = Spy::new("own", &log);
    let pipeline = builder()
        .bulkhead(limit(1))
        .queue(queue(1))
        .build()
        .unwrap();
    let service = GateLayer::new((own.clone(), pipeline.control().clone()))
        .queued()
        .layer(Backend::default());

    let running = begin(&service, Ask::Hang);
    let waiting = begin(&service, Ask::Hang);
    assert_eq!(log.take(), ["own admits", "own admits", "own withdraws"]);
    own.refuse(true);
    drop(running);
    assert_eq!(reason(soon(waiting).await), Reason::CircuitOpen);
    let notes = log.take();
    assert!(notes[0].starts_with("own settles Cancelled"));
    assert_eq!(notes[1..], ["own refuses"]);
    let snapshot = pipeline.snapshot();
    assert_eq!((snapshot.in_flight, snapshot.queued), (0, 0));
    let expected = [("cancelled", 1), ("circuit_open", 1)];
    assert_eq!(counted(pipeline.control()), expected);
}

#[tokio::test(start_paused = true)]
async fn a_controls_gate_puts_the_call_behind_the_open_circuit() {
    let pipeline = builder().build().unwrap();
    let backend = Backend::default();
    let service = GateLayer::new(pipeline.control().clone()).layer(backend.clone());
    for _ in 0..20 {
        let _ = ask(&service, Ask::Fail).await;
    }
    assert_eq!(pipeline.circuit_breaker().state(), State::Open);
    assert_eq!(pipeline.snapshot().latency.count, 20);
    assert!(rejection(ask(&service, Ask::Fail).await).is_circuit_open());
    assert_eq!(backend.calls(), 20);
}

#[tokio::test(start_paused = true)]
async fn refusals_become_responses_where_nothing_can_fail() {
    let pipeline = builder()
        .bulkhead(limit(1))
        .reject_with(|rejection: &Rejection| rejection.to_string())
        .build()
        .unwrap();
    let service = pipeline
        .layer()
        .layer(service_fn(async |what: Ask| -> Result<_, Infallible> {
            Ok(work(what).await.unwrap().to_owned())
        }));
    let ask = |what| {
        let call = service.clone().oneshot(what);
        async move {
            let Ok(reply) = soon(call).await;
            reply
        }
    };

    assert_eq!(ask(Ask::Succeed).await, "done");
    assert_eq!(ask(Ask::Hang).await, "inventory: deadline exceeded");
    pipeline.bulkhead().set_limit(0);
    assert_eq!(ask(Ask::Succeed).await, "inventory: bulkhead full");
    pipeline.circuit_breaker().trip();
    assert_eq!(ask(Ask::Succeed).await, "inventory: circuit open");
    let expected = [
        ("success", 1),
        ("timeout", 1),
        ("circuit_open", 1),
        ("bulkhead_full", 1),
    ];
    assert_eq!(counted(pipeline.control()), expected);
}

#[test]
fn a_control_is_kept_and_sent_without_the_types_of_closures() {
    fn is_shared<T: Clone + Send + Sync + 'static>(_: &T) {}
    let pipeline = builder()
        .fallback(|_: &Fault<BoxError>| "instead")
        .build()
        .unwrap();
    is_shared(pipeline.control());
    is_shared(&pipeline.layer().layer(Backend::default()));
    assert_eq!(pipeline.name(), "inventory");
    assert_eq!(pipeline.control().name(), "inventory");
}
