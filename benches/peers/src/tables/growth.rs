//! The tables for those who work on the library: budgets, and how costs grow.

use super::{
    comparison::OURS,
    markdown::{self, NONE, number, some_number, table},
};
use crate::{
    budgets::{self, Verdict},
    rows::{Row, Rows},
};

/// Each budget, and whether it is met.
pub(super) fn budgets(rows: &Rows<'_>) -> String {
    let line = |verdict: &Verdict| {
        let verdict_shown = match verdict.measured {
            None => NONE,
            Some(_) if verdict.met => "met",
            Some(_) => "**missed**",
        };
        let measured = verdict.measured.map_or_else(|| NONE.to_owned(), exact);
        vec![
            verdict.what.to_owned(),
            verdict.limit.clone(),
            measured,
            verdict_shown.to_owned(),
        ]
    };
    let lines: Vec<Vec<String>> = budgets::judge(rows).iter().map(line).collect();
    table(&["budget", "limit", "measured", ""], &lines)
}

/// As precise as a verdict needs it.
fn exact(value: f64) -> String {
    if value != 0.0 && value.abs() < 10.0 {
        format!("{value:.2}")
    } else {
        number(value)
    }
}

/// What a call takes on one thread and on all.
pub(super) fn cores(rows: &Rows<'_>) -> String {
    let cases = [
        ("one addition to a shared word", "floor", "floor_add"),
        ("breaker", "breaker_closed", OURS),
        ("breaker, 200 ns of own work", "breaker_spaced", OURS),
        ("bulkhead", "bulkhead_ok", OURS),
        ("timeout, ready at once", "timeout_ready", OURS),
        ("pipeline", "stack_ready", OURS),
        ("pipeline, 200 ns of own work", "stack_spaced", OURS),
        ("recloser (a spin lock)", "breaker_closed", "recloser"),
        ("failsafe (two locks)", "breaker_closed", "failsafe"),
        ("seatbelt (a lock)", "breaker_closed", "seatbelt"),
        (
            "tower-resilience (two asynchronous locks)",
            "breaker_closed",
            "tower-resilience",
        ),
    ];
    let lines = cases.map(|(label, case, subject)| {
        let own = |threads| rows.own(case, subject, threads);
        let was_taken = rows.row(case, subject, rows.all).is_some();
        let more = (rows.all > 1)
            .then(|| Some((own(rows.all)? - own(1)?) / (rows.all - 1) as f64))
            .flatten();
        vec![
            label.to_owned(),
            some_number(own(1)),
            markdown::time(own(rows.all), was_taken),
            markdown::time(more, was_taken),
        ]
    });
    let all = format!("{} threads", rows.all);
    table(
        &["ns a call and thread", "1 thread", &all, "a further thread"],
        &lines,
    )
}

/// What a call takes where it goes through any of many instances.
pub(super) fn keys(rows: &Rows<'_>) -> String {
    let subjects = [
        OURS,
        "portcullis_core",
        "tower-resilience",
        "recloser",
        "failsafe",
        "seatbelt",
    ];
    let lines = subjects.map(|subject| {
        let own = |case| some_number(rows.own(case, subject, 1));
        let memory = rows.memory("memory_breaker", subject, 1_000);
        let bytes = |row: &Row| Some(row.busy_bytes? as f64 + row.inline_bytes? as f64);
        vec![
            subject.to_owned(),
            own("keys_1"),
            own("keys_1k"),
            own("keys_100k"),
            some_number(memory.and_then(bytes)),
        ]
    });
    let head = [
        "ns a call, one thread",
        "1 breaker",
        "1,000",
        "100,000",
        "bytes of each",
    ];
    table(&head, &lines)
}

/// What the number of buckets does to a call.
pub(super) fn window(rows: &Rows<'_>) -> String {
    const BUCKETS: [&str; 3] = ["1", "10", "100"];
    let good = |buckets: &str| format!("buckets_{buckets}");
    let bad = |buckets: &str| format!("buckets_{buckets}_10pct");
    // Above the bare service, whose failing calls take more too.
    let own = |case: &str| Some(rows.instructions(case, OURS)? - rows.instructions(case, "bare")?);
    // What ten calls take more for one of them failing.
    let more = |buckets: &str| Some(10.0 * (own(&bad(buckets))? - own(&good(buckets))?));
    let line = |label: &str, cell: &dyn Fn(&str) -> Option<f64>| {
        let cells = BUCKETS.map(|buckets| some_number(cell(buckets)));
        [label.to_owned()]
            .into_iter()
            .chain(cells)
            .collect::<Vec<_>>()
    };
    let lines = [
        line("a call, instructions", &|buckets| own(&good(buckets))),
        line("more for a failed one, instructions", &more),
        line("a call, ns", &|buckets| rows.own(&good(buckets), OURS, 1)),
        line("a call where one of ten fails, ns", &|buckets| {
            rows.own(&bad(buckets), OURS, 1)
        }),
    ];
    table(&["", "1 bucket", "10 buckets", "100 buckets"], &lines)
}

/// What the calls that are in a window already do to a call.
pub(super) fn traffic(rows: &Rows<'_>) -> String {
    const CASES: [&str; 3] = ["window_time_empty", "window_time_1k", "window_time_100k"];
    let line = |label: &str, cell: &dyn Fn(&str) -> Option<f64>| {
        let cells = CASES.map(|case| some_number(cell(case)));
        [label.to_owned()]
            .into_iter()
            .chain(cells)
            .collect::<Vec<_>>()
    };
    let ns = |subject: &'static str| move |case: &str| rows.ns(case, subject, 1);
    let lines = [
        line("portcullis, instructions", &|case| {
            rows.instructions(case, OURS)
        }),
        line("portcullis, ns", &ns(OURS)),
        line("failsafe, ns", &ns("failsafe")),
        line("seatbelt, ns", &ns("seatbelt")),
        line("tower-resilience, ns", &ns("tower-resilience")),
    ];
    let text = table(&["calls in 10 s", "10", "10,000", "1,000,000"], &lines);
    let note = rows
        .row("window_time_100k", "tower-resilience", 1)
        .and_then(|row| row.note.as_deref());
    let note = note.map(|note| markdown::wrapped(&format!("tower-resilience: {note}.")));
    note.map_or(text.clone(), |note| format!("{text}\n{note}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(case: &str, subject: &str, threads: usize, ns: f64) -> Row {
        Row {
            threads: Some(threads),
            ns_median: Some(ns),
            quiet: Some(true),
            ..Row::new(case, subject)
        }
    }

    #[test]
    fn a_further_thread_costs_the_difference() {
        let rows = [
            row("bulkhead_ok", "bare", 1, 1.0),
            row("bulkhead_ok", "bare", 4, 1.0),
            row("bulkhead_ok", "portcullis", 1, 11.0),
            row("bulkhead_ok", "portcullis", 4, 71.0),
        ];
        let table = cores(&Rows::new(&rows));
        assert!(
            table.contains("| 1 thread | 4 threads | a further thread |"),
            "{table}"
        );
        assert!(table.contains("| bulkhead | 10 | 70 | 20 |"), "{table}");
        assert!(table.contains("| breaker | – | – | – |"), "{table}");
    }

    #[test]
    fn a_failed_call_costs_what_ten_take_more() {
        let counted = |case: &str, subject: &str, instructions| Row {
            instructions: Some(instructions),
            ..row(case, subject, 1, 1.0)
        };
        let rows = [
            counted("buckets_10", "bare", 14),
            counted("buckets_10", "portcullis", 264),
            counted("buckets_10_10pct", "bare", 21),
            counted("buckets_10_10pct", "portcullis", 301),
        ];
        let table = window(&Rows::new(&rows));
        assert!(
            table.contains("| a call, instructions | – | 250 | – |"),
            "{table}"
        );
        assert!(
            table.contains("| more for a failed one, instructions | – | 300 | – |"),
            "{table}"
        );
    }

    #[test]
    fn budgets_without_a_measurement_are_neither_met_nor_missed() {
        let allocating = Row {
            allocs: Some(1.0),
            ..Row::new("stack_ready", "portcullis")
        };
        let table = budgets(&Rows::new(&[allocating]));
        assert!(
            table.contains("| stack, ready: allocations | ≤ 0 | 1.00 | **missed** |"),
            "{table}"
        );
        assert!(
            table.contains("| stack, ready: instructions | ≤ 500 | – | – |"),
            "{table}"
        );
    }
}
