//! Bulkheads.
mod handle;
mod permits;
mod queue;
mod queued;
mod settings;
pub use self::{
    handle::{Bulkhead, Permit},
    queued::{Place, QueuedBulkhead, Ticket},
    settings::{Order, QueueSettings, Settings},
};
