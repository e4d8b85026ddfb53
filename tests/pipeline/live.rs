//! New settings while calls run.

use std::{
    collections::BTreeMap,
    sync::{Mutex, OnceLock},
};

use portcullis::{
    bulkhead::Order,
    circuit_breaker::{Mode, State, Window},
    event::Event,
    pipeline::Settings,
    settings::Applied,
};
use tokio::time::Instant;
use tower::Layer;

use super::{conservation::seen, *};
use crate::support::Log;

const NONE: [&str; 0] = [];

fn usual() -> Settings {
    Settings::default()
}

#[expect(clippy::needless_pass_by_value, reason = "as they come from a setter")]
fn apply(control: &Control, settings: Settings) {
    let applied = control.apply(&settings).unwrap();
    assert_eq!(applied.kept(), NONE);
    assert_eq!(control.settings(), settings);
}

/// A pipeline of the usual settings, and what its observers were told of settings.
fn observed() -> (Pipeline, Log) {
    let log = Log::default();
    let pipeline = builder()
        .observed_by({
            let log = log.clone();
            move |_: Option<&str>, event: &Event| match event {
                Event::Mode { .. } | Event::Limit { .. } | Event::Settings { .. } => {
                    log.note(format!("{event:?}"));
                }
                _ => {}
            }
        })
        .build()
        .unwrap();
    (pipeline, log)
}

#[tokio::test(start_paused = true)]
async fn each_field_is_named_when_it_changes_there_and_back() {
    let second = Duration::from_secs(1);
    let (lifo, long) = (
        queue(0).order(Order::Lifo),
        queue(0).longest_wait(2 * second),
    );
    let changes = [
        ("timeout", usual().timeout(ms(300))),
        ("timeout", usual().timeout(None)),
        ("bulkhead.limit", usual().bulkhead(limit(20))),
        ("bulkhead.limit", usual().bulkhead(None)),
        ("queue.length", usual().queue(queue(10))),
        ("queue.order", usual().queue(lifo)),
        ("queue.longest_wait", usual().queue(long)),
        (
            "circuit_breaker.open_for",
            usual().circuit_breaker(breaker().open_for(second)),
        ),
        (
            "circuit_breaker.slow_calls",
            usual().circuit_breaker(breaker().slow_calls(second, 0.5)),
        ),
    ];
    let usual = usual().queue(queue(0));
    for (field, settings) in changes {
        let pipeline = builder().settings(usual.clone()).build().unwrap();
        let control = pipeline.control();
        let settings = match settings.queue {
            Some(_) => settings,
            None => settings.queue(queue(0)),
        };
        for settings in [settings, usual.clone()] {
            let applied = control.apply(&settings).unwrap();
            assert_eq!(
                (applied.changed(), applied.kept().len()),
                (&[field.to_owned()][..], 0)
            );
            assert_eq!(control.settings(), settings);
            assert_eq!(control.apply(&settings).unwrap(), Applied::default());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_knows_its_settings_and_so_does_its_builder() {
    let settings = usual().timeout(ms(300)).bulkhead(None).queue(queue(3));
    let builder = builder().settings(settings.clone());
    assert_eq!(
        (builder.name(), builder.own_settings()),
        ("inventory", &settings)
    );
    let pipeline = builder.build().unwrap();
    assert_eq!(pipeline.control().settings(), settings);
    assert_eq!(pipeline.bulkhead().queue(), queue(3));
}

#[tokio::test(start_paused = true)]
async fn calls_under_way_keep_their_time_limit_and_the_next_ones_have_the_new() {
    let (pipeline, _) = observed();
    let control = pipeline.control();
    let service = pipeline.layer().layer(Backend::default());
    let takes = async |limit: Duration| {
        let start = Instant::now();
        assert!(rejection(ask(&service, Ask::Hang).await).is_timeout());
        assert_eq!(start.elapsed(), limit);
    };
    let start = Instant::now();
    let early = begin(&service, Ask::Hang);
    for limit in [300, 400, 100] {
        apply(control, usual().timeout(ms(limit)));
        takes(ms(limit)).await;
    }
    assert!(rejection(soon(early).await).is_timeout());
    assert_eq!(start.elapsed(), ms(1_000));

    apply(control, usual().timeout(None));
    ask(&service, Ask::Take(ms(50_000))).await.unwrap();
    let endless = begin(&service, Ask::Hang);
    apply(control, usual().timeout(ms(200)));
    takes(ms(200)).await;
    assert!(!endless.is_woken());
}

#[tokio::test(start_paused = true)]
async fn a_higher_limit_lets_in_who_waits_and_a_lower_one_loses_nobody() {
    let pipeline = builder()
        .bulkhead(limit(1))
        .queue(queue(5))
        .timeout(None)
        .build()
        .unwrap();
    let control = pipeline.control();
    let service = pipeline.layer().layer(Backend::default());
    let with = |limit: Option<u32>| {
        let limit = limit.map(|limit| bulkhead::Settings::default().limit(limit));
        usual().timeout(None).queue(queue(5)).bulkhead(limit)
    };
    let calls: Vec<_> = (0..5)
        .map(|_| begin(&service, Ask::Take(ms(100))))
        .collect();
    let seen = || (control.bulkhead().in_flight(), control.bulkhead().queued());
    assert_eq!(seen(), (1, 4));
    apply(control, with(Some(3)));
    assert_eq!(seen(), (3, 2));
    apply(control, with(Some(1)));
    assert_eq!(seen(), (3, 2));
    for call in calls {
        soon(call).await.unwrap();
    }
    assert_eq!(seen(), (0, 0));
    apply(control, with(None));
    let many: Vec<_> = (0..500).map(|_| begin(&service, Ask::Hang)).collect();
    assert_eq!((seen(), control.bulkhead().limit()), ((500, 0), u32::MAX));
    drop(many);
    assert_eq!(counted(control), [("success", 5), ("cancelled", 500)]);
}

#[tokio::test(start_paused = true)]
async fn a_queue_comes_and_goes_and_takes_its_latencies_along() {
    let pipeline = builder().bulkhead(limit(1)).build().unwrap();
    let control = pipeline.control();
    let service = pipeline.layer().layer(Backend::default());
    let with = |queue| usual().bulkhead(limit(1)).queue(queue);
    let running = begin(&service, Ask::Take(ms(100)));
    assert_eq!(
        reason(ask(&service, Ask::Succeed).await),
        Reason::BulkheadFull
    );
    apply(control, with(Some(queue(1))));
    let waiting = begin(&service, Ask::Take(ms(100)));
    apply(control, with(None));
    assert_eq!(control.bulkhead().queued(), 1, "it goes on waiting");
    assert_eq!(
        reason(ask(&service, Ask::Succeed).await),
        Reason::BulkheadFull
    );
    soon(running).await.unwrap();
    soon(waiting).await.unwrap();
    let snapshot = control.snapshot();
    assert_eq!(
        (snapshot.latency.count, snapshot.total_latency.count),
        (2, 2)
    );
    assert!(
        snapshot.latency.max < ms(107),
        "without the wait: {:?}",
        snapshot.latency.max
    );
    assert!(
        snapshot.total_latency.max > ms(187),
        "{:?}",
        snapshot.total_latency.max
    );
    assert_eq!(counted(control), [("success", 2), ("bulkhead_full", 2)]);
}

/// The longest wait is also how long a call whose turn has come waits for its service.
#[tokio::test(start_paused = true)]
async fn a_queue_that_goes_leaves_who_waits_its_longest_wait() {
    let pipeline = builder()
        .queue(queue(1).longest_wait(ms(5_000)))
        .build()
        .unwrap();
    apply(pipeline.control(), usual());
    let gone = queue(0).longest_wait(ms(5_000));
    assert_eq!(pipeline.bulkhead().queue(), gone);
}

#[tokio::test(start_paused = true)]
async fn what_was_set_by_hand_holds_until_the_settings_say_something_new_about_it() {
    let (pipeline, _) = observed();
    let control = pipeline.control();
    let by_hand = || {
        (
            control.circuit_breaker().mode(),
            control.bulkhead().limit(),
            control.bulkhead().queue().length,
        )
    };
    control.circuit_breaker().set_mode(Mode::ForcedOpen);
    control.bulkhead().set_limit(7);
    control.bulkhead().set_queue(queue(3)).unwrap();
    apply(control, usual().timeout(ms(300)));
    apply(control, usual().circuit_breaker(breaker().probes(3, 0.5)));
    assert_eq!(by_hand(), (Mode::ForcedOpen, 7, 3));
    apply(
        control,
        usual().circuit_breaker(breaker().mode(Mode::DryRun)),
    );
    assert_eq!(by_hand(), (Mode::DryRun, 7, 3));
    apply(control, usual().bulkhead(limit(50)));
    assert_eq!(by_hand(), (Mode::Automatic, 50, 3));
    apply(control, usual().queue(queue(9)));
    assert_eq!(by_hand(), (Mode::Automatic, 100, 9));
}

#[tokio::test(start_paused = true)]
async fn an_invalid_setting_changes_nothing_in_any_part() {
    let (pipeline, log) = observed();
    let control = pipeline.control();
    let changed = || {
        usual()
            .timeout(ms(1))
            .bulkhead(limit(1))
            .queue(queue(1))
            .circuit_breaker(breaker().mode(Mode::ForcedOpen))
    };
    let invalid = [
        ("timeout", changed().timeout(Duration::ZERO)),
        (
            "queue.longest_wait",
            changed().queue(queue(1).longest_wait(Duration::ZERO)),
        ),
        (
            "circuit_breaker.window",
            changed().circuit_breaker(breaker().window(Window::Last(0))),
        ),
        (
            "circuit_breaker.buckets",
            changed().circuit_breaker(breaker().buckets(0)),
        ),
        (
            "circuit_breaker.open_for_max",
            changed().circuit_breaker(breaker().open_growth(2.0, ms(1))),
        ),
    ];
    for (field, settings) in invalid {
        let error = control.apply(&settings).unwrap_err();
        assert_eq!(error.field(), field);
        assert_eq!(settings.check(), Err(error.clone()));
        assert_eq!(builder().settings(settings).build().unwrap_err(), error);
    }
    assert_eq!(control.settings(), usual());
    assert_eq!(control.circuit_breaker().mode(), Mode::Automatic);
    assert_eq!(
        (
            control.bulkhead().limit(),
            control.bulkhead().queue().length
        ),
        (100, 0)
    );
    assert_eq!(log.take(), NONE);
    let service = pipeline.layer().layer(Backend::default());
    ask(&service, Ask::Take(ms(900))).await.unwrap();
    assert_eq!(changed().check(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_stays_among_the_settings() {
    let (pipeline, log) = observed();
    let control = pipeline.control();
    let shape = breaker().window(Window::Last(50)).buckets(5);
    let settings = usual().timeout(None).circuit_breaker(shape);
    let applied = control.apply(&settings).unwrap();
    assert_eq!(applied.changed(), ["timeout"]);
    assert_eq!(
        applied.kept(),
        ["circuit_breaker.window", "circuit_breaker.buckets"]
    );
    assert_eq!(control.settings(), usual().timeout(None));
    assert_eq!(control.snapshot().window_length, Duration::from_secs(10));
    log.take();
    assert_eq!(control.apply(&settings).unwrap().kept(), applied.kept());
    assert_eq!(log.take(), NONE, "nothing changed");
}

#[tokio::test(start_paused = true)]
async fn observers_are_told_of_mode_and_limit_and_then_of_all() {
    let (pipeline, log) = observed();
    let settings = usual()
        .timeout(None)
        .bulkhead(limit(9))
        .circuit_breaker(breaker().mode(Mode::DryRun));
    apply(pipeline.control(), settings);
    assert_eq!(
        log.take(),
        [
            "Mode { from: Automatic, to: DryRun }",
            "Limit { from: 100, to: 9 }",
            "Settings { changed: 3 }",
        ]
    );
}

/// Who is told may ask, and even apply, on the same thread.
#[tokio::test(start_paused = true)]
async fn observers_are_told_under_no_lock() {
    let control = Arc::new(OnceLock::<Control>::new());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let pipeline = builder()
        .observed_by({
            let (control, seen) = (Arc::clone(&control), Arc::clone(&seen));
            move |_: Option<&str>, event: &Event| {
                let Some(control) = control.get() else { return };
                if matches!(event, Event::Limit { .. }) {
                    control.apply(&control.settings().timeout(None)).unwrap();
                }
                seen.lock().unwrap().push(control.settings().timeout);
            }
        })
        .build()
        .unwrap();
    control.set(pipeline.control().clone()).unwrap();
    let applied = pipeline
        .control()
        .apply(&usual().bulkhead(limit(1)))
        .unwrap();
    assert_eq!(applied.changed(), ["bulkhead.limit"]);
    assert_eq!(
        *seen.lock().unwrap(),
        [None; 3],
        "inner settings, limit, outer settings"
    );
}

#[tokio::test(start_paused = true)]
async fn state_window_and_counts_survive() {
    let (pipeline, _) = observed();
    let control = pipeline.control();
    let service = pipeline.layer().layer(Backend::default());
    let running = begin(&service, Ask::Take(ms(500)));
    for what in [Ask::Succeed, Ask::Fail, Ask::Take(ms(10))] {
        let _ = ask(&service, what).await;
    }
    control.circuit_breaker().trip();
    let before = control.snapshot();
    let settings = breaker()
        .failure_rate(0.1)
        .slow_calls(ms(5), 0.1)
        .open_for(ms(100));
    apply(
        control,
        usual()
            .bulkhead(limit(5))
            .queue(queue(2))
            .circuit_breaker(settings),
    );
    let after = control.snapshot();
    assert_eq!(
        (after.state, after.remaining_open),
        (State::Open, before.remaining_open)
    );
    assert_eq!(
        (after.window, after.lifetime),
        (before.window, before.lifetime)
    );
    assert_eq!(
        (after.in_flight, after.peak_in_flight),
        (1, before.peak_in_flight)
    );
    assert_eq!(after.latency, before.latency);
    soon(running).await.unwrap();
    assert_eq!(control.snapshot().lifetime.success, 3);
}

/// Some settings under each of which calls are admitted that succeed nine times out of ten, four at a time.
fn mild() -> Vec<Settings> {
    let hour = Duration::from_secs(3_600);
    let usual = || usual().timeout(hour);
    let queue = |length| queue(length).longest_wait(hour);
    let rates = breaker().failure_rate(0.4).slow_calls(hour, 0.5);
    vec![
        usual(),
        usual().bulkhead(limit(1)).queue(queue(9)),
        usual().timeout(None).bulkhead(None),
        usual()
            .bulkhead(limit(2))
            .queue(queue(2).order(Order::Lifo)),
        usual().circuit_breaker(rates.probes(7, 0.3)),
        usual().bulkhead(limit(1)).queue(queue(3)),
        usual().bulkhead(limit(2)).queue(queue(2)),
        usual().circuit_breaker(breaker().ramp_up(hour).minimum_calls(500)),
    ]
}

/// Some that refuse and end calls for all reasons there are.
fn harsh() -> Vec<Settings> {
    let moody = breaker().minimum_calls(5).failure_rate(0.1).open_for(ms(1));
    let moody = || moody.clone().consecutive_failures(2).ramp_up(ms(1));
    vec![
        usual().bulkhead(limit(1)).timeout(Duration::from_nanos(1)),
        usual()
            .bulkhead(limit(2))
            .queue(queue(9))
            .circuit_breaker(moody()),
        usual()
            .bulkhead(limit(2))
            .queue(queue(1).order(Order::Lifo)),
        usual().circuit_breaker(moody().mode(Mode::DryRun).probes(5, 0.5)),
        usual().circuit_breaker(moody().probes(2, 0.5)),
        usual().circuit_breaker(breaker().failure_rate(None)),
    ]
}

/// Calls from four threads while a fifth applies one after the other, and returns how calls ended.
fn storm(pipeline: &Pipeline, all: &[Settings]) -> BTreeMap<&'static str, u64> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_time()
        .build()
        .unwrap();
    let service = pipeline.layer().layer(Backend::default());
    let callers: Vec<_> = (0..4)
        .map(|_| runtime.spawn(call_in_turns(service.clone())))
        .collect();
    let are_calling = || callers.iter().any(|caller| !caller.is_finished());
    for settings in all.iter().cycle().take(1_000_000) {
        if !are_calling() {
            break;
        }
        pipeline.control().apply(settings).unwrap();
        std::thread::yield_now();
    }
    let mut made = BTreeMap::new();
    for caller in callers {
        let caller = async { tokio::time::timeout(Duration::from_secs(60), caller).await };
        for ended in runtime.block_on(caller).expect("it hangs").unwrap() {
            *made.entry(ended).or_default() += 1;
        }
    }
    made
}

const CALLS: u64 = 2_500;

async fn call_in_turns<S>(service: S) -> Vec<&'static str>
where
    S: Service<Ask, Response = &'static str, Error = BoxError> + Clone,
{
    let mut ended = Vec::new();
    for call in 0..CALLS {
        let what = match call % 10 {
            9 => Ask::Fail,
            n if n % 2 == 0 => Ask::Succeed,
            _ => Ask::Yield(3),
        };
        ended.push(seen(Ok(service.clone().oneshot(what).await)));
    }
    ended
}

#[test]
fn no_call_is_refused_that_the_settings_before_and_after_would_admit() {
    let pipeline = builder().build().unwrap();
    let made = storm(&pipeline, &mild());
    let expected = [("failure", CALLS * 4 / 10), ("success", CALLS * 36 / 10)];
    assert_eq!(made, expected.into());
    assert_eq!(counted(pipeline.control()), [expected[1], expected[0]]);
}

#[test]
fn every_call_is_counted_once_whatever_changes() {
    let pipeline = builder().build().unwrap();
    let made = storm(&pipeline, &harsh());
    let snapshot = pipeline.snapshot();
    assert_eq!((snapshot.in_flight, snapshot.queued), (0, 0));
    assert_eq!(snapshot.lifetime.calls(), 4 * CALLS);
    let mut counts: BTreeMap<_, _> = counted_for_life(pipeline.control()).into_iter().collect();
    counts.remove("would_reject");
    assert_eq!(counts, made);
}
