//! tower's own middleware: `Timeout`, and `LoadShed` over `ConcurrencyLimit` for a bulkhead.
//!
//! Both take one number, which is the same as everybody's. `LoadShed` stands outside, where its documentation puts it.

use tower::{Layer, ServiceBuilder, limit::ConcurrencyLimitLayer, timeout::TimeoutLayer};

use crate::{
    backend::{Echo, Later, Scripted},
    case::{Case, Part},
    subject::{Answer, Effort, LIMIT, Prepared, Subject, TIMEOUT, stuck},
};

pub(crate) struct Tower;

impl Subject for Tower {
    fn name(&self) -> &'static str {
        "tower"
    }

    fn prepare(&self, case: Case, _: Effort) -> Answer {
        Answer::Ready(match case.part() {
            Part::Floor | Part::Buckets => return Answer::NotAsked,
            Part::Breaker => return Answer::Cannot("has no circuit breaker"),
            Part::Fallback => return Answer::Cannot("has no fallback"),
            Part::Bulkhead => with_bulkhead(case),
            Part::Timeout => match case {
                Case::TimeoutPending => Prepared::service(TimeoutLayer::new(TIMEOUT).layer(Later)),
                _ => Prepared::service(TimeoutLayer::new(TIMEOUT).layer(Echo)),
            },
            Part::Stack => return with_stack(case),
        })
    }
}

fn with_bulkhead(case: Case) -> Prepared {
    let limit = match case {
        Case::BulkheadOk => LIMIT,
        _ => 1,
    };
    let layers = ServiceBuilder::new()
        .load_shed()
        .layer(ConcurrencyLimitLayer::new(limit as usize));
    match case {
        Case::BulkheadFull => {
            let mut service = layers.service(Scripted);
            let holder = stuck(&mut service);
            Prepared::service(service).keeping(holder)
        }
        _ => Prepared::service(layers.service(Echo)),
    }
}

fn with_stack(case: Case) -> Answer {
    if case == Case::StackOpen {
        return Answer::Cannot("has no circuit breaker");
    }
    let layers = ServiceBuilder::new()
        .load_shed()
        .concurrency_limit(LIMIT as usize)
        .timeout(TIMEOUT);
    let prepared = match case {
        Case::StackPending => Prepared::service(layers.service(Later)),
        _ => Prepared::service(layers.service(Echo)),
    };
    Answer::Ready(prepared.noting("no circuit breaker, no fallback"))
}
