//! The fallback of a pipeline.

use std::future::ready;

use portcullis::{
    bulkhead::Bulkhead,
    circuit_breaker::State,
    fallback::{Failed, FallbackLayer},
    pipeline::Fault,
};
use tower::{Layer, service_fn};

use super::*;
use crate::support::Log;

type BoxFault = Fault<BoxError>;

fn is_inner(fault: &BoxFault) -> bool {
    matches!(fault, Fault::Inner(_))
}

#[tokio::test(start_paused = true)]
async fn a_fallback_answers_each_kind_of_fault_and_sees_which_it_is() {
    let log = Log::default();
    let pipeline = builder()
        .bulkhead(limit(1))
        .fallback({
            let log = log.clone();
            move |fault: &BoxFault| {
                log.note(match fault {
                    Fault::Rejected(rejection) => rejection.to_string(),
                    Fault::Inner(error) => error.to_string(),
                });
                "instead"
            }
        })
        .build()
        .unwrap();
    let service = pipeline.layer().layer(Backend::default());

    assert_eq!(ask(&service, Ask::Succeed).await.unwrap(), "done");
    assert_eq!(ask(&service, Ask::Fail).await.unwrap(), "instead");
    assert_eq!(ask(&service, Ask::Hang).await.unwrap(), "instead");
    pipeline.bulkhead().set_limit(0);
    assert_eq!(ask(&service, Ask::Succeed).await.unwrap(), "instead");
    pipeline.circuit_breaker().trip();
    assert_eq!(ask(&service, Ask::Succeed).await.unwrap(), "instead");
    let expected = [
        "down",
        "inventory: deadline exceeded",
        "inventory: bulkhead full",
        "inventory: circuit open",
    ];
    assert_eq!(log.take(), expected);
    let expected = [
        ("success", 1),
        ("failure", 1),
        ("timeout", 1),
        ("circuit_open", 1),
        ("bulkhead_full", 1),
        ("fallback_success", 4),
    ];
    assert_eq!(counted_for_life(pipeline.control()), expected);
    assert_eq!(pipeline.snapshot().lifetime.calls(), 5);
}

#[tokio::test(start_paused = true)]
async fn failures_count_against_the_circuit_although_a_fallback_answers() {
    let pipeline = builder().fallback(|_| "instead").build().unwrap();
    let service = pipeline.layer().layer(Backend::default());
    for _ in 0..30 {
        assert_eq!(ask(&service, Ask::Fail).await.unwrap(), "instead");
    }
    assert_eq!(pipeline.circuit_breaker().state(), State::Open);
    let expected = [
        ("failure", 20),
        ("circuit_open", 10),
        ("fallback_success", 30),
    ];
    assert_eq!(counted(pipeline.control()), expected);
}

#[tokio::test(start_paused = true)]
async fn a_value_stands_in() {
    let pipeline = builder()
        .fallback_layer(FallbackLayer::value("cached"))
        .build()
        .unwrap();
    let service = pipeline.layer().layer(Backend::default());

    assert_eq!(ask(&service, Ask::Fail).await.unwrap(), "cached");
    let expected = [("failure", 1), ("fallback_success", 1)];
    assert_eq!(counted(pipeline.control()), expected);
}

#[tokio::test(start_paused = true)]
async fn a_fallback_for_some_faults_leaves_the_others_alone() {
    let fallback = FallbackLayer::value("cached").when(is_inner);
    let pipeline = builder()
        .bulkhead(limit(1))
        .fallback_layer(fallback)
        .build()
        .unwrap();
    let service = pipeline.layer().layer(Backend::default());

    assert_eq!(ask(&service, Ask::Fail).await.unwrap(), "cached");
    assert!(rejection(ask(&service, Ask::Hang).await).is_timeout());
    let expected = [("failure", 1), ("timeout", 1), ("fallback_success", 1)];
    assert_eq!(counted(pipeline.control()), expected);
}

#[tokio::test(start_paused = true)]
async fn a_second_service_stands_in_without_the_limits_of_the_first() {
    let second = service_fn(async |_: Ask| {
        tokio::time::sleep(Duration::from_secs(5)).await;
        Ok::<_, BoxError>("replica")
    });
    let fallback = FallbackLayer::service(second, |what: &Ask| Some(*what));
    let pipeline = builder()
        .bulkhead(limit(1))
        .fallback_layer(fallback)
        .build()
        .unwrap();
    let service = pipeline.layer().layer(Backend::default());

    // The permit is free again while the fallback runs.
    let falling = begin(&service, Ask::Fail);
    assert_eq!(pipeline.snapshot().in_flight, 0);
    assert_eq!(ask(&service, Ask::Succeed).await.unwrap(), "done");
    assert_eq!(soon(falling).await.unwrap(), "replica");
    let expected = [("success", 1), ("failure", 1), ("fallback_success", 1)];
    assert_eq!(counted_for_life(pipeline.control()), expected);
}

#[tokio::test(start_paused = true)]
async fn a_fallback_that_fails_attaches_its_error_to_the_original() {
    let fallback = FallbackLayer::future(|_: &BoxFault| ready(Reply::Err("cold".into())));
    let pipeline = builder().fallback_layer(fallback).build().unwrap();
    let service = pipeline.layer().layer(Backend::default());

    let failed = ask(&service, Ask::Fail).await.unwrap_err();
    assert_eq!(failed.to_string(), "down");
    let failed = failed.downcast_ref::<Failed>().unwrap();
    assert_eq!(failed.fallback().to_string(), "cold");

    let late = rejection(ask(&service, Ask::Hang).await);
    assert!(late.is_timeout());
    assert_eq!(late.fallback().unwrap().to_string(), "cold");
    assert_eq!(late.name(), Some("inventory"));
    let expected = [("failure", 1), ("timeout", 1), ("fallback_failure", 2)];
    assert_eq!(counted(pipeline.control()), expected);
}

#[tokio::test(start_paused = true)]
async fn a_fallback_without_a_permit_gives_the_original_error_back() {
    let guard = Bulkhead::new(limit(0)).unwrap();
    let fallback = FallbackLayer::value("cached").guarded_by(guard);
    let pipeline = builder().fallback_layer(fallback).build().unwrap();
    let service = pipeline.layer().layer(Backend::default());

    let failed = ask(&service, Ask::Fail).await.unwrap_err();
    assert_eq!(failed.to_string(), "down");
    assert!(failed.downcast_ref::<Failed>().is_none());
    let expected = [("failure", 1), ("fallback_rejected", 1)];
    assert_eq!(counted(pipeline.control()), expected);
}

#[tokio::test(start_paused = true)]
async fn fallbacks_have_a_limit_of_their_own() {
    let guard = Bulkhead::new(limit(1)).unwrap();
    let fallback =
        FallbackLayer::future(|_: &BoxFault| work(Ask::Take(ms(100)))).guarded_by(guard.clone());
    let pipeline = builder().fallback_layer(fallback).build().unwrap();
    let service = pipeline.layer().layer(Backend::default());

    let falling = begin(&service, Ask::Fail);
    assert_eq!(guard.in_flight(), 1);
    assert!(ask(&service, Ask::Fail).await.is_err());
    assert!(soon(falling).await.is_ok());
    assert!(ask(&service, Ask::Fail).await.is_ok());
    let expected = [
        ("failure", 3),
        ("fallback_success", 2),
        ("fallback_rejected", 1),
    ];
    assert_eq!(counted(pipeline.control()), expected);
    assert_eq!(guard.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_fallback_that_is_dropped_gives_its_permit_back_and_is_not_counted() {
    let guard = Bulkhead::new(limit(1)).unwrap();
    let fallback = FallbackLayer::future(|_: &BoxFault| work(Ask::Hang)).guarded_by(guard.clone());
    let pipeline = builder().fallback_layer(fallback).build().unwrap();
    let service = pipeline.layer().layer(Backend::default());

    drop(begin(&service, Ask::Fail));
    assert_eq!(guard.in_flight(), 0);
    assert_eq!(counted(pipeline.control()), [("failure", 1)]);
}

#[tokio::test(start_paused = true)]
async fn refusals_without_a_fallback_of_theirs_become_responses_all_the_same() {
    let pipeline = builder()
        .bulkhead(limit(0))
        .fallback_layer(FallbackLayer::value("cached").when(is_inner))
        .reject_with(|rejection: &Rejection| rejection.reason().as_str())
        .build()
        .unwrap();
    let service = pipeline.layer().layer(Backend::default());

    assert_eq!(ask(&service, Ask::Fail).await.unwrap(), "bulkhead_full");
    pipeline.bulkhead().set_limit(1);
    assert_eq!(ask(&service, Ask::Fail).await.unwrap(), "cached");
}
