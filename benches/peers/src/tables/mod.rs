//! Tables in pages, made from the rows of a run.
//!
//! A table stands between two lines of its own, `<!-- table NAME -->` and `<!-- end of table -->`, and
//! nothing else on a page is touched.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::rows::{self, Rows};

mod comparison;
mod growth;
mod markdown;

/// What makes the text of a table.
type Make = fn(&Rows<'_>) -> String;

const TABLES: [(&str, Make); 10] = [
    ("machine", comparison::machine),
    ("time", comparison::time),
    ("work", comparison::work),
    ("threads", comparison::threads),
    ("memory", comparison::memory),
    ("budgets", growth::budgets),
    ("cores", growth::cores),
    ("keys", growth::keys),
    ("window", growth::window),
    ("traffic", growth::traffic),
];

const BEGIN: &str = "<!-- table ";
const END: &str = "<!-- end of table -->";

/// What becomes of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Write,
    Check,
}

/// Writes the tables of the pages anew, or checks that they are what the rows say.
///
/// # Errors
///
/// Names the page that cannot be read, has no tables, or is not what it should be.
pub(crate) fn update(from: &Path, pages: &[PathBuf], mode: Mode) -> Result<(), String> {
    let rows = rows::read(from)?;
    let rows = Rows::new(&rows);
    for path in pages {
        let complain = |error: String| format!("{}: {error}", path.display());
        let page = fs::read_to_string(path).map_err(|error| complain(error.to_string()))?;
        let updated = filled(&page, &rows).map_err(complain)?;
        match mode {
            Mode::Write if updated != page => {
                fs::write(path, updated).map_err(|error| complain(error.to_string()))?;
            }
            Mode::Write => {}
            Mode::Check => same(&page, &updated).map_err(|error| {
                complain(format!(
                    "{error}; it should be made from {}",
                    from.display()
                ))
            })?,
        }
    }
    Ok(())
}

/// Returns the page with its tables filled.
fn filled(page: &str, rows: &Rows<'_>) -> Result<String, String> {
    let mut filled = String::new();
    let mut tables = 0;
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        filled.push_str(line);
        filled.push('\n');
        let Some(rest) = line.strip_prefix(BEGIN) else {
            continue;
        };
        let name = rest.strip_suffix(" -->").unwrap_or(rest);
        let (_, make) = TABLES
            .iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| format!("there is no table `{name}`"))?;
        if !lines.any(|line| line == END) {
            return Err(format!("table `{name}` has no end: `{END}`"));
        }
        // Markdown wants an empty line between a comment and a table.
        filled.push_str(&format!("\n{}\n{END}\n", make(rows)));
        tables += 1;
    }
    if tables == 0 {
        return Err(format!("it has no table: no line begins with `{BEGIN}`"));
    }
    Ok(filled)
}

/// Names the first line that differs.
fn same(page: &str, updated: &str) -> Result<(), String> {
    if page == updated {
        return Ok(());
    }
    let common = page.lines().zip(updated.lines());
    let line = common.take_while(|(one, other)| one == other).count() + 1;
    Err(format!("line {line} is not what was measured"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Row;

    const PAGE: &str = "before\n\n<!-- table memory -->\nold\n<!-- end of table -->\n\nafter\n";

    fn fill(page: &str) -> Result<String, String> {
        let row = Row {
            instances: Some(1_000),
            inline_bytes: Some(16),
            idle_bytes: Some(1_000),
            busy_bytes: Some(1_000),
            ..Row::new("memory_breaker", "portcullis")
        };
        filled(page, &Rows::new(&[row]))
    }

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let page = fill(PAGE).expect("has a table");
        assert!(
            page.starts_with("before\n\n<!-- table memory -->\n\n|"),
            "{page}"
        );
        assert!(
            page.ends_with("|\n\n<!-- end of table -->\n\nafter\n"),
            "{page}"
        );
        assert!(page.contains(" 1,016 |") && !page.contains("old"), "{page}");
    }

    #[test]
    fn filling_twice_changes_nothing() {
        let once = fill(PAGE).expect("has a table");
        assert_eq!(fill(&once).as_ref(), Ok(&once));
    }

    #[test]
    fn page_without_markers_is_an_error() {
        let error = fill("before\nafter\n").expect_err("has no table");
        assert!(error.contains("has no table"), "{error}");
    }

    #[test]
    fn missing_end_is_an_error() {
        let error = fill("<!-- table memory -->\nold\n").expect_err("does not end");
        assert!(error.contains("`memory` has no end"), "{error}");
    }

    #[test]
    fn unknown_table_is_an_error() {
        let error = fill("<!-- table chairs -->\n<!-- end of table -->\n").expect_err("unknown");
        assert!(error.contains("no table `chairs`"), "{error}");
    }

    #[test]
    fn check_names_the_first_line_that_differs() {
        assert_eq!(same("a\nb\n", "a\nb\n"), Ok(()));
        let error = same("a\nb\nc\n", "a\nx\nc\n").expect_err("differ");
        assert!(error.starts_with("line 2 "), "{error}");
    }
}
