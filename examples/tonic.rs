//! A guarded gRPC server and a guarded gRPC channel, both of which refuse in gRPC's own terms.
//!
//! tonic makes UNKNOWN of every error that it does not know. Refusals that are answers with a status in
//! their head need no error at all: callers see the right code, on either side of the wire.
//!
//! ```text
//! cargo run --example tonic
//! ```

use std::{net::SocketAddr, time::Duration};

use portcullis::{
    bulkhead::{self, Bulkhead},
    circuit_breaker::{self, State},
    http::{ByGrpcStatus, ExchangeBody, ExchangeLayer, WholeExchange, respond_grpc},
    pipeline::{Builder, Control, Pipeline},
    rejection::BoxError,
};
use tokio::{net::TcpListener, time::sleep};
use tonic::{
    Code, Status,
    body::Body,
    transport::{self, Endpoint, Server, server::TcpIncoming},
};
use tonic_health::{
    pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient},
    server::health_reporter,
};
use tower::{ServiceBuilder, util::BoxCloneSyncService};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let room = Bulkhead::new(bulkhead::Settings::default().limit(1))?;
    let server = start_server(&room).await?;

    a_busy_server_says_so_and_is_left_alone(&room, server).await?;
    a_channel_that_is_full_says_so(server).await?;
    a_silent_server_runs_out_of_time().await
}

/// Serves tonic's own health checks, one at a time.
async fn start_server(room: &Bulkhead) -> Result<SocketAddr, BoxError> {
    let (_reporter, health) = health_reporter();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = Server::builder()
        .layer(room.layer().reject_with(respond_grpc))
        .add_service(health);
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    Ok(address)
}

type Guarded =
    BoxCloneSyncService<http::Request<Body>, http::Response<ExchangeBody<Body>>, transport::Error>;

/// Returns a client, and what steers the pipeline that all its calls go through.
fn guarded(
    server: SocketAddr,
    settings: impl FnOnce(Builder) -> Builder,
) -> Result<(HealthClient<Guarded>, Control), BoxError> {
    let channel = Endpoint::from_shared(format!("http://{server}"))?.connect_lazy();
    let pipeline = settings(Pipeline::builder("health"))
        // Most statuses come last, in trailers, and calls end with them.
        .classify(WholeExchange::grpc(ByGrpcStatus::new()))
        .reject_with(respond_grpc)
        .build()?;
    let guarded = ServiceBuilder::new()
        .layer(pipeline.layer())
        .layer(ExchangeLayer::new())
        .service(channel);
    let client = HealthClient::new(BoxCloneSyncService::new(guarded));
    Ok((client, pipeline.control().clone()))
}

/// Asks how the server is; what it says is a status of gRPC's.
async fn check(client: &HealthClient<Guarded>) -> Result<ServingStatus, Status> {
    let answer = client.clone().check(HealthCheckRequest::default()).await?;
    Ok(answer.into_inner().status())
}

async fn a_busy_server_says_so_and_is_left_alone(
    room: &Bulkhead,
    server: SocketAddr,
) -> Result<(), BoxError> {
    let (client, control) = guarded(server, |builder| {
        let settings = circuit_breaker::Settings::default()
            .minimum_calls(5)
            .open_for(Duration::from_millis(500));
        builder.circuit_breaker(settings)
    })?;
    assert_eq!(check(&client).await?, ServingStatus::Serving);

    // Something else takes all the room that the server has, and four of five calls fail.
    let other = room.admit()?;
    for _ in 0..4 {
        expect(Code::ResourceExhausted, check(&client).await)?;
    }
    let open = expect(Code::Unavailable, check(&client).await)?;
    println!("of a circuit that is open: {open}");
    let lifetime = control.snapshot().lifetime;
    assert_eq!((lifetime.failure, lifetime.circuit_open), (4, 1));

    drop(other);
    let wait = control.snapshot().remaining_open;
    sleep(wait.ok_or("the circuit is not open")?).await;
    assert_eq!(check(&client).await?, ServingStatus::Serving);
    assert_eq!(control.snapshot().state, State::Closed);
    println!("the circuit closed when the server had room again");
    Ok(())
}

async fn a_channel_that_is_full_says_so(server: SocketAddr) -> Result<(), BoxError> {
    let (client, control) = guarded(server, |builder| {
        builder.bulkhead(bulkhead::Settings::default().limit(1))
    })?;
    let other = control.bulkhead().admit()?;
    let full = expect(Code::ResourceExhausted, check(&client).await)?;
    println!("of a bulkhead that is full: {full}");
    drop(other);
    assert_eq!(check(&client).await?, ServingStatus::Serving);
    Ok(())
}

async fn a_silent_server_runs_out_of_time() -> Result<(), BoxError> {
    // It listens, and that is all.
    let silent = TcpListener::bind("127.0.0.1:0").await?;
    let (client, control) = guarded(silent.local_addr()?, |builder| {
        builder.timeout(Duration::from_millis(100))
    })?;
    let late = expect(Code::DeadlineExceeded, check(&client).await)?;
    println!("of a call that ran out of time: {late}");
    assert_eq!(control.snapshot().lifetime.timeout, 1);
    Ok(())
}

/// Returns the message of a refusal.
fn expect(code: Code, answer: Result<ServingStatus, Status>) -> Result<String, BoxError> {
    let status = answer.err().ok_or("that should have been refused")?;
    assert_eq!(status.code(), code, "{status}");
    Ok(format!("{code:?}, {:?}", status.message()))
}
