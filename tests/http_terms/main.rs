//! HTTP and gRPC around a gate: the whole exchange, without a socket.

#[path = "../support/mod.rs"]
mod support;

mod conservation;
mod ends;
mod grpc;
mod idle;
mod pipeline;
mod script;

use std::{future::ready, time::Duration};

use http::{HeaderName, Response, header::CONTENT_TYPE};
use http_body_util::BodyExt;
use portcullis::{
    gate::{GateLayer, Policy},
    http::{ByStatus, ExchangeBody, ExchangeLayer, WholeExchange},
    outcome::Classify,
    rejection::{BoxError, Rejection},
};
use tower::{Layer, ServiceExt, service_fn};

use crate::{
    script::{Script, Step},
    support::{Log, Spy, soon},
};

type Answer = Response<ExchangeBody<Script>>;

const SECOND: Duration = Duration::from_secs(1);

fn whole() -> WholeExchange<ByStatus> {
    let whole = WholeExchange::new(ByStatus::new());
    whole.idle_timeout(30 * SECOND).unwrap()
}

fn ok(steps: impl IntoIterator<Item = Step>) -> Response<Script> {
    Response::new(Script::new(steps))
}

fn with(name: HeaderName, value: &str, mut response: Response<Script>) -> Response<Script> {
    response.headers_mut().insert(name, value.parse().unwrap());
    response
}

fn with_status(status: u16, mut response: Response<Script>) -> Response<Script> {
    *response.status_mut() = status.try_into().unwrap();
    response
}

fn events(response: Response<Script>) -> Response<Script> {
    with(CONTENT_TYPE, "text/event-stream; charset=utf-8", response)
}

/// A gate with a [`Spy`], and what it is told.
struct Watched<C> {
    layer: GateLayer<Spy, C>,
    log: Log,
}

impl<C: Classify<Answer, BoxError> + Clone> Watched<C> {
    fn by(classify: C) -> Self {
        let log = Log::default();
        let spy = Spy::new("spy", &log).staying();
        let layer = GateLayer::new(spy).classify(classify);
        Self { layer, log }
    }

    async fn call(&self, response: Response<Script>) -> Answer {
        call(&self.layer, response).await
    }

    /// Returns what the spy was told of calls that ended since the last look.
    fn settled(&self) -> Vec<String> {
        let told = self.log.take().into_iter();
        told.filter_map(|told| Some(told.strip_prefix("spy settles ")?.to_owned()))
            .collect()
    }

    /// Returns how a call ended whose body is read to its end.
    async fn read(&self, response: Response<Script>) -> Vec<String> {
        let response = self.call(response).await;
        let body = response.into_body();
        drop(soon(body.collect()).await);
        self.settled()
    }
}

async fn call<P: Policy, C: Classify<Answer, BoxError>>(
    layer: &GateLayer<P, C>,
    response: Response<Script>,
) -> Answer {
    let service = service_fn(|response| ready(Ok::<_, BoxError>(response)));
    let gate = layer.layer(ExchangeLayer::new().layer(service));
    soon(gate.oneshot(response)).await.unwrap()
}

fn is_late(error: &BoxError) -> bool {
    Rejection::find(&**error).is_some_and(Rejection::is_timeout)
}
