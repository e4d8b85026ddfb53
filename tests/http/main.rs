//! axum servers and reqwest clients over loopback.

mod client;
mod collecting;
mod health;
mod itself;
mod keys;
mod kinds;
mod leaving;
mod server;
mod whole;

use std::{future::Future, sync::Arc, time::Duration};

use axum::{
    Router,
    http::StatusCode,
    routing::{MethodRouter, get as route},
};
use portcullis::{
    event::{Event, Observer},
    outcome::Outcome,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::{Semaphore, mpsc},
    task::JoinSet,
};

/// Awaits what must not take for ever. Here time is real.
async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("it should have ended")
}

/// Serves as axum's users do: a router, of which axum makes the services for each connection anew.
async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, router).await });
    url
}

/// The address of a server that is no more.
async fn gone() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}/", listener.local_addr().unwrap())
}

/// Answers every connection with the same bytes, whatever it is asked, and then closes it or holds it for ever.
async fn serve_bytes(answer: impl Into<Vec<u8>>, afterwards: Afterwards) -> String {
    let answer = answer.into();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut request = [0; 1 << 10];
            let _ = connection.read(&mut request).await;
            let _ = connection.write_all(&answer).await;
            if afterwards == Afterwards::Hold {
                held.push(connection);
            }
        }
    });
    url
}

#[derive(Clone, Copy, PartialEq)]
enum Afterwards {
    Close,
    Hold,
}

/// Passes settlements on, so that a test can wait for one.
fn settlements() -> (impl Observer + 'static, mpsc::UnboundedReceiver<Outcome>) {
    let (settled, settlements) = mpsc::unbounded_channel();
    let observer = move |_: Option<&str>, event: &Event| {
        if let Event::Settled { outcome, .. } = event {
            let _ = settled.send(*outcome);
        }
    };
    (observer, settlements)
}

/// A client with connections of its own.
fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// Asks over a connection of its own.
async fn get(url: String) -> (u16, String) {
    let response = soon(client().get(url).send()).await.unwrap();
    let status = response.status().as_u16();
    (status, soon(response.text()).await.unwrap())
}

/// Work that says when it begins and ends when it may.
#[derive(Clone)]
struct Work {
    begun: mpsc::UnboundedSender<()>,
    permits: Arc<Semaphore>,
}

impl Work {
    fn new() -> (Self, mpsc::UnboundedReceiver<()>) {
        let (begun, begins) = mpsc::unbounded_channel();
        let permits = Arc::new(Semaphore::new(0));
        (Self { begun, permits }, begins)
    }

    /// A route that does it.
    fn route(&self) -> MethodRouter {
        let work = self.clone();
        route(move || work.run())
    }

    async fn run(self) -> &'static str {
        self.begun.send(()).unwrap();
        self.permits.acquire().await.unwrap().forget();
        "done"
    }

    fn finish(&self, calls: usize) {
        self.permits.add_permits(calls);
    }
}

/// Asks `url` over so many connections at once.
fn get_often(url: &str, times: usize) -> JoinSet<(u16, String)> {
    (0..times).map(|_| get(url.to_owned())).collect()
}

async fn next(answers: &mut JoinSet<(u16, String)>) -> (StatusCode, String) {
    let answer = soon(answers.join_next()).await.expect("an answer");
    let (status, body) = answer.unwrap();
    (StatusCode::from_u16(status).unwrap(), body)
}
