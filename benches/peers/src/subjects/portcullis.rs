//! portcullis, as Tower layers.
//!
//! The defaults where they are what the others are given too: a window of 10 s in 10 buckets, half of
//! at least 20 calls. The stack is a `Pipeline`, which also records latencies and knows the peak.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use portcullis::{
    bulkhead::{self, Bulkhead},
    circuit_breaker::{self, CircuitBreaker, Window},
    clock::{Clock, Tick},
    event::Scope,
    fallback::FallbackLayer,
    pipeline::{Fault, Pipeline},
    timeout::TimeoutLayer,
};
use tower::{Layer, Service};

use crate::{
    backend::{Down, Echo, FALLBACK, Failed, Later, NineOfTen, Scripted},
    case::{Answered, Case, Part},
    subject::{
        Answer, CALLS, Effort, LIMIT, MINIMUM, OPEN, Prepared, RATE, Subject, TIMEOUT, WINDOW,
        stuck,
    },
};

pub(crate) struct Portcullis;

impl Subject for Portcullis {
    fn name(&self) -> &'static str {
        "portcullis"
    }

    fn prepare(&self, case: Case, _: Effort) -> Answer {
        Answer::Ready(match case.part() {
            Part::Floor => return Answer::NotAsked,
            Part::Breaker | Part::Buckets => with_breaker(case),
            Part::Bulkhead => with_bulkhead(case),
            Part::Timeout => match case {
                Case::TimeoutPending => Prepared::service(timeout(Later)),
                _ => Prepared::service(timeout(Echo)),
            },
            Part::Fallback => match case {
                Case::FallbackUsed => Prepared::service(fallback(Down)),
                _ => Prepared::service(fallback(Echo)),
            },
            Part::Stack => with_pipeline(case),
        })
    }
}

pub(crate) fn settings() -> circuit_breaker::Settings {
    circuit_breaker::Settings::default()
        .window(Window::Over(WINDOW))
        .failure_rate(RATE)
        .minimum_calls(MINIMUM)
        .open_growth(1.0, OPEN)
        .open_for(OPEN)
}

/// Returns the breaker of a case, in the state that the case is about, with its window filled.
pub(crate) fn breaker(case: Case) -> CircuitBreaker {
    if let Some(rate) = case.traffic() {
        return filled(case, rate);
    }
    let clock = match case {
        Case::BreakerNoClock | Case::BreakerNoClockSpaced => Clock::from_fn(|| Tick::ZERO),
        _ => Clock::new(),
    };
    let settings = match case {
        Case::WindowCalls => settings().window(Window::Last(CALLS)),
        Case::BreakerLatency => settings().slow_calls(TIMEOUT, RATE),
        _ => settings(),
    };
    let breaker = on_clock(settings, clock);
    if case == Case::BreakerOpen {
        breaker.trip();
    }
    breaker
}

pub(crate) fn limited(limit: u32) -> Bulkhead {
    Bulkhead::new(bulkhead::Settings::default().limit(limit)).expect("valid")
}

fn on_clock(settings: circuit_breaker::Settings, clock: Clock) -> CircuitBreaker {
    CircuitBreaker::scoped(settings, Scope::new().on_clock(clock)).expect("valid")
}

/// Returns a breaker over which ten seconds of calls have gone, spread over all buckets.
///
/// Its time then stands still, so that the window stays as it is, or moves on by a bucket for each
/// call. Either way a real clock is read, and its reading left aside.
fn filled(case: Case, rate: u32) -> CircuitBreaker {
    let time = Arc::new(AtomicU64::new(WINDOW.as_nanos() as u64));
    let counter = quanta::Clock::new();
    let clock = {
        let time = Arc::clone(&time);
        let roll = case == Case::WindowTimeRoll;
        Clock::from_fn(move || {
            black_box(counter.delta_as_nanos(0, counter.raw()));
            Tick::from_nanos(if roll {
                time.fetch_add(1_000_000_000, Ordering::Relaxed)
            } else {
                time.load(Ordering::Relaxed)
            })
        })
    };
    let settings = match case.buckets() {
        Some(buckets) => settings().buckets(buckets),
        None => settings(),
    };
    let breaker = on_clock(settings, clock);
    let step = Duration::from_secs(1) / rate;
    for _ in 0..10 * rate {
        time.fetch_add(step.as_nanos() as u64, Ordering::Relaxed);
        let call = breaker.admit().expect("closed");
        call.settle(portcullis::outcome::Outcome::Success);
    }
    breaker
}

fn with_breaker(case: Case) -> Prepared {
    let layer = breaker(case).layer();
    match case.answered() {
        Answered::NineOfTen => Prepared::service(layer.layer(NineOfTen)),
        _ => Prepared::service(layer.layer(Echo)),
    }
}

fn with_bulkhead(case: Case) -> Prepared {
    match case {
        Case::BulkheadFull => {
            let mut service = limited(1).layer().layer(Scripted);
            let holder = stuck(&mut service);
            Prepared::service(service).keeping(holder)
        }
        Case::BulkheadContended => Prepared::service(limited(1).layer().layer(Echo)),
        _ => Prepared::service(limited(LIMIT).layer().layer(Echo)),
    }
}

fn timeout<S>(inner: S) -> impl Service<u32, Response = u32, Future: Send> + Clone + Send + use<S>
where
    S: Service<u32, Response = u32, Error = Failed, Future: Send> + Clone + Send,
{
    TimeoutLayer::new(TIMEOUT).expect("valid").layer(inner)
}

fn fallback<S>(inner: S) -> impl Service<u32, Response = u32> + Clone + Send + use<S>
where
    S: Service<u32, Response = u32, Error = Failed> + Clone + Send,
{
    FallbackLayer::value(FALLBACK).layer(inner)
}

fn with_pipeline(case: Case) -> Prepared {
    let pipeline = Pipeline::builder("peers")
        .timeout(TIMEOUT)
        .bulkhead(bulkhead::Settings::default().limit(LIMIT))
        .circuit_breaker(settings())
        .fallback(|_: &Fault<Failed>| FALLBACK)
        .build()
        .expect("valid");
    if case == Case::StackOpen {
        pipeline.circuit_breaker().trip();
    }
    match case {
        Case::StackPending => Prepared::service(pipeline.layer().layer(Later)),
        _ => Prepared::service(pipeline.layer().layer(Echo)),
    }
}
