//! The circuit breaker: each statement of its docs, and each defect of its peers that a breaker can
//! have.

#[path = "../support/mod.rs"]
mod support;

mod sim;

mod generations;
mod half_open;
mod keyed;
mod live;
mod manual;
mod model;
mod modes;
mod observers;
mod open;
mod plain;
mod ramp_up;
#[cfg(feature = "serde")]
mod serde;
mod settings;
mod stacks;
mod trips;
mod windows;
