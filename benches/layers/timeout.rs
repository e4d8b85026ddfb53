//! The timeout.

use std::time::Duration;

use divan::Bencher;
use portcullis::timeout::{Constant, TimeoutLayer};
use tower::Layer;

use crate::{RUNTIME, calls, echo, later};

fn timeout() -> TimeoutLayer<Constant> {
    TimeoutLayer::new(Duration::from_secs(1)).expect("valid")
}

#[divan::bench]
fn ready_at_once(bencher: Bencher<'_, '_>) {
    calls(bencher, &timeout().layer(echo()));
}

/// On the threads of the runtime, which are the ones with timers.
#[divan::bench]
fn pending_once(bencher: Bencher<'_, '_>) {
    let _entered = RUNTIME.enter();
    calls(bencher, &timeout().layer(later()));
}
