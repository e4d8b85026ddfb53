//! A share of a whole, compared in integers.

use std::num::NonZeroU32;

/// A checked fraction, more than 0 and at most 1, in millionths.
///
/// Integers, because a truncated floating-point percentage misses thresholds that are reached
/// exactly: Hystrix computes 29 failures in 100 as 28 %.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ratio {
    millionths: NonZeroU32,
}

const WHOLE: u32 = 1_000_000;

impl Ratio {
    /// Returns the nearest fraction, or none for what is nearest to 0 or is no number up to 1.
    pub(crate) fn new(value: f64) -> Option<Self> {
        if !(0.0..=1.0).contains(&value) {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the guard leaves 0 to 1,000,000"
        )]
        let millionths = (value * f64::from(WHOLE)).round() as u32;
        NonZeroU32::new(millionths).map(|millionths| Self { millionths })
    }

    /// Returns whether `part` of `whole` is this share or more.
    pub(crate) fn is_reached(self, part: u64, whole: u64) -> bool {
        u128::from(part) * u128::from(WHOLE)
            >= u128::from(whole) * u128::from(self.millionths.get())
    }

    /// Returns the smallest part of `whole` that reaches this share.
    pub(crate) fn of(self, whole: u32) -> u32 {
        let parts = u64::from(whole) * u64::from(self.millionths.get());
        u32::try_from(parts.div_ceil(u64::from(WHOLE))).unwrap_or(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_whole_percentage_is_reached_exactly() {
        for percent in 1..=100 {
            let ratio = Ratio::new(f64::from(percent) / 100.0).unwrap();
            assert!(ratio.is_reached(u64::from(percent), 100));
            assert!(!ratio.is_reached(u64::from(percent) - 1, 100));
            assert_eq!(ratio.of(100), percent);
        }
    }

    #[test]
    fn huge_counts_do_not_overflow() {
        let ratio = Ratio::new(1.0).unwrap();
        assert!(ratio.is_reached(u64::MAX, u64::MAX));
        assert_eq!(ratio.of(u32::MAX), u32::MAX);
    }
}
