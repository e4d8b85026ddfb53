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

/// To be `registry::Pattern` of branch registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern(String);

impl Pattern {
    pub(super) fn new(pattern: &str) -> Self {
        Self(pattern.to_owned())
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        fn at(pattern: &[u8], name: &[u8]) -> bool {
            match pattern.split_first() {
                None => name.is_empty(),
                Some((b'*', rest)) => (0..=name.len()).any(|from| at(rest, &name[from..])),
                Some((first, rest)) => name.first() == Some(first) && at(rest, &name[1..]),
            }
        }
        at(self.0.as_bytes(), name.as_bytes())
    }

    pub(super) fn literal_len(&self) -> usize {
        self.0.chars().filter(|c| *c != '*').count()
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}
