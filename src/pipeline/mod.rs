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

mod builder;
mod control;
mod fault;
mod layer;
mod settings;
mod snapshot;

pub use self::{
    builder::Builder,
    control::Control,
    fault::{AsFault, ByFault, Fault, Lift, LiftFuture, Lower, LowerFuture},
    layer::{NoFallback, Pipeline, PipelineLayer, Recovery, TimeLimit},
    settings::Settings,
    snapshot::{Latencies, Snapshot},
};
