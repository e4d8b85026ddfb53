//! How long calls took: a log-linear histogram over a window of time.
//!
//! After HdrHistogram's layout (octaves cut into equal parts), with 8 parts an octave and the middle of
//! a cell as its value: an error of 1/16 at most, from 1 µs to 4.6 minutes, in 232 cells.

use std::time::Duration;

use super::{
    ring::{Column, Ring},
    timeline::Timeline,
};
use crate::{
    clock::{Tick, nanos},
    settings::SettingsError,
    stripes::Striped,
};

/// Cells an octave: 2³.
const PART_BITS: u32 = 3;
const PARTS: usize = 1 << PART_BITS;
/// Below 2¹⁰ ns cells are 128 ns wide: that close to the cost of the measurement, ratios say nothing.
const FIRST_OCTAVE: u32 = 10;
/// From 2³⁸ ns (4.6 minutes) on, all calls are in the last cell.
const LAST_OCTAVE: u32 = 37;
const CELLS: usize = (LAST_OCTAVE - FIRST_OCTAVE + 2) as usize * PARTS;

/// Latencies over a window of time.
///
/// The window has two halves; what is shown is the half under way and the one before. An error of
/// 6.25 % at most, from 1 µs to 4.6 minutes; longer calls count as 4.5 minutes.
#[derive(Debug)]
pub struct Latency {
    timeline: Timeline,
    cells: Striped<Ring>,
}

const HALVES: u32 = 2;

impl Latency {
    /// The shortest window.
    pub const SHORTEST: Duration = Duration::from_millis(2);

    /// Creates an empty histogram over `window`, from 2 ms to an hour.
    ///
    /// # Errors
    ///
    /// Names `window`.
    pub fn new(window: Duration) -> Result<Self, SettingsError> {
        Ok(Self {
            timeline: Timeline::new(window, HALVES)?,
            cells: Striped::new(new_ring()),
        })
    }

    /// Adds the latency of a call that ended at `now`.
    pub fn record(&self, latency: Duration, now: Tick) {
        self.record_ns(nanos(latency), now);
    }

    #[inline(always)]
    pub(crate) fn record_ns(&self, latency_ns: u64, now: Tick) {
        let cursor = self.timeline.cursor(now);
        let ring = self.cells.mine();
        let (format, column) = (self.timeline.format, column(cell(latency_ns)));
        let Err(met) = ring.add_plainly(format, cursor, column) else {
            return;
        };
        if ring.add(format, cursor, column, None) || met {
            self.cells.met(new_ring);
        }
    }

    /// Returns the latencies in the window that ends at `now`.
    #[must_use]
    pub fn quantiles(&self, now: Tick) -> Quantiles {
        let newest = self.timeline.newest_at(now);
        let mut cells = vec![0; CELLS].into_boxed_slice();
        for ring in self.cells.all(new_ring) {
            for (index, cell) in cells.iter_mut().enumerate() {
                let halves = ring.visit(&self.timeline, newest, column(index));
                *cell += halves.sum::<u64>();
            }
        }
        Quantiles {
            count: cells.iter().sum(),
            cells,
        }
    }
}

/// Latencies at one moment, by rank.
#[derive(Clone, Debug)]
pub struct Quantiles {
    count: u64,
    cells: Box<[u64]>,
}

impl Quantiles {
    /// Returns the number of calls.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Returns the latency that `percent` of the calls did not exceed, or none without calls.
    ///
    /// 0 is the fastest call and 100 the slowest; what lies outside counts as the nearer of the two.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> Option<Duration> {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank between 1 and the count; NaN becomes 1"
        )]
        let rank = (self.count as f64 * percent / 100.0).ceil().max(1.0) as u64;
        let rank = rank.min(self.count);
        let mut seen = 0;
        let found = self.cells.iter().position(|count| {
            seen += count;
            seen >= rank && seen > 0
        });
        found.map(|cell| Duration::from_nanos(middle(cell)))
    }

    /// Returns the buckets in which calls are, from the fastest on.
    pub fn buckets(&self) -> impl Iterator<Item = Bucket> {
        let buckets = self.cells.iter().enumerate().map(|(cell, count)| Bucket {
            up_to: Duration::from_nanos(first_ns(cell + 1)),
            count: *count,
        });
        buckets.filter(|bucket| bucket.count > 0)
    }

    /// Returns the mean latency, or none without calls.
    #[must_use]
    pub fn mean(&self) -> Option<Duration> {
        let sum: u128 = (0..)
            .zip(&self.cells)
            .map(|(cell, count)| u128::from(middle(cell)) * u128::from(*count))
            .sum();
        let mean = sum.checked_div(u128::from(self.count))?;
        Some(Duration::from_nanos(
            u64::try_from(mean).unwrap_or(u64::MAX),
        ))
    }
}

/// A bucket of a histogram of latencies. Serialized, durations are seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Bucket {
    /// What the calls in it took less than; and, in the last bucket there can be, at 4.6 minutes, what took longer.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::seconds::serialize"))]
    pub up_to: Duration,
    /// How many calls are in it.
    pub count: u64,
}

fn new_ring() -> Ring {
    Ring::new(HALVES as usize * CELLS)
}

const fn column(cell: usize) -> Column {
    Column {
        first: cell,
        step: CELLS,
    }
}

fn cell(latency_ns: u64) -> usize {
    #[expect(clippy::cast_possible_truncation, reason = "a few hundred at most")]
    if latency_ns < 1 << FIRST_OCTAVE {
        (latency_ns >> (FIRST_OCTAVE - PART_BITS)) as usize
    } else {
        let octave = latency_ns.ilog2();
        let part = (latency_ns >> (octave - PART_BITS)) as usize & (PARTS - 1);
        let octaves = (octave - FIRST_OCTAVE + 1) as usize;
        (octaves * PARTS + part).min(CELLS - 1)
    }
}

fn middle(cell: usize) -> u64 {
    u64::midpoint(first_ns(cell), first_ns(cell + 1))
}

/// Returns the shortest latency that belongs into a cell.
fn first_ns(cell: usize) -> u64 {
    let (octaves, part) = (cell / PARTS, (cell % PARTS) as u64);
    if octaves == 0 {
        return part << (FIRST_OCTAVE - PART_BITS);
    }
    let octave = FIRST_OCTAVE + u32::try_from(octaves).unwrap_or(u32::MAX) - 1;
    (PARTS as u64 + part) << (octave - PART_BITS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WINDOW: Duration = Duration::from_secs(10);

    proptest! {
        #[test]
        fn the_error_is_a_sixteenth_at_most(latency in 1_000_u64..270_000_000_000) {
            let shown = middle(cell(latency));
            prop_assert!(shown.abs_diff(latency) * 16 <= latency, "{latency} shown as {shown}");
        }

        #[test]
        fn percentiles_are_those_of_the_sorted_calls(
            latencies in prop::collection::vec(1_000_u64..60_000_000_000, 1..200),
            percent in 0.0..=100.0_f64,
        ) {
            let latency = Latency::new(WINDOW).unwrap();
            for each in &latencies {
                latency.record(Duration::from_nanos(*each), Tick::ZERO);
            }
            let mut sorted = latencies;
            sorted.sort_unstable();
            let rank = (sorted.len() as f64 * percent / 100.0).ceil().max(1.0) as usize;
            let exact = sorted[rank - 1];
            let shown = nanos(latency.quantiles(Tick::ZERO).percentile(percent).unwrap());
            prop_assert!(shown.abs_diff(exact) * 16 <= exact, "{exact} shown as {shown}");
        }
    }

    #[test]
    fn nothing_recorded_has_no_percentiles() {
        let quantiles = Latency::new(WINDOW).unwrap().quantiles(Tick::MAX);
        assert_eq!((quantiles.percentile(50.0), quantiles.mean()), (None, None));
    }

    #[test]
    fn old_latencies_are_forgotten_also_when_nobody_records() {
        let latency = Latency::new(WINDOW).unwrap();
        latency.record(Duration::from_secs(1), Tick::ZERO);
        let shown = |seconds| {
            latency
                .quantiles(Tick::ZERO + Duration::from_secs(seconds))
                .count()
        };
        assert_eq!((shown(5), shown(10), shown(1_000_000)), (1, 0, 0));
    }

    #[test]
    fn every_latency_has_a_cell_and_cells_are_in_order() {
        assert_eq!(cell(u64::MAX), CELLS - 1);
        assert!((1..CELLS).all(|cell| middle(cell - 1) < middle(cell)));
        assert!((0..CELLS).all(|each| cell(middle(each)) == each));
    }

    #[test]
    fn buckets_have_each_call_below_what_they_go_up_to() {
        let latency = Latency::new(WINDOW).unwrap();
        for each in [0, 127, 128, 1_023, 1_024, 1_151, 1_152, u64::MAX] {
            latency.record(Duration::from_nanos(each), Tick::ZERO);
        }
        let quantiles = latency.quantiles(Tick::ZERO);
        let buckets = quantiles.buckets();
        assert_eq!(
            buckets
                .map(|bucket| (bucket.up_to.as_nanos(), bucket.count))
                .collect::<Vec<_>>(),
            [
                (128, 2),
                (256, 1),
                (1_024, 1),
                (1_152, 2),
                (1_280, 1),
                (1 << 38, 1)
            ]
        );
        assert!((0..CELLS).all(|each| cell(first_ns(each)) == each));
    }

    #[test]
    fn odd_percentages_are_the_nearest_call() {
        let latency = Latency::new(WINDOW).unwrap();
        latency.record(Duration::from_millis(1), Tick::ZERO);
        let quantiles = latency.quantiles(Tick::ZERO);
        for percent in [f64::NAN, -1.0, 0.0, 100.0, 1e9, f64::INFINITY] {
            assert_eq!(quantiles.percentile(percent), quantiles.mean(), "{percent}");
        }
    }
}
