//! The gate: *decide, call, classify, settle*, written once.
//!
//! A [`Policy`] supplies only the decision. The gate asks it in [`call`](tower_service::Service::call),
//! never in `poll_ready`, calls the inner service directly, and settles when the answer is there;
//! a [`Flight`] sees to it that this happens exactly once, also when the future is dropped or the
//! service panics. Policies in a tuple form one policy, so that a whole stack of them costs one clock
//! reading on the way in, one on the way out, and one classification.
//!
//! One [`GateLayer`] is one gate: all services it makes, and all their clones, share its state.
//! (axum makes a service per route and connection.)
//!
//! ```
//! use portcullis::{
//!     bulkhead::{self, Bulkhead},
//!     circuit_breaker::{self, CircuitBreaker},
//!     gate::GateLayer,
//!     rejection::BoxError,
//! };
//! use tower::{Service, ServiceBuilder, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let breaker = CircuitBreaker::new(circuit_breaker::Settings::default())?;
//! let bulkhead = Bulkhead::new(bulkhead::Settings::default().limit(20))?;
//! let mut service = ServiceBuilder::new()
//!     .layer(GateLayer::new((breaker.clone(), bulkhead)))
//!     .service_fn(async |name: &'static str| Ok::<_, BoxError>(format!("hello {name}")));
//!
//! assert_eq!(service.ready().await?.call("you").await?, "hello you");
//! assert_eq!(breaker.counts().window.success, 1);
//! # Ok(())
//! # }
//! ```
//!
//! # Without Tower
//!
//! `admit` of a gate, a breaker or a bulkhead gives a [`Flight`], to be settled with what became of the call. It
//! [borrows](Borrowed) what admitted it, which costs no reference count; a task that owns the breaker may hold
//! it across an `await`. Where the flight goes somewhere else, `admit_owned` gives one that keeps its gate alive:
//!
//! ```
//! # use portcullis::{circuit_breaker::{CircuitBreaker, Settings}, outcome::Outcome, rejection::BoxError};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let breaker = CircuitBreaker::new(Settings::default())?;
//! breaker.admit()?.settle(Outcome::Success);
//!
//! let flight = breaker.admit_owned()?;
//! tokio::spawn(async move { flight.settle(Outcome::Failure) }).await?;
//! assert_eq!(breaker.counts().window.judged(), 2);
//! # Ok(())
//! # }
//! ```
//!
//! # Answers in parts
//!
//! A call ends when its future gives the answer, unless the classifier says that the answer
//! [goes on](crate::outcome::Classify::goes_on): then the call lives in it, with the permits of all policies that
//! [keep them](Policy::settle_later), until the answer has ended. The feature `http` makes use of it for bodies.
//!
//! # Errors
//!
//! A refused call ends with a [`Rejection`](crate::rejection::Rejection) converted into the inner
//! service's error type, so `S::Error: From<Rejection>`: `BoxError` satisfies it, and so does an error
//! enum with a `#[from]` variant. [`GateLayer::reject_with`] makes a response of it instead and leaves
//! the error type alone.
//!
//! # Cancel safety
//!
//! Dropping the response future at any point gives back everything the call held and counts it as
//! cancelled; a panic of the inner service counts as a failure.

mod aloft;
mod flight;
mod future;
mod host;
mod layer;
mod policy;
mod queue;
mod queued;
mod refusal;
mod service;
mod waiting;

pub use self::{
    aloft::Later,
    flight::Flight,
    future::ResponseFuture,
    host::{Borrowed, Handle, Host, Judge},
    layer::{GateLayer, QueuedLayer},
    policy::{Completion, Policy},
    queue::Queue,
    queued::{QueueFuture, QueuedGate},
    refusal::{AsError, Refusal, RespondWith},
    service::Gate,
};
pub(crate) use self::{
    host::{borrow, call},
    waiting::{acquire, call_queued},
};
