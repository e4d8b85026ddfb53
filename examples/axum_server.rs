//! An axum server with a guarded route: one bulkhead for all connections, and refusals that are
//! responses, so that no `HandleErrorLayer` is needed.
//!
//! ```text
//! cargo run --example axum_server
//! ```

use std::sync::Arc;

use axum::{Router, extract::State, http::StatusCode, routing::get};
use portcullis::{
    axum::{liveness, respond},
    bulkhead::{self, Bulkhead},
    rejection::BoxError,
};
use tokio::{net::TcpListener, sync::Semaphore, task::JoinSet};

/// Keeps reports busy until the example lets them end.
type Work = Arc<Semaphore>;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let bulkhead = Bulkhead::new(bulkhead::Settings::default().limit(2))?;
    let work = Work::new(Semaphore::new(0));
    let app = Router::new()
        .route("/report", get(report))
        .route_layer(bulkhead.layer().reject_with(respond))
        // Not among those that the layer is around, as it comes later.
        .route_service("/live", liveness())
        .with_state(work.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async { axum::serve(listener, app).await });

    let mut answers = JoinSet::new();
    for _ in 0..6 {
        answers.spawn(fetch(format!("{url}/report")));
    }
    // Two are at work until they are let go, so the first four to be answered are the others.
    for _ in 0..4 {
        let (status, problem) = next(&mut answers).await?;
        assert_eq!(status, 503);
        assert!(problem.contains("too many requests"), "{problem}");
    }
    assert_eq!(bulkhead.in_flight(), 2);
    assert_eq!(fetch(format!("{url}/live")).await?.0, 200);

    work.add_permits(2);
    for _ in 0..2 {
        assert_eq!(next(&mut answers).await?, (200, "report".to_owned()));
    }
    assert_eq!(bulkhead.in_flight(), 0);
    println!("of 6 connections 2 were served at a time and 4 refused");
    Ok(())
}

async fn report(State(work): State<Work>) -> Result<&'static str, StatusCode> {
    match work.acquire().await {
        Ok(permit) => permit.forget(),
        Err(_) => return Err(StatusCode::INTERNAL_SERVER_ERROR),
    }
    Ok("report")
}

/// Asks over a connection of its own.
async fn fetch(url: String) -> Result<(u16, String), BoxError> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let response = client.get(url).send().await?;
    Ok((response.status().as_u16(), response.text().await?))
}

async fn next(
    answers: &mut JoinSet<Result<(u16, String), BoxError>>,
) -> Result<(u16, String), BoxError> {
    answers.join_next().await.ok_or("all were answered")??
}
