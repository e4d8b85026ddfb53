//! The messages of `hystrix.stream`, in the order of Hystrix's `SerialHystrixDashboardData`.

use serde::Serialize;

use super::{
    States,
    view::{ANY_NUMBER, View, whole_ms},
};
use crate::{
    clock::since_epoch,
    event::{Mode, State},
    pipeline::{Latencies, Snapshot},
    window::Tally,
};

/// A pipeline as Hystrix's command. The [module docs](super) say what is taken from where.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Command<'a> {
    r#type: &'static str,
    name: &'a str,
    group: &'a str,
    current_time: u64,
    is_circuit_breaker_open: Open,
    error_percentage: u64,
    error_count: u64,
    request_count: u64,
    #[serde(flatten)]
    counts: Counts,
    current_concurrent_execution_count: u32,
    rolling_max_concurrent_execution_count: u32,
    #[serde(rename = "latencyExecute_mean")]
    latency_execute_mean: u64,
    latency_execute: Percentiles,
    #[serde(rename = "latencyTotal_mean")]
    latency_total_mean: u64,
    latency_total: Percentiles,
    #[serde(flatten)]
    properties: Properties,
    reporting_hosts: u32,
    thread_pool: &'a str,
}

impl<'a> Command<'a> {
    pub(super) fn of(view: &'a View, states: States) -> Self {
        let snapshot = &view.snapshot;
        let window = &snapshot.window;
        let errors = window.failed() * 100;
        Self {
            r#type: "HystrixCommand",
            name: &view.name,
            group: &view.group,
            current_time: whole_ms(since_epoch()),
            is_circuit_breaker_open: Open::of(snapshot, states),
            error_percentage: errors.checked_div(window.judged()).unwrap_or(0),
            error_count: window.failed(),
            request_count: window.judged(),
            counts: Counts::of(window),
            current_concurrent_execution_count: snapshot.in_flight,
            rolling_max_concurrent_execution_count: snapshot.peak_in_flight,
            latency_execute_mean: whole_ms(snapshot.latency.mean),
            latency_execute: Percentiles::of(&snapshot.latency),
            latency_total_mean: whole_ms(snapshot.total_latency.mean),
            latency_total: Percentiles::of(&snapshot.total_latency),
            properties: Properties::of(view),
            reporting_hosts: 1,
            thread_pool: &view.group,
        }
    }
}

/// Whether calls are refused.
#[derive(Serialize)]
#[serde(untagged)]
enum Open {
    OrNot(bool),
    Named(&'static str),
}

impl Open {
    fn of(snapshot: &Snapshot, states: States) -> Self {
        match (snapshot.mode, snapshot.state, states) {
            (Mode::Automatic, State::HalfOpen, States::Named) => Self::Named("Half-Open"),
            (Mode::Automatic, State::RampingUp, States::Named) => Self::Named("Ramping-Up"),
            (Mode::Automatic, state, _) => {
                Self::OrNot(matches!(state, State::Open | State::HalfOpen))
            }
            (mode, _, _) => Self::OrNot(mode == Mode::ForcedOpen),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    rolling_count_bad_requests: u64,
    rolling_count_collapsed_requests: u64,
    rolling_count_emit: u64,
    rolling_count_exceptions_thrown: u64,
    rolling_count_failure: u64,
    rolling_count_fallback_emit: u64,
    rolling_count_fallback_failure: u64,
    rolling_count_fallback_missing: u64,
    rolling_count_fallback_rejection: u64,
    rolling_count_fallback_success: u64,
    rolling_count_responses_from_cache: u64,
    rolling_count_semaphore_rejected: u64,
    rolling_count_short_circuited: u64,
    rolling_count_success: u64,
    rolling_count_thread_pool_rejected: u64,
    rolling_count_timeout: u64,
}

impl Counts {
    fn of(window: &Tally) -> Self {
        let not_answered = window.fallback_failure + window.fallback_rejected;
        let fallbacks = window.fallback_success + not_answered;
        // The circuit may have forgotten the calls since, and other errors than these may be fallen back from.
        let missing = (window.failed() + window.rejected()).saturating_sub(fallbacks);
        Self {
            rolling_count_bad_requests: window.ignored,
            rolling_count_collapsed_requests: 0,
            rolling_count_emit: 0,
            rolling_count_exceptions_thrown: window.ignored + not_answered + missing,
            rolling_count_failure: window.failure,
            rolling_count_fallback_emit: 0,
            rolling_count_fallback_failure: window.fallback_failure,
            rolling_count_fallback_missing: missing,
            rolling_count_fallback_rejection: window.fallback_rejected,
            rolling_count_fallback_success: window.fallback_success,
            rolling_count_responses_from_cache: 0,
            rolling_count_semaphore_rejected: window.rejected() - window.short_circuited(),
            rolling_count_short_circuited: window.short_circuited(),
            rolling_count_success: window.success,
            rolling_count_thread_pool_rejected: 0,
            rolling_count_timeout: window.timeout,
        }
    }
}

/// Milliseconds by percentage.
#[derive(Serialize)]
struct Percentiles {
    #[serde(rename = "0")]
    min: u64,
    #[serde(rename = "25")]
    p25: u64,
    #[serde(rename = "50")]
    p50: u64,
    #[serde(rename = "75")]
    p75: u64,
    #[serde(rename = "90")]
    p90: u64,
    #[serde(rename = "95")]
    p95: u64,
    #[serde(rename = "99")]
    p99: u64,
    #[serde(rename = "99.5")]
    p99_5: u64,
    #[serde(rename = "100")]
    max: u64,
}

impl Percentiles {
    fn of(latencies: &Latencies) -> Self {
        Self {
            min: whole_ms(latencies.min),
            p25: whole_ms(latencies.p25),
            p50: whole_ms(latencies.p50),
            p75: whole_ms(latencies.p75),
            p90: whole_ms(latencies.p90),
            p95: whole_ms(latencies.p95),
            p99: whole_ms(latencies.p99),
            p99_5: whole_ms(latencies.p99_5),
            max: whole_ms(latencies.max),
        }
    }
}

#[derive(Serialize)]
struct Properties {
    #[serde(rename = "propertyValue_circuitBreakerRequestVolumeThreshold")]
    minimum_calls: u32,
    #[serde(rename = "propertyValue_circuitBreakerSleepWindowInMilliseconds")]
    open_for_ms: u64,
    #[serde(rename = "propertyValue_circuitBreakerErrorThresholdPercentage")]
    error_threshold: u32,
    #[serde(rename = "propertyValue_circuitBreakerForceOpen")]
    is_forced_open: bool,
    #[serde(rename = "propertyValue_circuitBreakerForceClosed")]
    is_forced_closed: bool,
    #[serde(rename = "propertyValue_circuitBreakerEnabled")]
    is_enabled: bool,
    #[serde(rename = "propertyValue_executionIsolationStrategy")]
    isolation: &'static str,
    #[serde(rename = "propertyValue_executionIsolationThreadTimeoutInMilliseconds")]
    thread_timeout_ms: u64,
    #[serde(rename = "propertyValue_executionTimeoutInMilliseconds")]
    timeout_ms: u64,
    #[serde(rename = "propertyValue_executionIsolationThreadInterruptOnTimeout")]
    interrupts: bool,
    #[serde(rename = "propertyValue_executionIsolationThreadPoolKeyOverride")]
    thread_pool: Option<&'static str>,
    #[serde(rename = "propertyValue_executionIsolationSemaphoreMaxConcurrentRequests")]
    limit: u32,
    #[serde(rename = "propertyValue_fallbackIsolationSemaphoreMaxConcurrentRequests")]
    fallback_limit: u32,
    #[serde(rename = "propertyValue_metricsRollingStatisticalWindowInMilliseconds")]
    window_ms: u64,
    #[serde(rename = "propertyValue_requestCacheEnabled")]
    caches: bool,
    #[serde(rename = "propertyValue_requestLogEnabled")]
    logs: bool,
}

impl Properties {
    fn of(view: &View) -> Self {
        Self {
            minimum_calls: view.settings.circuit_breaker.minimum_calls,
            open_for_ms: view.open_for_ms(),
            error_threshold: view.error_threshold(),
            is_forced_open: view.is_forced(Mode::ForcedOpen),
            is_forced_closed: view.is_forced(Mode::ForcedClosed),
            is_enabled: view.is_enabled(),
            isolation: "SEMAPHORE",
            thread_timeout_ms: view.timeout_ms(),
            timeout_ms: view.timeout_ms(),
            interrupts: true,
            thread_pool: None,
            limit: view.limit(),
            fallback_limit: ANY_NUMBER,
            window_ms: view.window_ms(),
            caches: false,
            logs: false,
        }
    }
}
