//! How long a circuit stays open.

use std::time::Duration;

/// A base that grows with each opening in a row, ends at a longest time, and gets jitter on top.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct OpenTime {
    pub(super) base_ns: u64,
    pub(super) growth: f64,
    /// None stands for the base, or for a minute if that is longer.
    pub(super) longest_ns: Option<u64>,
    pub(super) jitter: f64,
}

const MINUTE_NS: u64 = 60_000_000_000;

impl OpenTime {
    /// Returns the open time after `reopenings` in a row, at least as long as the dependency asked.
    ///
    /// `chance` is between 0 and 1. Jitter is only added: whoever is told to come back in a minute
    /// must not come sooner.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a conversion of floats ends at the limits; nanoseconds of open time do not matter"
    )]
    pub(super) fn after(&self, reopenings: u32, asked_ns: u64, chance: f64) -> Duration {
        let exponent = i32::try_from(reopenings).unwrap_or(i32::MAX);
        let grown = match reopenings {
            0 => self.base_ns,
            _ => (self.base_ns as f64 * self.growth.powi(exponent)) as u64,
        };
        let longest_ns = self.longest_ns.unwrap_or(self.base_ns.max(MINUTE_NS));
        let open_ns = grown.max(asked_ns).min(longest_ns);
        let jitter_ns = (open_ns as f64 * self.jitter * chance) as u64;
        Duration::from_nanos(open_ns.saturating_add(jitter_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn open_time() -> OpenTime {
        OpenTime {
            base_ns: 1_000 * MS,
            growth: 2.0,
            longest_ns: Some(5_000 * MS),
            jitter: 0.5,
        }
    }

    #[test]
    fn it_grows_up_to_the_longest() {
        let times: Vec<_> = [0, 1, 2, 3, 4, u32::MAX]
            .map(|reopenings| open_time().after(reopenings, 0, 0.0).as_millis())
            .into();
        assert_eq!(times, [1_000, 2_000, 4_000, 5_000, 5_000, 5_000]);
    }

    #[test]
    fn the_longest_is_a_minute_or_the_base_where_none_is_set() {
        let asked_for_ever = |base_ns| {
            let open_time = OpenTime {
                base_ns,
                longest_ns: None,
                ..open_time()
            };
            open_time.after(0, u64::MAX, 0.0).as_secs()
        };
        assert_eq!(asked_for_ever(1_000 * MS), 60);
        assert_eq!(asked_for_ever(90_000 * MS), 90);
    }

    #[test]
    fn jitter_is_only_added() {
        assert_eq!(open_time().after(0, 0, 0.0).as_millis(), 1_000);
        assert_eq!(open_time().after(0, 0, 1.0).as_millis(), 1_500);
    }

    #[test]
    fn what_the_dependency_asks_for_lengthens_up_to_the_longest() {
        assert_eq!(open_time().after(0, 3_000 * MS, 0.0).as_millis(), 3_000);
        assert_eq!(open_time().after(0, 500 * MS, 0.0).as_millis(), 1_000);
        assert_eq!(open_time().after(0, u64::MAX, 0.0).as_millis(), 5_000);
    }
}
