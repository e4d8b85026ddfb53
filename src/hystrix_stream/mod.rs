//! Hystrix's metrics streams, for the pages and collectors that read them.
//!
//! A [`HystrixStream`] is a service that answers `GET` with server-sent events: every half second one message for
//! each pipeline of a [`Registry`](crate::registry::Registry), those for keys included, from the first moment on,
//! called or not. It has every field that Netflix's dashboard reads. Names of dependencies are in it: let only
//! operators reach it.
//!
//! # Examples
//!
//! With the defaults, as a route of axum:
//!
//! ```
//! use axum::{Router, body::Body, http::Request};
//! use http_body_util::BodyExt;
//! use portcullis::{hystrix_stream::HystrixStream, pipeline::Pipeline, registry::Registry};
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let registry = Registry::new();
//! registry.register(Pipeline::builder("inventory"))?;
//! let stream = HystrixStream::new(&registry);
//! let operators: Router = Router::new().route_service("/hystrix.stream", stream.clone());
//!
//! let request = Request::get("/hystrix.stream").body(Body::empty())?;
//! let mut answer = operators.oneshot(request).await?.into_body();
//! let first = answer.frame().await.expect("a frame")?.into_data().expect("text");
//! assert!(first.starts_with(br#"data: {"type":"HystrixCommand","name":"inventory","group":"inventory","#));
//!
//! stream.shut_down();
//! assert!(answer.frame().await.is_none());
//! # Ok(())
//! # }
//! ```
//!
//! Both streams with settings, on a server that ends gracefully:
//!
//! ```no_run
//! use axum::Router;
//! use portcullis::{
//!     hystrix_stream::{HystrixStream, Settings, States},
//!     registry::Registry,
//! };
//! use std::time::Duration;
//! use tokio::{net::TcpListener, signal::ctrl_c};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let registry = Registry::new();
//! let settings = Settings::default()
//!     .interval(Duration::from_secs(1))
//!     .states(States::Named);
//! let metrics = HystrixStream::with(&registry, settings)?;
//! let config = HystrixStream::with(&registry, Settings::config().subscribers(5))?;
//! let operators: Router = Router::new()
//!     .route_service("/hystrix.stream", metrics.clone())
//!     .route_service("/dashboard/proxy.stream", metrics.clone())
//!     .route_service("/hystrix/config.stream", config.clone());
//!
//! let listener = TcpListener::bind("127.0.0.1:9001").await?;
//! axum::serve(listener, operators)
//!     .with_graceful_shutdown(async move {
//!         ctrl_c().await.expect("signals can be waited for");
//!         metrics.shut_down();
//!         config.shut_down();
//!     })
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Subscribers
//!
//! The text of a tick is made once, however many read it, by the first of them to come, and nothing is made, timed
//! or kept while nobody reads. One that reads slowly is sent the newest text when it is ready for it, and neither
//! holds more nor delays others; it has its place, one of [`Settings::subscribers`], until its connection is closed.
//! A connection whose client does not read at all outlives a [shutdown](HystrixStream::shut_down) of the stream: give
//! the end of a server a deadline.
//!
//! A pipeline is about 2 kB of a text, and 5 µs of the worker thread that makes it. With thousands of keys, choose a
//! longer interval and fewer subscribers: each may hold a text or two that it does not read. A text that takes longer
//! than an interval is alone in that: no other thread begins the next one meanwhile.
//!
//! Between texts more than five seconds apart, and where no pipeline is registered, comments are sent, so that
//! nobody on the way takes the connection for dead.
//!
//! # Netflix's dashboard
//!
//! The dashboard needs nothing of its Java server: serve the folder `src/main/webapp` of its repository as files,
//! say at `/dashboard`, mount the stream at `/dashboard/proxy.stream` too, as in the example above, and open
//! `/dashboard/monitor/monitor.html?stream=local&title=Shop`. (Tried in Chromium with the files of January 2018, the
//! last there are; CI has no copy of them.)
//!
//! The page loads underscore.js from `cdnjs.cloudflare.com`, and is empty where it cannot. There are no thread pools,
//! so that part says "Loading ..." for ever. A pipeline that was removed stays on the page, with its last numbers,
//! until the page is loaded anew. When a server comes back, the page goes on; after a 503 it does not ask again, nor
//! does Turbine 1 ask that host: be generous with [`Settings::subscribers`]. Whatever
//! stands in `title` becomes part of the page, scripts too, so keep it off the origin of routes that change things.
//!
//! # What is told
//!
//! Each field of Hystrix's schema is there. All numbers are integers, and times are milliseconds, rounded to the
//! nearest; no setting is told as more than 2147483647, Java's largest integer. Below, "window" and the like are fields
//! of the [`Snapshot`](crate::pipeline::Snapshot), and settings are those of the
//! [`pipeline`](crate::pipeline::Settings).
//!
//! | field | is |
//! |---|---|
//! | `type` | `"HystrixCommand"`. There are no pools and no collapsers, and so no messages of theirs. |
//! | `name` | The name. Control characters, line separators and ``% < > & " ' ` \`` are percent-encoded: the dashboard puts names into its HTML as they are. |
//! | `group`, `threadPool` | What comes before the first `:` of the name, such as the set of a key; without one, the name. |
//! | `currentTime` | The calendar's time since 1970. |
//! | `isCircuitBreakerOpen` | Whether the circuit refuses calls, or a trickle of them is let through: see [`States`]. In dry run, `false`. |
//! | `errorPercentage` | Of `requestCount`, `errorCount`, rounded down. |
//! | `errorCount` | `window.failure` and `window.timeout`. Unlike in Hystrix, not what was refused: that says nothing about the dependency. |
//! | `requestCount` | `errorCount` and `window.success`. |
//! | `rollingCountSuccess`, `rollingCountFailure`, `rollingCountTimeout` | `window.success`, `window.failure`, `window.timeout`. |
//! | `rollingCountBadRequests` | `window.ignored`. |
//! | `rollingCountShortCircuited` | `window.short_circuited()`. |
//! | `rollingCountSemaphoreRejected` | What else is in `window.rejected()`: refused by a limit, a queue or a policy of yours. |
//! | `rollingCountFallbackSuccess`, `rollingCountFallbackFailure`, `rollingCountFallbackRejection` | `window.fallback_success`, `window.fallback_failure`, `window.fallback_rejected`. |
//! | `rollingCountFallbackMissing` | Calls that failed or were refused for which no fallback is counted. |
//! | `rollingCountExceptionsThrown` | The sum of `rollingCountBadRequests` and of the fallbacks that failed, were refused or are missing, as in Hystrix. |
//! | `rollingCountCollapsedRequests`, `rollingCountResponsesFromCache`, `rollingCountEmit`, `rollingCountFallbackEmit`, `rollingCountThreadPoolRejected` | 0: there is no such thing here. |
//! | `currentConcurrentExecutionCount`, `rollingMaxConcurrentExecutionCount` | `in_flight`, `peak_in_flight`. |
//! | `latencyExecute`, `latencyExecute_mean` | `latency`: `min` is `"0"`, `max` is `"100"`. |
//! | `latencyTotal`, `latencyTotal_mean` | `total_latency`. |
//! | `propertyValue_circuitBreakerRequestVolumeThreshold` | `circuit_breaker.minimum_calls`. |
//! | `propertyValue_circuitBreakerSleepWindowInMilliseconds` | `circuit_breaker.open_for`. |
//! | `propertyValue_circuitBreakerErrorThresholdPercentage` | `circuit_breaker.failure_rate` in percent, rounded; 100 without. |
//! | `propertyValue_circuitBreakerForceOpen`, `propertyValue_circuitBreakerForceClosed` | Whether `mode` is forced open, or forced closed. |
//! | `propertyValue_circuitBreakerEnabled` | `false` in dry run, else `true`. |
//! | `propertyValue_executionIsolationStrategy` | `"SEMAPHORE"`. |
//! | `propertyValue_executionIsolationSemaphoreMaxConcurrentRequests` | `limit`; 2147483647 without. |
//! | `propertyValue_fallbackIsolationSemaphoreMaxConcurrentRequests` | 2147483647: a fallback's limit is the guard's that you gave it. |
//! | `propertyValue_executionTimeoutInMilliseconds`, `propertyValue_executionIsolationThreadTimeoutInMilliseconds` | `timeout`, rounded up; 0 without. |
//! | `propertyValue_executionIsolationThreadInterruptOnTimeout` | `true`: the call is dropped. |
//! | `propertyValue_executionIsolationThreadPoolKeyOverride` | `null`. |
//! | `propertyValue_metricsRollingStatisticalWindowInMilliseconds` | `window_length`. |
//! | `propertyValue_requestCacheEnabled`, `propertyValue_requestLogEnabled` | `false`: there is neither. |
//! | `reportingHosts` | 1. |
//!
//! What Hystrix does not count is not told: calls that were slow or cancelled, what a dry run would have refused,
//! how many calls wait.
//!
//! [`Content::Config`] is one message, `"HystrixConfig"`, with the settings of all pipelines under `commands`. Names
//! and values are as above; `fallbackEnabled` is `true`, `timeoutEnabled` tells whether there is a `timeout`,
//! buckets are those of `circuit_breaker.buckets`, and percentiles have two.

mod config;
mod metrics;
mod service;
mod settings;
mod text;
mod view;

pub use self::{
    service::HystrixStream,
    settings::{Content, Settings, States},
};

pub use crate::event_stream::StreamBody;
