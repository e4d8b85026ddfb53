//! The highest number of calls in flight within the window.

use std::time::Duration;

use super::ring::{Ring, Timeline};
use crate::{clock::Tick, settings::SettingsError};

/// The highest level that a gauge had within a window of time.
///
/// Observe the gauge after each rise and before each fall. Then a bucket in which nothing begins or
/// ends needs no note of its own: the level it had is observed by the next change, which is newer, or
/// is the level now. (Hystrix samples at starts only, and shows 0 while long calls run.)
#[derive(Debug)]
pub struct Peak {
    ring: Ring,
}

impl Peak {
    /// Creates the record of a gauge; limits as in [`Counts::new`](super::Counts::new).
    ///
    /// # Errors
    ///
    /// Names `window` or `buckets`.
    pub fn new(window: Duration, buckets: u32) -> Result<Self, SettingsError> {
        let timeline = Timeline::new(window, buckets)?;
        Ok(Self {
            ring: Ring::new(timeline, 1),
        })
    }

    /// Takes note of the gauge's level.
    #[inline]
    pub fn observe(&self, level: u64, now: Tick) {
        self.ring.raise(self.ring.timeline.cursor(now), 0, level);
    }

    /// Returns the highest level in the window that ends at `now`, given the level now.
    #[must_use]
    pub fn highest(&self, level: u64, now: Tick) -> u64 {
        let newest = self.ring.newest_at(now);
        self.ring.visit(newest, 0).fold(level, u64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn calls_that_only_run_are_seen() {
        let peak = Peak::new(10 * SECOND, 10).unwrap();
        peak.observe(3, Tick::ZERO);
        let later = Tick::ZERO + 60 * SECOND;
        assert_eq!(peak.highest(3, later), 3, "three calls run for a minute");
        peak.observe(3, later);
        assert_eq!(peak.highest(2, later + 9 * SECOND), 3, "one ended");
        assert_eq!(peak.highest(2, later + 10 * SECOND), 2);
    }

    #[test]
    fn the_highest_level_of_a_bucket_stays() {
        let peak = Peak::new(SECOND, 1).unwrap();
        for level in [1, 5, 2] {
            peak.observe(level, Tick::ZERO);
        }
        assert_eq!(peak.highest(0, Tick::ZERO), 5);
    }
}
