//! What the page shows of one circuit when it is asked to.

use serde::Serialize;
use serde_json::Value;

use crate::{
    event::Entry,
    pipeline::{Control, Snapshot},
    registry::Registry,
    settings_file::{EffectiveSetting, effective},
    window::Bucket,
};

#[derive(Serialize)]
pub(super) struct Details {
    snapshot: Snapshot,
    settings: Vec<Value>,
    events: Vec<Entry>,
    histogram: Vec<Bucket>,
    /// For Mermaid.
    diagram: String,
}

impl Details {
    pub(super) fn of(registry: &Registry, control: &Control) -> Self {
        let snapshot = control.snapshot();
        // None of a pipeline that has just been removed.
        let settings = effective(registry, control.name()).unwrap_or_default();
        Self {
            settings: settings.iter().map(written).collect(),
            events: control.events(),
            histogram: control.latency_histogram(),
            diagram: control.diagram().mermaid(),
            snapshot,
        }
    }
}

/// Writes a setting with its origin in words.
fn written(setting: &EffectiveSetting) -> Value {
    let mut written = serde_json::to_value(setting).expect("settings are plain values");
    written["origin"] = setting.origin().to_string().into();
    written
}
