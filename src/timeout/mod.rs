//! Timeout: ends a call that takes too long.
//!
//! The time counts from the first poll of the response future. At the deadline the caller gets a
//! [`Rejection`](crate::rejection::Rejection), and the inner future is dropped in that moment, not
//! when the caller drops the response future. An answer that is there in the very poll in which the
//! deadline passes wins.
//!
//! A call that is ready at its first poll touches no timer and reads no clock, and one of a layer with a
//! constant limit that has to wait shares a timer with others: see [below](#timers).
//!
//! ```
//! use portcullis::{rejection::{BoxError, Rejection}, timeout::TimeoutLayer};
//! use std::time::Duration;
//! use tower::{Service, ServiceBuilder, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), BoxError> {
//! let mut service = ServiceBuilder::new()
//!     .layer(TimeoutLayer::new(Duration::from_millis(250))?)
//!     .service_fn(async |work: Duration| {
//!         tokio::time::sleep(work).await;
//!         Ok::<_, BoxError>("done")
//!     });
//!
//! assert_eq!(service.ready().await?.call(Duration::from_millis(200)).await?, "done");
//! let late = service.ready().await?.call(Duration::from_millis(300)).await.unwrap_err();
//! assert!(Rejection::find(&*late).is_some_and(Rejection::is_timeout));
//! # Ok(())
//! # }
//! ```
//!
//! The request may say how long it can wait, and a late call may have a response instead of an
//! error:
//!
//! ```
//! use portcullis::{event::Scope, rejection::Rejection, timeout::TimeoutLayer};
//! use std::{convert::Infallible, time::Duration};
//! use tower::{Service, ServiceBuilder};
//!
//! struct Request {
//!     patience: Option<Duration>,
//! }
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! let mut service = ServiceBuilder::new()
//!     .layer(
//!         TimeoutLayer::with(|request: &Request| request.patience)
//!             .scoped(Scope::named("inventory"))
//!             .reject_with(|late: &Rejection| format!("504 {late}")),
//!     )
//!     .service_fn(async |_: Request| {
//!         tokio::time::sleep(Duration::from_secs(1)).await;
//!         Ok::<_, Infallible>("200".to_owned())
//!     });
//!
//! let patience = Some(Duration::from_millis(20));
//! let late = service.call(Request { patience }).await;
//! assert_eq!(late, Ok("504 inventory: deadline exceeded".to_owned()));
//! assert_eq!(service.call(Request { patience: None }).await, Ok("200".to_owned()));
//! # }
//! ```
//!
//! # Per attempt, in total
//!
//! Inside a retry the limit is that of one attempt, around it that of all attempts and the waits
//! between them; a stack may have both. A gate around a timeout counts a late call as
//! [`Outcome::Timeout`](crate::outcome::Outcome::Timeout).
//!
//! # Timers
//!
//! Timers are tokio's: with a resolution of a millisecond, never early, and driven by the runtime in which
//! a call was first pending. Those who pause or advance tokio's time pause and advance them.
//!
//! Calls that have the same limit, and were pending first in the same thread and runtime, share a timer. It
//! is set for the first of them and not touched when calls come and go; when it goes off, whoever is due is
//! woken, and it is set for the next. While calls end in time that is about once per limit, where a timer
//! for each call would take the one lock of the runtime twice a call. It goes off once more after the last
//! call, at the latest a limit later. Nobody notices, except that a paused clock that advances by itself,
//! because nobody has anything to do, stops there on its way.
//!
//! For limits that requests ask for there is a timer each, with an allocation, unless the [`Limit`] says that
//! they [repeat](Limit::repeats); and so there is if a thread has more than 32 different limits at a time.
//!
//! If a runtime ends, the calls whose timer it drove are woken. Those that are polled in another go on there
//! with a timer of their own, to the same deadline.
//!
//! # Errors
//!
//! A late call ends with a rejection converted into the inner service's error type, as in a
//! [gate](crate::gate), or with the response of [`TimeoutLayer::reject_with`].
//!
//! # Panics
//!
//! A response future that is pending outside of a tokio runtime with its time enabled panics, unless the
//! call has no limit or one of zero, or began to wait in such a runtime.
//!
//! # Cancel safety
//!
//! Dropping the response future drops the inner future, then the timer or the place at a shared one. Nothing
//! else is held.

mod deadlines;
mod due;
mod future;
mod layer;
mod lines;
mod queue;
mod service;
mod timer;

#[cfg(all(test, portcullis_loom))]
mod models;
#[cfg(all(test, not(portcullis_loom)))]
mod tests;

pub use self::{
    future::ResponseFuture,
    layer::{Constant, Limit, TimeoutLayer},
    service::Timeout,
};
