//! What a status means for the health of the one who sends it.

use std::{collections::BTreeMap, ops::RangeInclusive};

use http::{Extensions, HeaderMap, Response, StatusCode};

use super::{hint::hinted, problem::verdict_of_refusal};
use crate::{
    outcome::{Classify, ErrorsAsFailures, Outcome, Verdict},
    settings::{self, SettingsError},
};

/// Classifies answers by their status, and errors as [`ErrorsAsFailures`] does.
///
/// See the [module docs](super) for the table and its reasons.
#[derive(Clone, Debug, Default)]
pub struct ByStatus {
    /// What differs from the default.
    said: BTreeMap<u16, Outcome>,
}

impl ByStatus {
    /// Creates the default classifier.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            said: BTreeMap::new(),
        }
    }

    /// Takes answers of these statuses for failures, such as `[409]` or `400..=499`. The last word on a status
    /// counts.
    ///
    /// # Errors
    ///
    /// A status that is none: they go from 100 to 999.
    pub fn failing(self, statuses: impl IntoIterator<Item = u16>) -> Result<Self, SettingsError> {
        self.taking(statuses, Outcome::Failure)
    }

    /// Takes answers of these statuses for successes.
    ///
    /// # Errors
    ///
    /// As for [`failing`](Self::failing).
    pub fn succeeding(
        self,
        statuses: impl IntoIterator<Item = u16>,
    ) -> Result<Self, SettingsError> {
        self.taking(statuses, Outcome::Success)
    }

    /// Ignores answers of these statuses: they say nothing about the dependency, and a probe of a half-open
    /// circuit that is answered so is sent anew.
    ///
    /// # Errors
    ///
    /// As for [`failing`](Self::failing).
    pub fn ignoring(self, statuses: impl IntoIterator<Item = u16>) -> Result<Self, SettingsError> {
        self.taking(statuses, Outcome::Ignored)
    }

    fn taking(
        mut self,
        statuses: impl IntoIterator<Item = u16>,
        outcome: Outcome,
    ) -> Result<Self, SettingsError> {
        each("status", statuses, 100..=999, |status| {
            self.said.insert(status, outcome);
        })?;
        Ok(self)
    }

    /// Classifies an answer by its head, for types of answers other than [`Response`].
    #[must_use]
    pub fn of_head(&self, status: StatusCode, headers: &HeaderMap) -> Verdict {
        let said = self.said.get(&status.as_u16());
        let outcome = said.copied().unwrap_or_else(|| by_default(status));
        hinted(outcome.into(), status, headers)
    }

    /// The same for an answer that may be a refusal of ours.
    pub(crate) fn of_answer(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> Verdict {
        verdict_of_refusal(extensions).unwrap_or_else(|| self.of_head(status, headers))
    }
}

/// Checks each of some codes and does something with it.
pub(super) fn each(
    field: &str,
    codes: impl IntoIterator<Item = u16>,
    allowed: RangeInclusive<u16>,
    mut with: impl FnMut(u16),
) -> Result<(), SettingsError> {
    for code in codes {
        with(settings::within(field, code, allowed.clone())?);
    }
    Ok(())
}

const fn by_default(status: StatusCode) -> Outcome {
    match status.as_u16() {
        // What is above 599 is no status, and to be taken for a 5xx (RFC 9110, 15).
        408 | 429 | 500.. => Outcome::Failure,
        _ => Outcome::Success,
    }
}

impl<B, Err: 'static> Classify<Response<B>, Err> for ByStatus {
    fn classify(&self, answer: Result<&Response<B>, &Err>) -> Verdict {
        match answer {
            Ok(response) => {
                self.of_answer(response.status(), response.headers(), response.extensions())
            }
            Err(error) => Classify::<(), Err>::classify(&ErrorsAsFailures, Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::header::RETRY_AFTER;

    use super::*;
    use crate::rejection::{BoxError, Reason, Rejection};

    fn outcome(classify: &ByStatus, status: u16) -> Outcome {
        let response = Response::builder().status(status).body(()).unwrap();
        Classify::<_, BoxError>::classify(classify, Ok(&response)).outcome()
    }

    #[test]
    fn what_the_server_is_to_blame_for_fails_and_the_rest_succeeds() {
        for status in 100..=999 {
            let expected = match status {
                408 | 429 | 500..=999 => Outcome::Failure,
                _ => Outcome::Success,
            };
            assert_eq!(outcome(&ByStatus::new(), status), expected, "{status}");
        }
    }

    #[test]
    fn the_last_word_on_a_status_counts() {
        let classify = ByStatus::new()
            .ignoring(400..=499)
            .and_then(|classify| classify.failing([404, 418]))
            .and_then(|classify| classify.succeeding([418, 501]))
            .unwrap();
        let outcomes = [200, 403, 404, 418, 429, 500, 501].map(|status| outcome(&classify, status));
        assert_eq!(
            outcomes,
            [
                Outcome::Success,
                Outcome::Ignored,
                Outcome::Failure,
                Outcome::Success,
                Outcome::Ignored,
                Outcome::Failure,
                Outcome::Success
            ]
        );
    }

    #[test]
    fn what_is_no_status_is_an_error() {
        for status in [0, 99, 1000, u16::MAX] {
            let error = ByStatus::new().failing([200, status]).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("status is {status}; allowed: from 100 to 999")
            );
        }
    }

    #[test]
    fn a_hint_comes_along() {
        let response = Response::builder()
            .status(503)
            .header(RETRY_AFTER, "7")
            .body(())
            .unwrap();
        let verdict = Classify::<_, BoxError>::classify(&ByStatus::new(), Ok(&response));
        assert_eq!(verdict.retry_after(), Some(Duration::from_secs(7)));
    }

    #[test]
    fn errors_are_failures_unless_they_are_rejections() {
        let outcome = |error: &BoxError| {
            Classify::<Response<()>, _>::classify(&ByStatus::new(), Err(error)).outcome()
        };
        assert_eq!(outcome(&"refused".into()), Outcome::Failure);
        assert_eq!(
            outcome(&Rejection::new(Reason::BulkheadFull).into()),
            Outcome::Ignored
        );
        assert_eq!(
            outcome(&Rejection::new(Reason::DeadlineExceeded).into()),
            Outcome::Timeout
        );
    }
}
