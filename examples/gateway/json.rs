//! The file for programs: one JSON object a line.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use portcullis::rejection::BoxError;
use serde::Serialize;

use crate::{course::Second, figures::Pages, phase::Phase, summary::Summary};

/// The JSON file, if one is wanted.
pub(crate) struct Json(Option<BufWriter<File>>);

impl Json {
    pub(crate) fn create(path: Option<&Path>) -> Result<Self, BoxError> {
        let create = |path: &Path| {
            File::create(path)
                .map(BufWriter::new)
                .map_err(|error| format!("--json {}: {error}", path.display()))
        };
        Ok(Self(path.map(create).transpose()?))
    }

    pub(crate) fn second(
        &mut self,
        number: u64,
        phase: Phase,
        second: &Second,
    ) -> Result<(), BoxError> {
        let tally = &second.tallies.items;
        self.write(&Line {
            second: number,
            phase: phase.as_str(),
            state: second.state,
            success: tally.success,
            failure: tally.failure,
            timeout: tally.timeout,
            rejected: tally.rejected,
            fallback: tally.fallback,
            p50_ms: tally.quantile_ms(0.5),
            p99_ms: tally.quantile_ms(0.99),
            upstream_hits: second.upstream_hits,
            pages: Pages::of(&second.tallies.pages),
        })
    }

    pub(crate) fn summary(&mut self, summary: &Summary) -> Result<(), BoxError> {
        self.write(&LastLine { summary })
    }

    fn write(&mut self, line: &impl Serialize) -> Result<(), BoxError> {
        let Some(file) = &mut self.0 else {
            return Ok(());
        };
        serde_json::to_writer(&mut *file, line)?;
        // Flushed at once, for whoever watches the file.
        file.write_all(b"\n")?;
        Ok(file.flush()?)
    }
}

/// One line of the JSON file.
#[derive(Serialize)]
struct Line {
    second: u64,
    phase: &'static str,
    state: &'static str,
    success: u64,
    failure: u64,
    timeout: u64,
    rejected: u64,
    fallback: u64,
    /// None if no call ended in this second.
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    upstream_hits: u64,
    pages: Pages,
}

/// The last line of the JSON file.
#[derive(Serialize)]
struct LastLine<'a> {
    summary: &'a Summary,
}
