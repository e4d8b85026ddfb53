//! Pipelines by name.

use portcullis::{
    event::{Entry, Mode},
    registry::RegisterError,
};

use super::*;

fn three(registry: &Registry) {
    for name in ["upstream:b", "inventory", "upstream:a"] {
        registry.register(Pipeline::builder(name)).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn pipelines_are_listed_by_name_until_they_are_removed() {
    let (registry, log) = observed();
    assert!(registry.is_empty());
    three(&registry);
    let all = ["inventory", "upstream:a", "upstream:b"];
    assert_eq!(names(&registry.controls()), all);
    let snapshots = registry.snapshots();
    assert_eq!(
        snapshots.iter().map(|one| &*one.name).collect::<Vec<_>>(),
        all
    );
    assert_eq!(registry.get("inventory").unwrap().name(), "inventory");
    assert!(registry.get("upstream").is_none());

    let held = registry.remove("inventory").unwrap();
    held.circuit_breaker().trip();
    assert!(registry.remove("inventory").is_none());
    assert_eq!(registry.len(), 2);
    assert_eq!(
        log.take(),
        ["+upstream:b", "+inventory", "+upstream:a", "-inventory"]
    );
    registry.register(Pipeline::builder("inventory")).unwrap();
    assert_eq!(
        registry.get("inventory").unwrap().snapshot().times_opened,
        0
    );
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_remembers_when_it_was_added_and_removed() {
    let registry = Registry::new();
    registry.register(Pipeline::builder("inventory")).unwrap();
    let held = registry.get("inventory").unwrap();
    held.circuit_breaker().trip();
    registry.remove("inventory");
    registry.register(Pipeline::builder("inventory")).unwrap();
    let [Entry { event: added, .. }, _, Entry { event: removed, .. }] = &held.events()[..] else {
        panic!("three events");
    };
    assert!(matches!(added, Event::Added { .. }));
    assert!(matches!(removed, Event::Removed { .. }));
    assert_eq!(registry.get("inventory").unwrap().events().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_name_is_given_once() {
    let registry = Registry::new();
    let first = registry.register(Pipeline::builder("inventory")).unwrap();
    let other = registry.clone();
    let error = other.register(Pipeline::builder("inventory")).unwrap_err();
    drop(other);
    assert_eq!(error.to_string(), "the name inventory is taken");
    first.circuit_breaker().trip();
    assert_eq!(
        registry.get("inventory").unwrap().snapshot().times_opened,
        1
    );
}

#[tokio::test(start_paused = true)]
async fn a_wrong_setting_is_named_with_its_pipeline_and_nothing_is_listed() {
    let registry = Registry::new();
    let builder = Pipeline::builder("inventory").circuit_breaker(breaker().failure_rate(2.0));
    let error = registry.register(builder).unwrap_err();
    let RegisterError::Settings { name, error, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(
        (&*name, error.field()),
        ("inventory", "circuit_breaker.failure_rate")
    );
    assert!(registry.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_mode_is_set_on_all_that_match_and_on_those_that_come_later() {
    let (registry, log) = observed();
    three(&registry);
    log.take();
    assert_eq!(registry.set_mode("upstream:*", Mode::ForcedOpen), 2);
    assert_eq!(
        log.take(),
        ["upstream:a forced_open", "upstream:b forced_open"]
    );
    let later = registry.register(Pipeline::builder("upstream:c")).unwrap();
    assert_eq!(later.circuit_breaker().mode(), Mode::ForcedOpen);
    let mode = |name| registry.get(name).unwrap().circuit_breaker().mode();
    assert_eq!(mode("inventory"), Mode::Automatic);

    // The last order holds for those who come later.
    assert_eq!(registry.set_mode("*:d", Mode::DryRun), 0);
    registry.register(Pipeline::builder("upstream:d")).unwrap();
    assert_eq!(mode("upstream:d"), Mode::DryRun);
    assert_eq!(registry.set_mode("upstream:*", Mode::ForcedClosed), 4);
    assert_eq!(mode("upstream:d"), Mode::ForcedClosed);
}

#[tokio::test(start_paused = true)]
async fn a_released_mode_gives_way_to_the_one_of_the_settings() {
    let registry = Registry::new();
    let on_trial = breaker().mode(Mode::DryRun);
    let pipeline = Pipeline::builder("a").circuit_breaker(on_trial);
    let pipeline = registry.register(pipeline).unwrap();
    registry.set_mode("*", Mode::ForcedClosed);
    registry.set_mode("a", Mode::ForcedOpen);
    assert_eq!(registry.release_mode("a"), 1);
    // The other order still stands.
    assert_eq!(pipeline.circuit_breaker().mode(), Mode::ForcedClosed);
    assert_eq!(registry.release_mode("*"), 1);
    assert_eq!(pipeline.circuit_breaker().mode(), Mode::DryRun);
    let later = registry.register(Pipeline::builder("b")).unwrap();
    assert_eq!(later.circuit_breaker().mode(), Mode::Automatic);
}
