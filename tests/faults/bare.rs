//! That a client without any guard sees each fault: otherwise the other tests would prove nothing.

use std::{error::Error, future::Future};

use futures_util::FutureExt;
use http_body_util::BodyExt;
use reqwest::{Response, header::RETRY_AFTER};
use tokio::net::TcpStream;

use crate::{
    Protocol,
    server::{ClosedPort, Fault, FaultServer},
    support::soon,
};

async fn get(protocol: Protocol, server: &FaultServer, fault: Fault) -> reqwest::Result<Response> {
    soon(protocol.client().get(server.url(fault)).send()).await
}

/// Reads a body, and returns how many bytes came before its end, or its error. What waits to be released is
/// when so many bytes are here.
async fn read(
    server: &FaultServer,
    mut response: Response,
    release_at: usize,
) -> (usize, reqwest::Result<()>) {
    let mut length = 0;
    loop {
        if length == release_at {
            server.release(1);
        }
        match soon(response.chunk()).await {
            Ok(Some(bytes)) => length += bytes.len(),
            Ok(None) => return (length, Ok(())),
            Err(error) => return (length, Err(error)),
        }
    }
}

/// Returns why HTTP/2 says that something ended.
fn reason(error: &reqwest::Error) -> Option<h2::Reason> {
    let mut next: Option<&dyn Error> = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return error.reason();
        }
        next = error.source();
    }
    None
}

/// Polls once, after the runtime has done whatever it could do.
async fn is_pending(future: &mut (impl Future + Unpin)) -> bool {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    future.now_or_never().is_none()
}

const BODY: usize = Fault::BODY;

#[tokio::test]
async fn a_healthy_server_answers_over_one_connection() {
    for protocol in Protocol::BOTH {
        let server = FaultServer::start();
        let client = protocol.client();
        for _ in 0..3 {
            let response = soon(client.get(server.live_url()).send()).await.unwrap();
            assert_eq!(response.status(), 200);
            assert_eq!(soon(response.bytes()).await.unwrap().len(), BODY);
        }
        let seen = soon(server.saw(|seen| seen.answers == 3)).await;
        assert_eq!((seen.connections, seen.requests), (1, 3), "{protocol:?}");
    }
}

#[tokio::test]
async fn what_goes_wrong_changes_while_the_server_runs() {
    let server = FaultServer::start();
    let client = Protocol::Http1.client();
    for (fault, status) in [(Fault::Failing, 500), (Fault::Missing, 404)] {
        server.set(fault);
        let response = soon(client.get(server.live_url()).send()).await.unwrap();
        assert_eq!(response.status(), status);
    }
}

#[tokio::test]
async fn a_closed_port_refuses_until_it_opens() {
    for protocol in Protocol::BOTH {
        let port = ClosedPort::new();
        let (client, url) = (protocol.client(), port.url());
        let error = soon(client.get(&url).send()).await.unwrap_err();
        assert!(error.is_connect(), "{error:?}");
        let _server = port.open();
        assert_eq!(soon(client.get(&url).send()).await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn a_server_that_hangs_notices_when_its_client_has_gone() {
    for protocol in Protocol::BOTH {
        let server = FaultServer::start();
        for (requests, fault) in [(1, Fault::Hang), (2, Fault::StalledBody)] {
            let mut call = Box::pin(async {
                let response = protocol.client().get(server.url(fault)).send().await?;
                response.bytes().await
            });
            let begun = server.saw(|seen| seen.requests == requests && seen.at_work == 1);
            tokio::select! {
                _ = soon(begun) => {}
                answer = &mut call => panic!("{protocol:?}, {fault:?}: {answer:?}"),
            }
            assert!(is_pending(&mut call).await);
            drop(call);
            soon(server.saw(|seen| seen.at_work == 0)).await;
        }
        assert_eq!(server.seen().answers, 0);
    }
}

#[tokio::test]
async fn a_body_that_stalls_has_begun() {
    for protocol in Protocol::BOTH {
        let server = FaultServer::start();
        let mut response = get(protocol, &server, Fault::StalledBody).await.unwrap();
        assert_eq!(response.status(), 200);
        let mut length = 0;
        while length < BODY / 2 {
            length += soon(response.chunk()).await.unwrap().unwrap().len();
        }
        assert!(is_pending(&mut Box::pin(response.chunk())).await);
    }
}

#[tokio::test]
async fn slow_answers_come_when_they_are_released() {
    for protocol in Protocol::BOTH {
        let server = FaultServer::start();
        let client = protocol.client();
        let mut call = Box::pin(client.get(server.url(Fault::SlowHead)).send());
        tokio::select! {
            _ = soon(server.saw(|seen| seen.waiting == 1)) => {}
            _ = &mut call => panic!("{protocol:?} does not wait"),
        }
        assert!(is_pending(&mut call).await);
        server.release(1);
        let response = soon(call).await.unwrap();
        assert_eq!(soon(response.bytes()).await.unwrap().len(), BODY);

        for (fault, parts) in [(Fault::SlowBody, 10), (Fault::Events, 100)] {
            let mut response = soon(client.get(server.url(fault)).send()).await.unwrap();
            for _ in 0..parts {
                soon(server.saw(|seen| seen.waiting == 1)).await;
                assert!(is_pending(&mut Box::pin(response.chunk())).await);
                server.release(1);
                let part = soon(response.chunk()).await.unwrap().unwrap();
                assert_eq!(part.len(), BODY / 10);
            }
            assert_eq!(soon(response.chunk()).await.unwrap(), None);
        }
    }
}

#[tokio::test]
async fn events_say_that_they_are() {
    for protocol in Protocol::BOTH {
        let server = FaultServer::start();
        let response = get(protocol, &server, Fault::Events).await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.content_length(), None);
    }
}

#[tokio::test]
async fn broken_bodies_break_where_they_should() {
    for protocol in Protocol::BOTH {
        let server = FaultServer::start();
        let faults = [
            (Fault::ResetBody, BODY / 2),
            (Fault::BrokenBody, BODY / 10 * 9),
            (Fault::ShortBody, BODY / 10 * 9),
        ];
        for (fault, expected) in faults {
            let response = get(protocol, &server, fault).await.unwrap();
            assert_eq!(response.status(), 200);
            let said = (fault != Fault::BrokenBody).then_some(BODY as u64);
            assert_eq!(response.content_length(), said);
            let (length, end) = read(&server, response, expected).await;
            assert_eq!(length, expected);
            let error = end.expect_err(&format!("{protocol:?}, {fault:?}"));
            assert!(error.is_decode() && !error.is_timeout(), "{error:?}");
        }
        assert_eq!(server.seen().answers, 0);
    }
}

#[tokio::test]
async fn a_connection_that_is_reset_says_so() {
    let server = FaultServer::start();
    let faults = [
        (Fault::ResetBody, BODY / 2, true),
        (Fault::BrokenBody, BODY / 10 * 9, false),
    ];
    for (fault, length, is_reset) in faults {
        let response = get(Protocol::Http1, &server, fault).await.unwrap();
        let error = read(&server, response, length).await.1.unwrap_err();
        let says = format!("{error:?}").contains("ConnectionReset");
        assert_eq!(says, is_reset, "{error:?}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_long_is_an_error_of_http2_alone() {
    let server = FaultServer::start();
    let response = get(Protocol::Http1, &server, Fault::LongBody).await;
    // What comes after its length is not the body's.
    let body = soon(response.unwrap().bytes()).await.unwrap();
    assert_eq!(body.len(), BODY);
    let answer = async {
        let response = get(Protocol::Http2, &server, Fault::LongBody).await?;
        response.bytes().await
    };
    let error = soon(answer).await.unwrap_err();
    assert_eq!(reason(&error), Some(h2::Reason::PROTOCOL_ERROR));
}

#[tokio::test]
async fn errors_are_answers() {
    for protocol in Protocol::BOTH {
        let server = FaultServer::start();
        let answers = [
            (Fault::Failing, 500, None),
            (Fault::Unavailable, 503, Some("2")),
            (Fault::TooMany, 429, Some("3")),
            (Fault::Missing, 404, None),
        ];
        for (fault, status, wait) in answers {
            let response = get(protocol, &server, fault).await.unwrap();
            assert_eq!(response.status(), status);
            let retry_after = response.headers().get(RETRY_AFTER);
            assert_eq!(retry_after.map(|value| value.to_str().unwrap()), wait);
            assert_eq!(soon(response.bytes()).await.unwrap().len(), 0);
        }
        for status in [500, 200, 500, 200] {
            let response = get(protocol, &server, Fault::EveryOther).await.unwrap();
            assert_eq!(response.status(), status);
        }
    }
}

#[tokio::test]
async fn a_redirect_leads_to_an_answer() {
    for protocol in Protocol::BOTH {
        let server = FaultServer::start();
        let response = get(protocol, &server, Fault::Redirect).await.unwrap();
        assert_eq!(response.url().as_str(), server.url(Fault::Healthy));
        assert_eq!(server.seen().requests, 2);
    }
}

#[tokio::test]
async fn connections_and_streams_end_before_the_answer() {
    let server = FaultServer::start();
    let faults = [
        (Fault::HangUp, Some(h2::Reason::INTERNAL_ERROR)),
        (Fault::RefusedStream, Some(h2::Reason::REFUSED_STREAM)),
        (Fault::CancelledStream, Some(h2::Reason::CANCEL)),
        // Here it is the connection that ends.
        (Fault::GoAwayError, None),
    ];
    for (fault, why) in faults {
        let error = get(Protocol::Http1, &server, fault).await.unwrap_err();
        assert!(error.is_request() && !error.is_connect(), "{error:?}");
        let error = get(Protocol::Http2, &server, fault).await.unwrap_err();
        assert_eq!(reason(&error), why, "{error:?}");
    }
    assert_eq!(server.seen().requests, 2 * faults.len());
}

#[tokio::test]
async fn a_connection_that_goes_away_for_an_error_says_which() {
    let server = FaultServer::start();
    let url = server.url(Fault::GoAwayError);
    let stream = TcpStream::connect(server.address()).await.unwrap();
    let (mut requests, connection) = h2::client::handshake(stream).await.unwrap();
    let request = http::Request::get(url).body(()).unwrap();
    let (_answer, _body) = requests.send_request(request, true).unwrap();
    let error = soon(connection).await.unwrap_err();
    assert!(error.is_go_away() && error.is_remote());
    assert_eq!(error.reason(), Some(h2::Reason::ENHANCE_YOUR_CALM));
}

#[tokio::test]
async fn a_request_that_was_not_looked_at_is_a_connection_gone_in_peace() {
    let server = FaultServer::start();
    server.set(Fault::GoAwayUnseen);
    let request = Protocol::Http2.client().get(server.live_url());
    let error = soon(request.send()).await.unwrap_err();
    assert_eq!(reason(&error), Some(h2::Reason::NO_ERROR), "{error:?}");
    assert_eq!(server.seen().requests, 1);
}

#[tokio::test]
async fn a_connection_that_goes_away_in_peace_takes_no_more_requests() {
    for protocol in Protocol::BOTH {
        let server = FaultServer::start();
        let client = protocol.client();
        for connections in 1..=3 {
            let response = soon(client.get(server.url(Fault::GoAway)).send()).await;
            let body = soon(response.unwrap().bytes()).await.unwrap();
            assert_eq!(body.len(), BODY);
            let seen = soon(server.saw(|seen| seen.connected == 0)).await;
            assert_eq!((seen.connections, seen.answers), (connections, connections));
        }
    }
}

#[tokio::test]
async fn statuses_of_grpc_come_where_they_should() {
    let server = FaultServer::start();
    let cases = [
        (Fault::GrpcOk, None, Some("0")),
        (Fault::GrpcUnavailable, None, Some("14")),
        (Fault::GrpcRefused, Some("14"), None),
        (Fault::GrpcTruncated, None, None),
    ];
    for protocol in Protocol::BOTH {
        for (fault, in_head, in_trailers) in cases {
            let response = get(protocol, &server, fault).await.unwrap();
            assert_eq!(response.headers()["content-type"], "application/grpc");
            let (head, body) = http::Response::from(response).into_parts();
            let status = |headers: Option<&http::HeaderMap>| {
                let status = headers?.get("grpc-status")?;
                Some(status.to_str().unwrap().to_owned())
            };
            assert_eq!(status(Some(&head.headers)).as_deref(), in_head);
            let body = soon(body.collect()).await.unwrap();
            assert_eq!(status(body.trailers()).as_deref(), in_trailers, "{fault:?}");
        }
    }
}
