//! What the layers and their parts take, within seconds: for work on them, before and after.
//!
//! `cargo bench --bench layers` prints a table, `-- NAME` the lines with that name in them. An
//! iteration is a thousand calls: read a microsecond as a nanosecond a call. Where sharing matters
//! there is a line for two threads, each on a core of its own, with clones of one service.
//!
//! What a call costs beside other libraries, and how that grows, is for `benches/peers`.

use std::{
    future::{poll_fn, ready},
    pin::pin,
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use core_affinity::CoreId;
use divan::{Bencher, Divan, black_box};
use portcullis::rejection::Rejection;
use tokio::runtime::Runtime;
use tower::{Service, service_fn};

mod breaker;
mod bulkhead;
mod fallback;
mod page;
mod pipeline;
mod timeout;
mod window;

fn main() {
    // A sample takes some milliseconds, since threads do not begin at the same moment.
    Divan::from_args()
        .sample_size(100)
        .sample_count(20)
        .max_time(Duration::from_millis(200))
        .main();
}

thread_local! {
    /// Threads that are free to move end up on one core where others use the machine too, and then do
    /// not meet.
    static PINNED: () = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        // Once, since a thread that is made by a pinned one sees a single core.
        static CORES: LazyLock<Vec<CoreId>> =
            LazyLock::new(|| core_affinity::get_core_ids().unwrap_or_default());
        let place = NEXT.fetch_add(1, Ordering::Relaxed);
        if let Some(core) = CORES.iter().cycle().nth(place) {
            core_affinity::set_for_current(*core);
        }
    };
}

/// What an iteration is. A call by itself is too short to be timed, and for two threads to meet in it.
fn thousand<T>(mut call: impl FnMut() -> T) {
    PINNED.with(|()| ());
    for _ in 0..1_000 {
        black_box(call());
    }
}

/// An error without an allocation, which the layers do not need either.
struct Failed;

impl From<Rejection> for Failed {
    fn from(_: Rejection) -> Self {
        Self
    }
}

/// Returns a service that answers at once.
fn echo() -> impl Service<u32, Response = u32, Error = Failed> + Clone + Sync {
    service_fn(|request| ready(Ok(request)))
}

/// Returns a service that answers when it is polled for the second time.
fn later() -> impl Service<u32, Response = u32, Error = Failed> + Clone + Sync {
    service_fn(|request| {
        let mut polled = false;
        poll_fn(move |_| match std::mem::replace(&mut polled, true) {
            false => Poll::Pending,
            true => Poll::Ready(Ok(request)),
        })
    })
}

/// Calls clones of a service.
fn calls<S>(bencher: Bencher<'_, '_>, service: &S)
where
    S: Service<u32, Response = u32> + Clone + Sync,
{
    bencher
        .with_inputs(|| service.clone())
        .bench_refs(|service| {
            thousand(|| once(service));
        });
}

/// Makes a service ready, calls, and polls until the answer.
fn once<S: Service<u32>>(service: &mut S) -> Result<S::Response, S::Error> {
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready());
    let mut future = pin!(service.call(black_box(1)));
    loop {
        if let Poll::Ready(answer) = future.as_mut().poll(&mut cx) {
            return answer;
        }
    }
}

/// Runs the timers of those who need them.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).enable_time();
    builder.build().expect("a runtime")
});

#[divan::bench]
fn bare(bencher: Bencher<'_, '_>) {
    calls(bencher, &echo());
}
