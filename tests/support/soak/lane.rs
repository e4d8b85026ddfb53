//! A client under a pipeline, and the server that it calls.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full, combinators::UnsyncBoxBody};
use hyper_util::{client::legacy, rt::TokioExecutor};
use portcullis::{
    bulkhead::{self, QueueSettings},
    circuit_breaker::{self, State, Window},
    http::{ByStatus, ExchangeLayer, WholeExchange},
    pipeline::{Builder, Control, Fault as Cause, Pipeline},
    rejection::BoxError,
    reqwest as guarded,
};
use reqwest::{Client, ClientBuilder, Method, Request, Response};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

use super::counted_as;
use crate::server::{ClosedPort, Fault, FaultServer, Seen};

/// How many calls of a lane may be in flight.
pub(super) const LIMIT: u32 = 32;
/// How many calls of a lane may wait.
pub(super) const QUEUE: u32 = 16;
/// How many calls of a lane may probe.
pub(super) const PROBES: u32 = 3;

/// Longer than a part of a body takes, unless it hangs.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

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
        let reqwest1 = || client(Client::builder().http1_only());
        let reqwest2 = || client(Client::builder().http2_prior_knowledge());
        let hyper = legacy::Client::builder(TokioExecutor::new());
        vec![
            Self::new("http/1", Ends::WithHead, |builder| {
                guarded_by_heads(builder, reqwest1())
            }),
            Self::new("http/2, fallback", Ends::WithHead, |builder| {
                guarded_with_fallback(builder, reqwest2())
            }),
            Self::new("http/1, collected", Ends::WithHead, |builder| {
                collecting(builder, reqwest1())
            }),
            Self::new("http/1, whole", Ends::WithBody, |builder| {
                whole(builder, reqwest1())
            }),
            Self::new("http/2, whole", Ends::WithBody, |builder| {
                whole(builder, reqwest2())
            }),
            Self::new("http/1, whole, hyper", Ends::WithBody, |builder| {
                hyper_whole(builder, &hyper)
            }),
            Self::new("http/2, whole, hyper", Ends::WithBody, |builder| {
                hyper_whole(builder, hyper.clone().http2_only(true))
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
            .slow_calls(Duration::from_millis(100), 1.0)
            .open_for(Duration::from_millis(5))
            // Some servers ask for seconds.
            .open_growth(2.0, Duration::from_millis(20))
            .probes(PROBES, 0.5);
        let queue = QueueSettings::default()
            .length(QUEUE)
            .longest_wait(Duration::from_millis(20));
        let builder = Pipeline::builder(name)
            .timeout(Duration::from_millis(200))
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

fn client(builder: ClientBuilder) -> guarded::Client {
    guarded::Client::new(builder.no_proxy().build().unwrap())
}

/// As the callers take it, and over and above the default nobody's fault.
fn by_status() -> guarded::ByStatus {
    guarded::ByStatus::new(ByStatus::new().ignoring([404]).unwrap())
}

fn by_whole() -> WholeExchange<guarded::ByStatus> {
    let whole = WholeExchange::new(by_status());
    whole.idle_timeout(LONGEST_PAUSE).unwrap()
}

fn guarded_by_heads(builder: Builder, client: guarded::Client) -> (Guarded, Control) {
    let pipeline = builder.classify(by_status()).build().unwrap();
    let guarded = pipeline.layer().layer(client);
    (erased(guarded, streamed), pipeline.control().clone())
}

/// There is an answer to everything, which says of what.
fn guarded_with_fallback(builder: Builder, client: guarded::Client) -> (Guarded, Control) {
    let instead = |cause: &Cause<guarded::Error>| {
        let cause = cause.rejection().map_or("failure", counted_as);
        let mut response = http::Response::new("");
        response.extensions_mut().insert(Instead(cause));
        Response::from(response)
    };
    let builder = builder.classify(by_status()).fallback(instead);
    let pipeline = builder.build().unwrap();
    let guarded = pipeline.layer().layer(client);
    (erased(guarded, streamed), pipeline.control().clone())
}

fn collecting(builder: Builder, client: guarded::Client) -> (Guarded, Control) {
    let pipeline = builder.classify(by_status()).build().unwrap();
    let guarded = pipeline.layer().layer(client.collecting());
    let answered = |response: http::Response<Bytes>| response.map(|body| boxed(Full::new(body)));
    (erased(guarded, answered), pipeline.control().clone())
}

fn whole(builder: Builder, client: guarded::Client) -> (Guarded, Control) {
    let pipeline = builder.classify(by_whole()).build().unwrap();
    let guarded = pipeline.layer().layer(client);
    (erased(guarded, streamed), pipeline.control().clone())
}

fn hyper_whole(builder: Builder, client: &legacy::Builder) -> (Guarded, Control) {
    let pipeline = builder.classify(by_whole()).build().unwrap();
    let guarded = ServiceBuilder::new()
        .map_request(|url: String| http::Request::get(url).body(Empty::<Bytes>::new()).unwrap())
        .map_response(|response: http::Response<_>| response.map(boxed))
        .layer(pipeline.layer())
        .layer(ExchangeLayer::new())
        .map_err(BoxError::from)
        .service(client.build_http());
    (
        BoxCloneSyncService::new(guarded),
        pipeline.control().clone(),
    )
}

/// Makes a client of reqwest one of many.
fn erased<S, Res>(guarded: S, answered: fn(Res) -> http::Response<Body>) -> Guarded
where
    S: Service<Request, Response = Res, Error = guarded::Error> + Clone + Send + Sync + 'static,
    S::Future: Send,
    Res: 'static,
{
    let service = guarded
        .map_request(|url: String| Request::new(Method::GET, url.parse().unwrap()))
        .map_response(answered)
        .map_err(BoxError::from);
    BoxCloneSyncService::new(service)
}

fn streamed(response: Response) -> http::Response<Body> {
    http::Response::from(response).map(boxed)
}

fn boxed<B>(body: B) -> Body
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    body.map_err(Into::into).boxed_unsync()
}
