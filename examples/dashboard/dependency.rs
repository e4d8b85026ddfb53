//! Dependencies that fail in turn, and those who call them through pipelines.

use std::time::Duration;

use portcullis::{
    bulkhead,
    circuit_breaker::{self, Window},
    pipeline::{Fault, Pipeline, Settings},
    registry::Registry,
    rejection::BoxError,
};
use tokio::time::{Instant, interval_at, sleep};
use tower::{Service, ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

use crate::options::Options;

type Guarded = BoxCloneSyncService<(), &'static str, BoxError>;

/// What is the matter with a dependency.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trouble {
    None,
    Fails,
    Hangs,
    IsSlow,
}

/// One of those who take turns at being in trouble.
#[derive(Clone, Copy)]
struct Dependency {
    number: usize,
    start: Instant,
    outage: Duration,
}

/// Time between two calls of a pipeline, which do not wait for answers.
const BETWEEN_CALLS: Duration = Duration::from_millis(100);

/// Starts to call all dependencies, of which one in six is in trouble at any time.
pub(crate) fn break_in_turn(registry: &Registry, options: &Options) -> Result<(), BoxError> {
    let start = Instant::now();
    for (number, name) in options.names().enumerate() {
        let outage = options.outage;
        let dependency = Dependency {
            number,
            start,
            outage,
        };
        let service = guarded(registry, name, dependency)?;
        tokio::spawn(call(service));
    }
    Ok(())
}

/// Every second one has a queue, and a fallback.
fn guarded(registry: &Registry, name: String, dependency: Dependency) -> Result<Guarded, BoxError> {
    let builder = Pipeline::builder(name).settings(settings());
    let service = tower::service_fn(move |()| dependency.answer());
    if dependency.number % 2 == 1 {
        let pipeline = registry.register(builder)?;
        return Ok(boxed(
            ServiceBuilder::new()
                .layer(pipeline.layer())
                .service(service),
        ));
    }
    let queue = bulkhead::QueueSettings::default().length(16);
    let builder = builder
        .queue(queue)
        .fallback(|_: &Fault<BoxError>| "a remembered answer");
    let pipeline = registry.register(builder)?;
    Ok(boxed(
        ServiceBuilder::new()
            .layer(pipeline.layer())
            .service(service),
    ))
}

/// Short times, so that there is always something to see.
fn settings() -> Settings {
    let breaker = circuit_breaker::Settings::default()
        .window(Window::Over(Duration::from_secs(5)))
        .minimum_calls(10)
        .slow_calls(Duration::from_millis(200), 0.5)
        .open_for(Duration::from_secs(3))
        .probes(3, 0.5)
        .ramp_up(Duration::from_secs(2));
    Settings::default()
        .timeout(Duration::from_millis(400))
        .bulkhead(bulkhead::Settings::default().limit(10))
        .circuit_breaker(breaker)
}

async fn call(service: Guarded) {
    // Not all at once.
    let first = Instant::now() + BETWEEN_CALLS.mul_f64(fastrand::f64());
    let mut due = interval_at(first, BETWEEN_CALLS);
    loop {
        due.tick().await;
        let call = service.clone().oneshot(());
        tokio::spawn(call);
    }
}

fn boxed<S>(service: S) -> Guarded
where
    S: Service<(), Response = &'static str, Error = BoxError, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
{
    Guarded::new(service)
}

impl Dependency {
    async fn answer(self) -> Result<&'static str, BoxError> {
        // Most answers come soon, a few much later.
        let usual = Duration::from_millis(4 + 3 * (self.number as u64 % 7));
        let takes = usual.mul_f64(0.5 - 0.5 * (1.0 - fastrand::f64()).ln());
        match self.trouble() {
            Trouble::None => sleep(takes).await,
            Trouble::IsSlow => sleep(takes + Duration::from_millis(220)).await,
            Trouble::Hangs => std::future::pending().await,
            Trouble::Fails => {
                sleep(takes).await;
                return Err("out of order".into());
            }
        }
        Ok("an answer")
    }

    fn trouble(self) -> Trouble {
        const TURNS: usize = 6;
        let turn = self.start.elapsed().as_millis() / self.outage.as_millis();
        if turn as usize % TURNS != self.number % TURNS {
            return Trouble::None;
        }
        match self.number % 3 {
            0 => Trouble::Fails,
            1 => Trouble::Hangs,
            _ => Trouble::IsSlow,
        }
    }
}
