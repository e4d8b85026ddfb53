//! What is wrong with a settings file.

use std::{
    error::Error,
    fmt,
    path::{Path, PathBuf},
};

/// A settings file cannot be read, or says what it may not: what, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError {
    file: Option<PathBuf>,
    position: Option<(usize, usize)>,
    reason: String,
}

impl FileError {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self {
            file: None,
            position: None,
            reason: reason.into(),
        }
    }

    pub(super) fn of_toml(error: &toml::de::Error, text: &str) -> Self {
        let position = error.span().map(|span| {
            let before = text.get(..span.start).unwrap_or(text);
            let line = before.rsplit('\n').next().unwrap_or_default();
            (before.matches('\n').count() + 1, line.chars().count() + 1)
        });
        Self {
            position,
            ..Self::new(error.message())
        }
    }

    pub(crate) fn of_json(error: &serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        let reason = error.to_string();
        // It says so at the end, where we say it at the beginning.
        let said = format!(" at line {line} column {column}");
        Self {
            position: (line > 0).then_some((line, column.max(1))),
            ..Self::new(reason.strip_suffix(&said).unwrap_or(&reason))
        }
    }

    pub(super) fn in_file(self, file: &Path) -> Self {
        Self {
            file: Some(file.to_owned()),
            ..self
        }
    }

    /// Returns the file, unless a text was read.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Returns the line, from 1, if the fault has one.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        self.position.map(|(line, _)| line)
    }

    /// Returns the column, from 1, if the fault has one: in TOML where it begins, in characters, and in JSON
    /// where it ends, in bytes.
    #[must_use]
    pub fn column(&self) -> Option<usize> {
        self.position.map(|(_, column)| column)
    }

    /// Returns what is wrong, without the place.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// `settings.toml:3:1: unknown key …`, as compilers write it and editors read it.
impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}:", file.display())?;
        }
        if let Some((line, column)) = self.position {
            write!(f, "{line}:{column}:")?;
        }
        if self.file.is_some() || self.position.is_some() {
            f.write_str(" ")?;
        }
        f.write_str(&self.reason)
    }
}

impl Error for FileError {}
