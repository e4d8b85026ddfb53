//! The fallback.

use std::future::ready;

use divan::Bencher;
use portcullis::fallback::FallbackLayer;
use tower::{Layer, Service, service_fn};

use crate::{Failed, calls, echo};

#[divan::bench(threads = [1, 2])]
fn unused(bencher: Bencher<'_, '_>) {
    calls(bencher, &FallbackLayer::value(0).layer(echo()));
}

#[divan::bench(threads = [1, 2])]
fn used(bencher: Bencher<'_, '_>) {
    calls(bencher, &FallbackLayer::value(0).layer(down()));
}

/// Returns a service that fails at once.
fn down() -> impl Service<u32, Response = u32, Error = Failed> + Clone + Sync {
    service_fn(|_| ready(Err(Failed)))
}
