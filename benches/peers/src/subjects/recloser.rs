//! recloser: a breaker over the last calls, for functions and for futures; no Tower layer.
//!
//! Its window is as long as everybody's window of calls. It has no minimum apart from that, no clock
//! but for the end of the open time, no latency.

use std::sync::Arc;

use recloser::{AsyncRecloser, Recloser};

use crate::{
    backend::{Answer as Backend, Echo, NineOfTen},
    case::{Case, Part},
    drive::{self, Caller},
    subject::{Answer, CALLS, Effort, OPEN, Prepared, RATE, Subject},
};

pub(crate) struct Futures;
pub(crate) struct Sync;

impl Subject for Futures {
    fn name(&self) -> &'static str {
        "recloser"
    }

    fn prepare(&self, case: Case, _: Effort) -> Answer {
        if let Some(answer) = cannot(case) {
            return answer;
        }
        let breaker = AsyncRecloser::from(breaker(case));
        Answer::Ready(Prepared::new(move || match case {
            Case::Breaker10pct => call::<NineOfTen>(breaker.clone()),
            _ => call::<Echo>(breaker.clone()),
        }))
    }
}

impl Subject for Sync {
    fn name(&self) -> &'static str {
        "recloser_sync"
    }

    fn prepare(&self, case: Case, _: Effort) -> Answer {
        match cannot(case) {
            Some(Answer::Cannot(_)) if case.part() != Part::Breaker => return Answer::NotAsked,
            Some(answer) => return answer,
            None => {}
        }
        let breaker = Arc::new(breaker(case));
        Answer::Ready(Prepared::new(move || match case {
            Case::Breaker10pct => call_sync::<NineOfTen>(Arc::clone(&breaker)),
            _ => call_sync::<Echo>(Arc::clone(&breaker)),
        }))
    }
}

fn cannot(case: Case) -> Option<Answer> {
    match case.part() {
        Part::Floor | Part::Buckets => Some(Answer::NotAsked),
        Part::Breaker if case.traffic().is_some() => Some(Answer::Cannot("has no window of time")),
        Part::Breaker if case == Case::BreakerLatency => {
            Some(Answer::Cannot("does not look at latency"))
        }
        Part::Breaker => None,
        _ => Some(Answer::Cannot("is a circuit breaker only")),
    }
}

fn breaker(case: Case) -> Recloser {
    let breaker = Recloser::custom()
        .error_rate(RATE as f32)
        .closed_len(CALLS as usize)
        .open_wait(OPEN)
        .build();
    if case == Case::BreakerOpen {
        // It judges once the window is full, and then on the next call.
        for _ in 0..=CALLS {
            let failed: Result<(), ()> = Err(());
            assert!(breaker.call(|| failed).is_err());
        }
    }
    breaker
}

fn call<B: Backend>(breaker: AsyncRecloser) -> Caller {
    drive::futures(move |number| breaker.call(B::answer(number)))
}

fn call_sync<B: Backend<Future = std::future::Ready<Result<u32, crate::backend::Failed>>>>(
    breaker: Arc<Recloser>,
) -> Caller {
    drive::function(move |number| breaker.call(|| B::answer(number).into_inner()))
}
