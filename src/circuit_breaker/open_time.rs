//! How long a circuit stays open.

use std::time::Duration;

/// A base that grows with each opening in a row, ends at a longest time, and gets jitter on top.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenTime {
    pub(super) base_ns: u64,
    pub(super) growth: f64,
    pub(super) longest_ns: u64,
    pub(super) jitter: f64,
}

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
        let open_ns = grown.max(asked_ns).min(self.longest_ns);
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
            longest_ns: 5_000 * MS,
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
