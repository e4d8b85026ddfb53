//! seatbelt: `Breaker`, `Timeout` and `Fallback`, as Tower services.
//!
//! Its precise clock, which is the default and which its documentation asks to retain; no metrics and no
//! logs. Stack: outermost first fallback, breaker, timeout, as in its documentation; it has no bulkhead.

use std::sync::OnceLock;

use seatbelt::{
    RecoveryInfo, ResilienceContext,
    breaker::{Breaker, BreakerLayer},
    fallback::{Fallback, FallbackLayer},
    timeout::{Timeout, TimeoutLayer},
    typestates::Set,
};
use tick::Clock;
use tower::{Layer, ServiceBuilder};

use crate::{
    backend::{BROKEN, Down, Echo, FALLBACK, Failed, Later, NineOfTen, Scripted},
    case::{Case, Part},
    subject::{
        Answer, Effort, LONG_WINDOW, MINIMUM, OPEN, Prepared, RATE, Subject, TIMEOUT, WINDOW,
        call_once,
    },
};

pub(crate) struct Seatbelt;

impl Subject for Seatbelt {
    fn name(&self) -> &'static str {
        "seatbelt"
    }

    fn prepare(&self, case: Case, _: Effort) -> Answer {
        Answer::Ready(match (case.part(), case) {
            (Part::Floor | Part::Buckets, _) => return Answer::NotAsked,
            (Part::Bulkhead, _) => return Answer::Cannot("has no bulkhead"),
            (_, Case::BreakerLatency) => return Answer::Cannot("does not look at latency"),
            (_, Case::BreakerNoClock | Case::BreakerNoClockSpaced) => {
                return Answer::Cannot("always reads the clock");
            }
            (_, Case::WindowCalls) => return Answer::Cannot("has no window of calls"),
            (_, Case::WindowTimeRoll) => return Answer::Cannot("its clock cannot be driven"),
            (Part::Breaker, _) => with_breaker(case),
            (_, Case::TimeoutPending) => Prepared::service(timeout(&context()).layer(Later)),
            (Part::Timeout, _) => Prepared::service(timeout(&context()).layer(Echo)),
            (_, Case::FallbackUsed) => Prepared::service(fallback(&context()).layer(Down)),
            (Part::Fallback, _) => Prepared::service(fallback(&context()).layer(Echo)),
            (Part::Stack, _) => with_stack(case),
        })
    }
}

type Outcome = Result<u32, Failed>;
type Context = ResilienceContext<u32, Outcome>;

/// One clock for the process, as in an application: each has a task that drives its timers.
fn context() -> Context {
    static CLOCK: OnceLock<Clock> = OnceLock::new();
    ResilienceContext::new(CLOCK.get_or_init(Clock::new_tokio))
}

fn breaker(case: Case, context: &Context) -> BreakerLayer<u32, Outcome, Set, Set> {
    let window = if case.traffic().is_some() {
        LONG_WINDOW
    } else {
        WINDOW
    };
    Breaker::layer("peers", context)
        .recovery_with(|outcome: &Outcome, _| match outcome {
            Ok(_) => RecoveryInfo::never(),
            Err(_) => RecoveryInfo::retry(),
        })
        .rejected_input_error(|_, _| Failed("open"))
        .failure_threshold(RATE as f32)
        .min_throughput(MINIMUM)
        .sampling_duration(window)
        .break_duration(OPEN)
}

fn timeout(context: &Context) -> TimeoutLayer<u32, Outcome, Set, Set> {
    Timeout::layer("peers", context)
        .timeout(TIMEOUT)
        .timeout_error(|_| Failed("late"))
}

fn fallback(context: &Context) -> FallbackLayer<u32, Outcome, Set, Set> {
    Fallback::layer("peers", context)
        .should_fallback(|outcome: &Outcome| outcome.is_err())
        .fallback(|_, _| Ok(FALLBACK))
}

fn with_breaker(case: Case) -> Prepared {
    let layer = breaker(case, &context());
    match case {
        Case::Breaker10pct => Prepared::service(layer.layer(NineOfTen)),
        Case::BreakerOpen => {
            let mut service = layer.layer(Scripted);
            (0..MINIMUM).for_each(|_| call_once(&mut service, BROKEN));
            Prepared::service(service)
        }
        _ => {
            let traffic = case.traffic().unwrap_or(0);
            Prepared::service(layer.layer(Echo)).filled(10 * traffic)
        }
    }
}

fn with_stack(case: Case) -> Prepared {
    let context = context();
    let layers = ServiceBuilder::new()
        .layer(fallback(&context))
        .layer(breaker(case, &context))
        .layer(timeout(&context));
    let prepared = match case {
        Case::StackPending => Prepared::service(layers.service(Later)),
        Case::StackOpen => {
            let mut service = layers.service(Scripted);
            (0..MINIMUM).for_each(|_| call_once(&mut service, BROKEN));
            Prepared::service(service)
        }
        _ => Prepared::service(layers.service(Echo)),
    };
    prepared.noting("no bulkhead")
}
