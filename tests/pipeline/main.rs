//! Pipelines: each statement of their module docs, Hystrix's events, and what must never get lost.

#[path = "../support/mod.rs"]
mod support;

mod circuit;
mod conservation;
mod diagram;
mod events;
mod fallback;
#[cfg(feature = "serde")]
mod files;
mod history;
mod live;
mod order;
mod queue;
mod settings;
mod sharing;
mod time;

use std::{
    future::{Future, pending},
    panic::resume_unwind,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use portcullis::{
    bulkhead::{self, QueueSettings},
    circuit_breaker,
    outcome::Outcome,
    pipeline::{Builder, Control, Pipeline},
    rejection::{BoxError, Reason, Rejection},
};
use tokio_test::{assert_pending, task};
use tower::{Service, ServiceExt, util::Oneshot};

use crate::support::soon;

/// What a call asks of the backend.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ask {
    Succeed,
    Fail,
    /// Something that no dependency could answer.
    Nonsense,
    Panic,
    Hang,
    Take(Duration),
    /// To let others run, so many times.
    Yield(u32),
}

type Reply = Result<&'static str, BoxError>;

/// A service that does what it is asked, and knows how many calls are at work in it.
#[derive(Clone, Debug, Default)]
struct Backend {
    calls: Arc<AtomicU32>,
    running: Arc<AtomicU32>,
    peak: Arc<AtomicU32>,
}

impl Backend {
    fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }

    fn running(&self) -> u32 {
        self.running.load(Ordering::Relaxed)
    }

    fn peak(&self) -> u32 {
        self.peak.load(Ordering::Relaxed)
    }
}

impl Service<Ask> for Backend {
    type Response = &'static str;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Reply> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, what: Ask) -> Self::Future {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let running = self.running.fetch_add(1, Ordering::Relaxed) + 1;
        self.peak.fetch_max(running, Ordering::Relaxed);
        let at_work = AtWork(Arc::clone(&self.running));
        Box::pin(async move {
            let _at_work = at_work;
            work(what).await
        })
    }
}

struct AtWork(Arc<AtomicU32>);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn work(what: Ask) -> Reply {
    match what {
        Ask::Succeed => {}
        Ask::Fail => return Err("down".into()),
        Ask::Nonsense => return Err("nonsense".into()),
        // Past the hook, which would fill the screen.
        Ask::Panic => resume_unwind(Box::new("the backend's own")),
        Ask::Hang => pending().await,
        Ask::Take(time) => tokio::time::sleep(time).await,
        Ask::Yield(times) => {
            for _ in 0..times {
                tokio::task::yield_now().await;
            }
        }
    }
    Ok("done")
}

/// Nonsense says nothing about the dependency.
fn by_sense(answer: Result<&&'static str, &BoxError>) -> Outcome {
    match answer {
        Ok(_) => Outcome::Success,
        Err(error) if error.to_string() == "nonsense" => Outcome::Ignored,
        Err(_) => Outcome::Failure,
    }
}

fn builder() -> Builder {
    Pipeline::builder("inventory")
}

fn limit(limit: u32) -> bulkhead::Settings {
    bulkhead::Settings::default().limit(limit)
}

fn queue(length: u32) -> QueueSettings {
    QueueSettings::default().length(length)
}

fn breaker() -> circuit_breaker::Settings {
    circuit_breaker::Settings::default()
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Makes one call, from readiness to reply.
async fn ask<S>(service: &S, what: Ask) -> Reply
where
    S: Service<Ask, Response = &'static str, Error = BoxError> + Clone,
{
    soon(service.clone().oneshot(what)).await
}

/// Begins a call that cannot end at once.
fn begin<S>(service: &S, what: Ask) -> task::Spawn<Oneshot<S, Ask>>
where
    S: Service<Ask, Response = &'static str, Error = BoxError> + Clone,
{
    let mut call = task::spawn(service.clone().oneshot(what));
    assert_pending!(call.poll());
    call
}

fn rejection(reply: Reply) -> Rejection {
    let error = reply.expect_err("a rejection");
    Rejection::find(&*error).expect("a rejection").clone()
}

fn reason(reply: Reply) -> Reason {
    rejection(reply).reason()
}

/// Returns what was counted, but for zeros, which must be the same in the window and for life.
fn counted(control: &Control) -> Vec<(&'static str, u64)> {
    let snapshot = control.snapshot();
    assert_eq!(snapshot.window, snapshot.lifetime);
    counted_for_life(control)
}

fn counted_for_life(control: &Control) -> Vec<(&'static str, u64)> {
    support::counted(&control.snapshot().lifetime)
}
