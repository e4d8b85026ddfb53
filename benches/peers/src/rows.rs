//! Rows: what a run has found, as JSON and to look up.

use std::{fs, path::Path};

use serde::{Deserialize, Serialize};

/// One line of the result. Which numbers it has depends on what it is about.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) case: String,
    pub(crate) subject: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) threads: Option<usize>,
    /// Nanoseconds per call and thread.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ns_median: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ns_min: Option<f64>,
    /// Whether enough rounds were left alone by the rest of the machine. If not, several threads did
    /// not really run at the same time, and look better than they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) quiet: Option<bool>,
    /// Medians, to the bare service on as many threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ratio: Option<f64>,
    /// Per call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) allocs: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) instructions: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) instances: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) inline_bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) idle_bytes: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) busy_bytes: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
}

/// The case of the rows that say where and with what was measured: they have a subject and a note.
pub(crate) const MACHINE: &str = "machine";

impl Row {
    pub(crate) fn new(case: &str, subject: &str) -> Self {
        Self {
            case: case.to_owned(),
            subject: subject.to_owned(),
            ..Self::default()
        }
    }
}

/// Writes one JSON array, a row on each line.
pub(crate) fn write(rows: &[Row], path: &Path) -> Result<(), String> {
    let lines: Result<Vec<String>, _> = rows.iter().map(serde_json::to_string).collect();
    let lines = lines.map_err(|error| error.to_string())?;
    fs::write(path, format!("[\n{}\n]\n", lines.join(",\n")))
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// Reads what [`write`] has written.
pub(crate) fn read(path: &Path) -> Result<Vec<Row>, String> {
    let complain = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = fs::read_to_string(path).map_err(|error| complain(&error))?;
    serde_json::from_str(&text).map_err(|error| complain(&error))
}

/// Rows, to look up.
pub(crate) struct Rows<'a> {
    rows: &'a [Row],
    /// The largest number of threads.
    pub(crate) all: usize,
}

impl<'a> Rows<'a> {
    pub(crate) fn new(rows: &'a [Row]) -> Self {
        let all = rows.iter().filter_map(|row| row.threads).max().unwrap_or(1);
        Self { rows, all }
    }

    fn find(&self, case: &str, subject: &str, is: impl Fn(&Row) -> bool) -> Option<&'a Row> {
        let mut rows = self.rows.iter();
        rows.find(|row| row.case == case && row.subject == subject && is(row))
    }

    pub(crate) fn row(&self, case: &str, subject: &str, threads: usize) -> Option<&'a Row> {
        self.find(case, subject, |row| row.threads == Some(threads))
    }

    pub(crate) fn ns(&self, case: &str, subject: &str, threads: usize) -> Option<f64> {
        let row = self.row(case, subject, threads)?;
        // Threads that took turns say nothing about contention.
        let tells = threads == 1 || row.quiet == Some(true);
        row.ns_median.filter(|_| tells)
    }

    /// What is above the bare service.
    pub(crate) fn own(&self, case: &str, subject: &str, threads: usize) -> Option<f64> {
        Some(self.ns(case, subject, threads)? - self.ns(case, "bare", threads)?)
    }

    pub(crate) fn instructions(&self, case: &str, subject: &str) -> Option<f64> {
        let row = self.find(case, subject, |row| row.instructions.is_some())?;
        Some(row.instructions? as f64)
    }

    pub(crate) fn allocs(&self, case: &str, subject: &str) -> Option<f64> {
        self.find(case, subject, |row| row.allocs.is_some())?.allocs
    }

    pub(crate) fn memory(&self, case: &str, subject: &str, instances: usize) -> Option<&'a Row> {
        self.find(case, subject, |row| row.instances == Some(instances))
    }

    /// Returns what is said of the machine.
    pub(crate) fn machine(&self, what: &str) -> Option<&'a str> {
        self.find(MACHINE, what, |_| true)?.note.as_deref()
    }
}
