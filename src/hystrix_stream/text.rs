//! The text of a tick.

use super::{Content, Settings, config, metrics, view::View};
use crate::{event_stream::event, registry::Registry};

/// Writes what a tick says, as server-sent events.
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
    text
}
