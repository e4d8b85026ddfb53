//! What is wrong with a setting, what became of new ones, and the checks that all settings share.

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

/// What became of new settings, field by field.
///
/// Fields go by their paths, such as `bulkhead.limit`. One that is as it was is not named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Applied {
    changed: Vec<String>,
    kept: Vec<String>,
}

impl Applied {
    /// Names the fields that changed and those that were kept, of pairs that say whether they were.
    pub(crate) fn new(changed: &[(&str, bool)], kept: &[(&str, bool)]) -> Self {
        let [changed, kept] = [changed, kept].map(|fields| {
            let named = fields.iter().filter(|(_, is_named)| *is_named);
            named.map(|(field, _)| (*field).to_owned()).collect()
        });
        Self { changed, kept }
    }

    /// Adds what became of a part of a larger settings value.
    #[must_use]
    pub(crate) fn with(mut self, part: &str, applied: Self) -> Self {
        let path = |field: String| format!("{part}.{field}");
        self.changed.extend(applied.changed.into_iter().map(path));
        self.kept.extend(applied.kept.into_iter().map(path));
        self
    }

    /// Returns the fields that changed: they are in force now.
    #[must_use]
    pub fn changed(&self) -> &[String] {
        &self.changed
    }

    /// Returns the fields that differ from what is in force and stay as they were: they need a circuit, or a
    /// pipeline, that is built anew.
    #[must_use]
    pub fn kept(&self) -> &[String] {
        &self.kept
    }
}

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
    Ratio::new(value).ok_or_else(|| SettingsError::new(field, value, "from 0.000001 to 1"))
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
