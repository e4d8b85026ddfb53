//! reqwest: a client under a pipeline, from the request to the trip.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use axum::{Router, extract::State, http::StatusCode, routing::get as route};
use portcullis::{
    circuit_breaker,
    outcome::Outcome,
    pipeline::{Fault, Pipeline},
    rejection::{BoxError, Rejection},
};
use reqwest::{Method, Request, Response};
use tokio::net::TcpListener;
use tower::{Service, ServiceBuilder, ServiceExt};

use crate::{Work, client, serve, soon};

/// reqwest takes any answer for a success; a 500 is none.
fn by_status(answer: Result<&Response, &BoxError>) -> Outcome {
    match answer {
        Ok(response) if !response.status().is_server_error() => Outcome::Success,
        Ok(_) | Err(_) => Outcome::Failure,
    }
}

fn request(url: &str) -> Request {
    Request::new(Method::GET, url.parse().unwrap())
}

fn after_five_calls() -> circuit_breaker::Settings {
    circuit_breaker::Settings::default().minimum_calls(5)
}

async fn send<S>(service: &S, url: &str) -> Result<Response, BoxError>
where
    S: Service<Request, Response = Response, Error = BoxError> + Clone,
{
    soon(service.clone().oneshot(request(url))).await
}

fn rejection(answer: Result<Response, BoxError>) -> Rejection {
    let error = answer.expect_err("a rejection");
    Rejection::find(&*error).expect("a rejection").clone()
}

#[tokio::test]
async fn a_server_that_fails_opens_the_circuit_and_closes_it_when_it_recovers() {
    let status = Arc::new(AtomicU16::new(500));
    let answer = async |State(status): State<Arc<AtomicU16>>| {
        StatusCode::from_u16(status.load(Ordering::Relaxed)).unwrap()
    };
    let router = Router::new()
        .route("/", route(answer))
        .with_state(Arc::clone(&status));
    let url = serve(router).await;
    // Of no length to speak of, so that the circuit is half-open by the next call.
    let settings = after_five_calls()
        .open_for(Duration::from_millis(1))
        .open_jitter(0.0);
    let pipeline = Pipeline::builder("upstream")
        .circuit_breaker(settings)
        .classify(by_status)
        .build()
        .unwrap();
    let service = ServiceBuilder::new()
        .layer(pipeline.layer())
        .map_err(BoxError::from)
        .service(client());

    for _ in 0..5 {
        assert_eq!(send(&service, &url).await.unwrap().status(), 500);
    }
    assert_eq!(pipeline.snapshot().times_opened, 1);

    status.store(200, Ordering::Relaxed);
    let response = loop {
        match send(&service, &url).await {
            Ok(response) => break response,
            Err(error) => {
                let rejection = Rejection::find(&*error).unwrap();
                assert!(rejection.is_circuit_open());
                tokio::task::yield_now().await;
            }
        }
    };
    assert_eq!(response.status(), 200);
    let snapshot = pipeline.snapshot();
    assert_eq!(snapshot.state, circuit_breaker::State::Closed);
    assert_eq!(
        (snapshot.lifetime.failure, snapshot.lifetime.success),
        (5, 1)
    );
}

#[tokio::test]
async fn refused_connections_open_the_circuit() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    // Nobody listens there any more.
    drop(listener);
    let pipeline = Pipeline::builder("upstream")
        .circuit_breaker(after_five_calls())
        .classify(by_status)
        .build()
        .unwrap();
    let service = ServiceBuilder::new()
        .layer(pipeline.layer())
        .map_err(BoxError::from)
        .service(client());

    for _ in 0..5 {
        let error = send(&service, &url).await.unwrap_err();
        let error: &reqwest::Error = error.downcast_ref().expect("reqwest's own");
        assert!(error.is_connect());
    }
    let refused = rejection(send(&service, &url).await);
    assert!(refused.is_circuit_open());
    assert_eq!(refused.name(), Some("upstream"));
    let snapshot = pipeline.snapshot();
    assert_eq!((snapshot.lifetime.failure, snapshot.times_opened), (5, 1));
}

#[tokio::test]
async fn a_server_that_hangs_runs_out_of_time_and_opens_the_circuit() {
    let (work, _begins) = Work::new();
    let router = Router::new().route("/", route(move || work.run()));
    let url = serve(router).await;
    let pipeline = Pipeline::builder("upstream")
        .timeout(Duration::from_millis(50))
        .circuit_breaker(after_five_calls())
        .build()
        .unwrap();
    let service = ServiceBuilder::new()
        .layer(pipeline.layer())
        .map_err(BoxError::from)
        .service(client());

    let calls = (0..5).map(|_| send(&service, &url));
    for answer in soon(futures_util::future::join_all(calls)).await {
        assert!(rejection(answer).is_timeout());
    }
    assert!(rejection(send(&service, &url).await).is_circuit_open());
    let snapshot = pipeline.snapshot();
    assert_eq!((snapshot.lifetime.timeout, snapshot.in_flight), (5, 0));
}

#[tokio::test]
async fn a_fallback_answers_for_a_server_that_is_gone() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let pipeline = Pipeline::builder("upstream")
        .circuit_breaker(after_five_calls())
        .fallback(|fault: &Fault<reqwest::Error>| {
            let body = match fault {
                Fault::Rejected(rejection) => rejection.to_string(),
                Fault::Inner(_) => "no connection".to_owned(),
            };
            Response::from(axum::http::Response::new(body))
        })
        .reject_with(|_: &Rejection| -> Response { unreachable!("the fallback is for all") })
        .build()
        .unwrap();
    let service = ServiceBuilder::new()
        .layer(pipeline.layer())
        .service(client());

    let mut bodies = Vec::new();
    for _ in 0..6 {
        let response = soon(service.clone().oneshot(request(&url))).await.unwrap();
        bodies.push(soon(response.text()).await.unwrap());
    }
    assert_eq!(bodies[..5], ["no connection"; 5]);
    assert_eq!(bodies[5], "upstream: circuit open");
    assert_eq!(pipeline.snapshot().lifetime.fallback_success, 6);
}
