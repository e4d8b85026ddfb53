//! Calls that last as long as their bodies, over real sockets.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Empty, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper_util::{client::legacy, rt::TokioExecutor};
use portcullis::{
    circuit_breaker,
    clock::{Clock, Tick},
    http::{ByGrpcStatus, ExchangeBody, ExchangeLayer, WholeExchange},
    outcome::Classify,
    pipeline::{Builder, Control, Pipeline},
    rejection::{BoxError, Rejection},
    reqwest::{ByStatus, Client},
};
use tower::{ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

use crate::{
    Protocol,
    server::{Fault, FaultServer},
    support::{counted, soon},
};

const MINUTE: Duration = Duration::from_secs(60);

type Body = UnsyncBoxBody<Bytes, BoxError>;

/// A client under a pipeline, and a server.
struct Guarded {
    client: &'static str,
    service: BoxCloneSyncService<String, Response<Body>, BoxError>,
    control: Control,
    server: FaultServer,
    /// The pipeline's time, which passes when it is told to.
    time_ns: Arc<AtomicU64>,
}

impl Guarded {
    /// Returns one for each client and protocol.
    fn each(whole: &WholeExchange<ByStatus>) -> impl Iterator<Item = Self> {
        let reqwest = Protocol::BOTH.map(|protocol| Self::reqwest(protocol, whole.clone()));
        let hyper = Protocol::BOTH.map(|protocol| Self::hyper(protocol, whole.clone()));
        reqwest.into_iter().chain(hyper)
    }

    fn reqwest(protocol: Protocol, classify: WholeExchange<ByStatus>) -> Self {
        let time_ns = Arc::new(AtomicU64::new(0));
        let pipeline = builder(&time_ns).classify(classify).build().unwrap();
        let service = ServiceBuilder::new()
            .map_request(|url: String| reqwest::Request::new(Method::GET, url.parse().unwrap()))
            .map_response(|response| Response::from(response).map(boxed))
            .map_err(BoxError::from)
            .layer(pipeline.layer())
            .service(Client::new(protocol.client()));
        Self {
            client: "reqwest",
            service: BoxCloneSyncService::new(service),
            control: pipeline.control().clone(),
            server: FaultServer::start(),
            time_ns,
        }
    }

    fn hyper<C>(protocol: Protocol, classify: C) -> Self
    where
        C: Classify<Response<ExchangeBody<Incoming>>, BoxError> + Clone + Send + Sync + 'static,
    {
        let time_ns = Arc::new(AtomicU64::new(0));
        let pipeline = builder(&time_ns).classify(classify).build().unwrap();
        let client = legacy::Client::builder(TokioExecutor::new())
            .http2_only(protocol == Protocol::Http2)
            .build_http();
        let service = ServiceBuilder::new()
            .map_request(|url: String| Request::get(url).body(Empty::<Bytes>::new()).unwrap())
            .map_response(|response: Response<_>| response.map(boxed))
            .layer(pipeline.layer())
            .layer(ExchangeLayer::new())
            .map_err(BoxError::from)
            .service(client);
        Self {
            client: "hyper",
            service: BoxCloneSyncService::new(service),
            control: pipeline.control().clone(),
            server: FaultServer::start(),
            time_ns,
        }
    }

    async fn get(&self, fault: Fault) -> Response<Body> {
        let call = self.service.clone().oneshot(self.server.url(fault));
        soon(call).await.unwrap()
    }

    /// Reads a body to its end, of which the server releases so many parts.
    async fn read(&self, answer: Response<Body>, parts: usize) -> Result<usize, BoxError> {
        let release = async {
            for _ in 0..parts {
                soon(self.server.release_next()).await;
            }
        };
        let (body, ()) = tokio::join!(soon(answer.into_body().collect()), release);
        Ok(body?.to_bytes().len())
    }

    fn let_a_minute_pass(&self) {
        let minute = u64::try_from(MINUTE.as_nanos()).unwrap();
        self.time_ns.fetch_add(minute, Ordering::Relaxed);
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        counted(&self.control.snapshot().lifetime)
    }

    fn in_flight(&self) -> u32 {
        self.control.snapshot().in_flight
    }
}

/// Five calls are enough, and a minute is slow.
fn builder(time_ns: &Arc<AtomicU64>) -> Builder {
    let settings = circuit_breaker::Settings::default()
        .minimum_calls(5)
        .slow_calls(MINUTE, 1.0)
        .open_for(Duration::from_millis(10));
    let time_ns = Arc::clone(time_ns);
    Pipeline::builder("upstream")
        .timeout(None)
        .circuit_breaker(settings)
        .clock(Clock::from_fn(move || {
            Tick::from_nanos(time_ns.load(Ordering::Relaxed))
        }))
}

fn boxed<B>(body: B) -> Body
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    body.map_err(Into::into).boxed_unsync()
}

fn whole() -> WholeExchange<ByStatus> {
    WholeExchange::new(ByStatus::default())
}

#[tokio::test]
async fn a_body_that_breaks_at_nine_tenths_is_a_failure() {
    for fault in [Fault::BrokenBody, Fault::ShortBody, Fault::ResetBody] {
        for guarded in Guarded::each(&whole()) {
            let answer = guarded.get(fault).await;
            assert_eq!(answer.status(), 200);
            assert_eq!((guarded.counts(), guarded.in_flight()), (vec![], 1));
            guarded.read(answer, 1).await.unwrap_err();
            assert_eq!(guarded.counts(), [("failure", 1)], "{}", guarded.client);
            assert_eq!(guarded.in_flight(), 0);
        }
    }
}

#[tokio::test]
async fn bodies_that_break_open_the_circuit() {
    for guarded in Guarded::each(&whole()) {
        for _ in 0..5 {
            let answer = guarded.get(Fault::BrokenBody).await;
            guarded.read(answer, 1).await.unwrap_err();
        }
        assert_eq!(guarded.counts(), [("failure", 5)]);
        assert_eq!(guarded.control.snapshot().times_opened, 1);
    }
}

#[tokio::test]
async fn bodies_that_hang_open_the_circuit() {
    let whole = whole().idle_timeout(Duration::from_millis(20)).unwrap();
    for guarded in Guarded::each(&whole) {
        for _ in 0..5 {
            let answer = guarded.get(Fault::StalledBody).await;
            let error = guarded.read(answer, 0).await.unwrap_err();
            assert!(Rejection::find(&*error).unwrap().is_timeout());
        }
        assert_eq!(guarded.counts(), [("timeout", 5)]);
        let snapshot = guarded.control.snapshot();
        assert_eq!((snapshot.times_opened, snapshot.in_flight), (1, 0));
        // The connections or streams that hung are given up.
        soon(guarded.server.saw(|seen| seen.at_work == 0)).await;
    }
}

#[tokio::test]
async fn a_slow_body_holds_its_permit_until_its_last_part() {
    for guarded in Guarded::each(&whole()) {
        let mut answer = guarded.get(Fault::SlowBody).await;
        for _ in 0..10 {
            assert_eq!((guarded.counts(), guarded.in_flight()), (vec![], 1));
            soon(guarded.server.release_next()).await;
            soon(answer.body_mut().frame()).await.unwrap().unwrap();
        }
        assert_eq!(guarded.counts(), [("success", 1)]);
        assert_eq!(guarded.in_flight(), 0);
    }
}

#[tokio::test]
async fn a_slow_body_is_a_slow_call() {
    for guarded in Guarded::each(&whole()) {
        let answer = guarded.get(Fault::SlowBody).await;
        guarded.let_a_minute_pass();
        guarded.read(answer, 10).await.unwrap();
        assert_eq!(guarded.counts(), [("success", 1), ("slow", 1)]);
    }
}

#[tokio::test]
async fn a_body_that_is_dropped_is_cancelled_and_the_server_hears_of_it() {
    for guarded in Guarded::each(&whole()) {
        for calls in 1..=3 {
            let mut answer = guarded.get(Fault::SlowBody).await;
            if calls > 1 {
                soon(guarded.server.release_next()).await;
                soon(answer.body_mut().frame()).await.unwrap().unwrap();
            }
            drop(answer);
            assert_eq!(guarded.counts(), [("cancelled", calls)]);
            assert_eq!(guarded.in_flight(), 0);
            soon(guarded.server.saw(|seen| seen.at_work == 0)).await;
        }
    }
}

#[tokio::test]
async fn events_are_neither_cut_nor_slow() {
    let whole = whole().idle_timeout(Duration::from_millis(1)).unwrap();
    for guarded in Guarded::each(&whole) {
        let answer = guarded.get(Fault::Events).await;
        assert_eq!(guarded.counts(), [("success", 1)]);
        assert_eq!(guarded.in_flight(), 0);
        // All of them come, however long that takes.
        guarded.let_a_minute_pass();
        let length = guarded.read(answer, 100).await.unwrap();
        assert_eq!(length, 100 * Fault::BODY / 10);
        assert_eq!(guarded.counts(), [("success", 1)]);
    }
}

#[tokio::test]
async fn events_hold_their_permit_and_count_as_slow_where_that_is_asked_for() {
    for guarded in Guarded::each(&whole().streams_too()) {
        let answer = guarded.get(Fault::Events).await;
        assert_eq!((guarded.counts(), guarded.in_flight()), (vec![], 1));
        guarded.let_a_minute_pass();
        guarded.read(answer, 100).await.unwrap();
        assert_eq!(guarded.counts(), [("success", 1), ("slow", 1)]);
        assert_eq!(guarded.in_flight(), 0);
    }
}

#[tokio::test]
async fn answers_without_a_body_end_with_their_head() {
    let cases = [
        (Fault::Failing, "failure"),
        (Fault::Unavailable, "failure"),
        (Fault::TooMany, "failure"),
        (Fault::Missing, "success"),
    ];
    for (fault, end) in cases {
        for guarded in Guarded::each(&whole()) {
            let _answer = guarded.get(fault).await;
            assert_eq!(guarded.counts(), [(end, 1)], "{fault:?}");
            assert_eq!(guarded.in_flight(), 0);
        }
    }
}

#[tokio::test]
async fn a_server_that_says_when_to_come_again_is_left_alone_until_then() {
    for guarded in Guarded::each(&whole()) {
        for _ in 0..5 {
            assert_eq!(guarded.control.snapshot().remaining_open, None);
            guarded.get(Fault::Unavailable).await;
        }
        // It said 2 s; the circuit's own time is 10 ms.
        let remaining = guarded.control.snapshot().remaining_open;
        assert!(remaining >= Some(Duration::from_secs(2)), "{remaining:?}");
    }
}

#[tokio::test]
async fn calls_of_grpc_end_by_their_trailers() {
    let cases = [
        (Fault::GrpcOk, "success"),
        (Fault::GrpcUnavailable, "failure"),
        (Fault::GrpcTruncated, "failure"),
    ];
    for protocol in Protocol::BOTH {
        for (fault, end) in cases {
            let guarded = Guarded::hyper(protocol, WholeExchange::grpc(ByGrpcStatus::new()));
            let answer = guarded.get(fault).await;
            assert_eq!((guarded.counts(), guarded.in_flight()), (vec![], 1));
            assert_eq!(guarded.read(answer, 0).await.unwrap(), Fault::BODY);
            assert_eq!(guarded.counts(), [(end, 1)], "{protocol:?} {fault:?}");
        }
        let guarded = Guarded::hyper(protocol, WholeExchange::grpc(ByGrpcStatus::new()));
        let _answer = guarded.get(Fault::GrpcRefused).await;
        assert_eq!(guarded.counts(), [("failure", 1)]);
    }
}
