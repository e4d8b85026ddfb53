//! A client that reads the whole body before it answers, so that the pipeline's time limit covers it.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use portcullis::{
    pipeline::{Control, Pipeline},
    reqwest::{ByStatus, Client, Error},
};
use reqwest::{Method, Request};
use tower::{Layer, ServiceExt, util::BoxCloneSyncService};

use crate::{
    Protocol,
    server::{Fault, FaultServer},
    support::{counted, soon},
};

struct Guarded {
    service: BoxCloneSyncService<Request, Response<Bytes>, Error>,
    control: Control,
    server: FaultServer,
}

impl Guarded {
    fn new(protocol: Protocol, timeout: impl Into<Option<Duration>>) -> Self {
        let settings = portcullis::circuit_breaker::Settings::default().minimum_calls(5);
        let pipeline = Pipeline::builder("upstream")
            .timeout(timeout)
            .circuit_breaker(settings)
            .classify(ByStatus::default())
            .build()
            .unwrap();
        let client = Client::new(protocol.client()).collecting();
        Self {
            service: BoxCloneSyncService::new(pipeline.layer().layer(client)),
            control: pipeline.control().clone(),
            server: FaultServer::start(),
        }
    }

    /// Asks for a body of which the server releases so many parts.
    async fn get(&self, fault: Fault, parts: usize) -> Result<Response<Bytes>, Error> {
        let request = Request::new(Method::GET, self.server.url(fault).parse().unwrap());
        let release = async {
            for _ in 0..parts {
                soon(self.server.release_next()).await;
            }
        };
        let call = soon(self.service.clone().oneshot(request));
        tokio::join!(call, release).0
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        counted(&self.control.snapshot().lifetime)
    }
}

#[tokio::test]
async fn a_slow_body_is_one_answer() {
    for protocol in Protocol::BOTH {
        let guarded = Guarded::new(protocol, None);
        let answer = guarded.get(Fault::SlowBody, 10).await.unwrap();
        assert_eq!(answer.body().len(), Fault::BODY);
        assert_eq!(guarded.counts(), [("success", 1)]);
    }
}

#[tokio::test]
async fn a_body_that_breaks_at_nine_tenths_is_no_answer() {
    for protocol in Protocol::BOTH {
        for fault in [Fault::BrokenBody, Fault::ShortBody, Fault::ResetBody] {
            let guarded = Guarded::new(protocol, None);
            let error = guarded.get(fault, 1).await.unwrap_err();
            assert!(error.request().is_some(), "{error}");
            assert_eq!(guarded.counts(), [("failure", 1)], "{protocol:?} {fault:?}");
        }
    }
}

#[tokio::test]
async fn bodies_that_hang_run_out_of_time_and_open_the_circuit() {
    for protocol in Protocol::BOTH {
        let guarded = Guarded::new(protocol, Duration::from_millis(30));
        for _ in 0..5 {
            let error = guarded.get(Fault::StalledBody, 0).await.unwrap_err();
            assert!(error.rejection().unwrap().is_timeout());
        }
        let error = guarded.get(Fault::Healthy, 0).await.unwrap_err();
        assert!(error.rejection().unwrap().is_circuit_open());
        let snapshot = guarded.control.snapshot();
        assert_eq!((snapshot.lifetime.timeout, snapshot.in_flight), (5, 0));
        soon(guarded.server.saw(|seen| seen.at_work == 0)).await;
    }
}
