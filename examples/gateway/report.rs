//! What is printed for people.

use serde::Serialize;

use crate::{
    course::Second,
    edits::Edits,
    figures::{Figures, Pages},
    load::{Plan, RATE},
    phase::{Phase, Schedule},
};

/// What the guard bought.
#[derive(Serialize)]
pub(crate) struct Summary {
    pub(crate) seconds: u64,
    pub(crate) seconds_down: u64,
    pub(crate) calls_per_second: u32,
    pub(crate) most_outstanding: usize,
    pub(crate) guarded: Option<Figures>,
    pub(crate) unguarded: Option<Figures>,
    pub(crate) edits: Option<Edits>,
}

impl Summary {
    /// Creates one without figures.
    pub(crate) fn new(plan: Plan) -> Self {
        Self {
            seconds: plan.schedule.seconds(),
            seconds_down: plan.schedule.seconds_down(),
            calls_per_second: RATE,
            most_outstanding: plan.most_outstanding,
            guarded: None,
            unguarded: None,
            edits: None,
        }
    }
}

pub(crate) fn print_header(schedule: Schedule, lanes: usize) {
    println!(
        "{RATE} calls/s for {} s, of which 170 to the inventory, which has trouble. Its calls and latencies as the \
         callers see them,\nin the second in which they ended; hits: calls that went out to it; pages: served in \
         full, in part, not at all.\n",
        schedule.seconds()
    );
    print!(
        "{:>4}  {:<8} {:<10}{:>8}{:>8}{:>8}{:>9}{:>10}{:>10}{:>10}{:>6}{:>9}",
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
        "hits",
        "pages"
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
    let tally = &second.tallies.items;
    let pages = Pages::of(&second.tallies.pages);
    let pages = format!("{}/{}/{}", pages.in_full, pages.in_part, pages.not_at_all);
    print!(
        "{number:>4}  {:<8} {:<10}{:>8}{:>8}{:>8}{:>9}{:>10}{:>10}{:>10}{:>6}{pages:>9}",
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
        tallies,
        upstream_hits,
        ..
    } in beside
    {
        print!(
            "  |{:>17}{upstream_hits:>6}",
            ms(tallies.items.quantile_ms(0.99))
        );
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
    println!("{:<36}{:>12}{:>12}", "", "guarded", "unguarded");
    let row = |name: &str, of: &dyn Fn(&Figures) -> String| {
        let cell = |figures: &Option<Figures>| figures.as_ref().map_or("-".to_owned(), of);
        println!("  {name:<34}{:>12}{:>12}", cell(guarded), cell(unguarded));
    };
    row("calls with an answer of use", &|figures| {
        format!("{:.1} %", figures.down_answered_percent)
    });
    row("p50 of the callers, ms", &|figures| ms(figures.down_p50_ms));
    row("p99 of the callers, ms", &|figures| ms(figures.down_p99_ms));
    row("upstream hits", &|figures| {
        figures.down_upstream_hits.to_string()
    });
    row("pages in full/in part/not at all", &|figures| {
        let pages = &figures.down_pages;
        format!("{}/{}/{}", pages.in_full, pages.in_part, pages.not_at_all)
    });
    row("p99 of pages, ms", &|figures| ms(figures.down_pages.p99_ms));
    println!("In the whole run");
    row("other groups: calls/failed", &|figures| {
        format!("{}/{}", figures.other_calls, figures.other_unanswered)
    });
    row("greedy client: served/throttled", &|figures| {
        format!("{}/{}", figures.greedy_served, figures.greedy_throttled)
    });
    row("other clients: throttled", &|figures| {
        figures.throttled.to_string()
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
        println!(
            "{unsent} calls were not sent, because {} were under way already.",
            summary.most_outstanding
        );
    }
}

fn ms(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.1}"))
}
