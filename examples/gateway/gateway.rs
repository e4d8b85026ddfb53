//! The gateway: an axum server with one route, which asks the upstream.

use std::{io, net::SocketAddr, time::Duration};

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use portcullis::rejection::BoxError;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle, time::timeout};
use tower::{Service, ServiceExt};

use crate::client::Client;

/// Why an answer came from the fallback.
pub(crate) const FALLBACK: &str = "x-fallback";

/// A running gateway.
pub(crate) struct Gateway {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<io::Result<()>>,
}

#[derive(Clone)]
struct App {
    client: Client,
    upstream: SocketAddr,
}

impl Gateway {
    pub(crate) async fn start(client: Client, upstream: SocketAddr) -> Result<Self, BoxError> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let app = Router::new()
            .route("/items/{id}", get(item))
            .with_state(App { client, upstream });
        let (stop, stopped) = oneshot::channel::<()>();
        let server = axum::serve(listener, app).with_graceful_shutdown(async {
            drop(stopped.await);
        });
        Ok(Self {
            address,
            stop,
            server: tokio::spawn(async { server.await }),
        })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more connections and lets the calls under way end.
    pub(crate) async fn shut_down(self) -> Result<(), BoxError> {
        // No call takes longer than the bare client's timeout, so neither may this.
        const LONGEST: Duration = Duration::from_secs(6);
        drop(self.stop);
        match timeout(LONGEST, self.server).await {
            Ok(ended) => Ok(ended??),
            Err(_) => Err("calls are still under way; giving up on them".into()),
        }
    }
}

async fn item(State(app): State<App>, Path(id): Path<u64>) -> Response {
    match ask(app, id).await {
        Ok(response) => response,
        Err(error) => {
            let status = if is_timeout(&error) {
                StatusCode::GATEWAY_TIMEOUT
            } else {
                StatusCode::BAD_GATEWAY
            };
            (status, error.to_string()).into_response()
        }
    }
}

async fn ask(mut app: App, id: u64) -> Result<Response, BoxError> {
    let url = format!("http://{}/items/{id}", app.upstream).parse()?;
    let request = reqwest::Request::new(reqwest::Method::GET, url);
    let answer = app.client.ready().await?.call(request).await?;
    let status = answer.status();
    let why = answer.headers().get(FALLBACK).cloned();
    let mut response = (status, answer.bytes().await?).into_response();
    if let Some(why) = why {
        response.headers_mut().insert(FALLBACK, why);
    }
    Ok(response)
}

fn is_timeout(error: &BoxError) -> bool {
    error.downcast_ref().is_some_and(reqwest::Error::is_timeout)
}
