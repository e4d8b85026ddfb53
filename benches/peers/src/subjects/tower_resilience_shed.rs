//! tower-resilience's bulkhead in its backpressure mode under tower's `LoadShed`: the way to refuse
//! at once without its timer.

use tower::{Layer, load_shed::LoadShedLayer};
use tower_resilience_bulkhead::{Bulkhead, BulkheadLayer};

use crate::{
    backend::{Echo, Scripted},
    case::{Case, Part},
    subject::{Answer, Effort, LIMIT, Prepared, Subject, stuck},
};

pub(crate) struct Shed;

impl Subject for Shed {
    fn name(&self) -> &'static str {
        "tower-resilience+shed"
    }

    fn prepare(&self, case: Case, _: Effort) -> Answer {
        if case.part() != Part::Bulkhead {
            return Answer::NotAsked;
        }
        let shed = LoadShedLayer::new();
        Answer::Ready(match case {
            Case::BulkheadFull => {
                let mut service = shed.layer(bulkhead(1, Scripted));
                let holder = stuck(&mut service);
                Prepared::service(service).keeping(holder)
            }
            Case::BulkheadContended => Prepared::service(shed.layer(bulkhead(1, Echo))),
            _ => Prepared::service(shed.layer(bulkhead(LIMIT, Echo))),
        })
    }
}

fn bulkhead<S>(limit: u32, inner: S) -> Bulkhead<S> {
    let builder = BulkheadLayer::builder().max_concurrent_calls(limit as usize);
    builder.backpressure().build().expect("valid").layer(inner)
}
