//! Clients who leave a server of axum in the middle of its answer.

use std::{convert::Infallible, time::Duration};

use axum::{Router, body::Body, response::Response, routing::get};
use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use portcullis::{
    event::Event,
    http::{ByStatus, ExchangeLayer, WholeExchange, respond},
    outcome::Outcome,
    pipeline::{Control, Pipeline},
};
use tokio::{net::TcpListener, sync::mpsc};
use tower::ServiceBuilder;

use crate::{
    Protocol,
    support::{counted, soon},
};

/// A server whose answers have parts that are sent when they come.
struct Server {
    url: String,
    control: Control,
    answers: mpsc::UnboundedReceiver<mpsc::UnboundedSender<Bytes>>,
    settled: mpsc::UnboundedReceiver<Outcome>,
}

impl Server {
    async fn start() -> Self {
        let (settle, settled) = mpsc::unbounded_channel();
        let pipeline = Pipeline::builder("answers")
            .timeout(Duration::from_secs(60))
            .observed_by(move |_: Option<&str>, event: &Event| {
                if let Event::Settled { outcome, .. } = event {
                    let _ = settle.send(*outcome);
                }
            })
            .classify(WholeExchange::new(ByStatus::new()))
            .reject_with(respond)
            .build()
            .unwrap();
        let (begin, answers) = mpsc::unbounded_channel();
        let guard = ServiceBuilder::new()
            .layer(pipeline.layer())
            .layer(ExchangeLayer::new());
        let router = Router::new()
            .route("/", get(move || std::future::ready(answer(&begin))))
            .layer(guard);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, router).await });
        Self {
            url,
            control: pipeline.control().clone(),
            answers,
            settled,
        }
    }

    /// Asks, and returns the answer's both ends.
    async fn get(
        &mut self,
        protocol: Protocol,
    ) -> (reqwest::Response, mpsc::UnboundedSender<Bytes>) {
        let response = soon(protocol.client().get(&self.url).send()).await;
        let parts = soon(self.answers.recv()).await;
        (response.unwrap(), parts.unwrap())
    }

    fn in_flight(&self) -> u32 {
        self.control.snapshot().in_flight
    }
}

fn answer(begin: &mpsc::UnboundedSender<mpsc::UnboundedSender<Bytes>>) -> Response {
    let (parts, sent) = mpsc::unbounded_channel();
    begin.send(parts).unwrap();
    let frames = stream::unfold(sent, async |mut sent: mpsc::UnboundedReceiver<Bytes>| {
        let part = sent.recv().await?;
        Some((Ok::<_, Infallible>(Frame::data(part)), sent))
    });
    Response::new(Body::new(StreamBody::new(Box::pin(frames))))
}

#[tokio::test]
async fn one_who_leaves_in_the_middle_is_counted_as_cancelled() {
    for protocol in Protocol::BOTH {
        let mut server = Server::start().await;
        let (mut response, parts) = server.get(protocol).await;
        parts.send(Bytes::from_static(b"part")).unwrap();
        assert_eq!(soon(response.chunk()).await.unwrap().unwrap(), "part");
        assert_eq!(server.in_flight(), 1);

        // With it go the client and its connection.
        drop(response);
        assert_eq!(soon(server.settled.recv()).await, Some(Outcome::Cancelled));
        assert_eq!(server.in_flight(), 0);
        let counts = counted(&server.control.snapshot().lifetime);
        assert_eq!(counts, [("cancelled", 1)], "{protocol:?}");
        // Nor does the work go on.
        soon(parts.closed()).await;
    }
}

#[tokio::test]
async fn one_who_stays_to_the_end_is_a_success() {
    for protocol in Protocol::BOTH {
        let mut server = Server::start().await;
        let (response, parts) = server.get(protocol).await;
        for _ in 0..3 {
            parts.send(Bytes::from_static(b"part")).unwrap();
        }
        assert_eq!(server.in_flight(), 1);
        drop(parts);
        assert_eq!(soon(response.text()).await.unwrap(), "partpartpart");
        assert_eq!(soon(server.settled.recv()).await, Some(Outcome::Success));
        assert_eq!(server.in_flight(), 0);
    }
}

#[tokio::test]
async fn many_who_leave_leave_nothing_behind() {
    const CLIENTS: usize = 50;

    for protocol in Protocol::BOTH {
        let mut server = Server::start().await;
        let mut staying = Vec::new();
        // Answers that would go on.
        let mut unread = Vec::new();
        for client in 0..CLIENTS {
            let (response, parts) = server.get(protocol).await;
            // Every other one leaves at once, and half of these with a part on its way.
            if client % 2 == 0 {
                staying.push((response, parts));
                continue;
            }
            if client % 4 == 1 {
                parts.send(Bytes::from_static(b"part")).unwrap();
            }
            unread.push(parts);
        }
        for (response, parts) in staying {
            drop(parts);
            soon(response.bytes()).await.unwrap();
        }
        for _ in 0..CLIENTS {
            soon(server.settled.recv()).await.unwrap();
        }
        let counts = counted(&server.control.snapshot().lifetime);
        let half = CLIENTS as u64 / 2;
        assert_eq!(counts, [("success", half), ("cancelled", half)]);
        assert_eq!(server.in_flight(), 0);
    }
}
