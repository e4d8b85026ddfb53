//! Pipelines: fallback, circuit breaker, bulkhead and timeout in the right order, under one name.
//!
//! ```text
//! request ─► Fallback ─► Gate[ CircuitBreaker · Bulkhead ] ─► Timeout ─► service
//! ```
//!
//! A pipeline is what Hystrix calls a command: one name, one rolling window, one classification, one
//! snapshot. It is made of the layers of this crate, and adds nothing to how they work:
//!
//! * The fallback is outermost and sees why there is no answer: a [`Fault`].
//! * The circuit is asked first: while it is open nothing else happens. A full bulkhead says nothing
//!   about the dependency and does not count against it.
//! * The permit of the bulkhead is held until the call has ended, also by the timeout, which is innermost:
//!   a dependency that hangs runs out of time again and again, and trips the circuit.
//!
//! The fallback is for calls without an answer. An answer that the classifier calls a failure, such as a
//! response with status 500, counts against the circuit and goes to the caller as it is; where a fallback
//! is wanted for it, make an error of it below the pipeline.
//!
//! Keep the [`Control`] of a pipeline to look at it and to steer it: it has no type parameters.
//!
//! # Examples
//!
//! With the defaults (a second for each call, 100 calls in flight, and the circuit breaker's):
//!
//! ```
//! use portcullis::{pipeline::Pipeline, rejection::BoxError};
//! use tower::{Service, ServiceBuilder, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let pipeline = Pipeline::builder("inventory").build()?;
//! let mut service = ServiceBuilder::new()
//!     .layer(pipeline.layer())
//!     .service_fn(async |item: u32| Ok::<_, BoxError>(item * 2));
//!
//! assert_eq!(service.ready().await?.call(21).await?, 42);
//! assert_eq!(pipeline.snapshot().window.success, 1);
//! # Ok(())
//! # }
//! ```
//!
//! With settings, a classifier and a fallback:
//!
//! ```
//! use portcullis::{
//!     bulkhead, circuit_breaker, outcome::Outcome,
//!     pipeline::{Fault, Pipeline}, rejection::BoxError,
//! };
//! use std::time::Duration;
//! use tower::{Service, ServiceBuilder, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let pipeline = Pipeline::builder("inventory")
//!     .timeout(Duration::from_millis(300))
//!     .bulkhead(bulkhead::Settings::default().limit(20))
//!     .queue(bulkhead::QueueSettings::default().length(10))
//!     .circuit_breaker(circuit_breaker::Settings::default().failure_rate(0.2))
//!     .classify(|answer: Result<&u16, &BoxError>| match answer {
//!         Ok(500..) | Err(_) => Outcome::Failure,
//!         Ok(_) => Outcome::Success,
//!     })
//!     .fallback(|fault: &Fault<BoxError>| if fault.rejection().is_some() { 503 } else { 502 })
//!     .build()?;
//! let mut service = ServiceBuilder::new()
//!     .layer(pipeline.layer())
//!     .service_fn(async |_: &'static str| Ok::<u16, BoxError>(200));
//!
//! pipeline.circuit_breaker().trip();
//! assert_eq!(service.ready().await?.call("item").await?, 503);
//! let snapshot = pipeline.snapshot();
//! assert_eq!((snapshot.window.circuit_open, snapshot.window.fallback_success), (1, 1));
//! # Ok(())
//! # }
//! ```
//!
//! # In several tasks, or in a struct
//!
//! The type of a guarded service is long, and in a task that is spawned the compiler may complain that
//! an "implementation of `FnOnce`, or `Way`, is not general enough", which is a limit of its own with closures behind
//! `async`. Both end when the service is boxed (one allocation a call):
//!
//! ```
//! use portcullis::{pipeline::{Fault, Pipeline}, rejection::BoxError};
//! use tower::{Service, ServiceBuilder, ServiceExt, util::BoxCloneSyncService};
//!
//! #[derive(Clone)]
//! struct Inventory {
//!     items: BoxCloneSyncService<u32, String, BoxError>,
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let pipeline = Pipeline::builder("inventory")
//!     .fallback(|_: &Fault<BoxError>| "cached".to_owned())
//!     .build()?;
//! let guarded = ServiceBuilder::new()
//!     .layer(pipeline.layer())
//!     .service_fn(async |item: u32| Ok::<_, BoxError>(item.to_string()));
//! let inventory = Inventory { items: BoxCloneSyncService::new(guarded) };
//!
//! let mut items = inventory.items.clone();
//! let answer = tokio::spawn(async move { items.ready().await?.call(7).await });
//! assert_eq!(answer.await??, "7");
//! # Ok(())
//! # }
//! ```
//!
//! # If `ready` or `call` "exists but its trait bounds were not satisfied"
//!
//! Then the service does not fit the pipeline. `BoxCloneSyncService::new(guarded)` says why. It is one of
//! these:
//!
//! * Its error is not `From<Rejection>`: `.map_err(BoxError::from)` below the pipeline, an error enum of yours, or
//!   `reject_with`. A bare `reqwest::Client` is such a service; the feature `reqwest` has a client that fits.
//! * It is not `Clone`.
//! * A closure lacks the types of its arguments, as in `|fault: &Fault<BoxError>|`, or `reject_with` takes the
//!   rejection by value.
//!
//! # New settings while calls run
//!
//! [`Control::apply`] changes the settings of a pipeline that is in use, and says what it did:
//!
//! ```
//! use portcullis::{bulkhead, circuit_breaker::Window, pipeline::Pipeline};
//! use std::time::Duration;
//!
//! let pipeline = Pipeline::builder("inventory").build()?;
//! let control = pipeline.control();
//!
//! let mut settings = control.settings().timeout(Duration::from_millis(250));
//! settings.bulkhead = Some(bulkhead::Settings::default().limit(20));
//! settings.circuit_breaker.window = Window::Last(100);
//! let applied = control.apply(&settings)?;
//! assert_eq!(applied.changed(), ["timeout", "bulkhead.limit"]);
//! assert_eq!(applied.kept(), ["circuit_breaker.window"]);
//!
//! settings.timeout = Some(Duration::ZERO);
//! assert_eq!(control.apply(&settings).unwrap_err().field(), "timeout");
//! assert_eq!(control.settings().timeout, Some(Duration::from_millis(250)));
//! # Ok::<_, portcullis::settings::SettingsError>(())
//! ```
//!
//! All settings are in force for the calls to come, but for the
//! [shape of the window](crate::circuit_breaker#new-settings-while-calls-run), which takes a pipeline
//! that is built anew. A call under way keeps the time limit it began with, a call in the queue its place
//! and its longest wait. When a queue is switched on, total latencies are recorded from then on.
//!
//! # In a file
//!
//! With the feature `serde`, [`Settings`] read from whatever serde reads; what is left out has its default, and
//! what may be none is switched off by `"none"`, or by null:
//!
//! ```json
//! {
//!   "timeout": "300ms",
//!   "bulkhead": { "limit": 20 },
//!   "queue": { "length": 10, "order": "fifo", "longest_wait": "100ms" },
//!   "circuit_breaker": {
//!     "window": "10s", "buckets": 10, "minimum_calls": 20, "failure_rate": 0.5,
//!     "slow_calls": { "threshold": "200ms", "rate": 0.5 }, "consecutive_failures": 10,
//!     "open_for": "5s", "open_growth": 2.0, "open_for_max": "1m", "open_jitter": 0.1,
//!     "probes": 3, "probe_failure_rate": 0.5, "half_open_for": "10s", "ramp_up": "30s",
//!     "mode": "automatic"
//!   }
//! }
//! ```
//!
//! # Panics
//!
//! Time limits and waits need a tokio runtime with its timer: outside of one, a call panics that is still
//! pending when it is polled. A pipeline without them, or whose calls are ready at once, needs no runtime.

mod builder;
mod control;
mod diagram;
mod fault;
mod layer;
mod live;
mod settings;
mod snapshot;

pub use self::{
    builder::Builder,
    control::Control,
    diagram::Diagram,
    fault::{AsFault, ByFault, Fault, Lift, LiftFuture, Lower, LowerFuture},
    layer::{NoFallback, Pipeline, PipelineLayer, Recovery, TimeLimit},
    settings::Settings,
    snapshot::{Latencies, Snapshot},
};
