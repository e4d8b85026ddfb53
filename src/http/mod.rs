//! Answers and rejections in the terms of HTTP and gRPC.
//!
//! To a gate any answer is a success until a classifier says otherwise: [`ByStatus`] for HTTP, [`ByGrpcStatus`] for
//! gRPC. What the gate refuses, [`respond`] and [`respond_grpc`] answer, without a name of anything inside.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response, header::RETRY_AFTER};
//! use http_body_util::Full;
//! use portcullis::{http::{ByStatus, respond}, pipeline::Pipeline};
//! use std::convert::Infallible;
//! use tower::{Service, ServiceBuilder, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let pipeline = Pipeline::builder("inventory").classify(ByStatus::new()).reject_with(respond).build()?;
//! let mut service = ServiceBuilder::new()
//!     .layer(pipeline.layer())
//!     .service_fn(async |_: Request<()>| {
//!         let busy = Response::builder().status(503).header(RETRY_AFTER, "20");
//!         Ok::<_, Infallible>(busy.body(Full::<Bytes>::default()).unwrap())
//!     });
//!
//! service.ready().await?.call(Request::new(())).await?;
//! assert_eq!(pipeline.snapshot().window.failure, 1);
//!
//! pipeline.circuit_breaker().trip();
//! let refused = service.ready().await?.call(Request::new(())).await?;
//! assert_eq!(refused.status(), 503);
//! assert_eq!(refused.headers()["content-type"], "application/problem+json");
//! assert!(refused.headers().contains_key(RETRY_AFTER));
//! # Ok(())
//! # }
//! ```
//!
//! # Statuses
//!
//! | status | outcome | because |
//! |---|---|---|
//! | 5xx, and what is no status | failure | The server says that it is to blame. 501 is no exception: it is what a wrong deployment answers with. |
//! | 408, 429 | failure | The server gives up, or sheds load. These and 5xx are what Polly's and Microsoft's standard resilience handlers take for transient. |
//! | other 4xx | success | The caller is to blame, and the server found that out in time. If they were ignored, a circuit in front of something that mostly answers 404 would not close again, because no probe would be heard. |
//! | the rest | success | |
//!
//! `Retry-After` of a 429 or 503 goes to the circuit as a hint, in seconds or as a date, and lengthens its next open
//! time up to the longest of its settings. Nonsense is ignored.
//!
//! | gRPC status | outcome |
//! |---|---|
//! | `UNKNOWN` (2), `UNIMPLEMENTED` (12), `INTERNAL` (13), `UNAVAILABLE` (14), `DATA_LOSS` (15) | failure |
//! | `RESOURCE_EXHAUSTED` (8) | failure, as 429 is |
//! | `DEADLINE_EXCEEDED` (4) | timeout |
//! | `CANCELLED` (1) | cancelled |
//! | the rest | success |
//!
//! With `RESOURCE_EXHAUSTED` added, the failures are those that OpenTelemetry's conventions count against a server.
//! A code that gRPC does not know is `UNKNOWN`; an answer of HTTP without one is translated as gRPC's clients do;
//! `grpc-retry-pushback-ms` is the hint.
//!
//! For anything else a closure is a classifier, and [`ByStatus`] may be a part of it:
//!
//! ```
//! use http::Response;
//! use portcullis::{
//!     http::ByStatus, outcome::{Classify, Outcome}, rejection::BoxError, settings::SettingsError,
//! };
//!
//! # fn main() -> Result<(), SettingsError> {
//! let by_status = ByStatus::new().ignoring(400..=499)?.failing([409])?;
//! let classify = move |answer: Result<&Response<String>, &BoxError>| match answer {
//!     Ok(response) if response.body().contains("\"degraded\":true") => Outcome::Failure.into(),
//!     answer => by_status.classify(answer),
//! };
//! let answer = |text: &str| Response::new(text.to_owned());
//! assert_eq!(classify.classify(Ok(&answer("{}"))).outcome(), Outcome::Success);
//! assert_eq!(classify.classify(Ok(&answer("{\"degraded\":true}"))).outcome(), Outcome::Failure);
//! # Ok(())
//! # }
//! ```
//!
//! # Rejections
//!
//! | reason | HTTP | of a gate per client | gRPC | `Retry-After` |
//! |---|---|---|---|---|
//! | circuit open | 503 | 503 | 14 | what is left of the open time |
//! | half-open and full, ramping up, not ready | 503 | 503 | 14 | 1 s |
//! | bulkhead full, wait timed out | 503 | 429 | 8 | 1 s |
//! | deadline exceeded | 504 | 504 | 4 | |
//! | forced open, a policy of yours | 503 | 503, 429 | 14 | if the rejection knows it |
//!
//! The 429 is for a gate that one client has to itself, and that only you know of: [`respond_per_client`]. The body
//! is a [`Problem`] (RFC 9457). Over gRPC the hint goes into `grpc-retry-pushback-ms` (gRFC A6).
//!
//! To a gate further out in the same process, such an answer is still a rejection: the classifiers ignore it, and take
//! one for a deadline for a timeout, as with errors. A guard around routes that have guards of their own does not
//! trip over theirs.
//!
//! # The whole exchange
//!
//! By default a call ends with the head of its answer: what becomes of the body, nobody sees. With a
//! [`WholeExchange`] it goes on with the body. It holds its permits until the end of it, its latency is that of all
//! of it, and it settles once:
//!
//! | the body | the call |
//! |---|---|
//! | has been read to its end, or there is nothing to read (HEAD, 204, a tunnel) | as its head said, or with gRPC its trailers |
//! | of gRPC ends without a status | failure: it was cut off |
//! | breaks, or panics | failure |
//! | keeps its reader waiting for longer than [`idle_timeout`](WholeExchange::idle_timeout) | timeout; the body ends with an error |
//! | is dropped before its end, read or not | cancelled, unless the head was no success |
//! | is `text/event-stream`, or the status is 101 | as its head said, and at once, unless [`streams_too`](WholeExchange::streams_too) |
//!
//! **It takes two halves**, a classifier in the gate and an [`ExchangeLayer`] below it. Without the layer the stack is
//! no service, and does not compile; only bodies that [carry](Carry) by themselves, such as axum's and reqwest's with
//! the features of these names, need none. **Without the classifier it compiles, and calls end with their heads** as
//! if there were no layer. A policy of your own beside ours gives its permit back at the head, unless it implements
//! [`settle_later`](crate::gate::Policy::settle_later). A time limit of the pipeline is over when the head is there.
//! A response that is kept and not read holds its permits for as long as it is kept. A probe of a half-open circuit is
//! heard at the end of its body: in front of long downloads give the circuit a
//! [`half_open_for`](crate::circuit_breaker::Settings::half_open_for) that is longer than they take, or it opens again
//! before it hears of them. A call that goes on takes three allocations more, and a timer once its
//! body keeps somebody waiting.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Full};
//! use portcullis::{
//!     http::{ByStatus, ExchangeLayer, WholeExchange}, pipeline::Pipeline, rejection::BoxError,
//! };
//! use std::time::Duration;
//! use tower::{Service, ServiceBuilder, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! const SHELF: Bytes = Bytes::from_static(b"shelf 7");
//! let whole = WholeExchange::new(ByStatus::new()).idle_timeout(Duration::from_secs(5))?;
//! let pipeline = Pipeline::builder("inventory").classify(whole).build()?;
//! let mut service = ServiceBuilder::new()
//!     .layer(pipeline.layer())
//!     .layer(ExchangeLayer::new())
//!     .service_fn(async |_: Request<()>| Ok::<_, BoxError>(Response::new(Full::new(SHELF))));
//!
//! let response = service.ready().await?.call(Request::new(())).await?;
//! assert_eq!(pipeline.snapshot().in_flight, 1);
//! assert_eq!(response.into_body().collect().await?.to_bytes(), SHELF);
//! assert_eq!(pipeline.snapshot().in_flight, 0);
//! # Ok(())
//! # }
//! ```
//!
//! ```compile_fail,E0277
//! # use http::Response;
//! # use http_body_util::Full;
//! # use portcullis::{http::{ByStatus, WholeExchange}, outcome::Classify, rejection::BoxError};
//! fn classifies<C: Classify<Response<Full<&'static [u8]>>, BoxError>>(_: C) {}
//! classifies(WholeExchange::new(ByStatus::new()));
//! ```
//!
//! # Cancel safety
//!
//! As for gates; what is said there of the response future holds for the body after it.

mod body;
mod exchange;
mod grpc;
mod hint;
mod layer;
mod problem;
mod status;
mod whole;

pub use self::{
    body::{Carry, ExchangeBody},
    exchange::Exchange,
    grpc::ByGrpcStatus,
    layer::{ExchangeFuture, ExchangeLayer, Exchanges},
    problem::{Problem, grpc_code, respond, respond_grpc, respond_per_client, status},
    status::ByStatus,
    whole::WholeExchange,
};
