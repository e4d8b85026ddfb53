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
