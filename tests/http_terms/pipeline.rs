//! HTTP through a pipeline: hints, trips and refusals.

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http_body_util::Full;
use portcullis::{
    bulkhead,
    circuit_breaker::{Settings, State, Window},
    http::{ByGrpcStatus, respond, respond_grpc, respond_per_client},
    pipeline::Pipeline,
    rejection::Reason,
    settings::SettingsError,
};
use tower::ServiceBuilder;

use super::*;
use crate::support::counted;

fn after_two_calls() -> Settings {
    Settings::default()
        .minimum_calls(2)
        .open_growth(2.0, 30 * SECOND)
        .open_jitter(0.0)
}

#[tokio::test(start_paused = true)]
async fn a_circuit_stays_open_for_as_long_as_the_server_asks() -> Result<(), SettingsError> {
    for (asked, open) in [("20", 20), ("3600", 30), ("soon", 5)] {
        let pipeline = Pipeline::builder("inventory")
            .classify(ByStatus::new())
            .circuit_breaker(after_two_calls())
            .build()?;
        let service = pipeline
            .layer()
            .layer(service_fn(|response| ready(Ok::<_, BoxError>(response))));
        for _ in 0..2 {
            let busy = with(RETRY_AFTER, asked, with_status(503, ok([])));
            soon(service.clone().oneshot(busy)).await.unwrap();
        }
        assert_eq!(pipeline.circuit_breaker().state(), State::Open);
        let left = pipeline.snapshot().remaining_open.unwrap();
        assert_eq!(left.as_secs(), open, "{asked}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn bodies_that_hang_open_the_circuit_and_give_their_permits_back() -> Result<(), BoxError> {
    let whole = whole().idle_timeout(SECOND)?;
    let pipeline = Pipeline::builder("inventory").classify(whole);
    let pipeline = pipeline.circuit_breaker(after_two_calls()).build()?;
    let service = ServiceBuilder::new()
        .layer(pipeline.layer())
        .layer(ExchangeLayer::new())
        .service_fn(async |()| Ok::<_, BoxError>(ok([Step::Data(1), Step::Hang])));

    let mut bodies = Vec::new();
    for _ in 0..2 {
        let response = soon(service.clone().oneshot(())).await?;
        bodies.push(response.into_body());
    }
    assert_eq!(pipeline.snapshot().in_flight, 2);
    for body in bodies {
        soon(body.collect()).await.unwrap_err();
    }
    let snapshot = pipeline.snapshot();
    assert_eq!(snapshot.state, State::Open);
    assert_eq!((snapshot.in_flight, snapshot.lifetime.timeout), (0, 2));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn slow_bodies_count_as_slow_and_event_streams_do_not() -> Result<(), BoxError> {
    let breaker = after_two_calls()
        .window(Window::Over(60 * SECOND))
        .slow_calls(10 * SECOND, 0.5);
    let pipeline = Pipeline::builder("inventory")
        .classify(whole())
        .circuit_breaker(breaker)
        .build()?;
    let service = ServiceBuilder::new()
        .layer(pipeline.layer())
        .layer(ExchangeLayer::new())
        .service_fn(async |response| Ok::<Response<Script>, BoxError>(response));
    let slow = || ok([Step::Wait(11 * SECOND), Step::Data(1)]);

    for _ in 0..2 {
        let events = soon(service.clone().oneshot(events(slow()))).await?;
        soon(events.into_body().collect()).await?;
    }
    assert_eq!(pipeline.snapshot().lifetime.slow, 0);
    let dropped = soon(service.clone().oneshot(slow())).await?;
    tokio::time::advance(11 * SECOND).await;
    drop(dropped);
    assert_eq!(pipeline.snapshot().lifetime.slow, 1);
    let read = soon(service.oneshot(slow())).await?;
    soon(read.into_body().collect()).await?;
    assert_eq!(pipeline.snapshot().state, State::Open);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn refused_calls_are_answered_with_problems() -> Result<(), BoxError> {
    let pipeline = Pipeline::builder("inventory")
        .classify(WholeExchange::new(ByStatus::new()))
        .bulkhead(bulkhead::Settings::default().limit(1))
        .reject_with(respond)
        .build()?;
    let service = ServiceBuilder::new()
        .layer(pipeline.layer())
        .layer(ExchangeLayer::new())
        .service_fn(async |()| Ok::<_, BoxError>(Response::new(Full::<bytes::Bytes>::from("7"))));

    let held = soon(service.clone().oneshot(())).await?;
    let full = soon(service.clone().oneshot(())).await?;
    assert_eq!(full.status(), 503);
    assert_eq!(full.headers()[RETRY_AFTER], "1");
    assert_eq!(full.headers()[CONTENT_TYPE], "application/problem+json");
    let body = soon(full.into_body().collect()).await?.to_bytes();
    let body: serde_json::Value = serde_json::from_slice(&body)?;
    assert_eq!(body["status"], 503);

    drop(held);
    pipeline.circuit_breaker().trip();
    tokio::time::advance(Duration::from_millis(3_500)).await;
    let open = soon(service.oneshot(())).await?;
    assert_eq!(open.headers()[RETRY_AFTER], "2");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_probe_is_heard_if_its_body_ends_within_the_half_open_time() -> Result<(), BoxError> {
    for (limit, state) in [(12 * SECOND, State::Closed), (10 * SECOND, State::Open)] {
        let breaker = after_two_calls().half_open_for(limit);
        let pipeline = Pipeline::builder("inventory")
            .classify(whole())
            .circuit_breaker(breaker)
            .build()?;
        let service = ServiceBuilder::new()
            .layer(pipeline.layer())
            .layer(ExchangeLayer::new())
            .service_fn(async |()| Ok::<_, BoxError>(ok([Step::Wait(11 * SECOND)])));

        pipeline.circuit_breaker().trip();
        tokio::time::advance(5 * SECOND).await;
        let probe = soon(service.oneshot(())).await?;
        assert_eq!(pipeline.circuit_breaker().state(), State::HalfOpen);
        soon(probe.into_body().collect()).await?;
        assert_eq!(pipeline.circuit_breaker().state(), state, "{limit:?}");
        assert_eq!(pipeline.snapshot().in_flight, 0);
    }
    Ok(())
}

/// Answers as a gate does that is further in.
async fn judged(
    classify: impl Classify<Response<String>, BoxError> + Clone,
    refuse: fn(&Rejection) -> Response<String>,
    reason: Reason,
) -> Result<Vec<(&'static str, u64)>, BoxError> {
    let outer = Pipeline::builder("route").classify(classify).build()?;
    let inner = service_fn(|()| ready(Ok::<_, BoxError>(refuse(&Rejection::new(reason)))));
    soon(outer.layer().layer(inner).oneshot(())).await?;
    Ok(counted(&outer.snapshot().lifetime))
}

#[tokio::test(start_paused = true)]
async fn refusals_from_further_in_say_nothing_about_the_dependency() -> Result<(), BoxError> {
    for reason in [Reason::BulkheadFull, Reason::CircuitOpen] {
        for refuse in [respond::<String>, respond_per_client::<String>] {
            let counts = judged(ByStatus::new(), refuse, reason).await?;
            assert_eq!(counts, [("ignored", 1)], "{reason:?}");
        }
        let counts = judged(ByGrpcStatus::new(), respond_grpc, reason).await?;
        assert_eq!(counts, [("ignored", 1)], "{reason:?}");
    }
    let late = Reason::DeadlineExceeded;
    let counts = judged(ByStatus::new(), respond, late).await?;
    assert_eq!(counts, [("timeout", 1)]);
    let counts = judged(ByGrpcStatus::new(), respond_grpc, late).await?;
    assert_eq!(counts, [("timeout", 1)]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_gate_of_one_client_answers_with_too_many_requests() -> Result<(), BoxError> {
    let limit = bulkhead::Bulkhead::new(bulkhead::Settings::default().limit(0))?;
    let service = limit
        .layer()
        .reject_with(respond_per_client)
        .layer(service_fn(async |()| {
            Ok::<_, BoxError>(Response::new(String::new()))
        }));
    assert_eq!(soon(service.oneshot(())).await?.status(), 429);
    Ok(())
}
