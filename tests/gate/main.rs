//! The gate: Tower's contract, and each statement of its module docs.

#[path = "../support/mod.rs"]
mod support;

mod admission;
mod errors;
mod exchange;
mod flight;
mod observers;
mod stacks;
mod tuples;
