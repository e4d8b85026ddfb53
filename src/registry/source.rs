//! Where settings come from, and what becomes of them.

use std::{any::Any, error::Error, fmt, sync::Arc};

use super::Origin;
use crate::{
    pipeline,
    settings::{Applied, SettingsError},
};

/// Says what settings a pipeline shall have.
///
/// It is asked about each pipeline that is there when it is [applied](super::Registry::apply), and about each
/// that comes later. Closures over the name and the code's settings are sources.
pub trait SettingsSource: Any + Send + Sync {
    /// Returns the settings of the pipeline called `name`, which are `code` by what the code says.
    ///
    /// # Errors
    ///
    /// Settings that cannot be had, by their field.
    fn settings(
        &self,
        name: &str,
        code: &pipeline::Settings,
    ) -> Result<pipeline::Settings, SettingsError>;

    /// Returns who, in this source, says what a field of the pipeline called `name` is, or none if nobody does, or
    /// it is not known. The field is a path, such as `circuit_breaker.failure_rate`.
    ///
    /// Default: none; what the source changes comes from it as a whole then.
    fn origin(&self, name: &str, field: &str) -> Option<Origin> {
        let _ = (name, field);
        None
    }

    /// Returns what says all that `earlier` says, and over it what this source says, if there can be such a source.
    /// An [order](super::Order::Settings) that follows another is laid over it so.
    ///
    /// Default: none; this source alone takes the place of the earlier one.
    fn over(&self, earlier: &Arc<dyn SettingsSource>) -> Option<Arc<dyn SettingsSource>> {
        let _ = earlier;
        None
    }
}

impl<F> SettingsSource for F
where
    F: Fn(&str, &pipeline::Settings) -> Result<pipeline::Settings, SettingsError>
        + Send
        + Sync
        + 'static,
{
    fn settings(
        &self,
        name: &str,
        code: &pipeline::Settings,
    ) -> Result<pipeline::Settings, SettingsError> {
        self(name, code)
    }
}

/// What new settings did to each pipeline.
#[derive(Clone, Debug, Default)]
pub struct ApplyReport {
    pub(super) applied: Vec<(String, Applied)>,
}

impl ApplyReport {
    /// Returns each pipeline by name, with the fields that changed and those that were kept.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Applied)> {
        self.applied
            .iter()
            .map(|(name, applied)| (&**name, applied))
    }

    /// Returns what became of one pipeline, if it was there.
    #[must_use]
    pub fn of(&self, name: &str) -> Option<&Applied> {
        self.iter()
            .find_map(|(known, applied)| (known == name).then_some(applied))
    }
}

/// New settings were refused, and nothing changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplyError {
    pub(super) refused: Vec<(String, SettingsError)>,
}

impl ApplyError {
    /// Returns all pipelines that cannot have their settings, by name, each with the first field that is
    /// wrong.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &SettingsError)> {
        self.refused.iter().map(|(name, error)| (&**name, error))
    }
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (name, error)) in self.iter().enumerate() {
            let separator = if position == 0 { "" } else { "; " };
            write!(f, "{separator}{name}: {error}")?;
        }
        Ok(())
    }
}

impl Error for ApplyError {}

/// A pipeline, or a set of them, could not be registered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegisterError {
    /// Another pipeline has the name, or a set has names that begin like it.
    #[non_exhaustive]
    NameTaken {
        /// The name.
        name: String,
    },
    /// A setting is out of its range.
    #[non_exhaustive]
    Settings {
        /// The name.
        name: String,
        /// Which setting.
        error: SettingsError,
    },
}

impl RegisterError {
    pub(super) fn taken(name: &str) -> Self {
        Self::NameTaken {
            name: name.to_owned(),
        }
    }

    pub(super) fn settings(name: &str, error: SettingsError) -> Self {
        Self::Settings {
            name: name.to_owned(),
            error,
        }
    }
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameTaken { name } => write!(f, "the name {name} is taken"),
            Self::Settings { name, .. } => write!(f, "{name} has a wrong setting"),
        }
    }
}

impl Error for RegisterError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NameTaken { .. } => None,
            Self::Settings { error, .. } => Some(error),
        }
    }
}
