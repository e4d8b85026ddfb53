//! Rejections as responses of axum.
mod carry;
mod health;
mod respond;

pub use self::{
    health::{HealthRoute, details, liveness, readiness},
    respond::respond,
};
