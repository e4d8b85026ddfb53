//! Where in a file one is: what may stand there, and whether it does.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    bulkhead,
    circuit_breaker::{self, Window},
    or_none::NONE,
    pipeline::Settings,
};

/// The fields of settings, as they are written: tables are objects, and what is not is a value.
///
/// They are those of [`Settings`], which is therefore the only list of them there is. Each optional table
/// is there. A value is checked alone by putting it among these, which contradict nothing: whether it
/// contradicts its neighbours is only known when all overlays of a pipeline are merged.
#[derive(Debug)]
pub(super) struct Fields(Value);

impl Fields {
    pub(super) fn new() -> Self {
        let breaker = circuit_breaker::Settings::default()
            .window(Window::Over(Duration::from_secs(3_600)))
            .buckets(1)
            .minimum_calls(1)
            .open_for(Duration::from_millis(1))
            .slow_calls(Duration::from_secs(1), 1.0);
        let settings = Settings::default()
            .queue(bulkhead::QueueSettings::default())
            .circuit_breaker(breaker);
        Self(written(&settings))
    }
}

#[cfg(all(test, not(portcullis_loom)))]
impl Fields {
    pub(super) const fn value(&self) -> &Value {
        &self.0
    }
}

/// Returns settings as they stand in a file.
pub(super) fn written(settings: &Settings) -> Value {
    serde_json::to_value(settings).expect("settings are words, numbers and tables")
}

/// A place in a file.
#[derive(Clone, Debug)]
pub(super) struct Place<'a> {
    fields: &'a Fields,
    /// The way from the root of the file, for people.
    path: String,
    level: Level<'a>,
}

#[derive(Clone, Debug)]
enum Level<'a> {
    File,
    Pipelines,
    /// In the settings of the overlay, by a JSON pointer (RFC 6901), with what stands there in `fields`.
    Overlay {
        name: String,
        pointer: String,
        here: &'a Value,
    },
}

impl<'a> Level<'a> {
    const fn overlay(name: String, fields: &'a Fields) -> Self {
        Self::Overlay {
            name,
            pointer: String::new(),
            here: &fields.0,
        }
    }
}

/// What people call an overlay that stands in no file.
const SETTINGS: &str = "settings";
const DEFAULTS: &str = "defaults";
const PIPELINES: &str = "pipelines";

impl<'a> Place<'a> {
    pub(super) const fn root(fields: &'a Fields) -> Self {
        Self {
            fields,
            path: String::new(),
            level: Level::File,
        }
    }

    /// The settings of one pipeline, without a file around them.
    pub(super) fn overlay(fields: &'a Fields) -> Self {
        Self {
            fields,
            path: SETTINGS.to_owned(),
            level: Level::overlay(SETTINGS.to_owned(), fields),
        }
    }

    pub(super) fn path(&self) -> &str {
        match self.path.as_str() {
            "" => "the file",
            path => path,
        }
    }

    /// Returns whether a table stands here, or may.
    pub(super) fn is_table(&self) -> bool {
        match &self.level {
            Level::File | Level::Pipelines => true,
            Level::Overlay { here, .. } => here.is_object(),
        }
    }

    /// Returns the place of a key, if there is such a key.
    pub(super) fn below(&self, key: &str) -> Option<Self> {
        let overlay = |name| Level::overlay(name, self.fields);
        let path = match self.path.as_str() {
            "" => key.to_owned(),
            path => format!("{path}.{}", quoted(key)),
        };
        let level = match &self.level {
            Level::File if key == DEFAULTS => overlay(path.clone()),
            Level::File if key == PIPELINES => Level::Pipelines,
            Level::File => return None,
            Level::Pipelines => overlay(path.clone()),
            Level::Overlay {
                name,
                pointer,
                here,
            } => Level::Overlay {
                name: name.clone(),
                pointer: format!("{pointer}/{key}"),
                here: here.get(key)?,
            },
        };
        Some(Self {
            fields: self.fields,
            path,
            level,
        })
    }

    /// Says that there is no such key, and which may be meant.
    pub(super) fn unknown(&self, key: &str) -> String {
        let keys = match &self.level {
            Level::File => vec![DEFAULTS.to_owned(), PIPELINES.to_owned()],
            Level::Pipelines => Vec::new(),
            Level::Overlay { here, .. } => paths_below(here),
        };
        let hint = match nearest(key, &keys) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => {
                let here: Vec<_> = keys.into_iter().filter(|key| !key.contains('.')).collect();
                format!("there are: {}", here.join(", "))
            }
        };
        format!("unknown key `{key}` in {}; {hint}", self.path())
    }

    /// Checks what is said here, as far as it can be checked alone.
    pub(super) fn check(&self, value: &Value) -> Result<(), String> {
        let Level::Overlay { name, pointer, .. } = &self.level else {
            return Err(self.is_no_table(value, ""));
        };
        let trial = |value| {
            let mut trial = self.fields.0.clone();
            *trial.pointer_mut(pointer).expect("it was found there") = value;
            Settings::deserialize(&trial)
        };
        let settings = trial(value.clone()).map_err(|error| {
            if !self.is_table() {
                return format!("{} is not right: {error}", self.path());
            }
            let may_be_none = trial(Value::from(NONE)).is_ok();
            self.is_no_table(value, if may_be_none { " and \"none\"" } else { "" })
        })?;
        settings
            .check()
            .map_err(|error| error.within(name).to_string())
    }

    fn is_no_table(&self, value: &Value, or_none: &str) -> String {
        format!("{} is {value}; allowed: tables{or_none}", self.path())
    }
}

/// Returns the paths of all that is in a table, the near ones first.
pub(super) fn paths_below(table: &Value) -> Vec<String> {
    let fields: Vec<_> = table
        .as_object()
        .map(Map::iter)
        .into_iter()
        .flatten()
        .collect();
    let near = fields.iter().map(|(key, _)| (*key).clone());
    let far = fields.iter().flat_map(|(key, value)| {
        let paths = paths_below(value).into_iter();
        paths.map(move |path| format!("{key}.{path}"))
    });
    near.chain(far).collect()
}

/// Returns the path with the most similar last word, the first one of equals.
fn nearest<'k>(key: &str, paths: &'k [String]) -> Option<&'k str> {
    let similarity = |path: &str| {
        let word = path.rsplit('.').next().unwrap_or(path);
        // Half of a name, such as `breaker`, is not similar by letters.
        match key.len() > 3 && word.contains(key) {
            true => 0.95,
            false => strsim::jaro_winkler(key, word),
        }
    };
    paths
        .iter()
        .map(|path| (similarity(path), path.as_str()))
        // Below that are words that begin alike and have nothing else in common.
        .filter(|(similarity, _)| *similarity > 0.8)
        .reduce(|best, other| if other.0 > best.0 { other } else { best })
        .map(|(_, path)| path)
}

/// Returns a key as it is written in TOML.
fn quoted(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !key.is_empty() && key.chars().all(bare) {
        key.to_owned()
    } else {
        format!("{key:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_a_key_is_understood() {
        let fields = Fields::new();
        let overlay = Place::root(&fields).below(DEFAULTS).unwrap();
        let breaker = overlay.below("circuit_breaker").unwrap();
        for (place, key, meant) in [
            (&overlay, "time_out", "`timeout`"),
            (&overlay, "timeot", "`timeout`"),
            (&overlay, "breaker", "`circuit_breaker`"),
            (&overlay, "failure_rate", "`circuit_breaker.failure_rate`"),
            (&overlay, "limit", "`bulkhead.limit`"),
            (&breaker, "failure-rate", "`failure_rate`"),
            (&breaker, "half_open", "`half_open_for`"),
            (&Place::root(&fields), "default", "`defaults`"),
            (&Place::root(&fields), "pipeline", "`pipelines`"),
        ] {
            let said = place.unknown(key);
            assert!(said.contains(&format!("did you mean {meant}?")), "{said}");
        }
        let said = overlay.unknown("colour");
        assert!(
            said.ends_with("; there are: bulkhead, circuit_breaker, queue, timeout"),
            "{said}"
        );
    }

    #[test]
    fn values_that_contradict_each_other_are_checked_alone() {
        let fields = Fields::new();
        let overlay = Place::root(&fields).below(DEFAULTS).unwrap();
        let breaker = overlay.below("circuit_breaker").unwrap();
        let fits = |key: &str, value: Value| breaker.below(key).unwrap().check(&value);
        // With the other defaults, none of these would do.
        for (key, value) in [
            ("window", Value::from(5)),
            ("window", Value::from("1ms")),
            ("minimum_calls", Value::from(10_000)),
            ("buckets", Value::from(256)),
            ("open_for_max", Value::from("2s")),
            ("open_for", Value::from("365days")),
        ] {
            assert_eq!(fits(key, value), Ok(()), "{key}");
        }
    }
}
