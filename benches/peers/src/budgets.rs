//! The project's budgets, as a check list. Nothing fails here: times are for people to judge.

use crate::rows::Rows;

/// A line: what, how far it may go, and how to find it in the rows.
struct Budget {
    what: &'static str,
    limit: Limit,
    unit: &'static str,
    measured: fn(&Rows<'_>) -> Option<f64>,
}

#[derive(Clone, Copy)]
enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

use Limit::{AtLeast, AtMost};

const OURS: &str = "portcullis";
const CORE: &str = "portcullis_core";
const PEER: &str = "tower-resilience";

const BUDGETS: &[Budget] = &[
    line(
        "breaker with latency: over the bare service and 2 clock reads",
        AtMost(15.0),
        "ns",
        |rows| {
            let own = rows.own("breaker_latency", OURS, 1)?;
            Some(own - 2.0 * rows.own("floor", "floor_clock", 1)?)
        },
    ),
    line(
        "breaker with latency: instructions",
        AtMost(200.0),
        "",
        |rows| rows.instructions("breaker_latency", OURS),
    ),
    line(
        "breaker with latency: allocations",
        AtMost(0.0),
        "",
        |rows| rows.allocs("breaker_latency", OURS),
    ),
    line(
        "breaker with latency: faster than tower-resilience",
        AtLeast(6.0),
        "×",
        |rows| Some(rows.ns("breaker_latency", PEER, 1)? / rows.ns("breaker_latency", OURS, 1)?),
    ),
    line(
        "breaker with latency: faster than failsafe without",
        AtLeast(2.0),
        "×",
        |rows| {
            Some(rows.ns("breaker_closed", "failsafe", 1)? / rows.ns("breaker_latency", OURS, 1)?)
        },
    ),
    line(
        "breaker with latency: faster than seatbelt without",
        AtLeast(3.0),
        "×",
        |rows| {
            Some(rows.ns("breaker_closed", "seatbelt", 1)? / rows.ns("breaker_latency", OURS, 1)?)
        },
    ),
    line("breaker core without a clock", AtMost(10.0), "ns", |rows| {
        rows.ns("breaker_no_clock", CORE, 1)
    }),
    line(
        "the same, all threads, 200 ns of own work: more than one thread",
        AtMost(3.0),
        "ns",
        |rows| {
            let case = "breaker_no_clock_spaced";
            Some(rows.own(case, CORE, rows.all)? - rows.own(case, CORE, 1)?)
        },
    ),
    line(
        "breaker, all threads, 200 ns of own work: to one thread",
        AtMost(1.3),
        "×",
        |rows| {
            let case = "breaker_spaced";
            Some(rows.own(case, OURS, rows.all)? / rows.own(case, OURS, 1)?)
        },
    ),
    line(
        "stack, ready: to tower's LoadShed + ConcurrencyLimit + Timeout",
        AtMost(1.0),
        "×",
        |rows| Some(rows.ns("stack_ready", OURS, 1)? / rows.ns("stack_ready", "tower", 1)?),
    ),
    line(
        "stack, ready: faster than tower-resilience's",
        AtLeast(10.0),
        "×",
        |rows| Some(rows.ns("stack_ready", PEER, 1)? / rows.ns("stack_ready", OURS, 1)?),
    ),
    line("stack, ready: instructions", AtMost(500.0), "", |rows| {
        rows.instructions("stack_ready", OURS)
    }),
    line("stack, ready: allocations", AtMost(0.0), "", |rows| {
        rows.allocs("stack_ready", OURS)
    }),
    line(
        "stack, pending once: to tower's Timeout, one thread",
        AtMost(1.2),
        "×",
        |rows| Some(rows.ns("stack_pending", OURS, 1)? / rows.ns("timeout_pending", "tower", 1)?),
    ),
    line(
        "stack, pending once: to tower's Timeout, all threads",
        AtMost(0.7),
        "×",
        |rows| {
            let peer = rows.ns("timeout_pending", "tower", rows.all)?;
            Some(rows.ns("stack_pending", OURS, rows.all)? / peer)
        },
    ),
    line("circuit open: to recloser's", AtMost(0.6), "×", |rows| {
        Some(rows.ns("breaker_open", OURS, 1)? / rows.ns("breaker_open", "recloser", 1)?)
    }),
    line("circuit open: allocations", AtMost(0.0), "", |rows| {
        rows.allocs("breaker_open", OURS)
    }),
    line(
        "bulkhead full: to tower's LoadShed",
        AtMost(1.0),
        "×",
        |rows| Some(rows.ns("bulkhead_full", OURS, 1)? / rows.ns("bulkhead_full", "tower", 1)?),
    ),
    line(
        "window at 100k calls per second: to 1 per second, time",
        AtMost(1.1),
        "×",
        |rows| {
            // The fastest rounds, since two cases do not take turns.
            let best = |case| rows.row(case, OURS, 1)?.ns_min;
            Some(best("window_time_100k")? / best("window_time_empty")?)
        },
    ),
    line(
        "window at 100k calls per second: to 1 per second, instructions",
        AtMost(1.1),
        "×",
        |rows| {
            let empty = rows.instructions("window_time_empty", OURS)?;
            Some(rows.instructions("window_time_100k", OURS)? / empty)
        },
    ),
    line("idle breaker", AtMost(1_024.0), "B", |rows| {
        idle_bytes(rows, "memory_breaker", 1)
    }),
    line(
        "idle pipeline with latencies",
        AtMost(8_192.0),
        "B",
        |rows| idle_bytes(rows, "memory_stack", 1),
    ),
    line("100,000 breakers", AtMost(100.0), "MiB", |rows| {
        let bytes = idle_bytes(rows, "memory_breaker", 100_000)?;
        Some(100_000.0 * bytes / 1_048_576.0)
    }),
];

const fn line(
    what: &'static str,
    limit: Limit,
    unit: &'static str,
    measured: fn(&Rows<'_>) -> Option<f64>,
) -> Budget {
    Budget {
        what,
        limit,
        unit,
        measured,
    }
}

fn idle_bytes(rows: &Rows<'_>, case: &str, instances: usize) -> Option<f64> {
    Some(rows.memory(case, OURS, instances)?.idle_bytes? as f64)
}

/// How a budget fares in a run.
pub(crate) struct Verdict {
    pub(crate) what: &'static str,
    pub(crate) limit: String,
    /// None where a row is missing, or its threads did not run at the same time.
    pub(crate) measured: Option<f64>,
    pub(crate) met: bool,
}

/// Returns how each budget fares.
pub(crate) fn judge(rows: &Rows<'_>) -> Vec<Verdict> {
    let judge = |budget: &Budget| {
        let measured = (budget.measured)(rows);
        let (sign, limit) = match budget.limit {
            AtMost(most) => ("≤", most),
            AtLeast(least) => ("≥", least),
        };
        let meets = |measured: f64| match budget.limit {
            AtMost(most) => measured <= most,
            AtLeast(least) => measured >= least,
        };
        Verdict {
            what: budget.what,
            limit: format!("{sign} {limit} {}", budget.unit)
                .trim_end()
                .to_owned(),
            measured,
            met: measured.is_some_and(meets),
        }
    };
    BUDGETS.iter().map(judge).collect()
}

/// Prints each budget with what was measured, and whether it is met.
pub(crate) fn print(rows: &Rows<'_>) {
    println!("\n{:<68} {:>10} {:>10}", "budget", "limit", "measured");
    for Verdict {
        what,
        limit,
        measured,
        met,
    } in judge(rows)
    {
        let verdict = if met { "met" } else { "missed" };
        match measured {
            Some(measured) => println!("{what:<68} {limit:>10} {measured:>10.2} {verdict}"),
            None => println!("{what:<68} {limit:>10} {:>10}", "-"),
        }
    }
}
