//! portcullis without Tower: admit, call, settle by hand.

use portcullis::{bulkhead::Bulkhead, circuit_breaker::CircuitBreaker, outcome::Outcome};

use super::portcullis::{breaker, limited};
use crate::{
    backend::Failed,
    case::{Answered, Case, Part},
    drive::{self, Caller},
    subject::{Answer, Effort, LIMIT, Prepared, Subject},
};

pub(crate) struct Core;

impl Subject for Core {
    fn name(&self) -> &'static str {
        "portcullis_core"
    }

    fn prepare(&self, case: Case, _: Effort) -> Answer {
        Answer::Ready(match case.part() {
            Part::Floor => return Answer::NotAsked,
            Part::Breaker | Part::Buckets => {
                let breaker = breaker(case);
                Prepared::new(move || match case.answered() {
                    Answered::NineOfTen => through_breaker(breaker.clone(), one_of_ten),
                    _ => through_breaker(breaker.clone(), Ok),
                })
            }
            Part::Bulkhead => with_bulkhead(case),
            Part::Timeout | Part::Fallback | Part::Stack => {
                return Answer::Cannot("has a part of its own only as a Tower layer");
            }
        })
    }
}

fn with_bulkhead(case: Case) -> Prepared {
    let bulkhead = limited(match case {
        Case::BulkheadOk => LIMIT,
        _ => 1,
    });
    let holder = (case == Case::BulkheadFull).then(|| bulkhead.admit_owned().expect("empty"));
    Prepared::new(move || through_bulkhead(bulkhead.clone())).keeping(holder)
}

fn through_breaker(breaker: CircuitBreaker, backend: fn(u32) -> Result<u32, Failed>) -> Caller {
    drive::function(move |number| {
        let call = breaker.admit().map_err(Failed::from)?;
        let answer = backend(number);
        call.settle(match answer {
            Ok(_) => Outcome::Success,
            Err(_) => Outcome::Failure,
        });
        answer
    })
}

fn through_bulkhead(bulkhead: Bulkhead) -> Caller {
    drive::function(move |number| {
        let call = bulkhead.admit().map_err(Failed::from)?;
        call.settle(Outcome::Success);
        Ok::<_, Failed>(number)
    })
}

fn one_of_ten(number: u32) -> Result<u32, Failed> {
    if number % 10 == 9 {
        Err(Failed("one of ten"))
    } else {
        Ok(number)
    }
}
