//! What is printed, and what goes into the JSON file.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use portcullis::rejection::BoxError;
use serde::Serialize;

use crate::{
    lane::{Figures, Second},
    load::{MOST_OUTSTANDING, RATE},
    phase::{Phase, Schedule},
};

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
}

/// The last line of the JSON file.
#[derive(Serialize)]
struct LastLine<'a> {
    summary: &'a Summary,
}

#[derive(Serialize)]
pub(crate) struct Summary {
    pub(crate) seconds: u64,
    pub(crate) seconds_down: u64,
    pub(crate) calls_per_second: u32,
    pub(crate) guarded: Option<Figures>,
    pub(crate) unguarded: Option<Figures>,
}

impl Summary {
    /// Creates one without figures.
    pub(crate) fn new(schedule: Schedule) -> Self {
        Self {
            seconds: schedule.seconds(),
            seconds_down: schedule.seconds_down(),
            calls_per_second: RATE,
            guarded: None,
            unguarded: None,
        }
    }
}

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
        let tally = &second.tally;
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

pub(crate) fn print_header(schedule: Schedule, lanes: usize) {
    println!(
        "{RATE} calls/s for {} s. Calls and latencies as the callers see them, in the second in \
         which they ended;\nhits: calls that went out to the upstream.\n",
        schedule.seconds()
    );
    print!(
        "{:>4}  {:<8} {:<10}{:>8}{:>8}{:>8}{:>9}{:>10}{:>10}{:>10}{:>6}",
        "sec",
        "phase",
        "circuit",
        "success",
        "failure",
        "timeout",
        "rejected",
        "fallback",
        "p50 ms",
        "p99 ms",
        "hits"
    );
    println!(
        "{}",
        if lanes > 1 {
            "  | no guard: p99 ms  hits"
        } else {
            ""
        }
    );
}

pub(crate) fn print_second(number: u64, phase: Phase, seconds: &[Second]) {
    let [second, beside @ ..] = seconds else {
        return;
    };
    let tally = &second.tally;
    print!(
        "{number:>4}  {:<8} {:<10}{:>8}{:>8}{:>8}{:>9}{:>10}{:>10}{:>10}{:>6}",
        phase.as_str(),
        second.state,
        tally.success,
        tally.failure,
        tally.timeout,
        tally.rejected,
        tally.fallback,
        ms(tally.quantile_ms(0.5)),
        ms(tally.quantile_ms(0.99)),
        second.upstream_hits,
    );
    for Second {
        tally,
        upstream_hits,
        ..
    } in beside
    {
        print!("  |{:>17}{upstream_hits:>6}", ms(tally.quantile_ms(0.99)));
    }
    println!();
}

pub(crate) fn print_summary(summary: &Summary) {
    let Summary {
        guarded, unguarded, ..
    } = summary;
    println!(
        "\nWhile the upstream was down ({} of {} s: failing, hanging, refused)",
        summary.seconds_down, summary.seconds
    );
    println!("{:<30}{:>12}{:>12}", "", "guarded", "unguarded");
    let row = |name: &str, of: &dyn Fn(&Figures) -> String| {
        let cell = |figures: &Option<Figures>| figures.as_ref().map_or("-".to_owned(), of);
        println!("  {name:<28}{:>12}{:>12}", cell(guarded), cell(unguarded));
    };
    row("calls with an answer of use", &|figures| {
        format!("{:.1} %", figures.down_answered_percent)
    });
    row("p50 of the callers, ms", &|figures| ms(figures.down_p50_ms));
    row("p99 of the callers, ms", &|figures| ms(figures.down_p99_ms));
    row("upstream hits", &|figures| {
        figures.down_upstream_hits.to_string()
    });
    if guarded.is_none() {
        println!("(For both side by side, run without --unguarded.)");
    }
    let unsent: u64 = [guarded, unguarded]
        .into_iter()
        .flatten()
        .map(|f| f.unsent)
        .sum();
    if unsent > 0 {
        println!("{unsent} calls were not sent: {MOST_OUTSTANDING} were under way already.");
    }
}

fn ms(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.1}"))
}
