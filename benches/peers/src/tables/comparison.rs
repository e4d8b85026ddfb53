//! The tables for those who choose a library.

use super::markdown::{self, Footnotes, NONE, number, some_number, table, wrapped};
use crate::{
    machine::PEERS,
    rows::{Row, Rows},
};

pub(super) const OURS: &str = "portcullis";

/// What is shown, and the case that says it.
const CALLS: [(&str, &str); 8] = [
    ("breaker, closed", "breaker_closed"),
    ("breaker, closed, slow calls counted", "breaker_latency"),
    ("breaker, open", "breaker_open"),
    ("bulkhead", "bulkhead_ok"),
    ("timeout, ready at once", "timeout_ready"),
    ("timeout, pending once", "timeout_pending"),
    ("all four, ready at once", "stack_ready"),
    ("all four, pending once", "stack_pending"),
];

/// Returns ours and the peers', in the order of the columns.
fn subjects() -> impl Iterator<Item = &'static str> {
    [OURS].into_iter().chain(PEERS.map(|(name, _)| name))
}

fn head(first: &'static str) -> Vec<&'static str> {
    [first].into_iter().chain(subjects()).collect()
}

/// Says where and with what was measured, and what the machine takes for what nobody can do without.
pub(super) fn machine(rows: &Rows<'_>) -> String {
    let fact = |what| rows.machine(what).unwrap_or("unknown");
    let versions = PEERS
        .map(|(name, _)| format!("{name} {}", fact(name)))
        .join(", ");
    let floor = |subject, threads| some_number(rows.ns("floor", subject, threads));
    let quick = match rows.machine("run") {
        Some("full") => "",
        _ => ", in a quick run, which is less exact",
    };
    let text = format!(
        "Measured on {date} with portcullis {ours}, {versions} and rustc {rustc} on {cores} cores of an \
        {cpu}{quick}. There, the loop around a service that does nothing takes {bare} ns a round; with a clock \
        read in it {clock} (`Instant::now`: {instant}), with an atomic addition {add} (on {all} threads to \
        one word: {contended}), with an allocation and its release {alloc}.",
        date = fact("date"),
        ours = fact(OURS),
        rustc = fact("rustc"),
        cores = fact("cores"),
        cpu = fact("cpu"),
        bare = floor("bare", 1),
        clock = floor("floor_clock", 1),
        instant = floor("floor_instant", 1),
        add = floor("floor_add", 1),
        all = rows.all,
        contended = floor("floor_add", rows.all),
        alloc = floor("floor_alloc", 1),
    );
    wrapped(&text)
}

/// What a call takes on one thread.
pub(super) fn time(rows: &Rows<'_>) -> String {
    let mut notes = Footnotes::default();
    let lines = CALLS.map(|(label, case)| {
        let ours = rows.ns(case, OURS, 1);
        let cells = subjects().map(|subject| {
            let row = rows.row(case, subject, 1);
            let note = row.and_then(|row| row.note.as_deref());
            let mark = note.map_or_else(String::new, |note| notes.mark(note));
            timed(rows.ns(case, subject, 1), row, times(ours, subject)) + &mark
        });
        [label.to_owned()].into_iter().chain(cells).collect()
    });
    table(&head("ns a call, one thread"), &lines) + &notes.text()
}

/// Ours is what the others are compared with.
fn times(ours: Option<f64>, subject: &str) -> Option<f64> {
    ours.filter(|ours| subject != OURS && *ours > 0.0)
}

/// A time, and how many times ours it is.
fn timed(ns: Option<f64>, row: Option<&Row>, ours: Option<f64>) -> String {
    let shown = markdown::time(ns, row.is_some());
    match (ns, ours) {
        (Some(ns), Some(ours)) => format!("{shown} ({}×)", number(ns / ours)),
        _ => shown,
    }
}

/// What a call does on one thread: exact counts.
pub(super) fn work(rows: &Rows<'_>) -> String {
    let lines = CALLS.map(|(label, case)| {
        let cells = subjects().map(|subject| match rows.allocs(case, subject) {
            None => NONE.to_owned(),
            Some(allocs) => {
                let instructions = some_number(rows.instructions(case, subject));
                format!("{instructions} / {}", number(allocs))
            }
        });
        [label.to_owned()].into_iter().chain(cells).collect()
    });
    table(&head("instructions / allocations a call"), &lines)
}

/// What a call takes where threads share an instance and do something else in between.
pub(super) fn threads(rows: &Rows<'_>) -> String {
    let cases = [
        ("breaker, closed", "breaker_spaced"),
        ("all four", "stack_spaced"),
    ];
    let lines: Vec<Vec<String>> = cases
        .into_iter()
        .flat_map(|case| [(case, 1), (case, rows.all)])
        .map(|((label, case), threads)| {
            let ours = rows.own(case, OURS, threads);
            let cells = subjects().map(|subject| {
                let row = rows.row(case, subject, threads);
                timed(rows.own(case, subject, threads), row, times(ours, subject))
            });
            let label = match threads {
                1 => format!("{label}, 1 thread"),
                _ => format!("{label}, {threads} threads"),
            };
            [label].into_iter().chain(cells).collect()
        })
        .collect();
    table(&head("ns a call and thread"), &lines)
}

/// What an instance takes.
pub(super) fn memory(rows: &Rows<'_>) -> String {
    let new: fn(&Row) -> Option<i64> = |row| row.idle_bytes;
    let used: fn(&Row) -> Option<i64> = |row| row.busy_bytes;
    let lines = [
        ("breaker, new", "memory_breaker", 1_000, new),
        (
            "breaker, used by all threads",
            "memory_breaker",
            1_000,
            used,
        ),
        (
            "breaker over time, after 20,000 calls",
            "memory_window_time",
            1,
            used,
        ),
        ("all four, new", "memory_stack", 1_000, new),
        ("all four, used by all threads", "memory_stack", 1_000, used),
    ];
    let lines = lines.map(|(label, case, instances, heap)| {
        let cells = subjects().map(|subject| {
            let row = rows.memory(case, subject, instances);
            some_number(row.and_then(|row| Some(heap(row)? as f64 + row.inline_bytes? as f64)))
        });
        [label.to_owned()].into_iter().chain(cells).collect()
    });
    table(&head("bytes an instance"), &lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(case: &str, subject: &str, threads: usize, ns: f64) -> Row {
        Row {
            threads: Some(threads),
            ns_median: Some(ns),
            quiet: Some(true),
            allocs: Some(1.0),
            ..Row::new(case, subject)
        }
    }

    fn line<'a>(table: &'a str, label: &str) -> &'a str {
        let begin = format!("| {label} |");
        let found = table.lines().find(|line| line.starts_with(&begin));
        found.expect("a line for each case")
    }

    #[test]
    fn times_are_compared_with_ours() {
        let rows = [
            row("bulkhead_ok", "portcullis", 1, 10.0),
            row("bulkhead_ok", "tower", 1, 25.0),
        ];
        let table = time(&Rows::new(&rows));
        assert_eq!(
            line(&table, "bulkhead"),
            "| bulkhead | 10 | 25 (2.5×) | – | – | – | – |"
        );
    }

    #[test]
    fn who_cannot_do_a_case_shows_as_a_dash() {
        let cannot = Row {
            note: Some("has no circuit breaker".to_owned()),
            ..Row::new("breaker_closed", "tower")
        };
        let rows = [row("breaker_closed", "portcullis", 1, 10.0), cannot];
        let table = time(&Rows::new(&rows));
        assert_eq!(
            line(&table, "breaker, closed"),
            "| breaker, closed | 10 | – | – | – | – | – |"
        );
        assert!(!table.contains("has no circuit breaker"), "a dash says it");
    }

    #[test]
    fn who_does_less_has_a_footnote() {
        let less = Row {
            note: Some("no bulkhead".to_owned()),
            ..row("stack_ready", "seatbelt", 1, 200.0)
        };
        let rows = [row("stack_ready", "portcullis", 1, 100.0), less];
        let table = time(&Rows::new(&rows));
        assert!(table.contains("| 200 (2×) ¹ |"), "{table}");
        assert!(table.ends_with("\n\n¹ no bulkhead.\n"), "{table}");
    }

    #[test]
    fn threads_that_took_turns_show_as_a_question() {
        let disturbed = Row {
            quiet: Some(false),
            ..row("breaker_spaced", "seatbelt", 2, 300.0)
        };
        let rows = [
            row("breaker_spaced", "bare", 2, 200.0),
            row("breaker_spaced", "portcullis", 2, 210.0),
            disturbed,
        ];
        let table = threads(&Rows::new(&rows));
        let expected = "| breaker, closed, 2 threads | 10 | – | – | – | – | ? |";
        assert_eq!(line(&table, "breaker, closed, 2 threads"), expected);
    }

    #[test]
    fn allocations_are_there_without_instructions() {
        let rows = [row("timeout_ready", "tower", 1, 60.0)];
        let table = work(&Rows::new(&rows));
        assert!(
            table.contains("| timeout, ready at once | – | – / 1 | – |"),
            "{table}"
        );
    }
}
