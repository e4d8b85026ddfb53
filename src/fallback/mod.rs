//! Fallback: an answer in place of an error.
//!
//! A [value](FallbackLayer::value), a [function of the error](FallbackLayer::respond), a
//! [future](FallbackLayer::future) or a [second service](FallbackLayer::service) answers when the
//! service fails. It sees why: `S::Error` is the inner service's error or holds the
//! [`Rejection`](crate::rejection::Rejection) of a layer further in. It runs in the caller's task,
//! after the inner future was dropped.
//!
//! No request is copied except for a second service, and then by your function.
//!
//! ```
//! use portcullis::{fallback::FallbackLayer, rejection::BoxError};
//! use tower::{Service, ServiceBuilder};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let mut service = ServiceBuilder::new()
//!     .layer(FallbackLayer::value("cached"))
//!     .service_fn(async |()| Err::<&str, BoxError>("down".into()));
//!
//! assert_eq!(service.call(()).await.unwrap(), "cached");
//! # }
//! ```
//!
//! A second service, for late calls of one kind only:
//!
//! ```
//! use portcullis::{
//!     event::Scope,
//!     fallback::FallbackLayer,
//!     rejection::{BoxError, Rejection},
//!     timeout::TimeoutLayer,
//! };
//! use std::time::Duration;
//! use tower::{Service, ServiceBuilder, service_fn};
//!
//! enum Request {
//!     Read(u32),
//!     Write(u32, String),
//! }
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), BoxError> {
//! let replica = service_fn(async |_: Request| Ok::<_, BoxError>("from the replica"));
//! let reads_only = |request: &Request| match request {
//!     Request::Read(key) => Some(Request::Read(*key)),
//!     Request::Write(..) => None,
//! };
//! let mut service = ServiceBuilder::new()
//!     .layer(
//!         FallbackLayer::service(replica, reads_only)
//!             .when(|why: &BoxError| Rejection::find(&**why).is_some_and(Rejection::is_timeout))
//!             .scoped(Scope::named("inventory")),
//!     )
//!     .layer(TimeoutLayer::new(Duration::from_millis(50))?)
//!     .service_fn(async |_: Request| std::future::pending::<Result<&str, BoxError>>().await);
//!
//! assert_eq!(service.call(Request::Read(1)).await?, "from the replica");
//! let late = service.call(Request::Write(1, "new".to_owned())).await.unwrap_err();
//! assert!(Rejection::find(&*late).is_some());
//! # Ok(())
//! # }
//! ```
//!
//! # Errors
//!
//! An error for which there is no fallback, or whose fallback the guard refused, comes out untouched.
//! Where the fallback fails too, the original error comes out with the fallback's [attached](Attach):
//! futures and second services need `S::Error: Attach`. Errors of `poll_ready` pass through, as there
//! is no request yet.
//!
//! # Cancel safety
//!
//! Dropping the response future drops whichever of the inner future and the fallback runs; the guard
//! gets its permit back, and counts the fallback as cancelled, or as a failure after a panic.

mod answer;
mod attach;
mod future;
mod layer;
mod second;
mod service;

pub use self::{
    answer::{Answer, AnyError, Respond, Run, RunFuture, Value, When},
    attach::{Attach, Failed},
    future::{Plan, ResponseFuture, Way},
    layer::FallbackLayer,
    second::{Second, SecondFuture},
    service::Fallback,
};
