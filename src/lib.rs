//! Tower layers for circuit breaker, bulkhead, timeout and fallback, driven by one rolling-window
//! stats core.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod clock;
mod ratio;
pub mod settings;
mod sync;

pub mod outcome;
pub mod rejection;

pub mod event;
pub mod window;

pub mod gate;

pub mod bulkhead;
pub mod circuit_breaker;
pub mod fallback;
pub mod timeout;

pub mod pipeline;
