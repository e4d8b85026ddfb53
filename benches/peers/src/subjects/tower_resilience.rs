//! tower-resilience: `CircuitBreaker`, `Bulkhead`, `TimeLimiter`, `Fallback`.
//!
//! * Breaker: counts its calls, which is its default and far cheaper than its window of time; the latter
//!   is what the `window_time_*` cases ask for.
//! * Bulkhead: `reject_when_full`, which is its documented way to refuse at once.
//! * Stack: outermost first fallback, breaker, bulkhead, time limiter, as in its composition guide.

use std::time::Duration;

use tokio::runtime::Handle;
use tower::{Layer, ServiceBuilder};
use tower_resilience_bulkhead::{BulkheadLayer, BulkheadServiceError};
use tower_resilience_circuitbreaker::{
    CircuitBreakerConfigBuilder, CircuitBreakerError, CircuitBreakerHandle, CircuitBreakerLayer,
    DefaultClassifier, SlidingWindowType,
};
use tower_resilience_fallback::FallbackLayer;
use tower_resilience_timelimiter::{TimeLimiterError, TimeLimiterLayer};

use crate::{
    backend::{Down, Echo, FALLBACK, Failed, Later, NineOfTen, Scripted},
    case::{Case, Part},
    subject::{
        Answer, CALLS, Effort, LIMIT, LONG_WINDOW, MINIMUM, OPEN, Prepared, RATE, Subject, TIMEOUT,
        stuck,
    },
};

pub(crate) struct TowerResilience;

impl Subject for TowerResilience {
    fn name(&self) -> &'static str {
        "tower-resilience"
    }

    fn prepare(&self, case: Case, effort: Effort) -> Answer {
        Answer::Ready(match (case.part(), case) {
            (Part::Floor | Part::Buckets, _) => return Answer::NotAsked,
            (_, Case::BreakerNoClock | Case::BreakerNoClockSpaced) => {
                return Answer::Cannot("always reads the clock");
            }
            (_, Case::WindowTimeRoll) => return Answer::Cannot("its clock cannot be driven"),
            (Part::Breaker, _) => with_breaker(case, effort),
            (Part::Bulkhead, _) => with_bulkhead(case),
            (_, Case::TimeoutPending) => Prepared::service(time_limiter().layer(Later)),
            (Part::Timeout, _) => Prepared::service(time_limiter().layer(Echo)),
            (_, Case::FallbackUsed) => Prepared::service(fallback::<Failed>().layer(Down)),
            (Part::Fallback, _) => Prepared::service(fallback::<Failed>().layer(Echo)),
            (Part::Stack, _) => with_stack(case),
        })
    }
}

fn breaker() -> CircuitBreakerConfigBuilder<DefaultClassifier> {
    CircuitBreakerLayer::builder()
        .failure_rate_threshold(RATE)
        .sliding_window_size(CALLS as usize)
        .minimum_number_of_calls(MINIMUM as usize)
        .wait_duration_in_open(OPEN)
}

fn with_breaker(case: Case, effort: Effort) -> Prepared {
    let builder = match case {
        Case::BreakerLatency => breaker().slow_call_duration_threshold(TIMEOUT),
        _ if case.traffic().is_some() => breaker()
            .sliding_window_type(SlidingWindowType::TimeBased)
            .sliding_window_duration(LONG_WINDOW),
        _ => breaker(),
    };
    let (layer, handle) = builder.build_with_handle().expect("valid");
    open_for(case, &handle);
    match case {
        Case::Breaker10pct => Prepared::service(layer.layer(NineOfTen)),
        Case::BreakerOpen => Prepared::service(layer.layer(Echo)).noting(WAITS_WHILE_OPEN),
        _ => filled(Prepared::service(layer.layer(Echo)), case, effort),
    }
}

/// Its `poll_ready` tries its lock, and where that is taken comes back after a timer.
const WAITS_WHILE_OPEN: &str = "where two calls meet, one sleeps for 1 ms";

fn open_for(case: Case, handle: &CircuitBreakerHandle<DefaultClassifier>) {
    if matches!(case, Case::BreakerOpen | Case::StackOpen) {
        Handle::current().block_on(handle.force_open());
    }
}

/// How many calls the window holds while instructions are counted, which takes fifty times as long.
const COUNTED: u32 = 2_000;

/// Each call walks the window, so filling takes time in the square of its length: a million calls
/// would take a quarter of an hour.
fn filled(prepared: Prepared, case: Case, effort: Effort) -> Prepared {
    let calls = 10 * case.traffic().unwrap_or(0);
    let most = match effort {
        Effort::Counted => COUNTED,
        Effort::Quick => 20_000,
        Effort::Full => 100_000,
    };
    if calls <= most {
        return prepared.filled(calls);
    }
    let note = format!(
        "{most} calls in the window ({COUNTED} for instructions), not {calls}: filling is quadratic"
    );
    prepared.filled(most).noting(note)
}

fn bulkhead(limit: u32) -> BulkheadLayer {
    let builder = BulkheadLayer::builder().max_concurrent_calls(limit as usize);
    builder.reject_when_full().build().expect("valid")
}

fn with_bulkhead(case: Case) -> Prepared {
    match case {
        Case::BulkheadFull => {
            let mut service = bulkhead(1).layer(Scripted);
            let holder = stuck(&mut service);
            Prepared::service(service)
                .keeping(holder)
                .noting("waits for a timer of zero")
        }
        Case::BulkheadContended => Prepared::service(bulkhead(1).layer(Echo)),
        _ => Prepared::service(bulkhead(LIMIT).layer(Echo)),
    }
}

fn time_limiter() -> TimeLimiterLayer<tower_resilience_timelimiter::FixedTimeout> {
    let timeout: Duration = TIMEOUT;
    TimeLimiterLayer::builder()
        .timeout_duration(timeout)
        .build()
}

fn fallback<E>() -> FallbackLayer<u32, u32, E> {
    FallbackLayer::value(FALLBACK)
}

type StackError = CircuitBreakerError<BulkheadServiceError<TimeLimiterError<Failed>>>;

fn with_stack(case: Case) -> Prepared {
    let (breaker, handle) = breaker().build_with_handle().expect("valid");
    open_for(case, &handle);
    let layers = ServiceBuilder::new()
        .layer(fallback::<StackError>())
        .layer(breaker)
        .layer(bulkhead(LIMIT))
        .layer(time_limiter());
    match case {
        Case::StackPending => Prepared::service(layers.service(Later)),
        Case::StackOpen => Prepared::service(layers.service(Echo)).noting(WAITS_WHILE_OPEN),
        _ => Prepared::service(layers.service(Echo)),
    }
}
