//! Layers of settings over each other: values with tables as objects, and none as a word.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Origin;
use crate::{pipeline::Settings, settings::SettingsError};

/// Lays `over` over `under`, field by field. A table over none is that table; the rest of it has its
/// defaults.
pub(super) fn merge(under: &mut Value, over: &Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                match under.get_mut(key) {
                    Some(under) => merge(under, value),
                    None => drop(under.insert(key.clone(), value.clone())),
                }
            }
        }
        (under, over) => *under = over.clone(),
    }
}

/// Reads what the layers have come to. Each value was checked by itself, so that all that can be wrong is a
/// table that only some of its keys were given for, and has no defaults for the others.
pub(super) fn complete(merged: &Value) -> Result<Settings, SettingsError> {
    Settings::deserialize(merged).map_err(|error| {
        let slow_calls = merged.pointer("/circuit_breaker/slow_calls");
        let given = slow_calls.map(ToString::to_string).unwrap_or_default();
        let field = "circuit_breaker.slow_calls";
        SettingsError::new(
            field,
            format_args!("{given}"),
            format!("both of its keys ({error})"),
        )
    })
}

/// What a layer says about a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// What it is.
    Value,
    /// That there is nothing there: the table of the field is none, which hides the layers below.
    NoTable,
    Nothing,
}

/// Returns what a layer says about the field at a path such as `queue.length`.
pub(super) fn says(layer: &Value, path: &str) -> Says {
    let mut here = layer;
    for key in path.split('.') {
        here = match here {
            Value::Object(table) => match table.get(key) {
                Some(below) => below,
                None => return Says::Nothing,
            },
            _ => return Says::NoTable,
        };
    }
    // The field was none, and a table over it made it one.
    match here {
        Value::Object(_) => Says::Nothing,
        _ => Says::Value,
    }
}

/// The value of one field of one pipeline, and who says so.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EffectiveSetting {
    pub(super) path: String,
    pub(super) value: Value,
    pub(super) origin: Origin,
}

impl EffectiveSetting {
    /// Returns the path of the field, such as `circuit_breaker.failure_rate`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the value as it is written in a file, such as `"250ms"`, `0.5` or `"none"`.
    #[must_use]
    pub fn value(&self) -> String {
        self.value.to_string()
    }

    /// Returns who says so.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }
}

/// `timeout = "250ms"  # defaults`.
impl Display for EffectiveSetting {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            value,
            origin,
        } = self;
        write!(f, "{path} = {value}  # {origin}")
    }
}
