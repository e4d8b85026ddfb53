//! Rows, for a person who waits for them.

use crate::rows::Row;

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
    let disturbed = match row.quiet {
        Some(false) => "(few undisturbed rounds)",
        Some(true) | None => "",
    };
    let Some(median) = row.ns_median else {
        println!("    {:<22} {:>7} {note}", row.subject, "-");
        return;
    };
    println!(
        "    {:<22} {:>7} {:>10} {:>10} {:>8} {:>7} {:>7} {note}{disturbed}",
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
