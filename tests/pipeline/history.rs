//! What a pipeline remembers of what happened to it.

use std::sync::OnceLock;

use portcullis::{
    clock::Clock,
    event::{Cause, Entry, Event, History, Mode, Observer, State},
};
use tower::Layer;

use super::*;

/// Returns number, age and event of each entry.
fn told(control: &Control) -> Vec<String> {
    let line = |entry: &Entry| {
        let what = match &entry.event {
            Event::Transition {
                from, to, cause, ..
            } => format!("{from} to {to}: {cause}"),
            Event::Mode { from, to, .. } => format!("{from} to {to}"),
            Event::Limit { from, to, .. } => format!("{from} to {to}"),
            Event::Settings { changed, .. } => format!("{changed} changed"),
            other => panic!("unexpected {other:?}"),
        };
        format!("{} {:?} {what}", entry.sequence, entry.age)
    };
    control.events().iter().map(line).collect()
}

#[tokio::test(start_paused = true)]
async fn transitions_are_kept_with_the_counts_that_led_to_them() {
    let pipeline = builder().build().unwrap();
    let service = pipeline.layer().layer(Backend::default());
    assert!(pipeline.control().events().is_empty());

    for _ in 0..10 {
        let _ = ask(&service, Ask::Succeed).await;
    }
    for _ in 0..10 {
        let _ = ask(&service, Ask::Fail).await;
    }
    let opened = pipeline.control().events();
    assert!(matches!(
        opened[0].event,
        Event::Transition {
            to: State::Open,
            cause: Cause::FailureRate { failures: 10, calls: 20, .. },
            open_for: Some(open_for),
            ..
        } if open_for >= Duration::from_secs(5)
    ));
    tokio::time::advance(ms(6_000)).await;
    ask(&service, Ask::Succeed).await.unwrap();
    tokio::time::advance(ms(1_000)).await;
    let expected = [
        "1 7s closed to open: 10 of 20 calls failed",
        "2 1s open to half_open: open time is over",
        "3 1s half_open to closed: enough probes succeeded",
    ];
    assert_eq!(told(pipeline.control()), expected);
    let closed = pipeline.control().events();
    assert_eq!(closed[0].at, opened[0].at);
    assert_eq!(closed[1].at.since(closed[0].at), ms(6_000));
}

#[tokio::test(start_paused = true)]
async fn what_operators_and_settings_change_is_kept_and_calls_are_not() {
    let pipeline = builder().bulkhead(limit(1)).build().unwrap();
    let service = pipeline.layer().layer(Backend::default());
    let running = begin(&service, Ask::Hang);
    assert_eq!(
        reason(ask(&service, Ask::Succeed).await),
        Reason::BulkheadFull
    );
    drop(running);

    let control = pipeline.control();
    control.circuit_breaker().set_mode(Mode::DryRun);
    control.circuit_breaker().trip();
    ask(&service, Ask::Succeed).await.unwrap();
    let settings = control.settings().timeout(ms(5)).bulkhead(limit(7));
    control.apply(&settings).unwrap();
    let expected = [
        "1 0ns automatic to dry_run",
        "2 0ns closed to open: by hand",
        "3 0ns 1 to 7",
        "4 0ns 2 changed",
    ];
    assert_eq!(told(control), expected);
}

#[tokio::test(start_paused = true)]
async fn no_more_is_kept_than_was_asked_for() {
    let pipeline = builder().history(2).build().unwrap();
    for limit in 1..=5 {
        pipeline.bulkhead().set_limit(limit);
    }
    assert_eq!(told(pipeline.control()), ["4 0ns 3 to 4", "5 0ns 4 to 5"]);
    let usual = builder().build().unwrap();
    for limit in 1..=65 {
        usual.bulkhead().set_limit(limit);
    }
    assert_eq!(usual.control().events().len(), 64);
    for wrong in [0, 10_001] {
        let error = builder().history(wrong).build().unwrap_err();
        let expected = format!("history is {wrong}; allowed: from 1 to 10000");
        assert_eq!(error.to_string(), expected);
    }
    assert!(builder().history(10_000).build().is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_last_transition_is_known_until_later_events_push_it_out() {
    let pipeline = builder().history(2).build().unwrap();
    let control = pipeline.control();
    let last = || {
        let entry = control.last_transition()?;
        let Event::Transition { to, .. } = entry.event else {
            panic!("{entry:?} is none");
        };
        Some((entry.sequence, entry.age, to))
    };
    assert_eq!(last(), None);
    pipeline.circuit_breaker().trip();
    pipeline.circuit_breaker().reset();
    assert_eq!(last(), Some((2, ms(0), State::Closed)));
    tokio::time::advance(ms(300)).await;
    pipeline.bulkhead().set_limit(3);
    assert_eq!(last(), Some((2, ms(300), State::Closed)));
    pipeline.bulkhead().set_limit(4);
    assert_eq!(last(), None);
}

#[tokio::test(start_paused = true)]
async fn why_an_outage_began_is_known_however_often_the_circuit_was_probed() {
    let pipeline = builder().history(2).build().unwrap();
    let service = pipeline.layer().layer(Backend::default());
    let begun = || pipeline.control().last_opening();
    assert!(begun().is_none());
    for _ in 0..20 {
        let _ = ask(&service, Ask::Fail).await;
    }
    for _ in 0..3 {
        tokio::time::advance(Duration::from_secs(600)).await;
        for _ in 0..3 {
            let _ = ask(&service, Ask::Fail).await;
        }
    }
    let opening = begun().unwrap();
    assert!(matches!(
        opening.event,
        Event::Transition {
            cause: Cause::FailureRate { failures: 20, .. },
            ..
        }
    ));
    assert_eq!(
        (opening.sequence, opening.age),
        (1, Duration::from_secs(1_800))
    );
    assert_eq!(pipeline.control().snapshot().times_opened, 4);
    pipeline.circuit_breaker().reset();
    pipeline.circuit_breaker().trip();
    assert_eq!(begun().unwrap().sequence, 9);
}

#[tokio::test(start_paused = true)]
async fn calls_are_not_kept_by_a_history_that_is_told_of_everything() {
    let history = History::new(10, Clock::new()).unwrap();
    let telling = {
        let history = history.clone();
        move |name: Option<&str>, event: &Event| history.observe(name, event)
    };
    let builder = builder().bulkhead(limit(0)).observed_by(telling);
    let pipeline = builder.build().unwrap();
    let service = pipeline.layer().layer(Backend::default());
    ask(&service, Ask::Succeed).await.unwrap_err();
    pipeline.bulkhead().set_limit(1);
    ask(&service, Ask::Succeed).await.unwrap();
    assert!(matches!(
        history.entries()[..],
        [Entry {
            event: Event::Limit { .. },
            ..
        }]
    ));
}

#[tokio::test(start_paused = true)]
async fn an_observer_finds_there_what_it_is_told() {
    let control: Arc<OnceLock<Control>> = Arc::default();
    let found = Arc::new(AtomicU32::new(0));
    let pipeline = builder()
        .observed_by({
            let (control, found) = (Arc::clone(&control), Arc::clone(&found));
            move |_: Option<&str>, _: &Event| {
                let events = control.get().map_or(0, |control| control.events().len());
                found.store(u32::try_from(events).unwrap(), Ordering::Relaxed);
            }
        })
        .build()
        .unwrap();
    control.set(pipeline.control().clone()).unwrap();
    pipeline.circuit_breaker().trip();
    assert_eq!(found.load(Ordering::Relaxed), 1);
}

#[cfg(feature = "serde")]
#[tokio::test(start_paused = true)]
async fn entries_are_flat_in_json() {
    let settings = breaker().consecutive_failures(2).open_jitter(0.0);
    let pipeline = builder().circuit_breaker(settings).build().unwrap();
    let service = pipeline.layer().layer(Backend::default());
    for _ in 0..2 {
        let _ = ask(&service, Ask::Fail).await;
    }
    pipeline.bulkhead().set_limit(7);
    tokio::time::advance(ms(1_500)).await;
    let expected = serde_json::json!([
        {
            "sequence": 1, "age": 1.5, "kind": "transition", "from": "closed", "to": "open",
            "cause": {"reason": "consecutive_failures", "failures": 2}, "open_for": 5.0,
        },
        {"sequence": 2, "age": 1.5, "kind": "limit", "from": 100, "to": 7},
    ]);
    let events = serde_json::to_value(pipeline.control().events()).unwrap();
    assert_eq!(events, expected);
}
