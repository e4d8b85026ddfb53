//! What the guard bought, for people and programs.

use serde::Serialize;

use crate::{
    edits::Edits,
    figures::Figures,
    load::{Plan, RATE},
    report::ms,
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
        let (served, throttled) = (figures.greedy_served, figures.greedy_throttled);
        match served + throttled {
            0 => "-".to_owned(),
            _ => format!("{served}/{throttled}"),
        }
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
