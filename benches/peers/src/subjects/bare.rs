//! The backend with nothing around it. All ratios are to this.

use crate::{
    backend::{Down, Echo, Later, NineOfTen},
    case::{Answered, Case},
    subject::{Answer, Effort, Prepared, Subject},
};

pub(crate) struct Bare;

impl Subject for Bare {
    fn name(&self) -> &'static str {
        "bare"
    }

    fn prepare(&self, case: Case, _: Effort) -> Answer {
        let prepared = match case {
            _ if case.answered() == Answered::NineOfTen => Prepared::service(NineOfTen),
            Case::TimeoutPending | Case::StackPending => Prepared::service(Later),
            Case::FallbackUsed => Prepared::service(Down),
            _ => Prepared::service(Echo),
        };
        Answer::Ready(prepared.unguarded())
    }
}
