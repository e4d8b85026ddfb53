//! The gateway: an axum server whose routes ask the upstreams.

use std::{io, net::SocketAddr, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::get,
};
use portcullis::{
    rejection::BoxError,
    reqwest::{Error, RequestBuilderExt},
};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle, time::timeout};

use crate::{client::Client, groups::GROUPS, page::page};

/// Why an answer came from a fallback, or a page has not all of its parts.
pub(crate) const FALLBACK: &str = "x-fallback";

/// A running gateway.
pub(crate) struct Gateway {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<io::Result<()>>,
}

/// What the routes ask through.
#[derive(Clone)]
pub(crate) struct App {
    calls: Client,
    /// For the parts of pages.
    pub(crate) parts: Client,
    /// Builds requests, and sends none.
    pub(crate) requests: reqwest::Client,
}

impl App {
    pub(crate) fn new(calls: Client, parts: Client) -> Result<Self, BoxError> {
        let requests = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self {
            calls,
            parts,
            requests,
        })
    }
}

pub(crate) fn routes(app: App) -> Router {
    let mut router = Router::new().route("/pages/{id}", get(page));
    for group in GROUPS {
        for route in group.routes {
            let pass_on =
                async |State(app): State<App>, uri: Uri| pass_on(app, group.name, uri).await;
            router = router.route(&format!("/{route}/{{id}}"), get(pass_on));
        }
    }
    router.with_state(app)
}

impl Gateway {
    pub(crate) async fn start(routes: Router) -> Result<Self, BoxError> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let server = axum::serve(listener, routes).with_graceful_shutdown(async {
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

async fn pass_on(mut app: App, group: &str, uri: Uri) -> Response {
    let request = app.requests.get(format!("http://{group}{uri}"));
    let answer = match request.send_through(&mut app.calls).await {
        Ok(answer) => answer,
        Err(Error::Rejected(rejection)) => return rejection.into_response(),
        Err(error) if error.is_timeout() => return StatusCode::GATEWAY_TIMEOUT.into_response(),
        Err(_) => return StatusCode::BAD_GATEWAY.into_response(),
    };
    let (head, body) = answer.into_parts();
    let mut response = (head.status, body).into_response();
    if let Some(why) = head.headers.get(FALLBACK) {
        response.headers_mut().insert(FALLBACK, why.clone());
    }
    response
}
