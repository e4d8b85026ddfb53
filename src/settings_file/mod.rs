//! Settings of many pipelines in one file.

mod error;
mod file;
mod overlay;
mod parse;
mod pending;
mod place;
mod source;

pub use self::{
    error::FileError,
    file::SettingsFile,
    overlay::{EffectiveSetting, Origin},
    source::{FileEvent, FileSource, FileStatus},
};

/// A JSON Schema (draft 2020-12) of the file, for editors and for checks before it is shipped.
///
/// It does not know how long durations may be, nor what only settings together rule out.
pub const SCHEMA: &str = include_str!("schema.json");

#[cfg(all(test, not(portcullis_loom)))]
mod schema_tests;
