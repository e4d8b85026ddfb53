//! The one metric that calls write themselves.

use std::sync::Arc;

use super::series::AllSeries;
use crate::{
    event::{Event, Observer},
    outcome::Outcome,
};

/// An observer that records how long each call took, in `portcullis_call_duration_seconds`.
///
/// See [what it costs](super#what-it-costs). Calls that were cancelled are left out: they took as long as their
/// callers had patience. So are failures to become ready, which took no time. Clones are the same.
#[derive(Clone, Debug)]
pub struct CallDurations {
    series: Arc<AllSeries>,
}

impl CallDurations {
    pub(super) const fn new(series: Arc<AllSeries>) -> Self {
        Self { series }
    }
}

impl Observer for CallDurations {
    fn observe(&self, name: Option<&str>, event: &Event) {
        let Event::Settled {
            outcome,
            latency: Some(latency),
        } = event
        else {
            return;
        };
        if *outcome != Outcome::Cancelled {
            self.series.record(name.unwrap_or_default(), *latency);
        }
    }
}
