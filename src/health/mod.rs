//! Whether a service is alive, ready and draining, and what its pipelines do, as plain values.
//!
//! Orchestrators ask three questions, and one answer to all of them makes outages worse:
//!
//! * *Alive?* A process that answers is. It is restarted if not, which mends no dependency.
//! * *Ready?* Whether it should be sent calls. Not while it drains. By default no circuit has a say: an outage of
//!   one dependency would take all replicas out of service at once, those calls included that do without it.
//!   Where a service is of no use without a dependency, say so with [`Health::requiring`].
//! * *What is the matter?* [`Details`], for operators: they name dependencies, so keep them off public ports.
//!
//! With the feature `axum` they are routes: `liveness`, `readiness` and `details` in `portcullis::axum`.
//!
//! # Examples
//!
//! With the defaults:
//!
//! ```
//! use portcullis::{health::{Health, Readiness}, pipeline::Pipeline, registry::Registry};
//!
//! # fn main() -> Result<(), portcullis::registry::RegisterError> {
//! let registry = Registry::new();
//! let health = Health::new().watching_all(&registry);
//! let pipeline = registry.register(Pipeline::builder("inventory"))?;
//!
//! pipeline.circuit_breaker().trip();
//! assert_eq!(health.readiness(), Readiness::Ready, "though a dependency is down");
//! assert_eq!(health.details().pipelines[0].name, "inventory");
//! # Ok(())
//! # }
//! ```
//!
//! With a dependency without which the service is of no use, and the way out:
//!
//! ```
//! use portcullis::{health::{Health, Readiness}, pipeline::Pipeline};
//! use std::time::Duration;
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), portcullis::rejection::BoxError> {
//! let database = Pipeline::builder("database").build()?;
//! let health = Health::new()
//!     .watching(database.control())
//!     .requiring(database.control());
//! database.circuit_breaker().trip();
//! assert_eq!(health.readiness(), Readiness::CircuitOpen("database".to_owned()));
//!
//! // First the balancer is told; then nothing more is accepted; then what is under way may end.
//! health.drain();
//! assert_eq!(health.readiness(), Readiness::Draining);
//! health.drained(Duration::from_secs(10)).await?;
//! # Ok(())
//! # }
//! ```

mod drained;
mod handle;

pub use self::{
    drained::StillBusy,
    handle::{Details, Health, Readiness},
};
