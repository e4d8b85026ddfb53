//! Circuit breaker: stops calling a dependency that fails, and probes whether it recovered.
//!
//! A **closed** circuit admits calls and judges their outcomes: it trips when the share of failures or of
//! slow calls, or the number of failures in a row, reaches its threshold; every outcome is judged at once.
//! An **open** circuit refuses calls with a [`Rejection`](crate::rejection::Rejection) that says when to
//! come again. After the open time the first call makes it **half-open**: a few probes are admitted, and
//! close or re-open it as soon as their verdict is certain. After closing it may **ramp up**.
//!
//! Circuits need no background task: times are looked at when a call comes.
//!
//! # Examples
//!
//! With Tower, and the defaults:
//!
//! ```
//! use portcullis::{circuit_breaker::{self, CircuitBreaker, State}, rejection::{BoxError, Rejection}};
//! use tower::{Service, ServiceBuilder, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let breaker = CircuitBreaker::new(circuit_breaker::Settings::default())?;
//! let mut service = ServiceBuilder::new()
//!     .layer(breaker.layer())
//!     .service_fn(async |()| Err::<(), _>(BoxError::from("connection refused")));
//!
//! for _ in 0..20 {
//!     service.ready().await?.call(()).await.unwrap_err();
//! }
//! assert_eq!(breaker.state(), State::Open);
//! let error = service.ready().await?.call(()).await.unwrap_err();
//! let rejection = Rejection::find(&*error).ok_or("refused")?;
//! assert!(rejection.is_circuit_open() && rejection.retry_after().is_some());
//! # Ok(())
//! # }
//! ```
//!
//! Without Tower, with settings:
//!
//! ```
//! use portcullis::{circuit_breaker::{self, CircuitBreaker, State, Window}, outcome::Outcome};
//! use std::time::Duration;
//!
//! let settings = circuit_breaker::Settings::default()
//!     .window(Window::Last(100))
//!     .failure_rate(0.2)
//!     .slow_calls(Duration::from_millis(800), 0.5)
//!     .consecutive_failures(5)
//!     .open_for(Duration::from_secs(2))
//!     .open_growth(2.0, Duration::from_secs(30))
//!     .probes(10, 0.3);
//! let breaker = CircuitBreaker::new(settings)?;
//!
//! for _ in 0..5 {
//!     breaker.admit()?.settle(Outcome::Failure);
//! }
//! assert_eq!(breaker.state(), State::Open);
//! breaker.reset();
//! assert_eq!(breaker.state(), State::Closed);
//! # Ok::<_, portcullis::rejection::BoxError>(())
//! ```
//!
//! # What counts
//!
//! Ignored and cancelled calls say nothing, but a cancelled call that had lasted longer than the slow-call
//! threshold counts as slow: a dependency that hangs behind somebody's outer timeout must trip the
//! circuit. A panic counts as a failure. An outcome that comes after the state has changed counts for life
//! only. A cancelled or ignored probe gives its place to another.
//!
//! # New settings while calls run
//!
//! [`CircuitBreaker::apply`] changes the settings of a circuit that is in use. State, window, row of
//! failures and counts stay, and nothing is judged by it: the next outcome is, by the new rules.
//!
//! ```
//! use portcullis::{
//!     circuit_breaker::{CircuitBreaker, Settings, State, Window}, outcome::Outcome,
//! };
//! use std::time::Duration;
//!
//! let breaker = CircuitBreaker::new(Settings::default())?;
//! breaker.admit()?.settle(Outcome::Failure);
//!
//! let strict = Settings::default()
//!     .consecutive_failures(1)
//!     .window(Window::Over(Duration::from_secs(60)));
//! let applied = breaker.apply(&strict)?;
//! assert_eq!(applied.changed(), ["consecutive_failures"]);
//! assert_eq!(applied.kept(), ["window"]);
//! assert_eq!(breaker.state(), State::Closed);
//! breaker.admit()?.settle(Outcome::Failure);
//! assert_eq!(breaker.state(), State::Open);
//! # Ok::<_, portcullis::rejection::BoxError>(())
//! ```
//!
//! * The shape of the window, `window` and `buckets`, is kept, as Hystrix reads it when a command is made and
//!   never again: a window of another shape would begin empty, and the record of what happened is wanted
//!   most when somebody changes settings, in the middle of an incident. `minimum_calls` is kept too if the
//!   window of calls in force has no room for so many.
//! * An open time that runs ends when it would have: `open_for`, its growth and its jitter are for the next
//!   one. The lengths of a half-open state and of a ramp-up are measured from its start, also of one under
//!   way.
//! * Probes in flight stay probes. If there are to be fewer than have reported, those that have decide when the
//!   next call comes or the next probe reports.
//! * A call is slow by the threshold in force when it ends. One that was admitted while there was none was not
//!   timed, if nobody else wanted its latency, and is not slow. What was counted as slow stays slow.
//! * Failures in a row are counted while there is a rule for them; a success ends the row in any case.
//!
//! # Keys
//!
//! A [`KeyedCircuitBreaker`] has a circuit for each host, tenant or the like, without the rest of a pipeline, for
//! tens of thousands of them (850 bytes each):
//!
//! ```
//! use portcullis::{
//!     circuit_breaker::{KeyedCircuitBreaker, Settings, State},
//!     outcome::Outcome,
//! };
//!
//! let tenants = KeyedCircuitBreaker::new(Settings::default().consecutive_failures(1), 100_000)?;
//! tenants.get("a").admit()?.settle(Outcome::Failure);
//! assert_eq!(tenants.get("a").state(), State::Open);
//! assert_eq!(tenants.get("b").state(), State::Closed);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! As keys come, circuits go of which nobody has a handle or a call, which are closed, in the mode of their
//! settings, and remember nothing: an empty window of time, a window of calls with no bad one in it. If there
//! are still too many, those that come share [one](KeyedCircuitBreaker::overflow). With Tower, and for all else
//! by key, see [`registry`](crate::registry).
//!
//! # Source
//!
//! The three states are Nygard's (*Release It!*, 2007), the defaults Hystrix's. Hystrix decides twice a
//! second on a snapshot and counts its own rejections as failures; here each outcome decides, and
//! rejections are not outcomes.

mod admission;
mod breaker;
mod checked;
mod keyed;
mod live;
#[cfg(all(test, portcullis_loom))]
mod models;
mod open_time;
mod record;
mod rule;
mod settings;
mod state;
mod streak;
mod times;
mod transition;

pub(crate) use self::checked::Change;
pub use self::{
    breaker::{CircuitBreaker, Counted},
    keyed::KeyedCircuitBreaker,
    settings::{Settings, SlowCalls, Window},
    state::CircuitPermit,
};
pub use crate::{
    event::{Cause, Mode, State},
    keyed::Evicted,
};
