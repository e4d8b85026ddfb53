//! Tower layers for circuit breaker, bulkhead, timeout and fallback, driven by one rolling-window stats
//! core.
//!
//! Begin with a [`pipeline`](pipeline::Pipeline): it puts all of them around a service in the safe order,
//! under one name. Each is also a layer of its own, and a handle for use without Tower:
//!
//! * [`circuit_breaker`]: stops calling what fails or is slow, then probes whether it recovered.
//! * [`bulkhead`]: limits the calls in flight.
//! * [`timeout`]: ends calls that take too long.
//! * [`fallback`]: answers in place of a failure.
//!
//! A [`registry`] names pipelines, makes them by key, and gives them new settings while calls run; [`health`] says
//! whether a service is ready, and drains it. Behind features of these names are `http`, `reqwest` and `axum` for
//! their services, `metrics`, `tracing`, `hystrix_stream` and `dashboard` to see what happens, and, with `file`,
//! `settings_file`.
//!
//! They are made of a [`gate`], which asks a [`Policy`](gate::Policy), calls, classifies the
//! [`outcome`] and settles; a policy of yours is made the same way. What they say no with is a
//! [`Rejection`](rejection::Rejection); what happened lately is in a [`window`]; observers are told by
//! [`event`]s; wrong [`settings`] are errors when something is built. Time is read by a [`clock`].
//!
//! # What costs what
//!
//! An admitted call through a pipeline reads the clock twice, and once more if it has to wait for its answer; it
//! allocates nothing, but for what comes up for the first time: a kind of outcome, threads that meet, a timer.
//! Nor does a refused one, unless your error type boxes the rejection; a call that waits in a queue allocates.
//! The first clock of a process is calibrated for up to 200 ms, so build pipelines at the start.
//!
//! # Tests of yours
//!
//! With the feature `test-util` in your dev-dependencies, `tokio::time::pause` and `advance` drive windows,
//! open times and latencies: see [`clock`].

#![cfg_attr(docsrs, feature(doc_cfg))]

// Levels: a module uses those above it alone; `.ci/check-imports` sees to it.

pub mod clock;
#[cfg(feature = "serde")]
mod or_none;
mod ratio;
#[cfg(feature = "serde")]
mod seconds;
pub mod settings;
mod stripes;
mod sync;

pub mod outcome;
pub mod rejection;

pub mod event;
pub mod window;

pub mod gate;
mod keyed;

pub mod bulkhead;
pub mod circuit_breaker;
pub mod fallback;
pub mod timeout;

pub mod pipeline;
pub mod registry;

pub mod health;

#[cfg(any(feature = "hystrix-stream", feature = "dashboard"))]
mod event_stream;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "file")]
pub mod settings_file;

#[cfg(feature = "axum")]
pub mod axum;
#[cfg(feature = "dashboard")]
pub mod dashboard;
#[cfg(feature = "hystrix-stream")]
pub mod hystrix_stream;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(feature = "reqwest")]
pub mod reqwest;
#[cfg(feature = "tracing")]
pub mod tracing;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
