//! Stands for what the branch `live` brings.

use crate::{
    pipeline::{self, Control, Pipeline},
    settings::SettingsError,
};

/// What became of new settings, field by field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    changed: Vec<String>,
    kept: Vec<String>,
}

impl Applied {
    /// Returns the fields that changed.
    #[must_use]
    pub fn changed(&self) -> &[String] {
        &self.changed
    }

    /// Returns the fields that stay as they were.
    #[must_use]
    pub fn kept(&self) -> &[String] {
        &self.kept
    }
}

pub(super) fn check(settings: &pipeline::Settings) -> Result<(), SettingsError> {
    Pipeline::builder("checked")
        .settings(settings.clone())
        .build()
        .map(drop)
}

pub(super) fn apply(
    control: &Control,
    settings: &pipeline::Settings,
) -> Result<Applied, SettingsError> {
    check(settings)?;
    let mut applied = Applied::default();
    let limit = settings
        .bulkhead
        .map_or(u32::MAX, |bulkhead| bulkhead.limit);
    if control.bulkhead().limit() != limit {
        control.bulkhead().set_limit(limit);
        applied.changed.push("bulkhead.limit".into());
    }
    Ok(applied)
}
