//! Clients of reqwest under a pipeline.
//!
//! The error of a bare `reqwest::Client` has no place for a rejection; that of a [`Client`] around one has, so that
//! pipelines and layers go around it as they are. Requests are built as ever and sent by
//! [`send_through`](RequestBuilderExt::send_through). [`ByStatus`] says what responses and errors mean.
//!
//! # Examples
//!
//! With the defaults:
//!
//! ```
//! use portcullis::{pipeline::Pipeline, reqwest::{ByStatus, Client, RequestBuilderExt}};
//! use tower::ServiceBuilder;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), portcullis::rejection::BoxError> {
//! # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! # let url = format!("http://{}/", listener.local_addr()?);
//! # let app = axum::Router::new().route("/", axum::routing::get(async || "shelf 7"));
//! # tokio::spawn(async { axum::serve(listener, app).await });
//! let client = reqwest::Client::builder().no_proxy().build()?;
//! let pipeline = Pipeline::builder("inventory").classify(ByStatus::default()).build()?;
//! let mut inventory = ServiceBuilder::new()
//!     .layer(pipeline.layer())
//!     .service(Client::new(client.clone()));
//!
//! let response = client.get(url).send_through(&mut inventory).await?;
//! assert_eq!(response.text().await?, "shelf 7");
//! assert_eq!(pipeline.snapshot().window.success, 1);
//! # Ok(())
//! # }
//! ```
//!
//! With settings, whole answers instead of their heads, and a fallback:
//!
//! ```
//! use bytes::Bytes;
//! use portcullis::{
//!     http, pipeline::{Fault, Pipeline}, reqwest::{ByStatus, Client, Error, RequestBuilderExt},
//! };
//! use std::time::Duration;
//! use tower::ServiceBuilder;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), portcullis::rejection::BoxError> {
//! # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! # let url = format!("http://{}/", listener.local_addr()?);
//! # drop(listener);
//! let client = reqwest::Client::builder()
//!     .no_proxy()
//!     .retry(reqwest::retry::never())
//!     .build()?;
//! let pipeline = Pipeline::builder("inventory")
//!     .timeout(Duration::from_millis(300))
//!     .classify(ByStatus::new(http::ByStatus::new().ignoring([404])?))
//!     .fallback(|_: &Fault<Error>| ::http::Response::new(Bytes::from("[7]")))
//!     .build()?;
//! let mut inventory = ServiceBuilder::new()
//!     .layer(pipeline.layer())
//!     .service(Client::new(client.clone()).collecting());
//!
//! // Nobody listens there.
//! let answer = client.get(url).send_through(&mut inventory).await?;
//! let shelves: Vec<u32> = reqwest::Response::from(answer).json().await?;
//! assert_eq!(shelves, [7]);
//! # Ok(())
//! # }
//! ```
//!
//! # Classification
//!
//! | | outcome | because |
//! |---|---|---|
//! | response | by its status, as [`http::ByStatus`](crate::http::ByStatus) has it, with `Retry-After` | |
//! | `is_timeout` of any kind | timeout | Its own limits tell the same as ours. |
//! | `is_builder` | ignored | The request was never sent; the caller made it so. |
//! | `is_status` | as a response of that status | Somebody called `error_for_status` below. |
//! | `is_connect`, `is_request` | failure | |
//! | `is_redirect` | failure | The dependency sends its callers round in circles. Redirects that your own policy refuses come out the same way: with one that does so often, classify by a closure. |
//! | `is_body`, `is_decode`, `is_upgrade` | failure | The answer broke off, or is of no use. |
//! | [`TooLarge`] | failure | It is of no use, and cost as much as the limit allows. |
//! | a [`Rejection`](crate::rejection::Rejection), also of a layer around reqwest's connector | ignored; timeout for a deadline | |
//! | an error of another type | failure | Only you can see into it. |
//!
//! The kinds are found in [`Error`], `reqwest::Error` and, in a chain of sources,
//! [`BoxError`](crate::rejection::BoxError).
//!
//! # Fallbacks for responses
//!
//! A response is an answer, whatever its status: a 500 counts against the circuit and goes to the caller, past the
//! fallback. Where that is to answer for it as well, make an error of it below the pipeline. `Retry-After` does not
//! get into that error, so the circuit does not see it then.
//!
//! ```
//! use portcullis::{pipeline::{Fault, Pipeline}, reqwest::{ByStatus, Client, Error, RequestBuilderExt}};
//! use reqwest::Response;
//! use tower::ServiceBuilder;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), portcullis::rejection::BoxError> {
//! # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! # let url = format!("http://{}/", listener.local_addr()?);
//! # let broken = axum::routing::get(async || axum::http::StatusCode::INTERNAL_SERVER_ERROR);
//! # let app = axum::Router::new().route("/", broken);
//! # tokio::spawn(async { axum::serve(listener, app).await });
//! let client = reqwest::Client::builder().no_proxy().build()?;
//! let pipeline = Pipeline::builder("inventory")
//!     .classify(ByStatus::default())
//!     .fallback(|_: &Fault<Error>| Response::from(http::Response::new("[]")))
//!     .build()?;
//! let mut inventory = ServiceBuilder::new()
//!     .layer(pipeline.layer())
//!     .map_result(|answer: Result<Response, Error>| Ok::<_, Error>(answer?.error_for_status()?))
//!     .service(Client::new(client.clone()));
//!
//! let response = client.get(url).send_through(&mut inventory).await?;
//! assert_eq!(response.text().await?, "[]");
//! assert_eq!(pipeline.snapshot().window.failure, 1);
//! # Ok(())
//! # }
//! ```
//!
//! # Bodies
//!
//! To reqwest a call is over when the head of the response is there, and so it is to a pipeline, with its time limit
//! and its classifier. Two things change that:
//!
//! * A [collecting](Client::collecting) client answers when the body is there as well, as bytes, up to a
//!   [limit](CollectLayer::limit). The time limit covers the body, one that breaks is an error of the call, the
//!   fallback can answer for it, and a classifier can read it. Best for small answers.
//! * A [`WholeExchange`](crate::http::WholeExchange) around [`ByStatus`] has the call go on with a body that is
//!   streamed: it holds its permits until the last byte and counts as what became of it. No
//!   [`ExchangeLayer`](crate::http::ExchangeLayer) is needed for reqwest's bodies. The response is handed on as soon as
//!   its head is there, so that neither time limit nor fallback covers the rest. When reqwest's own time runs out in
//!   the middle of such a body it counts as a failure.
//!
//! # Responses of yours
//!
//! `reqwest::Response::from` makes one of an `http::Response`, for fallbacks and
//! [`reject_with`](crate::pipeline::Builder::reject_with). The URL of it has to be said, or it is a made-up one:
//!
//! ```
//! use reqwest::{Response, ResponseBuilderExt, Url};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let url = Url::parse("http://inventory.test/shelves")?;
//! let cached = http::Response::builder().url(url.clone()).body("[7]")?;
//! assert_eq!(Response::from(cached).url(), &url);
//! # Ok(())
//! # }
//! ```
//!
//! With `reject_with`, a bare `reqwest::Client` needs no [`Client`] around it, as its error stays as it was.
//!
//! # What reqwest does by itself
//!
//! All of it happens within one call: it holds one permit, has one outcome, and its latency is that of all of it.
//! Measured over loopback with reqwest 0.13.5:
//!
//! | | requests on the wire | for the pipeline |
//! |---|---|---|
//! | two redirects | 3 | 1 call |
//! | HTTP/2 streams that the server refuses (`REFUSED_STREAM`) | 3: it tries twice more | 1 failure |
//! | the same with `retry(reqwest::retry::never())` | 1 | 1 failure |
//! | status 503 | 1 | 1 failure |
//! | `ClientBuilder::timeout` before the head | 1 | 1 timeout |
//! | `ClientBuilder::timeout` in the middle of a body | 1 | a success by then, unless collected |
//!
//! So a retry layer of yours multiplies with its retries: switch these off there. Its own time limit goes on while
//! the body is read. Set it above the pipeline's, as a bound on bodies, or leave it; a pipeline's says more in its
//! events, and its rejection can be told apart.

mod by_status;
mod client;
mod collect;
mod error;
mod send;
mod url;
mod whole;

pub use self::{
    by_status::ByStatus,
    client::{Client, ResponseFuture},
    collect::{CollectFuture, CollectLayer, Collecting},
    error::{Error, TooLarge},
    send::{RequestBuilderExt, SendThrough},
};
