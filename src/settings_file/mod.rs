//! Settings of many pipelines in one file.

mod error;
mod file;
mod overlay;
mod parse;
mod pending;
mod place;

pub use self::{
    error::FileError,
    file::SettingsFile,
    overlay::{EffectiveSetting, Origin},
};
