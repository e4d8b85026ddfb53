//! The routes that steer.

mod body;
mod operators;
mod origins;
mod routes;

pub use self::routes::Admin;
