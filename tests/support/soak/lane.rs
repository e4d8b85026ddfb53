//! A client under a pipeline, and the server that it calls.

use std::time::Duration;

use portcullis::{
    bulkhead::{self, QueueSettings},
    circuit_breaker::{self, State, Window},
    outcome::Outcome,
    pipeline::{Builder, Control, Fault as Cause, Pipeline},
    rejection::BoxError,
};
use reqwest::{Client, Request, Response};
use tower::{
    Service, ServiceBuilder, ServiceExt,
    util::{BoxCloneSyncService, MapErrLayer},
};

use super::counted_as;
use crate::server::{ClosedPort, Fault, FaultServer, Seen};

/// How many calls of a lane may be in flight.
pub(super) const LIMIT: u32 = 64;
/// How many calls of a lane may wait.
pub(super) const QUEUE: u32 = 32;
/// How many calls of a lane may probe.
pub(super) const PROBES: u32 = 3;

/// A call on its way.
pub(super) type Call = <Guarded as Service<Request>>::Future;

type Guarded = BoxCloneSyncService<Request, Response, BoxError>;

/// One pipeline, with a client and a server of its own.
#[derive(Debug)]
pub(crate) struct Lane {
    name: &'static str,
    ends: Ends,
    service: Guarded,
    control: Control,
    server: FaultServer,
    closed: ClosedPort,
}

/// When a call has ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Ends {
    WithHead,
}

/// What the answer of a fallback says of its cause.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instead(pub(super) &'static str);

impl Lane {
    pub(super) fn all() -> Vec<Self> {
        let http1 = || Client::builder().no_proxy().http1_only();
        let http2 = || Client::builder().no_proxy().http2_prior_knowledge();
        vec![
            Self::new("http/1", Ends::WithHead, |builder| {
                let pipeline = builder.classify(by_status).build().unwrap();
                let guarded = ServiceBuilder::new()
                    .layer(pipeline.layer())
                    .layer(MapErrLayer::new(BoxError::from))
                    .service(http1().build().unwrap());
                (
                    BoxCloneSyncService::new(guarded),
                    pipeline.control().clone(),
                )
            }),
            Self::new("http/2, fallback", Ends::WithHead, |builder| {
                let pipeline = builder
                    .classify(by_status)
                    .fallback(instead)
                    .build()
                    .unwrap();
                let guarded = ServiceBuilder::new()
                    .layer(pipeline.layer())
                    .layer(MapErrLayer::new(BoxError::from))
                    .service(http2().build().unwrap());
                (
                    BoxCloneSyncService::new(guarded),
                    pipeline.control().clone(),
                )
            }),
        ]
    }

    fn new(
        name: &'static str,
        ends: Ends,
        guard: impl FnOnce(Builder) -> (Guarded, Control),
    ) -> Self {
        let settings = circuit_breaker::Settings::default()
            .window(Window::Over(Duration::from_secs(1)))
            .slow_calls(Duration::from_millis(80), 0.9)
            .open_for(Duration::from_millis(5))
            .probes(PROBES, 0.5);
        let queue = QueueSettings::default()
            .length(QUEUE)
            .longest_wait(Duration::from_millis(50));
        let builder = Pipeline::builder(name)
            .timeout(Duration::from_millis(100))
            .bulkhead(bulkhead::Settings::default().limit(LIMIT))
            .queue(queue)
            .circuit_breaker(settings);
        let (service, control) = guard(builder);
        Self {
            name,
            ends,
            service,
            control,
            server: FaultServer::start(),
            closed: ClosedPort::new(),
        }
    }

    pub(super) const fn name(&self) -> &'static str {
        self.name
    }

    pub(super) const fn ends(&self) -> Ends {
        self.ends
    }

    pub(super) const fn control(&self) -> &Control {
        &self.control
    }

    pub(super) fn seen(&self) -> Seen {
        self.server.seen()
    }

    /// Waits until the server is not at work any more.
    pub(super) async fn idle(&self) {
        self.server.saw(|seen| seen.at_work == 0).await;
    }

    /// Lets answers go on that wait.
    pub(super) fn go_on(&self) {
        self.server.release_waiting();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.control.snapshot().state == State::Closed
    }

    /// Returns where to find a fault, or nobody at all.
    pub(super) fn url(&self, fault: Option<Fault>) -> String {
        match fault {
            Some(fault) => self.server.url(fault),
            None => self.closed.url(),
        }
    }

    /// Makes a call, and does not poll it.
    pub(super) async fn send(&self, request: Request) -> Call {
        let mut service = self.service.clone();
        // Neither pipelines nor clients keep anybody waiting for that.
        service.ready().await.unwrap().call(request)
    }
}

fn by_status(answer: Result<&Response, &BoxError>) -> Outcome {
    match answer.map(|response| response.status().as_u16()) {
        Ok(404) => Outcome::Ignored,
        Ok(429 | 500..) | Err(_) => Outcome::Failure,
        Ok(_) => Outcome::Success,
    }
}

/// Answers, and says of what.
fn instead(cause: &Cause<BoxError>) -> Response {
    let cause = cause.rejection().map_or("failure", counted_as);
    let mut response = http::Response::new("");
    response.extensions_mut().insert(Instead(cause));
    response.into()
}
