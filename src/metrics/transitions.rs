//! Transitions of circuits by what they lead from and to, of which snapshots know the number of openings alone.

use std::{collections::HashMap, fmt, sync::Arc};

use metrics::Recorder;
use parking_lot::Mutex;

use super::{
    catalogue::{METADATA, TRANSITIONS},
    series::AllSeries,
    sheet::key,
};
use crate::event::{Event, Interest, Observer, State};

/// An observer that counts how circuits change their states, in `portcullis_circuit_transitions_total`.
///
/// It wants to be told of changes alone, so calls pay nothing for it. Clones are the same.
#[derive(Clone, Debug)]
pub struct CircuitTransitions {
    counted: Arc<Counted>,
}

/// What was counted since the beginning, so that a recorder that comes late is told of it.
pub(super) struct Counted {
    series: Arc<AllSeries>,
    totals: Mutex<Totals>,
}

/// By name, the state before and the state after.
type Totals = HashMap<(Arc<str>, State, State), u64>;

impl CircuitTransitions {
    pub(super) const fn new(counted: Arc<Counted>) -> Self {
        Self { counted }
    }
}

impl Observer for CircuitTransitions {
    fn observe(&self, name: Option<&str>, event: &Event) {
        if let Event::Transition { from, to, .. } = event {
            self.counted.count(name.unwrap_or_default(), *from, *to);
        }
    }

    fn interest(&self) -> Interest {
        Interest::Changes
    }
}

impl Counted {
    pub(super) fn new(series: Arc<AllSeries>) -> Self {
        Self {
            series,
            totals: Mutex::default(),
        }
    }

    fn count(&self, name: &str, from: State, to: State) {
        let name = self.series.name_for(name);
        *self.totals.lock().entry((name, from, to)).or_default() += 1;
    }

    /// Tells a recorder of the transitions that there were.
    pub(super) fn write(&self, recorder: &dyn Recorder) {
        let totals = self.totals.lock().clone();
        for ((name, from, to), total) in totals {
            let by = [("from", from.as_str()), ("to", to.as_str())];
            let key = key(&TRANSITIONS, &name, &by);
            recorder.register_counter(&key, &METADATA).absolute(total);
        }
    }
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counted").finish_non_exhaustive()
    }
}
