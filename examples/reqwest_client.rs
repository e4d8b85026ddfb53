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
    outcome::Outcome,
    rejection::{BoxError, Rejection},
};
use reqwest::{Method, Request, Response};
use tokio::{net::TcpListener, time::sleep};
use tower::{Service, ServiceBuilder, ServiceExt};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let upstream = Arc::new(Upstream::default());
    let url: reqwest::Url = start(upstream.clone()).await?.parse()?;

    let settings = circuit_breaker::Settings::default()
        .minimum_calls(5)
        .open_for(Duration::from_millis(200));
    let breaker = CircuitBreaker::new(settings)?;
    // reqwest takes any answer for a success; a 500 is none.
    let classify = |answer: Result<&Response, &BoxError>| match answer {
        Ok(response) if !response.status().is_server_error() => Outcome::Success,
        Ok(_) | Err(_) => Outcome::Failure,
    };
    let mut client = ServiceBuilder::new()
        .layer(breaker.layer().classify(classify))
        .map_err(BoxError::from)
        .service(reqwest::Client::builder().no_proxy().build()?);
    let request = || Request::new(Method::GET, url.clone());

    upstream.status.store(500, Ordering::Relaxed);
    for _ in 0..5 {
        let response = client.ready().await?.call(request()).await?;
        assert_eq!(response.status(), 500);
    }
    let refused = client.ready().await?.call(request()).await.unwrap_err();
    let rejection = Rejection::find(&*refused).ok_or("refused by something else")?;
    assert!(rejection.is_circuit_open());
    // A little more than the 200 ms, so that clients do not all come back at once.
    let wait = rejection.retry_after().ok_or("the circuit is not open")?;
    assert_eq!(upstream.hits.load(Ordering::Relaxed), 5, "it is left alone");

    upstream.status.store(200, Ordering::Relaxed);
    sleep(wait).await;
    let probe = client.ready().await?.call(request()).await?;
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
