//! Pipelines by name.

mod handle;
mod index;
mod keyed;
mod keyed_layer;
mod pattern;
mod source;

pub use self::{
    handle::Registry,
    keyed::{Evicted, Keyed},
    keyed_layer::{KeyedLayer, KeyedService},
    pattern::Pattern,
    source::{ApplyError, ApplyReport, RegisterError, SettingsSource},
};
