//! Bulkheads: a limit on the calls that are in flight at the same time, so that a slow dependency
//! cannot take up all memory, sockets and threads of its caller.
//!
//! A [`Bulkhead`] refuses the calls above its limit at once, with
//! [`Reason::BulkheadFull`](crate::rejection::Reason::BulkheadFull):
//!
//! ```
//! use portcullis::{bulkhead::{Bulkhead, Settings}, rejection::{BoxError, Reason, Rejection}};
//! use tower::{Service, ServiceBuilder, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let bulkhead = Bulkhead::new(Settings::default())?;
//! let mut service = ServiceBuilder::new()
//!     .layer(bulkhead.layer())
//!     .service_fn(async |name: &'static str| Ok::<_, BoxError>(format!("hello {name}")));
//! assert_eq!(service.ready().await?.call("you").await?, "hello you");
//! assert_eq!((bulkhead.in_flight(), bulkhead.limit()), (0, 100));
//!
//! bulkhead.set_limit(0);
//! let refused = service.ready().await?.call("you").await.unwrap_err();
//! let refused = Rejection::find(&*refused).expect("a rejection in the chain");
//! assert_eq!(refused.reason(), Reason::BulkheadFull);
//! # Ok(())
//! # }
//! ```
//!
//! In front of a [`QueuedBulkhead`] a bounded number of calls may wait, in the order of their arrival
//! or, better under overload, the last first. Those who wait are never overtaken by newcomers:
//!
//! ```
//! use portcullis::{
//!     bulkhead::{Order, QueueSettings, QueuedBulkhead, Settings},
//!     outcome::Outcome,
//!     rejection::{BoxError, Reason},
//! };
//! use std::time::Duration;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let queue = QueueSettings::default()
//!     .length(10)
//!     .order(Order::Lifo)
//!     .longest_wait(Duration::from_millis(20));
//! let bulkhead = QueuedBulkhead::new(Settings::default().limit(1), queue)?;
//!
//! let first = bulkhead.acquire().await?;
//! let rejection = bulkhead.acquire().await.unwrap_err();
//! assert_eq!(rejection.reason(), Reason::WaitTimedOut);
//!
//! first.settle(Outcome::Success);
//! let answer = bulkhead.call(async { Ok::<_, BoxError>("done") }).await?;
//! assert_eq!(answer, "done");
//! # Ok(())
//! # }
//! ```
//!
//! A [`KeyedBulkhead`] has a limit for each key of the requests, as Zuul has for each group of
//! servers, so that one slow group leaves room for the others:
//!
//! ```
//! use portcullis::{bulkhead::{KeyedBulkhead, Settings}, rejection::BoxError};
//! use tower::{Service, ServiceBuilder, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let bulkhead = KeyedBulkhead::new(Settings::default().limit(20), 1_000)?;
//! bulkhead.set_limit(&"search", 5);
//! let mut service = ServiceBuilder::new()
//!     .layer(bulkhead.layer(|group: &&'static str| *group))
//!     .service_fn(async |group: &'static str| Ok::<_, BoxError>(group.len()));
//! assert_eq!(service.ready().await?.call("stock").await?, 5);
//! assert_eq!(bulkhead.get(&"stock").map(|usage| usage.limit), Some(20));
//! assert_eq!(bulkhead.get(&"search").map(|usage| usage.limit), Some(5));
//! # Ok(())
//! # }
//! ```
//!
//! # Permits
//!
//! A permit is held until the call has really ended: until the inner future is ready or has been
//! dropped, also if a timeout further out has given up on it by then. (In Hystrix such a timeout gave the
//! permit back while the work went on, and more calls ran than the limit allows.) Work that the inner
//! future only started, such as a blocking task, is not seen: give that work the
//! [`Flight`](crate::gate::Flight) and settle it there.
//!
//! Nothing is held between calls, neither by a service nor by its clones, ready or not.
//!
//! The limit may be changed at any time and from any thread. With 0 nobody is admitted, and whoever
//! is in the queue waits for a higher limit; with [`u32::MAX`] calls are only counted. So may the
//! [queue](QueuedBulkhead::set_queue), from which nobody is sent away by that.
//!
//! # Panics
//!
//! A wait in a queue needs a tokio runtime with its timer, and panics without one.
//!
//! # Cancel safety
//!
//! A call that is dropped gives its permit back, or leaves the queue at once; a permit that was given to it
//! by then goes to the next.
//!
//! # Keys
//!
//! The number of keys is bounded. Where one more would be too many, an idle key, with nothing in
//! flight, is evicted, which loses nothing since its bulkhead would be made anew as it was. Of the keys a
//! few are looked at each time, those first that have not been used for long. If none of these is idle,
//! the call goes to one *overflow* bulkhead with the limit of a single key, which all such calls share.
//! A key that gets a bulkhead of its own later may have calls in both for a while: it never has more than
//! the two limits together.
//!
//! Keys with a limit of their own ([`KeyedBulkhead::set_limit`]) are never evicted and do not count
//! towards the bound, so that settings are neither lost nor refused.

mod handle;
mod keyed;
mod keyed_gate;
mod permits;
mod queue;
mod queued;
mod settings;

#[cfg(all(test, portcullis_loom))]
mod models;

pub use self::{
    handle::{Bulkhead, Permit},
    keyed::{KeyedBulkhead, Usage},
    keyed_gate::{KeyedGate, KeyedLayer},
    queued::{Place, QueuedBulkhead, Ticket},
    settings::{Order, QueueSettings, Settings},
};
