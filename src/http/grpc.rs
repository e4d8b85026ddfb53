//! What a gRPC status means for the health of the one who sends it.

use http::{HeaderMap, HeaderName, Response, StatusCode};

use super::{
    hint::{hinted, pushback, with_hint},
    problem::verdict_of_refusal,
    status::each,
};
use crate::{
    outcome::{Classify, ErrorsAsFailures, Outcome, Verdict},
    settings::SettingsError,
};

pub(super) const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

const OK: u16 = 0;
const CANCELLED: u16 = 1;
const UNKNOWN: u16 = 2;
const DEADLINE_EXCEEDED: u16 = 4;
const PERMISSION_DENIED: u16 = 7;
const RESOURCE_EXHAUSTED: u16 = 8;
const UNIMPLEMENTED: u16 = 12;
const INTERNAL: u16 = 13;
const UNAVAILABLE: u16 = 14;
const DATA_LOSS: u16 = 15;
const UNAUTHENTICATED: u16 = 16;

/// Classifies answers by their gRPC status, and errors as [`ErrorsAsFailures`] does.
///
/// At the head an answer without a status yet is a success: most calls end with a status in their trailers, which
/// only a [`WholeExchange`](super::WholeExchange) waits for. See the [module docs](super) for the table and its
/// reasons.
#[derive(Clone, Copy, Debug)]
pub struct ByGrpcStatus {
    outcomes: [Outcome; UNAUTHENTICATED as usize + 1],
}

impl ByGrpcStatus {
    /// Creates the default classifier.
    #[must_use]
    pub const fn new() -> Self {
        let mut outcomes = [Outcome::Success; UNAUTHENTICATED as usize + 1];
        outcomes[CANCELLED as usize] = Outcome::Cancelled;
        outcomes[DEADLINE_EXCEEDED as usize] = Outcome::Timeout;
        outcomes[UNKNOWN as usize] = Outcome::Failure;
        outcomes[RESOURCE_EXHAUSTED as usize] = Outcome::Failure;
        outcomes[UNIMPLEMENTED as usize] = Outcome::Failure;
        outcomes[INTERNAL as usize] = Outcome::Failure;
        outcomes[UNAVAILABLE as usize] = Outcome::Failure;
        outcomes[DATA_LOSS as usize] = Outcome::Failure;
        Self { outcomes }
    }

    /// Takes answers with these codes for failures, such as `[10]`. The last word on a code counts.
    ///
    /// # Errors
    ///
    /// A code that gRPC does not know: they go from 0 to 16.
    pub fn failing(self, codes: impl IntoIterator<Item = u16>) -> Result<Self, SettingsError> {
        self.taking(codes, Outcome::Failure)
    }

    /// Takes answers with these codes for successes.
    ///
    /// # Errors
    ///
    /// As for [`failing`](Self::failing).
    pub fn succeeding(self, codes: impl IntoIterator<Item = u16>) -> Result<Self, SettingsError> {
        self.taking(codes, Outcome::Success)
    }

    /// Ignores answers with these codes.
    ///
    /// # Errors
    ///
    /// As for [`failing`](Self::failing).
    pub fn ignoring(self, codes: impl IntoIterator<Item = u16>) -> Result<Self, SettingsError> {
        self.taking(codes, Outcome::Ignored)
    }

    fn taking(
        mut self,
        codes: impl IntoIterator<Item = u16>,
        outcome: Outcome,
    ) -> Result<Self, SettingsError> {
        each("grpc-status", codes, OK..=UNAUTHENTICATED, |code| {
            self.outcomes[usize::from(code)] = outcome;
        })?;
        Ok(self)
    }

    /// Classifies an answer by its head, for types of answers other than [`Response`].
    #[must_use]
    pub fn of_head(&self, status: StatusCode, headers: &HeaderMap) -> Verdict {
        if headers.contains_key(GRPC_STATUS) {
            return self.of_trailers(headers);
        }
        hinted(self.of_code(code_of_status(status)), status, headers)
    }

    /// Classifies an answer by its trailers, or by its headers where they are all there is. Without a code in them
    /// it was cut off.
    #[must_use]
    pub fn of_trailers(&self, trailers: &HeaderMap) -> Verdict {
        let Some(status) = trailers.get(GRPC_STATUS) else {
            return Outcome::Failure.into();
        };
        let code = status.to_str().ok().and_then(|code| code.parse().ok());
        with_hint(self.of_code(code.unwrap_or(UNKNOWN)), pushback(trailers))
    }

    fn of_code(&self, code: u16) -> Verdict {
        // Codes that a later gRPC may add are unknown to this one, which has a code for that.
        let known = self.outcomes.get(usize::from(code));
        let outcome = known.unwrap_or(&self.outcomes[usize::from(UNKNOWN)]);
        (*outcome).into()
    }
}

impl Default for ByGrpcStatus {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns the code that an answer of somebody who does not speak gRPC stands for, as gRPC's "HTTP to gRPC status
/// code mapping" has it.
const fn code_of_status(status: StatusCode) -> u16 {
    match status.as_u16() {
        200 => OK,
        400 => INTERNAL,
        401 => UNAUTHENTICATED,
        403 => PERMISSION_DENIED,
        404 => UNIMPLEMENTED,
        429 | 502..=504 => UNAVAILABLE,
        _ => UNKNOWN,
    }
}

impl<B, Err: 'static> Classify<Response<B>, Err> for ByGrpcStatus {
    fn classify(&self, answer: Result<&Response<B>, &Err>) -> Verdict {
        match answer {
            Ok(response) => verdict_of_refusal(response.extensions())
                .unwrap_or_else(|| self.of_head(response.status(), response.headers())),
            Err(error) => Classify::<(), Err>::classify(&ErrorsAsFailures, Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderValue;

    use super::*;
    use crate::{http::hint::PUSHBACK, rejection::BoxError};

    fn with_code(code: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(GRPC_STATUS, HeaderValue::from_static(code))])
    }

    fn outcome(code: &'static str) -> Outcome {
        ByGrpcStatus::new().of_trailers(&with_code(code)).outcome()
    }

    #[test]
    fn what_the_server_is_to_blame_for_fails() {
        for code in ["2", "8", "12", "13", "14", "15"] {
            assert_eq!(outcome(code), Outcome::Failure, "{code}");
        }
        for code in ["0", "3", "5", "6", "7", "9", "10", "11", "16"] {
            assert_eq!(outcome(code), Outcome::Success, "{code}");
        }
        assert_eq!(outcome("1"), Outcome::Cancelled);
        assert_eq!(outcome("4"), Outcome::Timeout);
    }

    #[test]
    fn what_is_no_code_is_unknown() {
        for code in ["17", "65535", "70000", "-1", "", "OK"] {
            assert_eq!(outcome(code), Outcome::Failure, "{code}");
        }
        let lenient = ByGrpcStatus::new().succeeding([2]).unwrap();
        let verdict = lenient.of_trailers(&with_code("17"));
        assert_eq!(verdict.outcome(), Outcome::Success);
    }

    #[test]
    fn trailers_without_a_status_are_those_of_an_answer_cut_off() {
        let lenient = ByGrpcStatus::new().succeeding(0..=16).unwrap();
        let verdict = lenient.of_trailers(&HeaderMap::new());
        assert_eq!(verdict.outcome(), Outcome::Failure);
    }

    #[test]
    fn a_status_in_the_headers_is_the_answer() {
        let response = Response::builder().header(GRPC_STATUS, "14").body(());
        let verdict =
            Classify::<_, BoxError>::classify(&ByGrpcStatus::new(), Ok(&response.unwrap()));
        assert_eq!(verdict.outcome(), Outcome::Failure);
    }

    #[test]
    fn an_answer_without_a_status_yet_is_a_success_if_the_head_is_good() {
        let outcome = |status: u16| {
            let status = StatusCode::from_u16(status).unwrap();
            let verdict = ByGrpcStatus::new().of_head(status, &HeaderMap::new());
            verdict.outcome()
        };
        for status in [200, 401, 403] {
            assert_eq!(outcome(status), Outcome::Success, "{status}");
        }
        for status in [204, 302, 400, 404, 429, 500, 502, 503, 504] {
            assert_eq!(outcome(status), Outcome::Failure, "{status}");
        }
    }

    #[test]
    fn a_hint_comes_along() {
        let mut trailers = with_code("14");
        trailers.insert(PUSHBACK, HeaderValue::from_static("250"));
        let verdict = ByGrpcStatus::new().of_trailers(&trailers);
        assert_eq!(verdict.retry_after(), Some(Duration::from_millis(250)));
    }

    #[test]
    fn the_last_word_on_a_code_counts() {
        let classify = ByGrpcStatus::new()
            .ignoring(0..=16)
            .and_then(|classify| classify.failing([10]))
            .and_then(|classify| classify.succeeding([14]))
            .unwrap();
        let outcome = |code| classify.of_trailers(&with_code(code)).outcome();
        assert_eq!(outcome("4"), Outcome::Ignored);
        assert_eq!(outcome("10"), Outcome::Failure);
        assert_eq!(outcome("14"), Outcome::Success);

        let error = ByGrpcStatus::new().failing([17]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "grpc-status is 17; allowed: from 0 to 16"
        );
    }
}
