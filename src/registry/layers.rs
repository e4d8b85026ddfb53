//! What has a say about settings above the code.

use std::sync::Arc;

use super::{Origin, Pattern, SettingsSource};
use crate::{pipeline::Settings, settings::SettingsError};

/// A layer of settings, with the origin of what it changes.
pub(super) type Layer = (Origin, Arc<dyn SettingsSource>);

/// The source, and over it what operators say.
#[derive(Clone, Default)]
pub(super) struct Layers {
    source: Option<Arc<dyn SettingsSource>>,
    /// Later ones are laid over earlier ones.
    overrides: Vec<(Pattern, Arc<dyn SettingsSource>)>,
    /// How often they have been replaced.
    version: u64,
}

impl Layers {
    #[must_use]
    pub(super) fn with_source(self, source: &Arc<dyn SettingsSource>) -> Self {
        Self {
            source: Some(Arc::clone(source)),
            ..self
        }
    }

    /// Replaces, or removes, the override of a pattern.
    #[must_use]
    pub(super) fn with_override(
        mut self,
        pattern: &Pattern,
        over: Option<Arc<dyn SettingsSource>>,
    ) -> Self {
        self.overrides.retain(|(known, _)| known != pattern);
        self.overrides
            .extend(over.map(|over| (pattern.clone(), over)));
        self
    }

    /// Lays a source over the override of a pattern, if the source can be laid over it, and replaces it otherwise.
    #[must_use]
    pub(super) fn with_addition(self, pattern: &Pattern, over: &Arc<dyn SettingsSource>) -> Self {
        let mut overrides = self.overrides.iter();
        let earlier = overrides.find_map(|(known, earlier)| (known == pattern).then_some(earlier));
        let both = earlier.and_then(|earlier| over.over(earlier));
        self.with_override(pattern, Some(both.unwrap_or_else(|| Arc::clone(over))))
    }

    /// Returns those about one pipeline, the weakest first.
    pub(super) fn of(&self, name: &str) -> Vec<Layer> {
        let source = self.source.iter();
        let source = source.map(|source| (Origin::Source, Arc::clone(source)));
        let matching = self.overrides.iter();
        let matching = matching.filter(|(pattern, _)| pattern.matches(name));
        source
            .chain(matching.map(|(_, over)| (Origin::Operator, Arc::clone(over))))
            .collect()
    }

    /// Takes the place of others, unless those were replaced since these were made of them. Returns those that are
    /// of no use any more, to be dropped without a lock.
    pub(super) fn replace(mut self, others: &mut Self) -> Result<Self, Self> {
        if self.version != others.version {
            return Err(self);
        }
        self.version += 1;
        Ok(std::mem::replace(others, self))
    }
}

/// Asks layer after layer, and checks what it comes to.
pub(super) fn settings_of(
    layers: &[Layer],
    name: &str,
    code: &Settings,
) -> Result<Settings, SettingsError> {
    let mut settings = code.clone();
    for (_, source) in layers {
        settings = source.settings(name, &settings)?;
    }
    settings.check().map(|()| settings)
}
