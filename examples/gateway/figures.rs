//! A run in figures.

use serde::Serialize;

use crate::tally::{Tallies, Tally};

/// What a run came to; without more words, of the calls that only the inventory answers.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Figures {
    pub(crate) calls: u64,
    pub(crate) unsent: u64,
    /// How late the latest call was sent.
    pub(crate) latest_ms: u64,
    pub(crate) success: u64,
    pub(crate) failure: u64,
    pub(crate) timeout: u64,
    pub(crate) rejected: u64,
    pub(crate) fallback: u64,
    pub(crate) upstream_hits: u64,
    pub(crate) down_calls: u64,
    pub(crate) down_upstream_hits: u64,
    pub(crate) down_answered_percent: f64,
    pub(crate) down_p50_ms: Option<f64>,
    pub(crate) down_p99_ms: Option<f64>,
    pub(crate) down_pages: Pages,
    /// Calls of what does without the inventory, in the whole run.
    pub(crate) other_calls: u64,
    pub(crate) other_unanswered: u64,
    /// Calls of ordinary clients that were throttled.
    pub(crate) throttled: u64,
    pub(crate) greedy_served: u64,
    pub(crate) greedy_throttled: u64,
    pub(crate) times_opened: u64,
    pub(crate) final_state: &'static str,
}

impl Figures {
    /// Takes all that tallies say.
    pub(crate) fn of(total: &Tallies, down: &Tallies) -> Self {
        let Tallies {
            items,
            pages,
            others,
            greedy,
        } = total;
        Self {
            calls: items.calls(),
            success: items.success,
            failure: items.failure,
            timeout: items.timeout,
            rejected: items.rejected,
            fallback: items.fallback,
            down_calls: down.items.calls(),
            down_answered_percent: down.items.answered_percent(),
            down_p50_ms: down.items.quantile_ms(0.5),
            down_p99_ms: down.items.quantile_ms(0.99),
            down_pages: Pages::of(&down.pages),
            other_calls: others.calls(),
            other_unanswered: others.unanswered(),
            throttled: items.throttled + pages.throttled + others.throttled,
            greedy_served: greedy.success,
            greedy_throttled: greedy.throttled,
            ..Self::default()
        }
    }
}

/// What became of pages.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Pages {
    pub(crate) in_full: u64,
    pub(crate) in_part: u64,
    pub(crate) not_at_all: u64,
    pub(crate) p99_ms: Option<f64>,
}

impl Pages {
    pub(crate) fn of(tally: &Tally) -> Self {
        Self {
            in_full: tally.success,
            in_part: tally.fallback,
            not_at_all: tally.unanswered(),
            p99_ms: tally.quantile_ms(0.99),
        }
    }
}
