//! Pipelines by key.

use std::sync::OnceLock;

use portcullis::{
    event::{Mode, State},
    registry::{Keyed, RegisterError},
};
use tower::ServiceExt;

use super::*;
use crate::support::soon;

async fn ask(set: &Keyed, request: Request) -> Result<String, BoxError> {
    soon(set.layer(tenant).layer(Backend).oneshot(request)).await
}

fn set_of(registry: &Registry, max_keys: u32) -> Keyed {
    registry.keyed_up_to("set", max_keys, fragile).unwrap()
}

/// Has as many new keys come as it takes to look at each of some old ones, twice.
async fn come_and_go(set: &Keyed, old: usize) {
    for number in 0..old.div_ceil(2) {
        ask(set, good(format!("newcomer {number}"))).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_has_a_pipeline_of_its_own_from_its_first_call_on() {
    let (registry, log) = observed();
    let set = registry.keyed("upstream", fragile).unwrap();
    assert!(ask(&set, bad("a")).await.is_err());
    assert_eq!(ask(&set, good("b")).await.unwrap(), "b");
    assert_eq!(
        log.take(),
        ["+upstream:*overflow*", "+upstream:a", "+upstream:b"]
    );
    let [overflow, a, b] = &registry.snapshots()[..] else {
        panic!("{:?}", registry.controls());
    };
    assert_eq!(
        (a.state, b.state, overflow.state),
        (State::Open, State::Closed, State::Closed)
    );
    assert_eq!((a.lifetime.failure, b.lifetime.success), (1, 1));
    assert_eq!(set.key_count(), 2);
    drop(set);
    assert_eq!(
        log.take(),
        ["-upstream:*overflow*", "-upstream:a", "-upstream:b"]
    );
    assert!(registry.is_empty());
    registry.keyed("upstream", |builder| builder).unwrap();
}

#[tokio::test(start_paused = true)]
async fn names_of_keys_belong_to_their_set() {
    let registry = Registry::new();
    registry.register(Pipeline::builder("taken:x")).unwrap();
    let set = registry.keyed("set", fragile).unwrap();
    let taken = |error| match error {
        RegisterError::NameTaken { name, .. } => name,
        error => panic!("{error}"),
    };
    for name in ["set", "taken", "set:inner"] {
        let error = registry.keyed(name, fragile).unwrap_err();
        assert_eq!(taken(error), format!("{name}:"));
    }
    let error = registry.register(Pipeline::builder("set:key")).unwrap_err();
    assert_eq!(taken(error), "set:key");
    registry.register(Pipeline::builder("set")).unwrap();
    let _ = set.get("key");
    assert!(registry.remove("set:key").is_none());
    assert!(registry.get("set:key").is_some());
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_a_set_shows_when_it_is_made() {
    let registry = Registry::new();
    let error = registry.keyed_up_to("set", 0, fragile).unwrap_err();
    assert_eq!(
        std::error::Error::source(&error).unwrap().to_string(),
        "max_keys is 0; allowed: from 1 to 4294967295"
    );
    let wrong = |builder: Builder| builder.timeout(Duration::ZERO);
    assert!(registry.keyed("set", wrong).is_err());
    assert!(registry.is_empty());
    // And the name is free again.
    registry.keyed("set", fragile).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_resolved_pipeline_is_the_one_of_the_calls_and_stays() {
    let (registry, log) = observed();
    let set = set_of(&registry, 4);
    assert!(ask(&set, bad("known")).await.is_err());
    let known = set.get("known");
    known.circuit_breaker().reset();
    assert_eq!(known.snapshot().lifetime.failure, 1);
    tokio::time::advance(seconds(60)).await;
    come_and_go(&set, 100).await;
    assert!(!log.take().contains(&"-set:known".to_owned()));
    ask(&set, good("known")).await.unwrap();
    assert_eq!(set.get("known").snapshot().lifetime.success, 1);
    assert_eq!(known.snapshot().lifetime.success, 1);
}

#[tokio::test(start_paused = true)]
async fn resolved_keys_need_no_place() {
    let registry = Registry::new();
    let set = set_of(&registry, 1);
    for key in 0..10 {
        let _ = set.get(&key.to_string());
    }
    ask(&set, good("first")).await.unwrap();
    assert_eq!(set.key_count(), 11);
    // Nor does one that took a place before.
    let _ = set.get("first");
    ask(&set, good("second")).await.unwrap();
    assert_eq!(set.key_count(), 12);
    ask(&set, good("third")).await.unwrap();
    assert_eq!(set.overflow().snapshot().lifetime.success, 1);
}

#[tokio::test(start_paused = true)]
async fn keys_beyond_the_bound_share_one_pipeline_that_counts_them() {
    let registry = Registry::new();
    let set = set_of(&registry, 2);
    for key in ["a", "b", "c", "d"] {
        ask(&set, good(key)).await.unwrap();
    }
    assert_eq!(set.key_count(), 2);
    let overflow = registry.get("set:*overflow*").unwrap();
    assert_eq!(overflow.snapshot().lifetime.success, 2);
    // A key may call itself that: it shares as well.
    ask(&set, good("*overflow*")).await.unwrap();
    assert_eq!(set.get("*overflow*").snapshot().lifetime.success, 3);
    assert_eq!((set.key_count(), registry.len()), (2, 3));
}

#[tokio::test(start_paused = true)]
async fn keys_go_when_their_window_is_empty_and_their_counts_are_kept() {
    let (registry, log) = observed();
    let set = set_of(&registry, 1_000);
    for key in 0..100 {
        ask(&set, good(format!("old {key}"))).await.unwrap();
    }
    // Nine of ten buckets, and then the last.
    tokio::time::advance(Duration::from_millis(8_999)).await;
    come_and_go(&set, 100).await;
    assert_eq!(set.evicted().instances, 0);
    tokio::time::advance(Duration::from_millis(1_001)).await;
    for number in 0..50 {
        ask(&set, good(format!("late {number}"))).await.unwrap();
    }
    let evicted = set.evicted();
    assert_eq!((evicted.instances, evicted.lifetime.success), (100, 100));
    assert_eq!((set.key_count(), registry.len()), (100, 101));
    assert_eq!(
        log.take()
            .iter()
            .filter(|event| event.starts_with("-set:old "))
            .count(),
        100
    );
    // One that comes again begins anew.
    ask(&set, good("old 7")).await.unwrap();
    assert_eq!(
        registry
            .get("set:old 7")
            .unwrap()
            .snapshot()
            .lifetime
            .success,
        1
    );
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_used_gets_a_second_chance() {
    let (registry, log) = observed();
    let set = set_of(&registry, 1_000);
    for key in ["used", "unused"] {
        ask(&set, good(key)).await.unwrap();
    }
    // Looked at for the first time.
    ask(&set, good("a")).await.unwrap();
    ask(&set, good("used")).await.unwrap();
    tokio::time::advance(seconds(60)).await;
    log.take();
    ask(&set, good("b")).await.unwrap();
    assert_eq!(log.take(), ["-set:unused", "+set:b"]);
    ask(&set, good("c")).await.unwrap();
    assert_eq!(log.take(), ["-set:used", "-set:a", "+set:c"]);
}

/// Of two that are evicted together the second one comes again while observers are told of the first.
#[tokio::test(start_paused = true)]
async fn a_late_removal_spares_the_successor() {
    let known: Arc<OnceLock<Keyed>> = Arc::default();
    let set = Arc::clone(&known);
    let scope = Scope::new().observed_by(move |name: Option<&str>, event: &Event| {
        if let (Event::Removed { .. }, Some("set:a"), Some(set)) = (event, name, set.get()) {
            let _ = set.get("b");
        }
    });
    let registry = Registry::scoped(scope);
    let set = known.get_or_init(|| set_of(&registry, 1_000));
    for key in ["a", "b", "looks at them"] {
        ask(set, good(key)).await.unwrap();
    }
    tokio::time::advance(seconds(60)).await;
    ask(set, good("evicts them")).await.unwrap();
    assert_eq!(set.evicted().instances, 2);
    assert!(registry.get("set:a").is_none());
    set.get("b").circuit_breaker().trip();
    assert_eq!(registry.get("set:b").unwrap().snapshot().state, State::Open);
}

/// None of these is at rest, however long ago it was called.
#[tokio::test(start_paused = true)]
async fn what_would_be_forgotten_stays() {
    let (registry, log) = observed();
    let set = set_of(&registry, 8);
    let _ = ask(&set, bad("open")).await;
    for key in ["forced", "half open", "limited", "called", "at rest"] {
        ask(&set, good(key)).await.unwrap();
    }
    let control = |key: &str| registry.get(&format!("set:{key}")).unwrap();
    control("forced")
        .circuit_breaker()
        .set_mode(Mode::ForcedClosed);
    control("limited").bulkhead().set_limit(3);
    control("half open").circuit_breaker().trip();
    let flight = control("called").bulkhead().admit_owned().unwrap();
    tokio::time::advance(seconds(3_600)).await;
    let probe = control("half open")
        .circuit_breaker()
        .admit_owned()
        .unwrap();
    log.take();
    come_and_go(&set, 200).await;
    let gone: Vec<_> = log
        .take()
        .into_iter()
        .filter(|event| event.starts_with('-'))
        .collect();
    assert_eq!(gone, ["-set:at rest"]);
    drop((flight, probe));
    assert_eq!(control("open").snapshot().state, State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_mode_for_a_pattern_reaches_keys_that_come_later() {
    let (registry, log) = observed();
    let set = registry.keyed("set", |builder| builder).unwrap();
    registry.set_mode("set:*", Mode::ForcedOpen);
    log.take();
    assert!(ask(&set, good("new")).await.is_err());
    assert_eq!(log.take(), ["+set:new"]);
    registry.release_mode("set:*");
    ask(&set, good("new")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn configuration_may_go_by_the_key() {
    let registry = Registry::new();
    let set = registry
        .keyed("set", |builder: Builder| match builder.name() {
            "set:quick" => builder.timeout(Duration::from_millis(10)),
            // For a single key this is too late to be an error.
            "set:wrong" => builder.timeout(Duration::ZERO),
            _ => builder,
        })
        .unwrap();
    assert_eq!(
        set.get("quick").control().settings().timeout,
        Some(Duration::from_millis(10))
    );
    assert_eq!(
        set.get("wrong").control().settings(),
        set.overflow().control().settings()
    );
    assert_eq!(
        registry.refused_settings("set:wrong").unwrap().field(),
        "timeout"
    );
}
