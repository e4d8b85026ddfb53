//! The message of `hystrix/config.stream`, after Hystrix's `SerialHystrixConfiguration`, but for two slips there:
//! `isForcedClosed` says whether it is forced closed, and `percentileBucketCount` counts percentile buckets.

use std::collections::BTreeMap;

use serde::Serialize;

use super::view::{ANY_NUMBER, View};
use crate::event::Mode;

#[derive(Serialize)]
pub(super) struct Config<'a> {
    r#type: &'static str,
    commands: BTreeMap<&'a str, Command<'a>>,
    threadpools: NoneOfThem,
    collapsers: NoneOfThem,
}

/// `{}`
#[derive(Serialize)]
struct NoneOfThem {}

impl<'a> Config<'a> {
    pub(super) fn of(views: &'a [View]) -> Self {
        let commands = views.iter().map(|view| (&*view.name, Command::of(view)));
        Self {
            r#type: "HystrixConfig",
            commands: commands.collect(),
            threadpools: NoneOfThem {},
            collapsers: NoneOfThem {},
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Command<'a> {
    thread_pool_key: &'a str,
    group_key: &'a str,
    execution: Execution,
    metrics: Metrics,
    circuit_breaker: CircuitBreaker,
}

impl<'a> Command<'a> {
    fn of(view: &'a View) -> Self {
        Self {
            thread_pool_key: &view.group,
            group_key: &view.group,
            execution: Execution::of(view),
            metrics: Metrics::of(view),
            circuit_breaker: CircuitBreaker::of(view),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Execution {
    isolation_strategy: &'static str,
    thread_pool_key_override: Option<&'static str>,
    request_cache_enabled: bool,
    request_log_enabled: bool,
    timeout_enabled: bool,
    fallback_enabled: bool,
    timeout_in_milliseconds: u64,
    semaphore_size: u32,
    fallback_semaphore_size: u32,
    thread_interrupt_on_timeout: bool,
}

impl Execution {
    fn of(view: &View) -> Self {
        Self {
            isolation_strategy: "SEMAPHORE",
            thread_pool_key_override: None,
            request_cache_enabled: false,
            request_log_enabled: false,
            timeout_enabled: view.settings.timeout.is_some(),
            fallback_enabled: true,
            timeout_in_milliseconds: view.timeout_ms(),
            semaphore_size: view.limit(),
            fallback_semaphore_size: ANY_NUMBER,
            thread_interrupt_on_timeout: true,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metrics {
    health_bucket_size_in_ms: u64,
    percentile_bucket_size_in_milliseconds: u64,
    percentile_bucket_count: u64,
    percentile_enabled: bool,
    counter_bucket_size_in_milliseconds: u64,
    counter_bucket_count: u64,
}

impl Metrics {
    fn of(view: &View) -> Self {
        let buckets = u64::from(view.settings.circuit_breaker.buckets);
        let bucket_ms = view.window_ms() / buckets;
        Self {
            health_bucket_size_in_ms: bucket_ms,
            percentile_bucket_size_in_milliseconds: view.window_ms() / HALVES,
            percentile_bucket_count: HALVES,
            percentile_enabled: true,
            counter_bucket_size_in_milliseconds: bucket_ms,
            counter_bucket_count: buckets,
        }
    }
}

/// Into which the window of latencies is cut.
const HALVES: u64 = 2;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CircuitBreaker {
    enabled: bool,
    is_forced_open: bool,
    is_forced_closed: bool,
    request_volume_threshold: u32,
    error_percentage_threshold: u32,
    sleep_in_milliseconds: u64,
}

impl CircuitBreaker {
    fn of(view: &View) -> Self {
        Self {
            enabled: view.is_enabled(),
            is_forced_open: view.is_forced(Mode::ForcedOpen),
            is_forced_closed: view.is_forced(Mode::ForcedClosed),
            request_volume_threshold: view.settings.circuit_breaker.minimum_calls,
            error_percentage_threshold: view.error_threshold(),
            sleep_in_milliseconds: view.open_for_ms(),
        }
    }
}
