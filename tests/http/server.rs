//! axum: routes and connections, which share what guards them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    handler::Handler,
    http::{StatusCode, header::RETRY_AFTER},
    routing::get as route,
};
use portcullis::{
    axum::{liveness, respond},
    bulkhead::{self, Bulkhead},
    circuit_breaker::{self, CircuitBreaker, State},
    http::ByStatus,
    pipeline::Pipeline,
    rejection::{Reason, Rejection},
};
use tokio::sync::mpsc;

use crate::{Work, client, get, get_often, next, serve, soon};

/// Sends 8 calls over 8 connections to a server with room for two, and counts those at work.
async fn eight_connections_share_two_permits(
    bulkhead: &Bulkhead,
    work: &Work,
    begins: &mut mpsc::UnboundedReceiver<()>,
    url: &str,
) {
    let mut answers = get_often(url, 8);
    for _ in 0..2 {
        soon(begins.recv()).await.unwrap();
    }
    // As two are at work until they are told, the others are those who are answered.
    for _ in 0..6 {
        assert_eq!(next(&mut answers).await.0, StatusCode::SERVICE_UNAVAILABLE);
    }
    assert!(begins.try_recv().is_err(), "a third is at work");
    assert_eq!(bulkhead.in_flight(), 2);
    work.finish(2);
    for _ in 0..2 {
        assert_eq!(
            next(&mut answers).await,
            (StatusCode::OK, "done".to_owned())
        );
    }
    assert_eq!(bulkhead.in_flight(), 0);
}

fn two_permits() -> Bulkhead {
    Bulkhead::new(bulkhead::Settings::default().limit(2)).unwrap()
}

#[tokio::test]
async fn connections_share_a_bulkhead_around_a_router() {
    let bulkhead = two_permits();
    let (work, mut begins) = Work::new();
    let router = Router::new()
        .route("/one", work.route())
        .route("/other", work.route())
        .layer(bulkhead.layer().reject_with(respond));
    let url = serve(router).await;

    for path in ["one", "other"] {
        let url = format!("{url}/{path}");
        eight_connections_share_two_permits(&bulkhead, &work, &mut begins, &url).await;
    }
}

#[tokio::test]
async fn routes_share_a_bulkhead_around_a_router() {
    let bulkhead = two_permits();
    let (work, mut begins) = Work::new();
    let router = Router::new()
        .route("/one", work.route())
        .route("/other", work.route())
        .route_layer(bulkhead.layer().reject_with(respond));
    let url = serve(router).await;

    let mut busy = get_often(&format!("{url}/one"), 2);
    for _ in 0..2 {
        soon(begins.recv()).await.unwrap();
    }
    assert_eq!(get(format!("{url}/other")).await.0, 503);
    // A route layer leaves alone what is no route.
    assert_eq!(get(format!("{url}/nothing")).await.0, 404);
    work.finish(2);
    for _ in 0..2 {
        assert_eq!(next(&mut busy).await.0, StatusCode::OK);
    }
}

#[tokio::test]
async fn connections_share_a_bulkhead_around_a_method() {
    let bulkhead = two_permits();
    let (work, mut begins) = Work::new();
    let layer = bulkhead.layer().reject_with(respond);
    let router = Router::new().route("/", work.route().layer(layer));
    let url = serve(router).await;

    eight_connections_share_two_permits(&bulkhead, &work, &mut begins, &url).await;
}

#[tokio::test]
async fn connections_share_a_bulkhead_around_a_handler() {
    let bulkhead = two_permits();
    let (work, mut begins) = Work::new();
    let handler = {
        let work = work.clone();
        move || work.run()
    };
    let layer = bulkhead.layer().reject_with(respond);
    let router = Router::new().route("/", route(handler.layer(layer)));
    let url = serve(router).await;

    eight_connections_share_two_permits(&bulkhead, &work, &mut begins, &url).await;
}

#[tokio::test]
async fn connections_and_routes_share_a_breaker_that_judges_by_status() {
    let settings = circuit_breaker::Settings::default().minimum_calls(8);
    let breaker = CircuitBreaker::new(settings).unwrap();
    let calls = Arc::new(AtomicU32::new(0));
    let handler = |status| {
        let calls = Arc::clone(&calls);
        move || async move {
            calls.fetch_add(1, Ordering::Relaxed);
            status
        }
    };
    let layer = breaker
        .layer()
        .classify(ByStatus::new())
        .reject_with(respond);
    let router = Router::new()
        .route("/fine", route(handler(StatusCode::OK)))
        .route("/invalid", route(handler(StatusCode::BAD_REQUEST)))
        .route("/broken", route(handler(StatusCode::INTERNAL_SERVER_ERROR)))
        .layer(layer);
    let url = serve(router).await;

    for (path, status) in [("fine", 200), ("invalid", 400)] {
        for _ in 0..2 {
            assert_eq!(get(format!("{url}/{path}")).await.0, status);
        }
    }
    // Eight calls, half of them failed: each over a connection of its own.
    for _ in 0..4 {
        assert_eq!(breaker.state(), State::Closed);
        assert_eq!(get(format!("{url}/broken")).await.0, 500);
    }
    assert_eq!(breaker.state(), State::Open);
    for path in ["fine", "broken"] {
        let request = client().get(format!("{url}/{path}"));
        let response = soon(request.send()).await.unwrap();
        assert_eq!(response.status(), 503);
        let seconds: u64 = response.headers()[RETRY_AFTER]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        // Five, and jitter.
        assert!((1..=6).contains(&seconds));
    }
    assert_eq!(calls.load(Ordering::Relaxed), 8);
}

#[tokio::test]
async fn connections_share_a_pipeline() {
    let pipeline = Pipeline::builder("reports")
        .timeout(Duration::from_secs(3_600))
        .bulkhead(bulkhead::Settings::default().limit(2))
        .queue(bulkhead::QueueSettings::default().length(1))
        .classify(ByStatus::new())
        .reject_with(respond)
        .build()
        .unwrap();
    let (work, mut begins) = Work::new();
    let router = Router::new()
        .route("/", work.route())
        .layer(pipeline.layer());
    let url = serve(router).await;

    let mut answers = get_often(&url, 8);
    for _ in 0..2 {
        soon(begins.recv()).await.unwrap();
    }
    for _ in 0..5 {
        assert_eq!(next(&mut answers).await.0, StatusCode::SERVICE_UNAVAILABLE);
    }
    let snapshot = pipeline.snapshot();
    assert_eq!((snapshot.in_flight, snapshot.queued), (2, 1));
    work.finish(3);
    for _ in 0..3 {
        assert_eq!(next(&mut answers).await.0, StatusCode::OK);
    }
    let snapshot = pipeline.snapshot();
    assert_eq!((snapshot.in_flight, snapshot.queued), (0, 0));
    assert_eq!(snapshot.peak_in_flight, 2);
    let lifetime = snapshot.lifetime;
    assert_eq!((lifetime.success, lifetime.bulkhead_full), (3, 5));
}

#[tokio::test]
async fn late_handlers_are_answered_for() {
    let pipeline = Pipeline::builder("reports")
        .timeout(Duration::from_millis(1))
        .reject_with(respond)
        .build()
        .unwrap();
    let (work, _begins) = Work::new();
    let router = Router::new()
        .route("/", route(move || work.run()))
        .layer(pipeline.layer());
    let url = serve(router).await;

    assert_eq!(get(url).await.0, 504);
    let snapshot = pipeline.snapshot();
    assert_eq!((snapshot.lifetime.timeout, snapshot.in_flight), (1, 0));
}

#[tokio::test]
async fn a_full_server_sheds_load_and_says_that_it_is_alive() {
    let bulkhead = two_permits();
    let (work, mut begins) = Work::new();
    let router = Router::new()
        .route("/", work.route())
        .layer(bulkhead.layer().reject_with(respond))
        .route_service("/health", liveness());
    let url = serve(router).await;

    let mut busy = get_often(&url, 2);
    for _ in 0..2 {
        soon(begins.recv()).await.unwrap();
    }
    let shed = soon(client().get(&url).send()).await.unwrap();
    assert_eq!(shed.status(), 503);
    assert_eq!(shed.headers()[RETRY_AFTER], "1");
    // What is not there is not worth a permit, but a full server does not find that out.
    assert_eq!(get(format!("{url}/nothing")).await.0, 503);
    assert_eq!(get(format!("{url}/health")).await.0, 200);

    work.finish(2);
    for _ in 0..2 {
        assert_eq!(next(&mut busy).await.0, StatusCode::OK);
    }
    assert_eq!(get(format!("{url}/nothing")).await.0, 404);
}

#[tokio::test]
async fn handlers_answer_with_rejections() {
    let rejection = Rejection::new(Reason::BulkheadFull).named(Some("database".into()));
    let handler = async move || Err::<&str, _>(rejection.clone());
    let url = serve(Router::new().route("/", route(handler))).await;
    let response = soon(client().get(url).send()).await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()[RETRY_AFTER], "1");
    let body = soon(response.text()).await.unwrap();
    assert!(!body.contains("database"), "names are internal");
}

#[tokio::test]
async fn a_guard_around_all_routes_ignores_what_theirs_refuse() {
    let all = Pipeline::builder("all")
        .classify(ByStatus::new())
        .reject_with(respond)
        .build()
        .unwrap();
    let none = Bulkhead::new(bulkhead::Settings::default().limit(0)).unwrap();
    let guarded = route(async || "done").layer(none.layer().reject_with(respond));
    let refusing = async || Err::<&str, _>(Rejection::new(Reason::CircuitOpen));
    let router = Router::new()
        .route("/guarded", guarded)
        .route("/refusing", route(refusing));
    let url = serve(router.layer(all.layer())).await;
    for path in ["guarded", "refusing"] {
        assert_eq!(get(format!("{url}/{path}")).await.0, 503);
    }
    assert_eq!(all.snapshot().lifetime.ignored, 2);
}

#[tokio::test]
async fn pipelines_go_around_routers_methods_and_handlers() {
    let pipeline = Pipeline::builder("reports")
        .classify(ByStatus::new())
        .reject_with(respond)
        .build()
        .unwrap();
    let layer = pipeline.layer();
    let report = async || "report";
    let router = Router::new()
        .route("/router", route(report))
        .layer(layer.clone())
        .route("/method", route(report).layer(layer.clone()))
        .route("/handler", route(report.layer(layer)));
    let url = serve(router).await;

    for path in ["router", "method", "handler"] {
        assert_eq!(get(format!("{url}/{path}")).await.0, 200);
    }
    pipeline.circuit_breaker().trip();
    for path in ["router", "method", "handler"] {
        assert_eq!(get(format!("{url}/{path}")).await.0, 503);
    }
    let lifetime = pipeline.snapshot().lifetime;
    assert_eq!((lifetime.success, lifetime.circuit_open), (3, 3));
}
