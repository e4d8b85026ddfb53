//! A file as a value: what it says about each pipeline.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde_json::Value;

use super::{
    EffectiveSetting, FileError, Origin,
    effective::Layered,
    overlay::{Says, complete, merge, says},
    parse,
    place::written,
};
use crate::{
    pipeline::Settings,
    registry::{Pattern, SettingsSource},
    settings::SettingsError,
};

/// The settings of many pipelines, as a file gives them. See the [module docs](super) for what is in it.
///
/// The default is an empty file, which leaves everything as the code has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SettingsFile {
    defaults: Value,
    /// From the weakest to the strongest.
    patterns: Vec<(Pattern, Value)>,
    names: BTreeMap<String, Value>,
}

impl SettingsFile {
    /// Reads TOML.
    ///
    /// # Errors
    ///
    /// What is no TOML, unknown keys, and values that no setting can have, with their line.
    pub fn from_toml(text: &str) -> Result<Self, FileError> {
        parse::from_toml(text).map(Self::of)
    }

    /// Reads JSON.
    ///
    /// # Errors
    ///
    /// What is no JSON, unknown or repeated keys, and values that no setting can have, with their line.
    pub fn from_json(text: &str) -> Result<Self, FileError> {
        parse::from_json(text).map(Self::of)
    }

    /// Reads a file whose name ends in `.toml` or `.json`, and waits for the disk. A
    /// [`FileSource`](super::FileSource) looks at it again and again.
    ///
    /// # Errors
    ///
    /// Those of [`from_toml`](Self::from_toml) and [`from_json`](Self::from_json), another ending, and a
    /// file that is not there or cannot be read.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, FileError> {
        let path = path.as_ref();
        let text = std::fs::read(path).map_err(|error| FileError::new(error.to_string()));
        text.and_then(|bytes| Self::of_bytes(&bytes, path))
            .map_err(|error| error.in_file(path))
    }

    pub(super) fn of_bytes(bytes: &[u8], path: &Path) -> Result<Self, FileError> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            FileError::new(format!("not UTF-8 from byte {} on", error.valid_up_to()))
        })?;
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("toml") => Self::from_toml(text),
            Some("json") => Self::from_json(text),
            _ => Err(FileError::new(
                "the name ends neither in .toml nor in .json",
            )),
        }
    }

    /// Takes apart what was checked when it was parsed.
    pub(super) fn of(mut parsed: Value) -> Self {
        let mut take = |part: &str| parsed.get_mut(part).map(Value::take).unwrap_or_default();
        let mut file = Self {
            defaults: take("defaults"),
            ..Self::default()
        };
        if let Value::Object(pipelines) = take("pipelines") {
            for (name, overlay) in pipelines {
                if name.contains('*') {
                    file.patterns.push((Pattern::new(name), overlay));
                } else {
                    file.names.insert(name, overlay);
                }
            }
        }
        let strength = |pattern: &Pattern| (pattern.literal_len(), pattern.clone());
        file.patterns
            .sort_by_cached_key(|(pattern, _)| strength(pattern));
        file
    }

    /// Returns every field of the pipeline of this name with its value and who gave it, given the settings
    /// of the code. A part that is switched off, such as a queue, is one field, which is none.
    ///
    /// What was set by hand, on the pipeline itself, is not among them, and what was
    /// [kept](crate::settings::Applied::kept) is as the file has it: see [`effective`](super::effective()) for what
    /// is in force.
    ///
    /// # Errors
    ///
    /// Those of [`settings`](SettingsSource::settings).
    ///
    /// # Examples
    ///
    /// ```
    /// use portcullis::{pipeline::Settings, settings_file::{Origin, SettingsFile}};
    ///
    /// let file = SettingsFile::from_toml("defaults.timeout = '250ms'")?;
    /// let fields = file.effective("inventory", &Settings::default())?;
    /// let timeout = fields.iter().find(|field| field.path() == "timeout").unwrap();
    /// assert_eq!((timeout.value().as_str(), timeout.origin()), ("\"250ms\"", &Origin::Defaults));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn effective(
        &self,
        name: &str,
        code: &Settings,
    ) -> Result<Vec<EffectiveSetting>, SettingsError> {
        let layered = Layered::of_code(code).with(name, self, &Origin::Source)?;
        Ok(layered.into_fields())
    }

    /// Returns the names and patterns in the file that match none of these names: slips, or pipelines that are
    /// yet to be made.
    #[must_use]
    pub fn unmatched<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Vec<String> {
        let names: BTreeSet<_> = names.into_iter().collect();
        let patterns = self.patterns.iter().map(|(pattern, _)| pattern);
        let patterns = patterns.filter(|pattern| !names.iter().any(|name| pattern.matches(name)));
        let exact = self.names.keys();
        let exact = exact.filter(|exact| !names.contains(exact.as_str()));
        exact
            .cloned()
            .chain(patterns.map(|pattern| pattern.as_str().to_owned()))
            .collect()
    }

    /// Writes the file as TOML.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let patterns = self.patterns.iter();
        let patterns = patterns.map(|(pattern, overlay)| (pattern.as_str(), overlay));
        let names = self.names.iter().map(|(name, overlay)| (&**name, overlay));
        let pipelines = patterns.chain(names);
        let pipelines = pipelines.map(|(name, overlay)| (name.to_owned(), overlay.clone()));
        let pipelines = Value::Object(pipelines.collect());
        let parts = [
            ("defaults", self.defaults.clone()),
            ("pipelines", pipelines),
        ];
        let parts = parts.into_iter().filter(|(_, part)| says_something(part));
        let file: BTreeMap<_, _> = parts.collect();
        toml::to_string(&file).expect("tables, words and numbers, as TOML has them")
    }

    /// Returns what has a say about the pipeline of this name, from the weakest to the strongest.
    fn layers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (Origin, &'a Value)> {
        let defaults = Some((Origin::Defaults, &self.defaults)).into_iter();
        let matching = self
            .patterns
            .iter()
            .filter(|(pattern, _)| pattern.matches(name));
        let matching = matching
            .map(|(pattern, overlay)| (Origin::Pattern(pattern.as_str().to_owned()), overlay));
        let exact = self.names.get(name).map(|overlay| (Origin::Name, overlay));
        let layers = defaults.chain(matching).chain(exact);
        layers.filter(|(_, overlay)| says_something(overlay))
    }

    fn merged(&self, name: &str, code: &Settings) -> Value {
        let mut merged = written(code);
        for (_, overlay) in self.layers(name) {
            merge(&mut merged, overlay);
        }
        merged
    }
}

/// For [`Registry::apply`](crate::registry::Registry::apply).
impl SettingsSource for SettingsFile {
    /// Returns the settings of the pipeline of this name: those of the code, and over them what the file
    /// says.
    ///
    /// # Errors
    ///
    /// The first setting that is out of its range now that all layers are over each other, by its path.
    fn settings(&self, name: &str, code: &Settings) -> Result<Settings, SettingsError> {
        code.check()?;
        if self.layers(name).next().is_none() {
            return Ok(code.clone());
        }
        let settings = complete(&self.merged(name, code))?;
        settings.check().map(|()| settings)
    }

    fn origin(&self, name: &str, field: &str) -> Option<Origin> {
        let layers: Vec<_> = self.layers(name).collect();
        let mut said = layers.into_iter().rev();
        said.find_map(|(origin, overlay)| match says(overlay, field) {
            Says::Value => Some(origin),
            Says::NoTable => Some(Origin::LibraryDefault),
            Says::Nothing => None,
        })
    }
}

fn says_something(part: &Value) -> bool {
    part.as_object().is_some_and(|table| !table.is_empty())
}
