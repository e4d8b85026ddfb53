//! A live page about the pipelines of a registry, as routes of axum.
//!
//! In an outage it says within seconds which dependency is sick, why its circuit is open, when it will probe, and what
//! callers get meanwhile. A [`Dashboard`] makes a `Router` with one page, which brings its script and its style along
//! and asks no server but this one.
//!
//! # Examples
//!
//! With the defaults, under a path of an application:
//!
//! ```
//! use axum::{Router, body::Body, http::Request, routing::get};
//! use portcullis::{dashboard::Dashboard, pipeline::Pipeline, registry::Registry};
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let registry = Registry::new();
//! registry.register(Pipeline::builder("inventory"))?;
//! let app: Router = Router::new()
//!     .route("/items", get(async || "shelf 7"))
//!     .nest_service("/ops", Dashboard::new(&registry).router());
//!
//! for path in ["/ops", "/ops/", "/ops/history", "/ops/circuit?name=inventory"] {
//!     let answer = app.clone().oneshot(Request::get(path).body(Body::empty())?).await?;
//!     assert_eq!(answer.status(), 200);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! With settings, on a port of its own that only operators reach, on a server that ends gracefully:
//!
//! ```
//! use portcullis::{dashboard::{Dashboard, Settings}, registry::Registry};
//! use std::time::Duration;
//! use tokio::net::TcpListener;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let settings = Settings::default()
//!     .interval(Duration::from_millis(500))
//!     .subscribers(5)
//!     .circuits(200);
//! let dashboard = Dashboard::with(&Registry::new(), settings)?;
//!
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let router = dashboard.router();
//! let end = dashboard.clone();
//! # let ctrl_c = || std::future::ready(Ok::<_, std::io::Error>(()));
//! axum::serve(listener, router)
//!     .with_graceful_shutdown(async move {
//!         ctrl_c().await.expect("signals can be waited for");
//!         end.shut_down();
//!     })
//!     .await?;
//! assert_eq!(dashboard.subscribers(), 0);
//! # Ok(())
//! # }
//! ```
//!
//! # Where to mount it
//!
//! **Where only operators come**: on a port of its own, or behind what asks who somebody is. The page has no login, and
//! it names your dependencies and says how they fare. It cannot change anything; who may, has a token of an [`Admin`],
//! which you [tell the page of](Dashboard::admin_at).
//!
//! | by | is at | what is not there is answered by |
//! |---|---|---|
//! | `.nest_service("/ops", router)` | `/ops` and `/ops/` | 404, below `/ops` |
//! | `.nest("/ops", router)` | `/ops`, as axum has it, and not `/ops/` | the fallback of the application |
//! | `.merge(router)` | `/` | the fallback of the application |
//!
//! It works behind a proxy that strips a prefix, since the page asks relative to its own address. Names make texts
//! compress well, if connections are slow; tower-http's layer leaves streams of events alone unless it is told otherwise.
//!
//! An address that only operators reach is not enough for secrets: a site that an operator visits may give its own name
//! that address (DNS rebinding) and read what is there. To keep it out, serve it by TLS, or refuse other values of `Host`.
//!
//! # What is told
//!
//! All answers are for `GET`, and none may be kept. The page may run its own script and no other, by a
//! Content Security Policy of hashes; it may not be framed, and whoever opened it has no handle of it.
//!
//! | route | answers |
//! |---|---|
//! | `/` | The page. |
//! | `/stream` | Server-sent events, one each [`interval`](Settings::interval): all circuits, worst first. Beyond [`subscribers`](Settings::subscribers), 503. |
//! | `/history` | For each pipeline, how many calls were judged, and how many failed or were refused, in each of the last 120 seconds. |
//! | `/circuit?name=inventory` | The [snapshot](crate::pipeline::Snapshot), the settings in force [with their origins](crate::settings_file::effective()), the [events](crate::pipeline::Control::events), the [latencies](crate::pipeline::Control::latency_histogram) and a [diagram](crate::pipeline::Control::diagram) for Mermaid. |
//!
//! What a message says of a circuit is what one [`Control::snapshot`](crate::pipeline::Control::snapshot) says, by the
//! names it has there, and beside it:
//!
//! | field | is |
//! |---|---|
//! | `cause`, `since` | Why the circuit is in its state and for how many seconds, of the [last transition](crate::pipeline::Control::last_transition); null without one that is remembered. |
//! | `outage` | Why the circuit opened that had been closed, as `cause`, and for how many seconds it has not been closed since, as `age`; null while it is closed. |
//! | `failure_threshold`, `slow_threshold` | The rates that trip the circuit; null where there is no such rule. |
//! | `limit`, `queue` | How many calls may be in flight, null for any number; how many may wait. |
//! | `latency` | Percentiles in seconds, null where nothing was measured. |
//! | `fallback` | Whether there is one. |
//! | `calls`, `bad` | What the past says of the newest whole second; null where it does not. |
//!
//! "Worst" are those open, then half-open, forced open, ramping up, those whose mode keeps them from refusing calls
//! although they would, and all others; among these the higher rate of failure, then the name. Beyond
//! [`circuits`](Settings::circuits) they are counted as `unlisted`; so many have a past, those that were there first.
//!
//! The past begins when a pipeline is first seen, and ends when it is gone. A second in which nobody could look, as
//! the runtime was busy, shares with those beside it what happened in all of them; what was counted is counted once.
//!
//! # What it costs
//!
//! Nothing for a call. While the page is open: one text an interval for all subscribers together, made by whoever comes
//! first: about 3 µs and 750 bytes a circuit, so 1.5 ms and 370 KB for 500 circuits each time, and 0.6 µs for each beyond
//! [`circuits`](Settings::circuits), so 60 ms for 100,000. One that reads slowly misses texts and holds no more than
//! one. All looks happen on the threads of the runtime.
//!
//! While it is not: one task wakes each second and adds up what each pipeline counted for life, 0.15 ms a second for 500
//! pipelines, and two minutes of that take 2 KiB a pipeline. It begins with the first router, or with the first request
//! if there was no runtime, and ends with the last handle, router and subscriber, or when it is
//! [shut down](Dashboard::shut_down). (Figures of a slow two-core machine.)
//!
//! # Panics
//!
//! Requests need tokio's runtime with its timer.

mod admin;
mod answer;
mod details;
mod page;
mod past;
mod routes;
mod sampler;
mod settings;
mod state;

pub use self::{admin::Admin, routes::Dashboard, settings::Settings};
