//! Pipelines by name.

mod handle;
mod index;
mod pattern;
mod source;
mod until_live;

pub use self::{
    handle::Registry,
    pattern::Pattern,
    source::{ApplyError, ApplyReport, RegisterError, SettingsSource},
    until_live::Applied,
};
