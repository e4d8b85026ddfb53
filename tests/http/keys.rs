//! Pipelines by route and by client around a router, made when they are first needed.

use std::borrow::Cow;

use axum::{
    Router,
    extract::{MatchedPath, Request},
    http::{StatusCode, header::RETRY_AFTER},
    routing::get as route,
};
use portcullis::{
    axum::{respond, respond_per_client},
    bulkhead, circuit_breaker,
    http::ByStatus,
    registry::Registry,
};

use crate::{Work, client, get, get_often, next, serve, soon};

/// The route as it was written, so that there are no more keys than routes.
fn matched_path(request: &Request) -> Cow<'_, str> {
    let path = request.extensions().get::<MatchedPath>();
    Cow::Borrowed(path.map_or("<unmatched>", MatchedPath::as_str))
}

#[tokio::test]
async fn each_route_has_a_circuit_for_all_connections() {
    let registry = Registry::new();
    let routes = registry
        .keyed("routes", |builder| {
            let settings = circuit_breaker::Settings::default().minimum_calls(4);
            builder
                .timeout(None)
                .circuit_breaker(settings)
                .classify(ByStatus::new())
                .reject_with(respond)
        })
        .unwrap();
    let router = Router::new()
        .route("/items/{id}", route(async || StatusCode::BAD_GATEWAY))
        .route("/fine", route(async || "fine"))
        .layer(routes.layer(matched_path));
    let url = serve(router).await;

    // Each over a connection of its own.
    for id in 0..4 {
        assert_eq!(get(format!("{url}/items/{id}")).await.0, 502);
    }
    assert_eq!(get(format!("{url}/items/4")).await.0, 503);
    assert_eq!(get(format!("{url}/fine")).await.0, 200);
    assert_eq!(get(format!("{url}/nothing")).await.0, 404);

    let snapshots = registry.snapshots();
    let calls: Vec<_> = snapshots
        .iter()
        .map(|pipeline| (&*pipeline.name, pipeline.lifetime.calls()))
        .filter(|(_, calls)| *calls > 0)
        .collect();
    let expected = [
        ("routes:/fine", 1),
        ("routes:/items/{id}", 5),
        ("routes:<unmatched>", 1),
    ];
    assert_eq!(calls, expected);
}

#[tokio::test]
async fn a_client_with_too_many_calls_is_told_so_and_others_are_served() {
    let registry = Registry::new();
    let clients = registry
        .keyed("clients", |builder| {
            builder
                .timeout(None)
                .bulkhead(bulkhead::Settings::default().limit(2))
                .reject_with(respond_per_client)
        })
        .unwrap();
    // By its path, for the test: by its token or its address elsewhere.
    let clients = clients.layer(|request: &Request| Cow::Borrowed(request.uri().path()));
    let (work, mut begins) = Work::new();
    let router = Router::new()
        .route("/{client}", work.route())
        .layer(clients);
    let url = serve(router).await;

    let greedy = format!("{url}/greedy");
    let mut busy = get_often(&greedy, 2);
    for _ in 0..2 {
        soon(begins.recv()).await.unwrap();
    }
    let refused = soon(client().get(&greedy).send()).await.unwrap();
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()[RETRY_AFTER], "1");
    let mut modest = get_often(&format!("{url}/modest"), 1);
    soon(begins.recv()).await.unwrap();

    work.finish(3);
    assert_eq!(next(&mut modest).await.0, StatusCode::OK);
    for _ in 0..2 {
        assert_eq!(next(&mut busy).await.0, StatusCode::OK);
    }
    let greedy = registry.get("clients:/greedy").unwrap();
    assert_eq!(greedy.snapshot().lifetime.bulkhead_full, 1);
}
