//! New settings for all pipelines.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use portcullis::registry::SettingsSource;

use super::*;

fn limit(limit: u32) -> impl SettingsSource {
    move |_: &str, code: &Settings| {
        let bulkhead = code.bulkhead.unwrap_or_default();
        Ok(code.clone().bulkhead(bulkhead.limit(limit)))
    }
}

fn refusing(refused: &'static str) -> impl SettingsSource {
    move |name: &str, code: &Settings| match name.contains(refused) {
        true => Ok(code.clone().timeout(Duration::ZERO)),
        false => Ok(code.clone().timeout(Duration::from_millis(7))),
    }
}

fn fields(fields: &[String]) -> Vec<&str> {
    fields.iter().map(String::as_str).collect()
}

#[tokio::test(start_paused = true)]
async fn new_settings_reach_all_who_are_there_and_who_come() {
    let registry = Registry::new();
    let before = registry.register(Pipeline::builder("before")).unwrap();
    let set = registry.keyed("set", |builder| builder).unwrap();
    let known = set.get("known");
    let report = registry.apply(Arc::new(limit(7))).unwrap();
    let named: Vec<_> = report.iter().map(|(name, _)| name).collect();
    assert_eq!(named, ["before", "set:*overflow*", "set:known"]);
    assert_eq!(
        fields(report.of("before").unwrap().changed()),
        ["bulkhead.limit"]
    );

    let after = registry.register(Pipeline::builder("after")).unwrap();
    for pipeline in [&before, &after, &known, &set.get("new"), set.overflow()] {
        assert_eq!(pipeline.bulkhead().limit(), 7, "{}", pipeline.name());
    }
    // What the code says is known all the same.
    let code = registry.code_settings("set:new").unwrap();
    assert_eq!(code, Settings::default());
    assert!(registry.code_settings("nobody").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_source_is_told_what_the_code_says_and_not_what_it_said_itself() {
    let registry = Registry::new();
    let pipeline = registry.register(Pipeline::builder("inventory")).unwrap();
    let doubling = |_: &str, code: &Settings| {
        let limit = code.bulkhead.unwrap_or_default().limit;
        Ok(code
            .clone()
            .bulkhead(portcullis::bulkhead::Settings::default().limit(2 * limit)))
    };
    for _ in 0..2 {
        registry.apply(Arc::new(doubling)).unwrap();
        assert_eq!(pipeline.bulkhead().limit(), 200);
    }
}

#[tokio::test(start_paused = true)]
async fn all_settings_are_applied_or_none() {
    let registry = Registry::new();
    registry.apply(Arc::new(limit(7))).unwrap();
    for name in ["a", "b", "c", "d"] {
        registry.register(Pipeline::builder(name)).unwrap();
    }
    let error = registry.apply(Arc::new(refusing("c"))).unwrap_err();
    let refused: Vec<_> = error
        .iter()
        .map(|(name, error)| (name, error.field()))
        .collect();
    assert_eq!(refused, [("c", "timeout")]);
    assert!(
        error
            .to_string()
            .starts_with("c: timeout is 0ns; allowed: from "),
        "{error}"
    );
    let late = registry.register(Pipeline::builder("e")).unwrap();
    for control in registry.controls() {
        assert_eq!(control.settings().timeout, Some(seconds(1)));
        assert_eq!(control.settings().bulkhead.unwrap().limit, 7);
    }
    assert_eq!(late.bulkhead().limit(), 7);
    assert!(registry.apply(Arc::new(refusing("x"))).is_ok());
    assert_eq!(
        late.control().settings().timeout,
        Some(Duration::from_millis(7))
    );
}

#[tokio::test(start_paused = true)]
async fn what_needs_a_new_pipeline_is_kept_and_reported() {
    let registry = Registry::new();
    registry.register(Pipeline::builder("inventory")).unwrap();
    let wider = |_: &str, code: &Settings| {
        Ok(code
            .clone()
            .circuit_breaker(breaker().buckets(20).probes(3, 0.5)))
    };
    let report = registry.apply(Arc::new(wider)).unwrap();
    let applied = report.of("inventory").unwrap();
    assert_eq!(fields(applied.changed()), ["circuit_breaker.probes"]);
    assert_eq!(fields(applied.kept()), ["circuit_breaker.buckets"]);
    // One that comes later has them from the beginning.
    let later = registry.register(Pipeline::builder("later")).unwrap();
    assert_eq!(later.control().settings().circuit_breaker.buckets, 20);
}

#[tokio::test(start_paused = true)]
async fn a_key_whose_settings_are_refused_has_those_of_the_code_and_says_why() {
    let registry = Registry::new();
    let set = registry.keyed("set", |builder| builder).unwrap();
    registry.apply(Arc::new(refusing("bad"))).unwrap();
    assert_eq!(set.get("bad").control().settings(), Settings::default());
    let refused = registry.refused_settings("set:bad").unwrap();
    assert_eq!(refused.field(), "timeout");
    assert!(registry.refused_settings("set:*overflow*").is_none());
    // A named one is not made at all.
    assert!(registry.register(Pipeline::builder("bad")).is_err());
    // And the next source heals it.
    registry.apply(Arc::new(limit(3))).unwrap();
    assert!(registry.refused_settings("set:bad").is_none());
    assert_eq!(set.get("bad").bulkhead().limit(), 3);
}

/// Sources, observers and configuration are asked under no lock: each of them may ask the registry.
#[tokio::test(start_paused = true)]
async fn who_is_asked_may_ask_back() {
    let registry = Registry::new();
    let asking = registry.clone();
    let observing = registry.clone();
    let configuring = registry.clone();
    let set = registry
        .keyed("set", move |builder| {
            let _ = configuring.len();
            builder.observed_by({
                let observing = observing.clone();
                move |_: Option<&str>, _: &Event| {
                    observing.set_mode("nobody", portcullis::event::Mode::DryRun);
                }
            })
        })
        .unwrap();
    let source = move |_: &str, code: &Settings| {
        let _ = asking.snapshots();
        Ok::<_, SettingsError>(code.clone().timeout(None))
    };
    registry.apply(Arc::new(source)).unwrap();
    assert_eq!(set.get("key").control().settings().timeout, None);
    // The source knows the registry, which would hold it for ever.
    registry.apply(Arc::new(limit(1))).unwrap();
}

/// Another source comes while the first one is asked about a pipeline that is being made.
#[tokio::test(start_paused = true)]
async fn who_was_made_by_an_old_source_has_the_settings_of_the_new_one() {
    let registry = Registry::new();
    let other = registry.clone();
    let overtaken = move |name: &str, code: &Settings| {
        if name == "late" {
            other.apply(Arc::new(limit(7))).unwrap();
        }
        Ok::<_, SettingsError>(code.clone().timeout(None))
    };
    registry.apply(Arc::new(overtaken)).unwrap();
    let late = registry.register(Pipeline::builder("late")).unwrap();
    assert_eq!(late.bulkhead().limit(), 7);
    assert_eq!(late.control().settings().timeout, Some(seconds(1)));
}

/// Another source comes while the first one is being applied.
#[tokio::test(start_paused = true)]
async fn of_two_sources_at_once_the_later_one_holds_for_all() {
    let registry = Registry::new();
    for name in ["a", "b", "c"] {
        registry.register(Pipeline::builder(name)).unwrap();
    }
    let other = registry.clone();
    let asked = AtomicU32::new(0);
    let overtaken = move |_: &str, code: &Settings| {
        // Three times for the check; then the first was applied already.
        if asked.fetch_add(1, Relaxed) == 4 {
            other.apply(Arc::new(limit(7))).unwrap();
        }
        Ok::<_, SettingsError>(code.clone().timeout(None))
    };
    registry.apply(Arc::new(overtaken)).unwrap();
    for control in registry.controls() {
        assert_eq!(control.bulkhead().limit(), 7, "{}", control.name());
        assert_eq!(control.settings().timeout, Some(seconds(1)));
    }
}

/// Whoever comes while settings change has the newest ones in the end.
#[test]
fn nobody_is_left_with_old_settings() {
    const KEYS: usize = 400;
    let registry = Registry::new();
    let set = registry.keyed("set", |builder| builder).unwrap();
    let threads: Vec<_> = (0..2)
        .map(|half| {
            let set = set.clone();
            std::thread::spawn(move || {
                for key in 0..KEYS / 2 {
                    let _ = set.get(&format!("{half}-{key}"));
                }
            })
        })
        .collect();
    let appliers: Vec<_> = (0..2_u32)
        .map(|who| {
            let registry = registry.clone();
            std::thread::spawn(move || {
                for turn in 1..60 {
                    registry.apply(Arc::new(limit(2 * turn + who))).unwrap();
                }
            })
        })
        .collect();
    for thread in threads.into_iter().chain(appliers) {
        thread.join().unwrap();
    }
    let mut limits: Vec<_> = registry
        .controls()
        .iter()
        .map(|control| control.bulkhead().limit())
        .collect();
    assert_eq!(limits.len(), KEYS + 1);
    limits.dedup();
    assert_eq!(limits.len(), 1, "{limits:?}");
}
