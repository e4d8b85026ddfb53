//! Orders and closures that come at a bad moment.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::OnceLock,
};

use portcullis::{
    event::Mode,
    registry::{RegisterError, Registry, SettingsSource},
};

use tower::ServiceExt;

use super::*;

/// Calls something, the first time it is asked about a pipeline.
fn calling(
    name: &'static str,
    interrupt: impl Fn() + Send + Sync + 'static,
) -> impl SettingsSource {
    let once = OnceLock::new();
    move |asked: &str, code: &Settings| {
        if asked == name {
            once.get_or_init(&interrupt);
        }
        Ok::<_, SettingsError>(code.clone())
    }
}

#[tokio::test(start_paused = true)]
async fn a_switch_that_is_released_while_a_pipeline_is_made_does_not_stay_on_it() {
    let registry = Registry::new();
    registry.set_mode("*", Mode::ForcedOpen);
    let operator = registry.clone();
    let releasing = calling("late", move || {
        operator.release_mode("*");
    });
    registry.apply(Arc::new(releasing)).unwrap();
    let late = registry.register(Pipeline::builder("late")).unwrap();
    assert_eq!(late.circuit_breaker().mode(), Mode::Automatic);
}

#[tokio::test(start_paused = true)]
async fn a_switch_that_is_released_while_it_is_thrown_stays_on_nobody() {
    let known: Arc<OnceLock<Registry>> = Arc::default();
    let operator = Arc::clone(&known);
    let scope = Scope::new().observed_by(move |name: Option<&str>, event: &Event| {
        let is_thrown = matches!(event, Event::Mode { to, .. } if *to == Mode::ForcedOpen);
        if is_thrown && name == Some("a") {
            operator.get().unwrap().release_mode("*");
        }
    });
    let registry = known.get_or_init(|| Registry::scoped(scope));
    for name in ["a", "b"] {
        registry.register(Pipeline::builder(name)).unwrap();
    }
    registry.set_mode("*", Mode::ForcedOpen);
    for control in registry.controls() {
        let mode = control.circuit_breaker().mode();
        assert_eq!(mode, Mode::Automatic, "{}", control.name());
    }
}

#[tokio::test(start_paused = true)]
async fn configuration_that_panics_keeps_no_names() {
    let registry = Registry::new();
    let panicking = |builder: Builder| match builder.name() {
        "set:*overflow*" => panic!("configuration"),
        _ => builder,
    };
    let made = catch_unwind(AssertUnwindSafe(|| registry.keyed("set", panicking)));
    assert!(made.is_err());
    assert!(registry.keyed("set", |builder| builder).is_ok());
}

#[tokio::test(start_paused = true)]
async fn configuration_cannot_give_a_key_the_name_of_another_pipeline() {
    let registry = Registry::new();
    let inventory = registry.register(Pipeline::builder("inventory")).unwrap();
    let set = registry
        .keyed("set", |_| Pipeline::builder("inventory"))
        .unwrap();
    assert_eq!(set.get("key").name(), "set:key");
    drop(set);
    inventory.circuit_breaker().trip();
    assert_eq!(registry.len(), 1);
    let listed = registry.get("inventory").unwrap();
    assert_eq!(listed.snapshot().times_opened, 1);
}

/// What the code says of a key, of which the source says nothing good.
#[tokio::test(start_paused = true)]
async fn a_key_whose_settings_are_refused_has_what_the_code_says_of_that_key() {
    let registry = Registry::new();
    let set = registry
        .keyed("set", |builder: Builder| match builder.name() {
            "set:slow" => builder.timeout(seconds(9)),
            _ => builder,
        })
        .unwrap();
    let refusing = |name: &str, code: &Settings| match name {
        "set:slow" => Ok(code.clone().timeout(Duration::ZERO)),
        _ => Ok(code.clone()),
    };
    registry.apply(Arc::new(refusing)).unwrap();
    let slow = set.get("slow");
    assert_eq!(slow.control().settings().timeout, Some(seconds(9)));
    assert!(registry.refused_settings("set:slow").is_some());
}

/// A source that mends what is wrong in the code must not be needed by those for whom it does not.
#[tokio::test(start_paused = true)]
async fn a_set_whose_code_is_wrong_is_refused_whatever_the_source_says() {
    let registry = Registry::new();
    let mending = |name: &str, code: &Settings| match name {
        "set:key" => Ok(code.clone()),
        _ => Ok(code.clone().timeout(seconds(1))),
    };
    registry.apply(Arc::new(mending)).unwrap();
    let error = registry
        .keyed("set", |builder: Builder| builder.timeout(Duration::ZERO))
        .unwrap_err();
    let RegisterError::Settings { name, error, .. } = error else {
        panic!("{error}");
    };
    assert_eq!((&*name, error.field()), ("set:*overflow*", "timeout"));
}

#[tokio::test(start_paused = true)]
async fn what_was_set_by_hand_is_not_released() {
    let registry = Registry::new();
    let pipeline = registry.register(Pipeline::builder("a")).unwrap();
    pipeline.circuit_breaker().set_mode(Mode::ForcedOpen);
    assert_eq!(registry.release_mode("*"), 1);
    assert_eq!(pipeline.circuit_breaker().mode(), Mode::ForcedOpen);
}

#[tokio::test(start_paused = true)]
async fn new_settings_do_not_lift_a_switch() {
    let registry = Registry::new();
    let on_trial = |_: &str, code: &Settings| {
        let breaker = breaker().mode(Mode::DryRun);
        Ok::<_, SettingsError>(code.clone().circuit_breaker(breaker))
    };
    let before = registry.register(Pipeline::builder("before")).unwrap();
    registry.set_mode("*", Mode::ForcedOpen);
    registry.apply(Arc::new(on_trial)).unwrap();
    let after = registry.register(Pipeline::builder("after")).unwrap();
    for pipeline in [&before, &after] {
        assert_eq!(pipeline.circuit_breaker().mode(), Mode::ForcedOpen);
    }
    assert_eq!(registry.release_mode("*"), 2);
    for pipeline in [&before, &after] {
        assert_eq!(pipeline.circuit_breaker().mode(), Mode::DryRun);
    }
}

/// A set that is on trial for weeks must not fill up with the keys of yesterday.
#[tokio::test(start_paused = true)]
async fn a_key_under_a_switch_goes_when_it_is_at_rest_and_comes_back_under_it() {
    let registry = Registry::new();
    let set = registry.keyed_up_to("set", 3, |builder| builder).unwrap();
    let service = set.layer(tenant).layer(Backend);
    let ask = |key: &str| service.clone().oneshot(good(key));
    ask("known before").await.unwrap();
    registry.set_mode("set:*", Mode::DryRun);
    for number in 0..50 {
        ask(&format!("key {number}")).await.unwrap();
        tokio::time::advance(seconds(60)).await;
    }
    assert!(registry.get("set:known before").is_none());
    assert_eq!(set.overflow().snapshot().lifetime.success, 0);
    ask("known before").await.unwrap();
    let again = registry.get("set:known before").unwrap();
    assert_eq!(again.circuit_breaker().mode(), Mode::DryRun);
    // What was set on it by hand would not come back.
    again.circuit_breaker().set_mode(Mode::ForcedClosed);
    for number in 0..50 {
        ask(&format!("key {number}")).await.unwrap();
        tokio::time::advance(seconds(60)).await;
    }
    assert_eq!(again.circuit_breaker().mode(), Mode::ForcedClosed);
    assert!(registry.get("set:known before").is_some());
}
