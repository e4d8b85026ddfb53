//! What a pipeline makes of faults that end before, or with, the head of an answer.

use std::time::Duration;

use futures_util::future::join_all;
use portcullis::{
    circuit_breaker::{self, State},
    pipeline::{Builder, Control, Pipeline},
    reqwest::{ByStatus, Client, Error},
};
use reqwest::{Method, Request, Response};
use tower::{Layer, ServiceExt, util::BoxCloneSyncService};

use crate::{
    Protocol,
    server::{ClosedPort, Fault, FaultServer},
    support::{counted, soon},
};

type Guarded = BoxCloneSyncService<Request, Response, Error>;

/// Five calls are enough, and the circuit is half-open by the next call.
fn builder() -> Builder {
    let settings = circuit_breaker::Settings::default()
        .minimum_calls(5)
        .open_for(Duration::from_millis(1))
        .open_jitter(0.0);
    Pipeline::builder("upstream").circuit_breaker(settings)
}

fn guard(builder: Builder, client: reqwest::Client) -> (Guarded, Control) {
    let pipeline = builder.classify(ByStatus::default()).build().unwrap();
    let guarded = pipeline.layer().layer(Client::new(client));
    (
        BoxCloneSyncService::new(guarded),
        pipeline.control().clone(),
    )
}

async fn get(service: &Guarded, url: &str) -> Result<Response, Error> {
    let request = Request::new(Method::GET, url.parse().unwrap());
    soon(service.clone().oneshot(request)).await
}

/// Calls until the circuit is closed again, and returns what came of the last call.
async fn get_until_closed(service: &Guarded, control: &Control, url: &str) -> Response {
    let recovery = async {
        loop {
            let answer = get(service, url).await;
            match answer {
                Ok(response) if control.snapshot().state == State::Closed => return response,
                Ok(_) => {}
                Err(error) => {
                    let rejection = error.rejection().expect("only rejections");
                    assert!(rejection.is_circuit_open());
                }
            }
            tokio::task::yield_now().await;
        }
    };
    soon(recovery).await
}

fn counts(control: &Control) -> Vec<(&'static str, u64)> {
    counted(&control.snapshot().lifetime)
}

#[tokio::test]
async fn refused_connections_open_the_circuit_until_somebody_listens() {
    for protocol in Protocol::BOTH {
        let port = ClosedPort::new();
        let url = port.url();
        let (service, control) = guard(builder(), protocol.client());
        for _ in 0..5 {
            let error = get(&service, &url).await.unwrap_err();
            assert!(error.request().unwrap().is_connect());
        }
        assert_eq!(counts(&control), [("failure", 5)]);
        assert_eq!(control.snapshot().times_opened, 1);

        let server = port.open();
        let response = get_until_closed(&service, &control, &url).await;
        assert_eq!(response.status(), 200);
        let snapshot = control.snapshot();
        assert_eq!((snapshot.times_opened, snapshot.in_flight), (1, 0));
        assert_eq!(server.seen().requests, 1);
    }
}

#[tokio::test]
async fn what_ends_before_the_answer_is_one_failure() {
    let faults = [
        Fault::HangUp,
        Fault::RefusedStream,
        Fault::CancelledStream,
        Fault::GoAwayError,
    ];
    for protocol in Protocol::BOTH {
        for fault in faults {
            let server = FaultServer::start();
            let (service, control) = guard(builder(), protocol.client());
            get(&service, &server.url(fault)).await.unwrap_err();
            assert_eq!(counts(&control), [("failure", 1)], "{fault:?}");
            assert_eq!(server.seen().requests, 1);
        }
    }
}

#[tokio::test]
async fn a_server_that_hangs_runs_out_of_time_and_hears_of_it() {
    for protocol in Protocol::BOTH {
        let server = FaultServer::start();
        let builder = builder().timeout(Duration::from_millis(50));
        let (service, control) = guard(builder, protocol.client());
        let url = server.url(Fault::Hang);
        for answer in join_all((0..5).map(|_| get(&service, &url))).await {
            assert!(answer.unwrap_err().rejection().unwrap().is_timeout());
        }
        let snapshot = control.snapshot();
        assert_eq!((snapshot.times_opened, snapshot.in_flight), (1, 0));
        assert_eq!(counts(&control), [("timeout", 5)]);
        // Nothing of the calls goes on.
        soon(server.saw(|seen| seen.at_work == 0)).await;
    }
}

#[tokio::test]
async fn a_head_that_comes_late_but_in_time_is_a_success() {
    for protocol in Protocol::BOTH {
        let server = FaultServer::start();
        let (service, control) = guard(builder().timeout(None), protocol.client());
        let url = server.url(Fault::SlowHead);
        let (response, ()) = tokio::join!(get(&service, &url), soon(server.release_next()));
        assert_eq!(response.unwrap().status(), 200);
        assert_eq!(counts(&control), [("success", 1)]);
    }
}

#[tokio::test]
async fn half_of_the_answers_failing_opens_the_circuit() {
    for protocol in Protocol::BOTH {
        let server = FaultServer::start();
        let (service, control) = guard(builder(), protocol.client());
        let url = server.url(Fault::EveryOther);
        for _ in 0..5 {
            assert_eq!(control.snapshot().times_opened, 0);
            get(&service, &url).await.unwrap();
        }
        assert_eq!(control.snapshot().times_opened, 1);
        assert_eq!(counts(&control), [("success", 2), ("failure", 3)]);
    }
}

#[tokio::test]
async fn what_reqwest_tries_again_is_one_call() {
    let client = || Protocol::Http2.builder().build().unwrap();

    // A first time and two more.
    let server = FaultServer::start();
    let (service, control) = guard(builder(), client());
    get(&service, &server.url(Fault::RefusedStream))
        .await
        .unwrap_err();
    assert_eq!(server.seen().requests, 3);
    assert_eq!(counts(&control), [("failure", 1)]);

    let server = FaultServer::start();
    server.set(Fault::GoAwayUnseen);
    let (service, control) = guard(builder(), client());
    get(&service, &server.live_url()).await.unwrap_err();
    let seen = server.seen();
    assert_eq!((seen.requests, seen.connections), (3, 3));
    assert_eq!(counts(&control), [("failure", 1)]);
}

#[tokio::test]
async fn a_server_that_has_recovered_by_the_second_try_is_a_success() {
    let server = FaultServer::start();
    server.set(Fault::GoAwayUnseen);
    let (service, control) = guard(builder(), Protocol::Http2.builder().build().unwrap());
    let url = server.live_url();
    let recovery = async {
        soon(server.saw(|seen| seen.requests == 1)).await;
        server.set(Fault::Healthy);
    };
    let (response, ()) = tokio::join!(get(&service, &url), recovery);
    assert_eq!(response.unwrap().status(), 200);
    assert_eq!(counts(&control), [("success", 1)]);
}

#[tokio::test]
async fn what_reqwest_follows_is_one_call() {
    for protocol in Protocol::BOTH {
        let server = FaultServer::start();
        let (service, control) = guard(builder(), protocol.client());
        let response = get(&service, &server.url(Fault::Redirect)).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(server.seen().requests, 2);
        assert_eq!(counts(&control), [("success", 1)]);
    }
}

#[tokio::test]
async fn connections_that_go_away_in_peace_are_nobodys_fault() {
    for protocol in Protocol::BOTH {
        let server = FaultServer::start();
        let (service, control) = guard(builder(), protocol.client());
        for connections in 1..=3 {
            let response = get(&service, &server.url(Fault::GoAway)).await.unwrap();
            soon(response.bytes()).await.unwrap();
            let seen = soon(server.saw(|seen| seen.connected == 0)).await;
            assert_eq!(seen.connections, connections);
        }
        assert_eq!(counts(&control), [("success", 3)]);
    }
}

#[tokio::test]
async fn without_the_whole_exchange_a_head_is_all_that_counts() {
    for protocol in Protocol::BOTH {
        let server = FaultServer::start();
        let (service, control) = guard(builder(), protocol.client());
        let response = get(&service, &server.url(Fault::BrokenBody)).await.unwrap();
        assert_eq!(counts(&control), [("success", 1)]);
        let (body, ()) = tokio::join!(soon(response.bytes()), soon(server.release_next()));
        body.unwrap_err();
        assert_eq!(counts(&control), [("success", 1)]);
        assert_eq!(control.snapshot().in_flight, 0);
    }
}
