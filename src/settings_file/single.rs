//! What is laid over the settings of one pipeline.

use std::{
    any::Any,
    fmt::{self, Formatter},
    sync::Arc,
};

use serde::{Deserialize, Deserializer, de::DeserializeSeed};
use serde_json::Value;

use super::{
    FileError, Origin,
    overlay::{Says, complete, merge, says},
    parse,
    place::{Fields, Place, written},
};
use crate::{pipeline::Settings, registry::SettingsSource, settings::SettingsError};

/// Some fields of a pipeline's settings, as a [file](super) has them for one pipeline, to be laid over what others
/// say.
///
/// As an [order](crate::registry::Order::Settings) it goes over the one before it, as if both had been one order in
/// which the later word counts.
///
/// ```
/// use portcullis::{
///     pipeline::Pipeline,
///     registry::{Order, Registry},
///     settings_file::Overlay,
/// };
///
/// let registry = Registry::new();
/// let inventory = registry.register(Pipeline::builder("inventory"))?;
/// let patience = Overlay::from_json(r#"{"timeout": "5s", "bulkhead": {"limit": 20}}"#)?;
/// let applied = registry.order("inventory", &Order::settings(patience), "alice")?;
/// assert_eq!(applied.changed(), ["timeout", "bulkhead.limit"]);
/// assert_eq!(inventory.bulkhead().limit(), 20);
///
/// registry.order("inventory", &Order::ReleaseSettings, "alice")?;
/// assert_eq!(inventory.bulkhead().limit(), 100);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Overlay {
    fields: Value,
    /// A source of another kind that this was laid over.
    under: Option<Arc<dyn SettingsSource>>,
}

impl Overlay {
    /// Reads TOML.
    ///
    /// # Errors
    ///
    /// Those of [`SettingsFile::from_toml`](super::SettingsFile::from_toml).
    pub fn from_toml(text: &str) -> Result<Self, FileError> {
        parse::overlay_from_toml(text).map(Self::of)
    }

    /// Reads JSON.
    ///
    /// # Errors
    ///
    /// Those of [`SettingsFile::from_json`](super::SettingsFile::from_json).
    pub fn from_json(text: &str) -> Result<Self, FileError> {
        parse::overlay_from_json(text).map(Self::of)
    }

    const fn of(fields: Value) -> Self {
        let under = None;
        Self { fields, under }
    }
}

impl SettingsSource for Overlay {
    fn settings(&self, name: &str, code: &Settings) -> Result<Settings, SettingsError> {
        let below = self.under.as_ref();
        let below = below.map_or_else(|| Ok(code.clone()), |under| under.settings(name, code))?;
        let mut merged = written(&below);
        merge(&mut merged, &self.fields);
        let settings = complete(&merged)?;
        settings.check().map(|()| settings)
    }

    fn origin(&self, name: &str, field: &str) -> Option<Origin> {
        match says(&self.fields, field) {
            Says::Value => Some(Origin::Source),
            Says::NoTable => Some(Origin::LibraryDefault),
            Says::Nothing => self.under.as_ref()?.origin(name, field),
        }
    }

    fn over(&self, earlier: &Arc<dyn SettingsSource>) -> Option<Arc<dyn SettingsSource>> {
        let any: &dyn Any = &**earlier;
        let both = match any.downcast_ref::<Self>() {
            Some(earlier) => {
                let mut both = earlier.clone();
                merge(&mut both.fields, &self.fields);
                both
            }
            None => Self {
                under: Some(Arc::clone(earlier)),
                ..self.clone()
            },
        };
        Some(Arc::new(both))
    }
}

/// With the checks, and the errors, of [`from_json`](Overlay::from_json).
impl<'de> Deserialize<'de> for Overlay {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let fields = Fields::new();
        Place::overlay(&fields).deserialize(from).map(Self::of)
    }
}

impl fmt::Debug for Overlay {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Overlay").field(&self.fields).finish()
    }
}
