//! failsafe: a breaker with an average over time, for functions and for futures; no Tower layer.
//!
//! The default policy is "success rate or failures in a row"; the rate alone is cheaper and is what the
//! others judge. An open circuit is tripped by failures in a row, since the rate says nothing before a
//! whole window has passed; what an open circuit costs does not depend on the policy.

use failsafe::{
    Config, FailurePolicy, StateMachine,
    backoff::{self, Constant},
    failure_policy::{self, OrElse},
};

use crate::{
    backend::{Answer as Backend, Echo, Failed, NineOfTen},
    case::{Case, Part},
    drive::{self, Caller},
    subject::{Answer, Effort, LONG_WINDOW, MINIMUM, OPEN, Prepared, RATE, Subject, WINDOW},
};

pub(crate) struct Futures;
pub(crate) struct Sync;

impl Subject for Futures {
    fn name(&self) -> &'static str {
        "failsafe"
    }

    fn prepare(&self, case: Case, _: Effort) -> Answer {
        if let Some(answer) = cannot(case) {
            return answer;
        }
        Answer::Ready(match case {
            Case::BreakerOpen => Prepared::new(calls::<Echo, _>(open())),
            Case::Breaker10pct => Prepared::new(calls::<NineOfTen, _>(closed(case))),
            _ => filled(Prepared::new(calls::<Echo, _>(closed(case))), case),
        })
    }
}

impl Subject for Sync {
    fn name(&self) -> &'static str {
        "failsafe_sync"
    }

    fn prepare(&self, case: Case, _: Effort) -> Answer {
        match cannot(case) {
            Some(Answer::Cannot(_)) if case.part() != Part::Breaker => return Answer::NotAsked,
            Some(answer) => return answer,
            None => {}
        }
        Answer::Ready(match case {
            Case::BreakerOpen => Prepared::new(calls_sync(open(), Ok)),
            Case::Breaker10pct => Prepared::new(calls_sync(closed(case), |number| {
                NineOfTen::answer(number).into_inner()
            })),
            _ => filled(Prepared::new(calls_sync(closed(case), Ok)), case),
        })
    }
}

fn cannot(case: Case) -> Option<Answer> {
    match (case.part(), case) {
        (Part::Floor | Part::Buckets, _) => Some(Answer::NotAsked),
        (_, Case::BreakerLatency) => Some(Answer::Cannot("does not look at latency")),
        (_, Case::BreakerNoClock | Case::BreakerNoClockSpaced) => {
            Some(Answer::Cannot("its rate always reads the clock"))
        }
        (_, Case::WindowCalls) => Some(Answer::Cannot("has no window of calls")),
        (_, Case::WindowTimeRoll) => Some(Answer::Cannot("its clock cannot be driven")),
        (Part::Breaker, _) => None,
        _ => Some(Answer::Cannot("is a circuit breaker only")),
    }
}

type Rate = failure_policy::SuccessRateOverTimeWindow<Constant>;
type Row = failure_policy::ConsecutiveFailures<Constant>;

fn rate(case: Case) -> Rate {
    let window = if case.traffic().is_some() {
        LONG_WINDOW
    } else {
        WINDOW
    };
    let wait = backoff::constant(OPEN);
    failure_policy::success_rate_over_time_window(RATE, MINIMUM, window, wait)
}

fn closed(case: Case) -> StateMachine<Rate, ()> {
    Config::new().failure_policy(rate(case)).build()
}

fn open() -> StateMachine<OrElse<Rate, Row>, ()> {
    let row = failure_policy::consecutive_failures(MINIMUM, backoff::constant(OPEN));
    let policy = rate(Case::BreakerOpen).or_else(row);
    let breaker = Config::new().failure_policy(policy).build();
    for _ in 0..MINIMUM {
        let failed: Result<(), ()> = Err(());
        assert!(failsafe::CircuitBreaker::call(&breaker, || failed).is_err());
    }
    breaker
}

fn filled(prepared: Prepared, case: Case) -> Prepared {
    prepared.filled(10 * case.traffic().unwrap_or(0))
}

fn calls<B, P>(breaker: StateMachine<P, ()>) -> impl Fn() -> Caller
where
    B: Backend,
    P: FailurePolicy + Send + std::marker::Sync + 'static,
{
    move || {
        let breaker = breaker.clone();
        drive::futures(move |number| {
            failsafe::futures::CircuitBreaker::call(&breaker, B::answer(number))
        })
    }
}

fn calls_sync<P>(
    breaker: StateMachine<P, ()>,
    backend: fn(u32) -> Result<u32, Failed>,
) -> impl Fn() -> Caller
where
    P: FailurePolicy + Send + std::marker::Sync + 'static,
{
    move || {
        let breaker = breaker.clone();
        drive::function(move |number| failsafe::CircuitBreaker::call(&breaker, || backend(number)))
    }
}
