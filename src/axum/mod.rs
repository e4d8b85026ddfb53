//! Guards around routes of axum.
//!
//! A pipeline, or any gate, goes on a `Router`, a `MethodRouter` or a handler by their `layer`, with
//! [`respond`] to answer what it refuses: its error stays that of the routes, and no `HandleErrorLayer` is needed.
//! **One layer is one guard**: axum makes services of it for each route and connection, and they share its state. A
//! handler may also return a [`Rejection`](crate::rejection::Rejection), which is a response.
//!
//! # Examples
//!
//! With the defaults:
//!
//! ```
//! use axum::{Router, body::Body, http::Request, routing::get};
//! use portcullis::{axum::{liveness, respond}, http::ByStatus, pipeline::Pipeline};
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let pipeline = Pipeline::builder("reports")
//!     .classify(ByStatus::new())
//!     .reject_with(respond)
//!     .build()?;
//! let app: Router = Router::new()
//!     .route("/report", get(async || "a report"))
//!     .layer(pipeline.layer())
//!     // After the layer, and so outside of it: it answers however busy the reports are.
//!     .route_service("/live", liveness());
//!
//! pipeline.bulkhead().set_limit(0);
//! let ask = |path| app.clone().oneshot(Request::get(path).body(Body::empty()).unwrap());
//! let refused = ask("/report").await?;
//! assert_eq!(refused.status(), 503);
//! assert_eq!(refused.headers()["retry-after"], "1");
//! assert_eq!(ask("/live").await?.status(), 200);
//! # Ok(())
//! # }
//! ```
//!
//! With a pipeline for each route, calls that last until their bodies were sent, and the three answers about health:
//!
//! ```
//! use axum::{Router, body::Body, extract::{MatchedPath, Request}, routing::get};
//! use portcullis::{
//!     axum::{details, liveness, readiness, respond},
//!     health::Health, http::{ByStatus, WholeExchange}, registry::Registry,
//! };
//! use std::borrow::Cow;
//! use tower::ServiceExt;
//!
//! // A function, or a closure in place: one in a variable has no lifetime to give.
//! fn by_route(request: &Request) -> Cow<'_, str> {
//!     let path = request.extensions().get::<MatchedPath>();
//!     Cow::Borrowed(path.map_or("<unmatched>", MatchedPath::as_str))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let registry = Registry::new();
//! let routes = registry.keyed("routes", |builder| {
//!     builder.classify(WholeExchange::new(ByStatus::new())).reject_with(respond)
//! })?;
//! let health = Health::new().watching_all(&registry);
//! let app: Router = Router::new()
//!     .route("/items/{id}", get(async || "shelf 7"))
//!     .layer(routes.layer(by_route))
//!     .route_service("/live", liveness())
//!     .route_service("/ready", readiness(&health));
//! let operators: Router = Router::new().route_service("/health", details(&health));
//!
//! let response = app.oneshot(Request::get("/items/12").body(Body::empty())?).await?;
//! let route = registry.get("routes:/items/{id}").expect("it was called");
//! assert_eq!(route.snapshot().in_flight, 1);
//! axum::body::to_bytes(response.into_body(), 100).await?;
//! assert_eq!(route.snapshot().window.success, 1);
//! # drop(operators);
//! # Ok(())
//! # }
//! ```
//!
//! # Where to put a guard
//!
//! | around | by | note |
//! |---|---|---|
//! | a whole server | `Router::layer`, last but for health | A [bulkhead](crate::bulkhead) sheds what is too much before anything else is done about it. It answers 503 for what is not there as well. |
//! | all routes that there are | `Router::route_layer` | What is no route stays a 404. |
//! | one route | `MethodRouter::layer`, `Handler::layer` | |
//! | each route | [`Registry::keyed`](crate::registry::Registry::keyed) with `MatchedPath`, which is there within a router | Never key by the raw path: clients make those up. |
//! | each client | the same with an address or a token, and [`respond_per_client`] | A client with too many calls in flight is answered 429. |
//!
//! # Callers who leave
//!
//! When a client closes its connection, or over HTTP/2 resets its stream, the handler is dropped: the call counts as
//! cancelled and gives back its permits. While a body is sent this needs a
//! [`WholeExchange`](crate::http::WholeExchange), for which axum's bodies need no layer beneath; there it is seen when
//! there is something to send. There, too, `HEAD` for a route of `get` counts as cancelled, since axum makes the body
//! and drops it; where that matters, answer it by a route of its own.
//!
//! # The way out
//!
//! [`Health::drain`](crate::health::Health::drain) first, which turns [`readiness`] to 503; then, when the balancers
//! have noticed, axum's `with_graceful_shutdown`, which accepts nothing more but waits for open connections for ever;
//! so wait for the calls instead, by [`Health::drained`](crate::health::Health::drained) with a deadline. The example
//! `graceful_shutdown` does all of it.

mod carry;
mod health;
mod respond;

pub use self::{
    health::{HealthRoute, details, liveness, readiness},
    respond::{respond, respond_per_client},
};
