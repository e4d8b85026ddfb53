//! Hystrix's streams: what is told, to how many, and how it ends.

#[path = "../support/mod.rs"]
mod support;

mod config;
mod schema;
mod served;
mod states;
mod subscribers;

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http_body_util::BodyExt;
use portcullis::{
    clock::{Clock, Tick},
    event::Scope,
    hystrix_stream::{HystrixStream, StreamBody},
    outcome::Outcome,
    pipeline::{Builder, Control, Pipeline},
    registry::Registry,
};
