//! Settings in layers: what they come to, and who says so.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    EffectiveSetting, Origin,
    place::{paths_below, written},
};
use crate::{
    bulkhead::QueueSettings,
    circuit_breaker::{self, Window},
    event::Mode,
    pipeline::Settings,
    registry::{Registry, SettingsSource},
    settings::SettingsError,
};

/// Returns every field of the settings that a pipeline of a registry has in force, with its value and who gave it,
/// or none if there is no such pipeline. A part that is switched off, such as a queue, is one field, which is none.
///
/// It does not matter what the registry has its settings from. What changes at the same moment may look as if it were
/// set by hand; what was [applied to the circuit breaker](crate::circuit_breaker::CircuitBreaker::apply) alone, past
/// the pipeline, is not among the fields.
///
/// # Examples
///
/// ```
/// use portcullis::{pipeline::Pipeline, registry::Registry, settings_file::{SettingsFile, effective}};
/// use std::sync::Arc;
///
/// let registry = Registry::new();
/// let inventory = registry.register(Pipeline::builder("inventory"))?;
/// let file = SettingsFile::from_toml("defaults = { timeout = '250ms', bulkhead.limit = 20 }")?;
/// registry.apply(Arc::new(file))?;
/// inventory.bulkhead().set_limit(5);
///
/// let fields = effective(&registry, "inventory").expect("it is registered");
/// let of = |path| fields.iter().find(|field| field.path() == path).map(ToString::to_string);
/// assert_eq!(of("timeout").unwrap(), "timeout = \"250ms\"  # defaults");
/// assert_eq!(of("bulkhead.limit").unwrap(), "bulkhead.limit = 5  # by hand");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn effective(registry: &Registry, name: &str) -> Option<Vec<EffectiveSetting>> {
    let control = registry.get(name)?;
    let mut layered = Layered::of_code(&registry.code_settings(name)?);
    for (origin, source) in registry.layers(name)? {
        // One that is refused says nothing about a pipeline that came after it.
        if let Ok(over) = layered.with(name, &*source, &origin) {
            layered = over;
        }
    }
    Some(layered.in_force(&control.settings_in_force(), control.ordered_mode()))
}

/// Layers of settings that are over each other.
pub(super) struct Layered {
    settings: Settings,
    fields: BTreeMap<String, Field>,
}

struct Field {
    value: Value,
    origin: Origin,
}

impl Layered {
    /// Begins with what the library and the code say.
    pub(super) fn of_code(code: &Settings) -> Self {
        let library = leaves(&Settings::default());
        let origin = |path: &str, value: &Value| match library.get(path) == Some(value) {
            true => Origin::LibraryDefault,
            false => Origin::Code,
        };
        Self::of(code, origin)
    }

    fn of(settings: &Settings, origin: impl Fn(&str, &Value) -> Origin) -> Self {
        let fields = leaves(settings).into_iter().map(|(path, value)| {
            let origin = origin(&path, &value);
            (path, Field { value, origin })
        });
        Self {
            fields: fields.collect(),
            settings: settings.clone(),
        }
    }

    /// Lays a source over them, whose fields come from `unsaid` where it does not know better.
    pub(super) fn with(
        &self,
        name: &str,
        source: &dyn SettingsSource,
        unsaid: &Origin,
    ) -> Result<Self, SettingsError> {
        let settings = source.settings(name, &self.settings)?;
        let tables = leaves(&Settings::default().queue(QueueSettings::default()));
        Ok(Self::of(&settings, |path, value| {
            match (source.origin(name, path), self.fields.get(path)) {
                (Some(Origin::LibraryDefault), _) => Origin::LibraryDefault,
                (Some(_), _) if *unsaid == Origin::Operator => Origin::Operator,
                (Some(said), _) => said,
                (None, Some(before)) if before.value == *value => before.origin.clone(),
                // In a table that was none until now.
                (None, None) if tables.get(path) == Some(value) => Origin::LibraryDefault,
                (None, _) => unsaid.clone(),
            }
        }))
    }

    /// Returns the fields of settings that may have been changed past the layers.
    fn in_force(&self, settings: &Settings, ordered: Option<Mode>) -> Vec<EffectiveSetting> {
        let is_ordered = ordered == Some(settings.circuit_breaker.mode);
        let origin = |path: &str, value: &Value| match self.fields.get(path) {
            _ if is_ordered && path == "circuit_breaker.mode" => Origin::Operator,
            Some(said) if said.value == *value => said.origin.clone(),
            _ if self.is_kept(path, &settings.circuit_breaker) => Origin::Kept,
            _ => Origin::ByHand,
        };
        Self::of(settings, origin).into_fields()
    }

    /// Returns whether a circuit does without what the layers say of a field, since it was built with another
    /// window.
    fn is_kept(&self, path: &str, built: &circuit_breaker::Settings) -> bool {
        match path {
            "circuit_breaker.window" | "circuit_breaker.buckets" => true,
            "circuit_breaker.minimum_calls" => {
                let minimum = self.settings.circuit_breaker.minimum_calls;
                matches!(built.window, Window::Last(calls) if calls < minimum)
            }
            _ => false,
        }
    }

    /// Returns the fields by their paths.
    pub(super) fn into_fields(self) -> Vec<EffectiveSetting> {
        let fields = self.fields.into_iter();
        let fields = fields.map(|(path, Field { value, origin })| EffectiveSetting {
            path,
            value,
            origin,
        });
        fields.collect()
    }
}

/// Returns what stands in settings that is no table, by its path.
fn leaves(settings: &Settings) -> BTreeMap<String, Value> {
    let written = written(settings);
    let paths = paths_below(&written).into_iter();
    let leaves = paths.filter_map(|path| {
        let value = written.pointer(&format!("/{}", path.replace('.', "/")))?;
        (!value.is_object()).then(|| (path, value.clone()))
    });
    leaves.collect()
}
