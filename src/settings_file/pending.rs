//! Stand-ins for what other branches bring.

use crate::{
    pipeline::{Pipeline, Settings},
    settings::SettingsError,
};

/// To be `Settings::check` of branch live.
pub(super) fn check(settings: &Settings) -> Result<(), SettingsError> {
    Pipeline::builder("")
        .settings(settings.clone())
        .build()
        .map(drop)
}
