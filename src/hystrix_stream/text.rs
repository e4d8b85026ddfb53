//! The text of a tick.

use serde::Serialize;

use super::{Content, Settings, body::PING, config, metrics, view::View};
use crate::registry::Registry;

/// Writes what a tick says, as server-sent events; a comment if it says nothing.
pub(super) fn of(registry: &Registry, settings: &Settings) -> Vec<u8> {
    let mut text = Vec::new();
    let controls = registry.controls();
    let views = controls.iter().map(View::of);
    match settings.content {
        Content::Metrics => {
            for view in views {
                event(&mut text, &metrics::Command::of(&view, settings.states));
            }
        }
        Content::Config => {
            let views: Vec<View> = views.collect();
            event(&mut text, &config::Config::of(&views));
        }
    }
    if text.is_empty() {
        text.extend_from_slice(&PING);
    }
    text
}

/// JSON has no line breaks but escaped ones, so that a message is a line.
fn event(text: &mut Vec<u8>, message: &impl Serialize) {
    text.extend_from_slice(b"data: ");
    serde_json::to_writer(&mut *text, message).expect("messages are plain values");
    text.extend_from_slice(b"\n\n");
}
