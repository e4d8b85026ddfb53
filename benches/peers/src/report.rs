//! Rows, as JSON and as a table.

use std::{fs, io, path::Path};

use serde::Serialize;

/// One line of the result. Which numbers it has depends on what it is about.
#[derive(Clone, Debug, Default, Serialize)]
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

/// Writes one JSON array, a row on each line.
pub(crate) fn write(rows: &[Row], path: &Path) -> io::Result<()> {
    let lines: Result<Vec<String>, _> = rows.iter().map(serde_json::to_string).collect();
    fs::write(path, format!("[\n{}\n]\n", lines?.join(",\n")))
}

/// Prints the heading of a case.
pub(crate) fn print_heading(case: &str) {
    println!("\n{case}");
    println!(
        "    {:<22} {:>7} {:>10} {:>10} {:>8} {:>7} {:>7}",
        "subject", "threads", "ns median", "ns min", "x bare", "allocs", "instr."
    );
}

/// Prints a row of a case.
pub(crate) fn print(row: &Row) {
    let note = row.note.as_deref().unwrap_or("");
    let Some(median) = row.ns_median else {
        println!("    {:<22} {:>7} {note}", row.subject, "-");
        return;
    };
    println!(
        "    {:<22} {:>7} {:>10} {:>10} {:>8} {:>7} {:>7} {note}",
        row.subject,
        shown(row.threads),
        fixed(Some(median)),
        fixed(row.ns_min),
        fixed(row.ratio),
        shown(row.allocs),
        shown(row.instructions),
    );
}

/// Prints the heading of the memory table.
pub(crate) fn print_memory_heading(case: &str) {
    println!("\n{case}, bytes per instance");
    println!(
        "    {:<22} {:>9} {:>8} {:>10} {:>10}",
        "subject", "instances", "inline", "heap idle", "heap busy"
    );
}

/// Prints a row of the memory table.
pub(crate) fn print_memory(row: &Row) {
    println!(
        "    {:<22} {:>9} {:>8} {:>10} {:>10} {}",
        row.subject,
        shown(row.instances),
        shown(row.inline_bytes),
        shown(row.idle_bytes),
        shown(row.busy_bytes),
        row.note.as_deref().unwrap_or(""),
    );
}

fn shown<T: ToString>(number: Option<T>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}

fn fixed(number: Option<f64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| format!("{number:.1}"))
}
