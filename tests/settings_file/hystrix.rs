//! What becomes of Hystrix's properties.

use std::collections::BTreeSet;

use portcullis::{
    pipeline::Settings,
    registry::SettingsSource,
    settings_file::{SettingsFile, hystrix::import},
};
use proptest::{
    collection::vec, prelude::any, prop_assert, prop_assert_eq, prop_assume, proptest,
    sample::select,
};

/// Imports properties, `c.` being a command and `p.` a pool, and returns the TOML and the lines left over.
fn imported(properties: &[&str]) -> (SettingsFile, Vec<(usize, String)>) {
    let lines = properties
        .iter()
        .map(|property| match property.split_once('.') {
            Some(("c", rest)) => format!("hystrix.command.{rest}"),
            Some(("p", rest)) => format!("hystrix.threadpool.{rest}"),
            _ => (*property).to_owned(),
        });
    let imported = import(&lines.collect::<Vec<_>>().join("\n"));
    let left = imported.without_counterpart.into_iter();
    (
        imported.settings,
        left.map(|left| (left.line, left.reason)).collect(),
    )
}

/// A property file is the settings file, and these lines are left over.
#[track_caller]
fn means(properties: &[&str], toml: &str, left: &[(usize, &str)]) {
    let (settings, found) = imported(properties);
    let expected = SettingsFile::from_toml(toml).unwrap();
    assert_eq!(settings.to_toml(), expected.to_toml(), "{properties:?}");
    let found: Vec<_> = found
        .iter()
        .map(|(line, reason)| (*line, reason.as_str()))
        .collect();
    assert_eq!(found, left, "{properties:?}");
}

#[test]
fn what_is_one_number_in_both_is_taken_over() {
    means(
        &[
            "c.default.circuitBreaker.requestVolumeThreshold=30",
            "c.default.circuitBreaker.sleepWindowInMilliseconds: 2500",
            "c.inventory.circuitBreaker.errorThresholdPercentage 25",
            "c.inventory.metrics.rollingStats.timeInMilliseconds=20000",
            "c.inventory.metrics.rollingStats.numBuckets=20",
        ],
        "
        defaults.circuit_breaker = { minimum_calls = 30, open_for = '2500ms' }
        pipelines.inventory.circuit_breaker = { failure_rate = 0.25, window = '20000ms', buckets = 20 }
        ",
        &[],
    );
}

#[test]
fn a_timeout_is_that_which_hystrix_would_see() {
    let (ms, enabled) = (
        "execution.isolation.thread.timeoutInMilliseconds",
        "execution.timeout.enabled",
    );
    let ms = |scope: &str, value: u32| format!("c.{scope}.{ms}={value}");
    let enabled = |scope: &str, value: bool| format!("c.{scope}.{enabled}={value}");
    let off = (1, "no effect: the timeout is not enabled");
    means(&[&ms("a", 300)], "pipelines.a.timeout = '300ms'", &[]);
    means(
        &[&ms("a", 300), &enabled("a", true)],
        "pipelines.a.timeout = '300ms'",
        &[],
    );
    means(
        &[&ms("a", 300), &enabled("a", false)],
        "pipelines.a.timeout = 'none'",
        &[off],
    );
    means(
        &[&enabled("a", true)],
        "pipelines.a.timeout = '1000ms'",
        &[],
    );
    means(
        &[
            &ms("default", 300),
            &enabled("default", false),
            &enabled("a", true),
        ],
        "defaults.timeout = 'none'\npipelines.a.timeout = '300ms'",
        &[off],
    );
    means(
        &[&ms("a", 300), &enabled("default", false)],
        "defaults.timeout = 'none'\npipelines.a.timeout = 'none'",
        &[off],
    );
}

#[test]
fn forced_open_beats_forced_closed_and_disabled_beats_both() {
    let (open, closed) = (
        "c.a.circuitBreaker.forceOpen=true",
        "c.a.circuitBreaker.forceClosed=true",
    );
    let disabled = "c.a.circuitBreaker.enabled=false";
    let mode = |mode: &str| format!("pipelines.a.circuit_breaker.mode = '{mode}'");
    means(&[open], &mode("forced_open"), &[]);
    means(&[closed], &mode("forced_closed"), &[]);
    means(&[disabled], &mode("forced_closed"), &[]);
    means(
        &["c.a.circuitBreaker.enabled=TRUE"],
        &mode("automatic"),
        &[],
    );
    means(
        &[closed, open],
        &mode("forced_open"),
        &[(1, "no effect: the circuit is forced open")],
    );
    let disabled_reason = "no effect: the circuit breaker is not enabled";
    means(
        &[closed, open, disabled],
        &mode("forced_closed"),
        &[(1, disabled_reason), (2, disabled_reason)],
    );
}

const SEMAPHORE: &str = "execution.isolation.semaphore.maxConcurrentRequests";

#[test]
fn of_zuuls_numbers_the_nearest_counts() {
    let own = &format!("c.a.{SEMAPHORE}=3");
    let of_all = &format!("c.default.{SEMAPHORE}=4");
    let (group, zuul) = (
        "zuul.eureka.a.semaphore.maxSemaphores=5",
        "zuul.semaphore.max-semaphores=6",
    );
    means(&[zuul], "defaults.bulkhead.limit = 6", &[]);
    means(
        &[group, zuul],
        "defaults.bulkhead.limit = 6\npipelines.a.bulkhead.limit = 5",
        &[],
    );
    means(
        &[group, own],
        "pipelines.a.bulkhead.limit = 3",
        &[(1, "no effect: the command has a number of its own")],
    );
    // Hystrix's own number for all has no effect behind Zuul, and has without it.
    means(
        &[of_all, zuul],
        "defaults.bulkhead.limit = 6",
        &[(1, "no effect: Zuul gives each of its commands a number")],
    );
    means(
        &[of_all, own],
        "defaults.bulkhead.limit = 4\npipelines.a.bulkhead.limit = 3",
        &[],
    );
    means(
        &[zuul, "zuul.ribbonIsolationStrategy=THREAD"],
        "",
        &[
            (1, "no effect: calls are isolated by threads"),
            (
                2,
                "there is one kind of isolation; this decided which of the limits was taken",
            ),
        ],
    );
}

#[test]
fn the_strategy_decides_between_pool_and_semaphore() {
    let (pool, semaphore) = ("p.a.coreSize=7", &*format!("c.a.{SEMAPHORE}=3"));
    let decided = (
        3,
        "there is one kind of isolation; this decided which of the limits was taken",
    );
    means(
        &[pool, semaphore, "c.a.execution.isolation.strategy=THREAD"],
        "pipelines.a.bulkhead.limit = 7",
        &[(2, "no effect: calls are isolated by threads"), decided],
    );
    means(
        &[
            pool,
            semaphore,
            "c.default.execution.isolation.strategy=semaphore",
        ],
        "pipelines.a.bulkhead.limit = 3",
        &[(1, "no effect: calls are isolated by semaphores"), decided],
    );
    means(
        &[pool, semaphore],
        "pipelines.a.bulkhead.limit = 7",
        &[(2, "no effect: calls are isolated by threads")],
    );
    means(
        &[pool],
        "",
        &[(
            1,
            "no command in this file has the pool's name; set bulkhead.limit where it was used",
        )],
    );
}

#[test]
fn a_pools_maximum_and_queue_count_as_in_hystrix() {
    let not_diverging = "no effect: the pool's maximum does not diverge from its core size";
    means(
        &["p.default.coreSize=7", "p.default.maximumSize=9"],
        "defaults.bulkhead.limit = 7",
        &[(2, not_diverging)],
    );
    means(&["p.default.maximumSize=9"], "", &[(1, not_diverging)]);
    means(
        &[
            "p.default.maximumSize=19",
            "p.default.allowMaximumSizeToDivergeFromCoreSize=true",
        ],
        "defaults.bulkhead.limit = 19",
        &[],
    );
    means(
        &[
            "p.default.maximumSize=19",
            "p.default.coreSize=20",
            "p.default.allowMaximumSizeToDivergeFromCoreSize=true",
        ],
        "defaults.bulkhead.limit = 20",
        &[],
    );
    means(
        &["p.default.maxQueueSize=3"],
        "defaults.queue.length = 3",
        &[],
    );
    means(
        &["p.default.maxQueueSize=30"],
        "defaults.queue.length = 5",
        &[],
    );
    means(
        &[
            "p.default.maxQueueSize=30",
            "p.default.queueSizeRejectionThreshold=20",
        ],
        "defaults.queue.length = 20",
        &[],
    );
    let no_queue = "no effect: the pool has no queue";
    means(
        &[
            "p.default.maxQueueSize=-1",
            "p.default.queueSizeRejectionThreshold=20",
        ],
        "defaults.queue = 'none'",
        &[(2, no_queue)],
    );
    means(
        &["p.default.queueSizeRejectionThreshold=20"],
        "",
        &[(1, no_queue)],
    );
}

#[test]
fn what_no_setting_can_have_is_listed_and_not_bent() {
    let left = |property: &str| {
        let (settings, left) = imported(&[property]);
        assert_eq!(
            settings.settings("a", &Settings::default()),
            Ok(Settings::default()),
            "{property}"
        );
        let [(1, reason)] = &left[..] else {
            panic!("{property}: {left:?}");
        };
        reason.clone()
    };
    for (property, said) in [
        (
            "c.a.circuitBreaker.errorThresholdPercentage=0",
            "circuit_breaker.failure_rate is 0.0; allowed: from 0.000001 to 1",
        ),
        (
            "c.a.circuitBreaker.errorThresholdPercentage=101",
            "failure_rate is 1.01",
        ),
        (
            "c.a.circuitBreaker.requestVolumeThreshold=0",
            "minimum_calls is 0",
        ),
        (
            "c.a.circuitBreaker.requestVolumeThreshold=-1",
            "pipelines.a.circuit_breaker.minimum_calls",
        ),
        (
            "c.a.circuitBreaker.sleepWindowInMilliseconds=0",
            "open_for is 0ns",
        ),
        (
            "c.a.execution.isolation.thread.timeoutInMilliseconds=-5",
            "pipelines.a.timeout",
        ),
        (
            "c.a.execution.isolation.thread.timeoutInMilliseconds=${t}",
            "not a whole number",
        ),
        (
            "c.a.execution.timeout.enabled=yes",
            "neither true nor false",
        ),
        (
            "c.a.execution.isolation.strategy=PROCESS",
            "neither THREAD nor SEMAPHORE",
        ),
        (
            "c.a.metrics.rollingStats.timeInMilliseconds=5",
            "circuit_breaker.window is 5ms",
        ),
        (
            "c.a.fallback.enabled=false",
            "fallbacks are part of the code",
        ),
        ("spring.application.name=a", "neither Hystrix's nor Zuul's"),
    ] {
        let reason = left(property);
        assert!(reason.contains(said), "{property}: {reason}");
    }
    let again = "c.a.circuitBreaker.requestVolumeThreshold=";
    means(
        &[&format!("{again}5"), &format!("{again}6")],
        "pipelines.a.circuit_breaker.minimum_calls = 6",
        &[(1, "set again in line 2")],
    );
}

#[test]
fn what_is_left_over_is_a_comment_of_the_file() {
    let text = import("a = x\\ny\nzuul.semaphore.maxSemaphores=3").to_toml();
    let expected =
        "# line 1: a = x y: neither Hystrix's nor Zuul's\n\n[defaults.bulkhead]\nlimit = 3\n";
    assert_eq!(text, expected);
    assert_eq!(import("# nothing").to_toml(), "");
}

const KEYS: [&str; 24] = [
    "hystrix.command.*.execution.isolation.thread.timeoutInMilliseconds",
    "hystrix.command.*.execution.timeout.enabled",
    "hystrix.command.*.execution.isolation.strategy",
    "hystrix.command.*.execution.isolation.semaphore.maxConcurrentRequests",
    "hystrix.command.*.circuitBreaker.enabled",
    "hystrix.command.*.circuitBreaker.forceOpen",
    "hystrix.command.*.circuitBreaker.forceClosed",
    "hystrix.command.*.circuitBreaker.requestVolumeThreshold",
    "hystrix.command.*.circuitBreaker.sleepWindowInMilliseconds",
    "hystrix.command.*.circuitBreaker.errorThresholdPercentage",
    "hystrix.command.*.metrics.rollingStats.timeInMilliseconds",
    "hystrix.command.*.metrics.rollingStats.numBuckets",
    "hystrix.command.*.fallback.enabled",
    "hystrix.threadpool.*.coreSize",
    "hystrix.threadpool.*.maximumSize",
    "hystrix.threadpool.*.allowMaximumSizeToDivergeFromCoreSize",
    "hystrix.threadpool.*.maxQueueSize",
    "hystrix.threadpool.*.queueSizeRejectionThreshold",
    "zuul.ribbonIsolationStrategy",
    "zuul.semaphore.max-semaphores",
    "zuul.eureka.*.semaphore.maxSemaphores",
    "zuul.eureka.*.semaphore.max_semaphores",
    "hystrix.collapser.*.maxRequestsInBatch",
    "other.*.key",
];

const VALUES: [&str; 12] = [
    "true",
    "false",
    "THREAD",
    "SEMAPHORE",
    "-1",
    "0",
    "1",
    "7",
    "99",
    "300",
    "2147483647",
    "many",
];

proptest! {
    /// What is listed for one command can go, all together: nothing of it was taken over.
    #[test]
    fn each_line_is_taken_over_or_listed(
        lines in vec((select(&KEYS[..]), select(&["default", "a", "b"][..]), select(&VALUES[..])), 1..12),
    ) {
        // So that their pools are those of commands.
        let commands = ["a", "b"].map(|name| format!("hystrix.command.{name}.circuitBreaker.sleepWindowInMilliseconds = 7000"));
        let lines = lines.iter().map(|(key, name, value)| format!("{} = {value}", key.replace('*', name)));
        let lines: Vec<_> = lines.chain(commands).collect();
        let imported = import(&lines.join("\n"));
        let listed: BTreeSet<_> = imported.without_counterpart.iter().map(|left| left.line).collect();
        prop_assert_eq!(listed.len(), imported.without_counterpart.len());
        for name in ["a", "b", "c"] {
            prop_assert!(imported.settings.settings(name, &Settings::default()).is_ok());
        }
        let again = SettingsFile::from_toml(&imported.to_toml());
        prop_assert_eq!(again.as_ref(), Ok(&imported.settings));

        let decides = |line: &str| ["7000", "default", "zuul.sem", "trategy"].iter().any(|word| line.contains(word));
        let kept = (1..).zip(&lines).filter(|(number, line)| decides(line) || !listed.contains(number));
        let kept: Vec<_> = kept.map(|(_, line)| line.as_str()).collect();
        // Whether it is Zuul's file decides, too.
        let is_zuul = |lines: &[&str]| lines.iter().any(|line| line.starts_with("zuul"));
        let all: Vec<_> = lines.iter().map(String::as_str).collect();
        prop_assume!(is_zuul(&kept) == is_zuul(&all));
        let without = import(&kept.join("\n")).settings;
        for name in ["a", "b", "c"] {
            let of = |file: &SettingsFile| file.settings(name, &Settings::default());
            prop_assert_eq!(of(&without), of(&imported.settings), "{}", name);
        }
    }

    #[test]
    fn no_text_is_too_much(text in any::<String>()) {
        let _ = import(&text).to_toml();
    }
}
