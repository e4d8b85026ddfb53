//! A client under a pipeline, and the server that it calls.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, combinators::UnsyncBoxBody};
use hyper_util::{client::legacy, rt::TokioExecutor};
use portcullis::{
    bulkhead::{self, QueueSettings},
    circuit_breaker::{self, State, Window},
    http::{ByStatus, ExchangeLayer, WholeExchange},
    outcome::Outcome,
    pipeline::{Builder, Control, Fault as Cause, Pipeline},
    rejection::BoxError,
};
use reqwest::{Client, ClientBuilder, Method, Request, Response};
use tower::{Service, ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

use super::counted_as;
use crate::server::{ClosedPort, Fault, FaultServer, Seen};

/// How many calls of a lane may be in flight.
pub(super) const LIMIT: u32 = 64;
/// How many calls of a lane may wait.
pub(super) const QUEUE: u32 = 32;
/// How many calls of a lane may probe.
pub(super) const PROBES: u32 = 3;

/// Longer than a part of a body takes, unless it hangs.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

pub(super) type Body = UnsyncBoxBody<Bytes, BoxError>;

/// From where to what is there, whatever the client.
type Guarded = BoxCloneSyncService<String, http::Response<Body>, BoxError>;

/// A call on its way.
pub(super) type Call = <Guarded as Service<String>>::Future;

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
    WithBody,
}

/// What the answer of a fallback says of its cause.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instead(pub(super) &'static str);

impl Lane {
    pub(super) fn all() -> Vec<Self> {
        let http1 = Client::builder().no_proxy().http1_only();
        let hyper = legacy::Client::builder(TokioExecutor::new());
        let http2 = Client::builder().no_proxy().http2_prior_knowledge();
        vec![
            Self::new("http/1", Ends::WithHead, |builder| plain(builder, http1)),
            Self::new("http/2, fallback", Ends::WithHead, |builder| {
                with_fallback(builder, http2)
            }),
            Self::new("http/1, whole exchange", Ends::WithBody, |builder| {
                whole(builder, &hyper)
            }),
            Self::new("http/2, whole exchange", Ends::WithBody, |builder| {
                whole(builder, hyper.clone().http2_only(true))
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
            .failure_rate(0.3)
            .slow_calls(Duration::from_millis(80), 0.9)
            .open_for(Duration::from_millis(5))
            // Some servers ask for seconds.
            .open_growth(2.0, Duration::from_millis(20))
            .probes(PROBES, 0.5);
        let queue = QueueSettings::default()
            .length(QUEUE)
            .longest_wait(Duration::from_millis(20));
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
    pub(super) async fn send(&self, url: String) -> Call {
        let mut service = self.service.clone();
        // Neither pipelines nor clients keep anybody waiting for that.
        service.ready().await.unwrap().call(url)
    }
}

/// reqwest under a pipeline that looks at heads.
fn plain(builder: Builder, client: ClientBuilder) -> (Guarded, Control) {
    let pipeline = builder.classify(by_status).build().unwrap();
    let guarded = ServiceBuilder::new()
        .map_request(|url: String| Request::new(Method::GET, url.parse().unwrap()))
        .map_response(boxed)
        .layer(pipeline.layer())
        .map_err(BoxError::from)
        .service(client.build().unwrap());
    (
        BoxCloneSyncService::new(guarded),
        pipeline.control().clone(),
    )
}

/// The same, where there is an answer to everything.
fn with_fallback(builder: Builder, client: ClientBuilder) -> (Guarded, Control) {
    let builder = builder.classify(by_status).fallback(instead);
    let pipeline = builder.build().unwrap();
    let guarded = ServiceBuilder::new()
        .map_request(|url: String| Request::new(Method::GET, url.parse().unwrap()))
        .map_response(boxed)
        .layer(pipeline.layer())
        .map_err(BoxError::from)
        .service(client.build().unwrap());
    (
        BoxCloneSyncService::new(guarded),
        pipeline.control().clone(),
    )
}

/// hyper under a pipeline whose calls last as long as their bodies.
fn whole(builder: Builder, client: &legacy::Builder) -> (Guarded, Control) {
    let heads = ByStatus::new().ignoring([404]).unwrap();
    let classify = WholeExchange::new(heads).idle_timeout(LONGEST_PAUSE);
    let pipeline = builder.classify(classify.unwrap()).build().unwrap();
    let guarded = ServiceBuilder::new()
        .map_request(|url: String| http::Request::get(url).body(Empty::<Bytes>::new()).unwrap())
        .map_response(|response: http::Response<_>| response.map(BodyExt::boxed_unsync))
        .layer(pipeline.layer())
        .layer(ExchangeLayer::new())
        .map_err(BoxError::from)
        .service(client.build_http());
    (
        BoxCloneSyncService::new(guarded),
        pipeline.control().clone(),
    )
}

fn boxed(response: Response) -> http::Response<Body> {
    http::Response::from(response).map(|body| body.map_err(BoxError::from).boxed_unsync())
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
