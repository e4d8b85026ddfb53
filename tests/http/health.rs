//! Health as routes of axum.

use axum::Router;
use portcullis::{
    axum::{details, liveness, readiness},
    health::Health,
    pipeline::Pipeline,
};
use reqwest::{Method, Response};

use crate::{client, serve, soon};

async fn ask(method: Method, url: String) -> Response {
    soon(client().request(method, url).send()).await.unwrap()
}

#[tokio::test]
async fn liveness_readiness_and_details_are_three_answers() {
    let database = Pipeline::builder("database").build().unwrap();
    let health = Health::new()
        .watching(database.control())
        .requiring(database.control());
    let router = Router::new()
        .route_service("/live", liveness())
        .route_service("/ready", readiness(&health))
        .nest_service("/details", details(&health));
    let url = serve(router).await;

    let status = async |path| {
        let response = ask(Method::GET, format!("{url}/{path}")).await;
        assert_eq!(response.headers()["cache-control"], "no-store");
        response.status().as_u16()
    };
    assert_eq!((status("live").await, status("ready").await), (200, 200));
    database.circuit_breaker().trip();
    assert_eq!((status("live").await, status("ready").await), (200, 503));
    let told = soon(ask(Method::GET, format!("{url}/ready")).await.text()).await;
    assert!(!told.unwrap().contains("database"), "names are internal");

    let told = ask(Method::GET, format!("{url}/details")).await;
    assert_eq!(told.headers()["content-type"], "application/json");
    let told: serde_json::Value = soon(told.json()).await.unwrap();
    assert_eq!(told["readiness"]["circuit_open"], "database");
    assert_eq!(told["pipelines"][0]["times_opened"], 1);

    database.circuit_breaker().reset();
    assert_eq!(status("ready").await, 200);
    health.drain();
    assert_eq!((status("live").await, status("ready").await), (200, 503));
}

#[tokio::test]
async fn health_is_read_and_not_written() {
    let url = serve(Router::new().route_service("/", liveness())).await;
    let head = ask(Method::HEAD, url.clone()).await;
    assert_eq!(head.status(), 200);
    let post = ask(Method::POST, url).await;
    assert_eq!(post.status(), 405);
    assert_eq!(post.headers()["allow"], "GET, HEAD");
}
