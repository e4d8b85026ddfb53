//! What is wrong with a setting, and the checks that all settings share.

use std::{error::Error, fmt, ops::RangeInclusive, time::Duration};

use crate::{clock::nanos, ratio::Ratio};

/// A setting is out of its range: which one, what it is and what it may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError {
    field: String,
    value: String,
    allowed: String,
}

impl SettingsError {
    pub(crate) fn new(field: &str, value: impl fmt::Debug, allowed: impl Into<String>) -> Self {
        Self {
            field: field.to_owned(),
            value: format!("{value:?}"),
            allowed: allowed.into(),
        }
    }

    /// Prefixes the field with the part of a larger settings value that holds it.
    #[must_use]
    pub(crate) fn within(self, part: &str) -> Self {
        Self {
            field: format!("{part}.{}", self.field),
            ..self
        }
    }

    /// Returns the path of the field, such as `circuit_breaker.failure_rate`.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// Returns the value that was refused.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Returns what would have been accepted.
    #[must_use]
    pub fn allowed(&self) -> &str {
        &self.allowed
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            field,
            value,
            allowed,
        } = self;
        write!(f, "{field} is {value}; allowed: {allowed}")
    }
}

impl Error for SettingsError {}

/// The longest duration of any setting: a year. Longer ones are slips of a unit, and this bound
/// keeps every sum of ticks far from the end of time.
pub(crate) const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// Checks a duration and returns its nanoseconds.
pub(crate) fn duration(
    field: &str,
    value: Duration,
    allowed: RangeInclusive<Duration>,
) -> Result<u64, SettingsError> {
    within(field, value, allowed).map(nanos)
}

/// Checks that a value lies in a range; not a number lies in none.
pub(crate) fn within<T: PartialOrd + fmt::Debug>(
    field: &str,
    value: T,
    allowed: RangeInclusive<T>,
) -> Result<T, SettingsError> {
    if allowed.contains(&value) {
        return Ok(value);
    }
    let (from, to) = allowed.into_inner();
    Err(SettingsError::new(
        field,
        value,
        format!("from {from:?} to {to:?}"),
    ))
}

/// Checks a share of calls that has to be reached: more than none of them, at most all.
pub(crate) fn threshold(field: &str, value: f64) -> Result<Ratio, SettingsError> {
    Ratio::new(value)
        .filter(|ratio| !ratio.is_zero())
        .ok_or_else(|| SettingsError::new(field, value, "from 0.000001 to 1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_field_value_and_range() {
        let error = threshold("failure_rate", 1.5)
            .unwrap_err()
            .within("circuit_breaker");
        assert_eq!(
            error.to_string(),
            "circuit_breaker.failure_rate is 1.5; allowed: from 0.000001 to 1"
        );
    }

    #[test]
    fn no_number_is_not_in_a_range() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0] {
            assert!(threshold("rate", value).is_err(), "{value}");
        }
        assert!(within("jitter", f64::NAN, 0.0..=1.0).is_err());
        assert!(duration("open", Duration::MAX, Duration::ZERO..=LONGEST).is_err());
    }
}
