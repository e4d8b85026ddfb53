//! What pipelines count, for the crate `metrics` and so for Prometheus and others.

mod call_durations;
mod catalogue;
mod ledger;
mod publisher;
mod series;
mod sheet;

pub use self::{call_durations::CallDurations, publisher::Publisher};
