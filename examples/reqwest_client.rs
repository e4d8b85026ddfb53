//! A reqwest client behind a circuit breaker.
//!
//! ```text
//! cargo run --example reqwest_client
//! ```

use std::{
    sync::{
        Arc,
        atomic::{AtomicU16, AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use portcullis::{
    circuit_breaker::{self, CircuitBreaker},
    rejection::BoxError,
    reqwest::{ByStatus, Client, RequestBuilderExt},
};
use tokio::{net::TcpListener, time::sleep};
use tower::ServiceBuilder;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let upstream = Arc::new(Upstream::default());
    let url = start(upstream.clone()).await?;

    let settings = circuit_breaker::Settings::default()
        .minimum_calls(5)
        .open_for(Duration::from_millis(200));
    let breaker = CircuitBreaker::new(settings)?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let mut guarded = ServiceBuilder::new()
        .layer(breaker.layer().classify(ByStatus::default()))
        .service(Client::new(client.clone()));

    upstream.status.store(500, Ordering::Relaxed);
    for _ in 0..5 {
        let response = client.get(&url).send_through(&mut guarded).await?;
        assert_eq!(response.status(), 500);
    }
    let refused = client
        .get(&url)
        .send_through(&mut guarded)
        .await
        .unwrap_err();
    let rejection = refused.rejection().ok_or("refused by something else")?;
    assert!(rejection.is_circuit_open());
    // A little more than the 200 ms, so that clients do not all come back at once.
    let wait = rejection.retry_after().ok_or("the circuit is not open")?;
    assert_eq!(upstream.hits.load(Ordering::Relaxed), 5, "it is left alone");

    upstream.status.store(200, Ordering::Relaxed);
    sleep(wait).await;
    let probe = client.get(&url).send_through(&mut guarded).await?;
    assert_eq!(probe.status(), 200);
    assert_eq!(breaker.state(), circuit_breaker::State::Closed);
    println!("the circuit opened after five errors and closed after one success");
    Ok(())
}

#[derive(Default)]
struct Upstream {
    status: AtomicU16,
    hits: AtomicU32,
}

async fn start(upstream: Arc<Upstream>) -> Result<String, BoxError> {
    let app = Router::new().route("/", get(answer)).with_state(upstream);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", listener.local_addr()?);
    tokio::spawn(async { axum::serve(listener, app).await });
    Ok(url)
}

async fn answer(State(upstream): State<Arc<Upstream>>) -> StatusCode {
    upstream.hits.fetch_add(1, Ordering::Relaxed);
    let status = upstream.status.load(Ordering::Relaxed);
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
