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
    fallback::FallbackLayer,
    pipeline::{Fault, Pipeline},
    rejection::Rejection,
    reqwest::{ByStatus, Client, Error, RequestBuilderExt},
};
use reqwest::{Request, Response};
use tower::{Service, ServiceBuilder, util::BoxCloneSyncService};

use crate::{Work, client, gone, serve, soon};

fn after_five_calls() -> circuit_breaker::Settings {
    circuit_breaker::Settings::default().minimum_calls(5)
}

/// Sends as reqwest's users do, through a clone as one for each task.
async fn send<S>(service: &S, url: &str) -> Result<Response, Error>
where
    S: Service<Request, Response = Response, Error = Error> + Clone,
{
    soon(client().get(url).send_through(&mut service.clone())).await
}

fn rejection(answer: Result<Response, Error>) -> Rejection {
    let error = answer.expect_err("a rejection");
    error.rejection().expect("a rejection").clone()
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
        .classify(ByStatus::default())
        .build()
        .unwrap();
    let service = ServiceBuilder::new()
        .layer(pipeline.layer())
        .service(Client::new(client()));

    for _ in 0..5 {
        assert_eq!(send(&service, &url).await.unwrap().status(), 500);
    }
    assert_eq!(pipeline.snapshot().times_opened, 1);

    status.store(200, Ordering::Relaxed);
    let response = loop {
        match send(&service, &url).await {
            Ok(response) => break response,
            Err(error) => {
                assert!(error.rejection().unwrap().is_circuit_open());
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
    let url = gone().await;
    let pipeline = Pipeline::builder("upstream")
        .circuit_breaker(after_five_calls())
        .classify(ByStatus::default())
        .build()
        .unwrap();
    let service = ServiceBuilder::new()
        .layer(pipeline.layer())
        .service(Client::new(client()));

    for _ in 0..5 {
        let error = send(&service, &url).await.unwrap_err();
        assert!(error.request().expect("reqwest's own").is_connect());
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
        .service(Client::new(client()));

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
    let url = gone().await;
    let answer = |fault: &Fault<Error>| {
        let body = match fault {
            Fault::Rejected(rejection) => rejection.to_string(),
            Fault::Inner(_) => "no connection".to_owned(),
        };
        Response::from(axum::http::Response::new(body))
    };
    let pipeline = Pipeline::builder("upstream")
        .circuit_breaker(after_five_calls())
        .fallback(answer)
        .build()
        .unwrap();
    let service = ServiceBuilder::new()
        .layer(pipeline.layer())
        .service(Client::new(client()));

    let mut bodies = Vec::new();
    for _ in 0..6 {
        let response = send(&service, &url).await.unwrap();
        bodies.push(soon(response.text()).await.unwrap());
    }
    assert_eq!(bodies[..5], ["no connection"; 5]);
    assert_eq!(bodies[5], "upstream: circuit open");
    assert_eq!(pipeline.snapshot().lifetime.fallback_success, 6);
}

#[tokio::test]
async fn a_bare_client_needs_no_wrapper_where_rejections_are_responses() {
    let url = gone().await;
    let pipeline = Pipeline::builder("upstream")
        .circuit_breaker(after_five_calls())
        .classify(ByStatus::default())
        .reject_with(|_: &Rejection| Response::from(axum::http::Response::new("busy")))
        .build()
        .unwrap();
    let mut service = ServiceBuilder::new()
        .layer(pipeline.layer())
        .service(client());

    for _ in 0..5 {
        let error = soon(client().get(&url).send_through(&mut service)).await;
        assert!(error.unwrap_err().is_connect());
    }
    let response = soon(client().get(&url).send_through(&mut service)).await;
    assert_eq!(soon(response.unwrap().text()).await.unwrap(), "busy");
}

#[tokio::test]
async fn a_replica_that_fails_too_leaves_its_error_with_the_first_one() {
    let url = gone().await;
    let replica = Client::new(client());
    let pipeline = Pipeline::builder("upstream")
        .fallback_layer(FallbackLayer::service(replica, Request::try_clone))
        .build()
        .unwrap();
    let service = ServiceBuilder::new()
        .layer(pipeline.layer())
        .service(Client::new(client()));

    let error = send(&service, &url).await.unwrap_err();
    assert!(error.request().expect("reqwest's own").is_connect());
    let Error::Failed(failed) = &error else {
        panic!("{error:?}");
    };
    assert!(failed.fallback().downcast_ref::<Error>().is_some());
    assert_eq!(pipeline.snapshot().lifetime.fallback_failure, 1);
}

#[tokio::test]
async fn what_cannot_be_built_does_not_reach_the_service() {
    let pipeline = Pipeline::builder("upstream").build().unwrap();
    let service = ServiceBuilder::new()
        .layer(pipeline.layer())
        .service(Client::new(client()));
    let error = send(&service, "no address").await.unwrap_err();
    assert!(error.request().expect("reqwest's own").is_builder());
    assert_eq!(pipeline.snapshot().lifetime.calls(), 0);
}

#[tokio::test]
async fn requests_wait_until_the_service_is_ready() {
    let url = serve(Router::new().route("/", route(async || "here"))).await;
    // It is ready at the second poll, and `call` panics before.
    let mut service = ServiceBuilder::new()
        .concurrency_limit(1)
        .service(Client::new(client()));
    let mut other = service.clone();
    std::future::poll_fn(|cx| other.poll_ready(cx))
        .await
        .unwrap();
    let request = client().get(&url);
    let mut sending = tokio_test::task::spawn(request.send_through(&mut service));
    tokio_test::assert_pending!(sending.poll());
    drop(other);
    assert!(sending.is_woken());
    assert_eq!(soon(sending).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_guarded_client_is_kept_in_a_struct_and_cloned_into_tasks() {
    #[derive(Clone)]
    struct Inventory {
        client: reqwest::Client,
        shelves: BoxCloneSyncService<Request, Response, Error>,
    }
    let url = serve(Router::new().route("/", route(async || "shelf 7"))).await;
    let pipeline = Pipeline::builder("upstream")
        .classify(ByStatus::default())
        .fallback(|_: &Fault<Error>| Response::from(axum::http::Response::new("cached")))
        .build()
        .unwrap();
    let guarded = ServiceBuilder::new()
        .layer(pipeline.layer())
        .service(Client::new(client()));
    let inventory = Inventory {
        client: client(),
        shelves: BoxCloneSyncService::new(guarded),
    };

    let tasks = (0..4).map(|_| {
        let (mut inventory, url) = (inventory.clone(), url.clone());
        tokio::spawn(async move {
            let request = inventory.client.get(url);
            let response = request.send_through(&mut inventory.shelves).await?;
            response.text().await.map_err(Error::from)
        })
    });
    for answer in soon(futures_util::future::join_all(tasks)).await {
        assert_eq!(answer.unwrap().unwrap(), "shelf 7");
    }
    assert_eq!(pipeline.snapshot().lifetime.success, 4);
}
