//! What is printed for people while a run goes on.

use crate::{
    course::Second,
    figures::Pages,
    load::RATE,
    phase::{Phase, Schedule},
};

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

pub(crate) fn ms(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.1}"))
}
