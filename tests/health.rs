//! Health: readiness, details, and the way out.

mod support;

use std::{sync::Arc, time::Duration};

use portcullis::{
    bulkhead, circuit_breaker,
    event::Mode,
    health::{Health, Readiness},
    pipeline::Pipeline,
    registry::Registry,
    rejection::BoxError,
};
use support::soon;
use tokio::{
    sync::Notify,
    time::{Instant, advance},
};
use tower::{Service, ServiceBuilder, service_fn};

const OPEN_FOR: Duration = Duration::from_secs(5);

fn pipeline(name: &'static str) -> Pipeline {
    let circuit_breaker = circuit_breaker::Settings::default()
        .open_for(OPEN_FOR)
        .open_jitter(0.0);
    let queue = bulkhead::QueueSettings::default()
        .length(1)
        .longest_wait(Duration::from_secs(3_600));
    Pipeline::builder(name)
        .timeout(None)
        .bulkhead(bulkhead::Settings::default().limit(1))
        .queue(queue)
        .circuit_breaker(circuit_breaker)
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn no_circuit_has_a_say_in_readiness_unless_it_is_required() {
    let (cache, database) = (pipeline("cache"), pipeline("database"));
    let health = Health::new()
        .watching(cache.control())
        .requiring(database.control());

    cache.circuit_breaker().trip();
    assert_eq!(health.readiness(), Readiness::Ready);
    database.circuit_breaker().trip();
    let readiness = health.readiness();
    assert_eq!(readiness, Readiness::CircuitOpen("database".to_owned()));
    assert!(!readiness.is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_circuit_whose_open_time_is_over_gets_the_calls_that_may_close_it() {
    let database = pipeline("database");
    let health = Health::new().requiring(database.control());
    database.circuit_breaker().trip();
    advance(OPEN_FOR - Duration::from_nanos(1)).await;
    assert!(!health.readiness().is_ready());
    advance(Duration::from_nanos(1)).await;
    assert!(health.readiness().is_ready());
}

#[tokio::test(start_paused = true)]
async fn operators_decide_for_required_circuits() {
    let database = pipeline("database");
    let breaker = database.circuit_breaker();
    let health = Health::new().requiring(database.control());
    breaker.set_mode(Mode::ForcedOpen);
    assert!(!health.readiness().is_ready());

    for mode in [Mode::ForcedClosed, Mode::DryRun] {
        breaker.set_mode(mode);
        breaker.trip();
        assert!(health.readiness().is_ready(), "{mode:?} refuses nobody");
    }
}

#[tokio::test(start_paused = true)]
async fn clones_drain_together_whatever_they_watch() {
    let health = Health::new();
    let other = health.clone().watching(pipeline("database").control());
    health.drain();
    assert!(other.is_draining());
    assert_eq!(other.readiness(), Readiness::Draining);
    assert_eq!(health.details().pipelines.len(), 0);
    assert_eq!(other.details().pipelines.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn draining_waits_for_calls_in_flight_and_in_the_queue() {
    let pipeline = pipeline("reports");
    let release = Arc::new(Notify::new());
    let released = release.clone();
    let service = ServiceBuilder::new()
        .layer(pipeline.layer())
        .service(service_fn(move |()| {
            let released = released.clone();
            async move {
                released.notified().await;
                Ok::<_, BoxError>(())
            }
        }));
    let calls = [0, 1].map(|_| tokio::spawn(service.clone().call(())));
    while pipeline.bulkhead().queued() == 0 {
        tokio::task::yield_now().await;
    }
    let health = Health::new().watching(pipeline.control());

    let longest_wait = Duration::from_secs(30);
    let begin = Instant::now();
    let left = soon(health.drained(longest_wait)).await.unwrap_err();
    assert_eq!((left.in_flight, left.queued), (1, 1));
    assert_eq!(begin.elapsed(), longest_wait);

    // The one in flight ends; the one in the queue takes its place, and is waited for as well.
    release.notify_one();
    soon(calls.into_iter().next().unwrap())
        .await
        .unwrap()
        .unwrap();
    let left = soon(health.drained(longest_wait)).await.unwrap_err();
    assert_eq!((left.in_flight, left.queued), (1, 0));

    release.notify_one();
    let begin = Instant::now();
    soon(health.drained(longest_wait)).await.unwrap();
    assert!(begin.elapsed() < Duration::from_millis(20), "it ends early");
}

#[tokio::test(start_paused = true)]
async fn pipelines_of_a_registry_are_watched_as_they_come() {
    let registry = Registry::new();
    let health = Health::new()
        .watching_all(&registry)
        .watching(pipeline("own").control());
    let late = registry.register(Pipeline::builder("late")).unwrap();
    let names: Vec<_> = health
        .details()
        .pipelines
        .into_iter()
        .map(|pipeline| pipeline.name)
        .collect();
    assert_eq!(names, ["late", "own"]);

    let flight = late.bulkhead().admit_owned().unwrap();
    let left = soon(health.drained(Duration::ZERO)).await.unwrap_err();
    assert_eq!(left.in_flight, 1);
    drop(flight);
    soon(health.drained(Duration::ZERO)).await.unwrap();
}

#[cfg(feature = "serde")]
#[tokio::test(start_paused = true)]
async fn details_are_values_for_serde() {
    let database = pipeline("database");
    let health = Health::new()
        .watching(database.control())
        .requiring(database.control());
    let json = serde_json::to_value(health.details()).unwrap();
    assert_eq!(json["readiness"], "ready");
    assert_eq!(json["pipelines"][0]["name"], "database");
    database.circuit_breaker().trip();
    let json = serde_json::to_value(health.details()).unwrap();
    assert_eq!(json["readiness"]["circuit_open"], "database");
    assert_eq!(json["pipelines"][0]["state"], "open");
}
