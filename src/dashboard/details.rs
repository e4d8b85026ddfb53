//! What the page shows of one circuit when it is asked to.

use serde::Serialize;

use crate::{
    event::Entry,
    pipeline::{Control, Snapshot},
    window::Bucket,
};

#[derive(Serialize)]
pub(super) struct Details {
    snapshot: Snapshot,
    events: Vec<Entry>,
    histogram: Vec<Bucket>,
    /// For Mermaid.
    diagram: String,
}

impl Details {
    pub(super) fn of(control: &Control) -> Self {
        Self {
            snapshot: control.snapshot(),
            events: control.events(),
            histogram: control.latency_histogram(),
            diagram: control.diagram().mermaid(),
        }
    }
}
