//! Orders of operators: what they do, who hears of them, and what they stand above.

use std::sync::OnceLock;

use portcullis::{
    bulkhead,
    event::{Mode, OrderKind, State},
    registry::{Order, OrderError, Pattern, SettingsSource},
};

use super::*;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Says what the timeout is, and nothing else.
fn timeout(millis: u64) -> impl SettingsSource {
    move |_: &str, below: &Settings| {
        Ok::<_, SettingsError>(below.clone().timeout(Duration::from_millis(millis)))
    }
}

/// Says what the limit is, and nothing else.
fn limit(limit: u32) -> impl SettingsSource {
    move |_: &str, below: &Settings| {
        let bulkhead = bulkhead::Settings::default().limit(limit);
        Ok::<_, SettingsError>(below.clone().bulkhead(bulkhead))
    }
}

fn timeout_of(pipeline: &Pipeline) -> Option<Duration> {
    pipeline.control().settings().timeout
}

fn event(event: &Event) -> String {
    match event {
        Event::Ordered { order, actor, .. } => format!("{actor}: {order}"),
        Event::Mode { from, to, .. } => format!("{from} to {to}"),
        Event::Transition { from, to, .. } => format!("{from} to {to}"),
        Event::Settings { changed, .. } => format!("{changed} changed"),
        Event::Added { .. } => "added".to_owned(),
        other => format!("{other:?}"),
    }
}

fn history(pipeline: &Pipeline) -> Vec<String> {
    let entries = pipeline.control().events().into_iter();
    entries.map(|entry| event(&entry.event)).collect()
}

#[tokio::test(start_paused = true)]
async fn every_order_is_told_with_its_actor_before_what_it_changes() {
    let log = Log::default();
    let noted = log.clone();
    let scope = Scope::new().observed_by(move |name: Option<&str>, told: &Event| {
        noted.note(format!("{} {}", name.unwrap_or_default(), event(told)));
    });
    let registry = Registry::scoped(scope);
    let pipeline = registry.register(Pipeline::builder("a")).unwrap();
    registry.register(Pipeline::builder("b")).unwrap();
    let orders = [
        ("alice", Order::ForceOpen),
        ("bob", Order::ForceClosed),
        ("bob", Order::DryRun),
        ("alice", Order::Automatic),
        ("alice", Order::Trip),
        ("alice", Order::Reset),
        ("bob", Order::settings(timeout(7))),
        ("alice", Order::ReleaseSettings),
    ];
    for (actor, order) in &orders {
        registry.order("a", order, actor).unwrap();
    }
    let expected = [
        "added",
        "alice: force_open",
        "automatic to forced_open",
        "bob: force_closed",
        "forced_open to forced_closed",
        "bob: dry_run",
        "forced_closed to dry_run",
        "alice: automatic",
        "dry_run to automatic",
        "alice: trip",
        "closed to open",
        "alice: reset",
        "open to closed",
        "bob: settings",
        "1 changed",
        "alice: release_settings",
        "1 changed",
    ];
    assert_eq!(history(&pipeline), expected);
    let mut told: Vec<_> = expected.map(|event| format!("a {event}")).into();
    told.insert(1, "b added".to_owned());
    assert_eq!(log.take(), told);
}

#[tokio::test(start_paused = true)]
async fn an_order_that_changes_nothing_is_told_all_the_same() {
    let registry = Registry::new();
    let pipeline = registry.register(Pipeline::builder("a")).unwrap();
    let idle = [
        Order::Automatic,
        Order::settings(timeout(1_000)),
        Order::ReleaseSettings,
        Order::ReleaseSettings,
    ];
    for order in &idle {
        let applied = registry.order("a", order, "alice").unwrap();
        assert_eq!(applied, portcullis::settings::Applied::default());
    }
    assert_eq!(
        history(&pipeline),
        [
            "added",
            "alice: automatic",
            "alice: settings",
            "alice: release_settings",
            "alice: release_settings",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_changes_nothing_and_is_told_to_nobody() {
    let registry = Registry::new();
    let pipeline = registry.register(Pipeline::builder("a")).unwrap();
    registry
        .order("a", &Order::settings(timeout(7)), "alice")
        .unwrap();
    let before = history(&pipeline);
    let error = registry
        .order("a", &Order::settings(timeout(0)), "alice")
        .unwrap_err();
    let OrderError::Settings { name, error, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(
        (&*name, error.field(), error.value()),
        ("a", "timeout", "0ns")
    );
    let error = registry.order("z", &Order::Trip, "alice").unwrap_err();
    assert_eq!(error.to_string(), "there is no pipeline \"z\"");
    assert_eq!(history(&pipeline), before);
    assert_eq!(timeout_of(&pipeline), Some(ms(7)));
    // The one before is still there.
    registry.apply(Arc::new(timeout(9))).unwrap();
    assert_eq!(timeout_of(&pipeline), Some(ms(7)));
}

#[tokio::test(start_paused = true)]
async fn an_order_is_kept_as_it_was_given() {
    let registry = Registry::new();
    let pipeline = registry.register(Pipeline::builder("a")).unwrap();
    registry
        .order("a", &Order::ForceOpen, "ålice \"on call\"")
        .unwrap();
    let entry = pipeline.control().events().swap_remove(1);
    let Event::Ordered { order, actor, .. } = &entry.event else {
        panic!("{entry:?}");
    };
    assert_eq!(
        (*order, &**actor),
        (OrderKind::ForceOpen, "ålice \"on call\"")
    );
}

#[tokio::test(start_paused = true)]
async fn what_an_operator_says_stands_above_the_source_until_it_is_released() {
    let registry = Registry::new();
    let pipeline = registry.register(Pipeline::builder("a")).unwrap();
    let other = registry.register(Pipeline::builder("b")).unwrap();
    registry.apply(Arc::new(timeout(3))).unwrap();
    let report = registry
        .override_settings("a", Arc::new(timeout(7)))
        .unwrap();
    let concerned: Vec<_> = report.iter().map(|(name, _)| name).collect();
    assert_eq!(concerned, ["a"]);
    assert_eq!(report.of("a").unwrap().changed(), ["timeout"]);

    // The source says something new, of which the operator said nothing as well.
    let source = |name: &str, code: &Settings| {
        let settings = timeout(4).settings(name, code)?;
        limit(20).settings(name, &settings)
    };
    registry.apply(Arc::new(source)).unwrap();
    assert_eq!(timeout_of(&pipeline), Some(ms(7)));
    assert_eq!(timeout_of(&other), Some(ms(4)));
    assert_eq!(pipeline.bulkhead().limit(), 20);

    let report = registry.release_settings("a").unwrap();
    assert_eq!(report.of("a").unwrap().changed(), ["timeout"]);
    assert_eq!(timeout_of(&pipeline), Some(ms(4)));
    assert_eq!(registry.code_settings("a").unwrap(), Settings::default());
}

#[tokio::test(start_paused = true)]
async fn it_stands_for_those_who_come_later_too() {
    let registry = Registry::new();
    registry
        .override_settings("set:*", Arc::new(timeout(7)))
        .unwrap();
    let set = registry.keyed("set", |builder| builder).unwrap();
    assert_eq!(timeout_of(&set.get("key")), Some(ms(7)));
    assert_eq!(timeout_of(set.overflow()), Some(ms(7)));
    let report = registry.release_settings("set:*").unwrap();
    assert_eq!(report.iter().len(), 2);
    assert_eq!(timeout_of(&set.get("key")), Some(seconds(1)));

    registry.register(Pipeline::builder("a")).unwrap();
    registry
        .order("a", &Order::settings(timeout(8)), "alice")
        .unwrap();
    registry.order("a", &Order::ForceOpen, "alice").unwrap();
    registry.remove("a");
    let again = registry.register(Pipeline::builder("a")).unwrap();
    assert_eq!(timeout_of(&again), Some(ms(8)));
    assert_eq!(again.circuit_breaker().mode(), Mode::ForcedOpen);
}

#[tokio::test(start_paused = true)]
async fn overrides_of_several_patterns_are_laid_over_each_other_as_they_were_set() {
    let registry = Registry::new();
    let pipeline = registry.register(Pipeline::builder("a")).unwrap();
    registry
        .override_settings("a", Arc::new(timeout(7)))
        .unwrap();
    registry
        .override_settings("*", Arc::new(limit(20)))
        .unwrap();
    assert_eq!(timeout_of(&pipeline), Some(ms(7)));
    assert_eq!(pipeline.bulkhead().limit(), 20);
    // Set again, it is the last.
    registry
        .override_settings("*", Arc::new(timeout(8)))
        .unwrap();
    assert_eq!(timeout_of(&pipeline), Some(ms(8)));
    assert_eq!(pipeline.bulkhead().limit(), 100);
    registry.release_settings("*").unwrap();
    assert_eq!(timeout_of(&pipeline), Some(ms(7)));
}

#[tokio::test(start_paused = true)]
async fn all_overrides_of_a_pattern_are_applied_or_none() {
    let registry = Registry::new();
    let a = registry.register(Pipeline::builder("a")).unwrap();
    let b = registry.register(Pipeline::builder("b")).unwrap();
    let wrong_for_b = |name: &str, below: &Settings| {
        let millis = if name == "b" { 0 } else { 7 };
        Ok::<_, SettingsError>(below.clone().timeout(Duration::from_millis(millis)))
    };
    let error = registry
        .override_settings("*", Arc::new(wrong_for_b))
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("b: timeout is 0ns; allowed: from ")
    );
    for pipeline in [&a, &b] {
        assert_eq!(timeout_of(pipeline), Some(seconds(1)));
    }
    registry.apply(Arc::new(limit(20))).unwrap();
    assert_eq!(timeout_of(&a), Some(seconds(1)));
}

/// Which by itself would do.
#[tokio::test(start_paused = true)]
async fn a_source_that_goes_wrong_under_an_order_is_refused() {
    let registry = Registry::new();
    let pipeline = registry.register(Pipeline::builder("a")).unwrap();
    let doubling = |_: &str, below: &Settings| {
        let timeout = below.timeout.unwrap_or_default();
        let settings = below.clone();
        Ok::<_, SettingsError>(settings.timeout(timeout.saturating_mul(2)))
    };
    registry
        .order("a", &Order::settings(doubling), "alice")
        .unwrap();
    let most_of_a_year = 300 * 86_400_000;
    let error = registry
        .apply(Arc::new(timeout(most_of_a_year)))
        .unwrap_err();
    assert_eq!(error.iter().next().unwrap().1.field(), "timeout");
    assert_eq!(timeout_of(&pipeline), Some(seconds(2)));
    registry
        .order("a", &Order::ReleaseSettings, "alice")
        .unwrap();
    registry.apply(Arc::new(timeout(most_of_a_year))).unwrap();
}

/// Stars are what a client may send as a key.
#[tokio::test(start_paused = true)]
async fn an_order_is_about_one_name_whatever_is_in_it() {
    let registry = Registry::new();
    let set = registry.keyed("set", |builder| builder).unwrap();
    let (star, other) = (set.get("*"), set.get("other"));
    registry.order("set:*", &Order::ForceOpen, "alice").unwrap();
    registry
        .order("set:*", &Order::settings(timeout(7)), "alice")
        .unwrap();
    assert_eq!(star.circuit_breaker().mode(), Mode::ForcedOpen);
    assert_eq!(timeout_of(&star), Some(ms(7)));
    assert_eq!(other.circuit_breaker().mode(), Mode::Automatic);
    assert_eq!(timeout_of(&other), Some(seconds(1)));
    // Nor does a switch for many take it for its own.
    registry.release_mode("set:*");
    registry.release_settings("set:*").unwrap();
    assert_eq!(star.circuit_breaker().mode(), Mode::ForcedOpen);
    assert_eq!(timeout_of(&star), Some(ms(7)));
    assert_eq!(registry.release_mode(Pattern::exact("set:*")), 1);
    assert_eq!(star.circuit_breaker().mode(), Mode::Automatic);
}

#[tokio::test(start_paused = true)]
async fn automatic_is_the_mode_of_the_settings_or_of_a_switch_for_many() {
    let registry = Registry::new();
    let on_trial = breaker().mode(Mode::DryRun);
    let builder = Pipeline::builder("a").circuit_breaker(on_trial);
    let pipeline = registry.register(builder).unwrap();
    let circuit = pipeline.circuit_breaker();
    let automatic = || registry.order("a", &Order::Automatic, "alice").unwrap();

    registry.order("a", &Order::ForceOpen, "alice").unwrap();
    automatic();
    assert_eq!(circuit.mode(), Mode::DryRun);
    // Somebody forced it on the circuit itself.
    circuit.set_mode(Mode::ForcedClosed);
    automatic();
    assert_eq!(circuit.mode(), Mode::DryRun);

    registry.set_mode("*", Mode::ForcedClosed);
    registry.order("a", &Order::ForceOpen, "alice").unwrap();
    assert_eq!(circuit.mode(), Mode::ForcedOpen);
    automatic();
    assert_eq!(circuit.mode(), Mode::ForcedClosed);
}

#[tokio::test(start_paused = true)]
async fn trip_and_reset_act_once() {
    let registry = Registry::new();
    let pipeline = registry.register(Pipeline::builder("a")).unwrap();
    registry.order("a", &Order::Trip, "alice").unwrap();
    assert_eq!(pipeline.circuit_breaker().state(), State::Open);
    registry.order("a", &Order::Reset, "alice").unwrap();
    assert_eq!(pipeline.circuit_breaker().state(), State::Closed);
}

/// Runs something when it is asked the second time: not when it is checked, but in the middle of what follows.
fn interrupted(times: usize, interrupt: impl Fn() + Send + Sync + 'static) -> impl SettingsSource {
    let asked = std::sync::atomic::AtomicUsize::new(0);
    move |_: &str, below: &Settings| {
        if asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1 == times {
            interrupt();
        }
        Ok::<_, SettingsError>(below.clone().timeout(Duration::from_millis(7)))
    }
}

/// At whichever moment.
#[tokio::test(start_paused = true)]
async fn an_override_that_is_released_while_it_is_set_stays_on_nobody() {
    for moment in 1..=4 {
        let registry = Registry::new();
        let a = registry.register(Pipeline::builder("a")).unwrap();
        let b = registry.register(Pipeline::builder("b")).unwrap();
        registry
            .override_settings("*", Arc::new(limit(20)))
            .unwrap();
        let operator = registry.clone();
        let released = Arc::new(OnceLock::new());
        let noted = Arc::clone(&released);
        let source = interrupted(moment, move || {
            operator.release_settings("*").unwrap();
            noted.set(()).unwrap();
        });
        registry.override_settings("*", Arc::new(source)).unwrap();
        assert!(released.get().is_some());
        // Released while it was checked, the old one is gone and the new one is in force; later, none is.
        let expected = if moment <= 2 { ms(7) } else { seconds(1) };
        for pipeline in [&a, &b] {
            assert_eq!(timeout_of(pipeline), Some(expected), "at {moment}");
            assert_eq!(pipeline.bulkhead().limit(), 100, "at {moment}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_comes_while_an_override_is_checked_is_checked_with_it() {
    let registry = Registry::new();
    let pipeline = registry.register(Pipeline::builder("a")).unwrap();
    let other = registry.clone();
    let once = OnceLock::new();
    // What is right over the code is wrong over the source that comes in between.
    let source = move |_: &str, below: &Settings| {
        once.get_or_init(|| other.apply(Arc::new(timeout(3))).unwrap());
        let millis = if below.timeout == Some(ms(3)) { 0 } else { 7 };
        Ok::<_, SettingsError>(below.clone().timeout(Duration::from_millis(millis)))
    };
    let error = registry
        .override_settings("a", Arc::new(source))
        .unwrap_err();
    assert_eq!(error.iter().len(), 1);
    assert_eq!(timeout_of(&pipeline), Some(ms(3)));
    assert!(registry.refused_settings("a").is_none());
}

#[tokio::test(start_paused = true)]
async fn an_observer_may_order_while_it_is_told_of_an_order() {
    let known: Arc<OnceLock<Registry>> = Arc::default();
    let operator = Arc::clone(&known);
    let scope = Scope::new().observed_by(move |_: Option<&str>, event: &Event| {
        if let Event::Ordered {
            order: OrderKind::ForceOpen,
            ..
        } = event
        {
            let registry = operator.get().unwrap();
            registry.order("a", &Order::ForceClosed, "guard").unwrap();
        }
    });
    let registry = known.get_or_init(|| Registry::scoped(scope));
    let pipeline = registry.register(Pipeline::builder("a")).unwrap();
    registry.order("a", &Order::ForceOpen, "alice").unwrap();
    // The order that was told first is carried out last.
    assert_eq!(pipeline.circuit_breaker().mode(), Mode::ForcedOpen);
    assert_eq!(
        history(&pipeline),
        [
            "added",
            "alice: force_open",
            "guard: force_closed",
            "automatic to forced_closed",
            "forced_closed to forced_open",
        ]
    );
}

/// Whoever comes while source and orders change has in the end what the last of them say, and no pair of them that
/// was not checked together.
#[test]
fn orders_and_sources_that_come_at_once_are_in_force_together() {
    const KEYS: usize = 100;
    let registry = Registry::new();
    let set = registry.keyed("set", |builder| builder).unwrap();
    let keys = std::thread::spawn({
        let set = set.clone();
        move || (0..KEYS).for_each(|key| drop(set.get(&key.to_string())))
    });
    // What the operator adds is too much for every other source.
    let most = Duration::from_secs(365 * 86_400);
    let adding = move |_: &str, below: &Settings| {
        let added = below.timeout.map(|timeout| timeout + most / 2);
        Ok::<_, SettingsError>(below.clone().timeout(added))
    };
    let operator = std::thread::spawn({
        let registry = registry.clone();
        move || {
            for _ in 0..60 {
                let _ = registry.override_settings("set:*", Arc::new(adding));
                let _ = registry.order("set:*overflow*", &Order::settings(limit(7)), "alice");
                let _ = registry.release_settings("set:*");
                registry
                    .order("set:*overflow*", &Order::ReleaseSettings, "alice")
                    .unwrap();
            }
            let _ = registry.override_settings("set:*", Arc::new(adding));
        }
    });
    let sources = std::thread::spawn({
        let registry = registry.clone();
        move || {
            for turn in 1..60 {
                let much = if turn % 2 == 0 { most } else { ms(turn) };
                let source = move |_: &str, code: &Settings| {
                    Ok::<_, SettingsError>(code.clone().timeout(much))
                };
                let _ = registry.apply(Arc::new(source));
            }
        }
    });
    for thread in [keys, operator, sources] {
        thread.join().unwrap();
    }
    let mut timeouts = Vec::new();
    for control in registry.controls() {
        assert!(registry.refused_settings(control.name()).is_none());
        timeouts.push(control.settings().timeout);
    }
    assert_eq!((timeouts.len(), set.key_count()), (KEYS + 1, KEYS));
    timeouts.dedup();
    assert_eq!(timeouts.len(), 1, "{timeouts:?}");
}
