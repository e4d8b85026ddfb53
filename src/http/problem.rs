//! Rejections as answers: problem details (RFC 9457), and gRPC's trailers.

use std::time::Duration;

use http::{
    Extensions, HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};

use super::{grpc::GRPC_STATUS, hint::PUSHBACK};
use crate::{
    outcome::{Outcome, Verdict},
    rejection::{Reason, Rejection},
};

/// A rejection as its caller may see it over HTTP: without a name of anything inside.
///
/// ```
/// use portcullis::{http::Problem, rejection::{Reason, Rejection}};
///
/// let problem = Problem::of(&Rejection::new(Reason::BulkheadFull));
/// assert_eq!(problem.status(), 503);
/// assert_eq!(
///     problem.to_json(),
///     r#"{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"There are too many requests at this time."}"#,
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Problem {
    kind: Kind,
    retry_after: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Unavailable,
    Overloaded,
    OverloadedByClient,
    Late,
    Refused,
}

/// How long it takes until a place is free or a probe has come back, for all that is known.
const A_MOMENT: Duration = Duration::from_secs(1);

impl Problem {
    /// Makes a problem of the rejection of a gate in front of a dependency, or of a whole server.
    #[must_use]
    pub const fn of(rejection: &Rejection) -> Self {
        let (kind, passes_in) = match rejection.reason() {
            Reason::CircuitOpen | Reason::CircuitForcedOpen => (Kind::Unavailable, None),
            Reason::HalfOpenFull | Reason::RampingUp | Reason::NotReady => {
                (Kind::Unavailable, Some(A_MOMENT))
            }
            Reason::BulkheadFull | Reason::WaitTimedOut => (Kind::Overloaded, Some(A_MOMENT)),
            Reason::DeadlineExceeded => (Kind::Late, None),
            Reason::Policy(_) => (Kind::Refused, None),
        };
        let retry_after = match rejection.retry_after() {
            Some(known) => Some(known),
            None => passes_in,
        };
        Self { kind, retry_after }
    }

    /// Makes a problem of the rejection of a gate that one client has to itself: limits and policies then speak of
    /// this client's requests, and answer 429.
    #[must_use]
    pub const fn per_client(rejection: &Rejection) -> Self {
        let problem = Self::of(rejection);
        match problem.kind {
            Kind::Overloaded | Kind::Refused => Self {
                kind: Kind::OverloadedByClient,
                retry_after: problem.retry_after,
            },
            Kind::Unavailable | Kind::OverloadedByClient | Kind::Late => problem,
        }
    }

    /// Returns the status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self.kind {
            Kind::Unavailable | Kind::Overloaded | Kind::Refused => StatusCode::SERVICE_UNAVAILABLE,
            Kind::OverloadedByClient => StatusCode::TOO_MANY_REQUESTS,
            Kind::Late => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// Returns the code in gRPC's terms.
    #[must_use]
    pub const fn grpc_code(&self) -> i32 {
        match self.kind {
            Kind::Unavailable | Kind::Refused => 14,
            Kind::Overloaded | Kind::OverloadedByClient => 8,
            Kind::Late => 4,
        }
    }

    /// Returns what has happened, in a sentence for the caller. It is printable ASCII.
    #[must_use]
    pub const fn detail(&self) -> &'static str {
        match self.kind {
            Kind::Unavailable => "The service is not available at this time.",
            Kind::Overloaded => "There are too many requests at this time.",
            Kind::OverloadedByClient => "There are too many requests from this client.",
            Kind::Late => "The answer did not come in time.",
            Kind::Refused => "The service does not take this request at this time.",
        }
    }

    /// Returns how long the caller should wait before it tries again: whole seconds, rounded up, at least one;
    /// nothing where nobody knows.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let wait = self.retry_after?;
        let begun = u64::from(wait.subsec_nanos() > 0);
        let seconds = wait.as_secs().saturating_add(begun);
        Some(Duration::from_secs(seconds.max(1)))
    }

    /// Returns the problem as `application/problem+json`.
    #[must_use]
    pub fn to_json(&self) -> String {
        let status = self.status();
        let title = status.canonical_reason().unwrap_or_default();
        let (code, detail) = (status.as_u16(), self.detail());
        // None of the words has a character that JSON would have escaped.
        format!(r#"{{"type":"about:blank","title":"{title}","status":{code},"detail":"{detail}"}}"#)
    }

    /// Makes an answer of it.
    #[must_use]
    pub fn into_response<B: From<String>>(self) -> Response<B> {
        let mut response = Response::new(self.to_json().into());
        *response.status_mut() = self.status();
        response.extensions_mut().insert(Refused(self.outcome()));
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(CONTENT_TYPE, json);
        if let Some(wait) = self.retry_after() {
            headers.insert(RETRY_AFTER, wait.as_secs().into());
        }
        response
    }

    /// Makes an answer of it that is nothing but gRPC's trailers. An empty body goes with it.
    #[must_use]
    pub fn into_grpc_response<B: Default>(self) -> Response<B> {
        let mut response = Response::new(B::default());
        response.extensions_mut().insert(Refused(self.outcome()));
        let headers = response.headers_mut();
        let grpc = HeaderValue::from_static("application/grpc");
        headers.insert(CONTENT_TYPE, grpc);
        headers.insert(GRPC_STATUS, self.grpc_code().into());
        // To be percent-encoded, if there were something to encode in it.
        headers.insert("grpc-message", HeaderValue::from_static(self.detail()));
        if let Some(wait) = self.retry_after {
            let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            headers.insert(PUSHBACK, millis.max(1).into());
        }
        response
    }

    /// Returns what it means to a gate further out, as the rejection would if it were an error there.
    const fn outcome(self) -> Outcome {
        match self.kind {
            Kind::Late => Outcome::Timeout,
            Kind::Unavailable | Kind::Overloaded | Kind::OverloadedByClient | Kind::Refused => {
                Outcome::Ignored
            }
        }
    }
}

/// Goes with an answer as far as this process does, to tell a rejection of ours from what a dependency says.
#[derive(Clone, Copy)]
struct Refused(Outcome);

/// Returns what an answer means that a gate further in has refused, if it is one.
pub(super) fn verdict_of_refusal(extensions: &Extensions) -> Option<Verdict> {
    let refused: &Refused = extensions.get()?;
    Some(refused.0.into())
}

/// Returns the status that a rejection is answered with.
#[must_use]
pub const fn status(rejection: &Rejection) -> StatusCode {
    Problem::of(rejection).status()
}

/// Returns the code that a rejection is answered with over gRPC.
#[must_use]
pub const fn grpc_code(rejection: &Rejection) -> i32 {
    Problem::of(rejection).grpc_code()
}

/// Answers a rejection with its [`Problem`], for `reject_with`.
#[must_use]
pub fn respond<B: From<String>>(rejection: &Rejection) -> Response<B> {
    Problem::of(rejection).into_response()
}

/// Answers a rejection with its [`Problem::per_client`], for `reject_with` of a gate that one client has to itself.
#[must_use]
pub fn respond_per_client<B: From<String>>(rejection: &Rejection) -> Response<B> {
    Problem::per_client(rejection).into_response()
}

/// Answers a rejection over gRPC, for `reject_with`.
#[must_use]
pub fn respond_grpc<B: Default>(rejection: &Rejection) -> Response<B> {
    Problem::of(rejection).into_grpc_response()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const REASONS: [(Reason, u16, u16, i32); 9] = [
        (Reason::CircuitOpen, 503, 503, 14),
        (Reason::CircuitForcedOpen, 503, 503, 14),
        (Reason::HalfOpenFull, 503, 503, 14),
        (Reason::RampingUp, 503, 503, 14),
        (Reason::NotReady, 503, 503, 14),
        (Reason::BulkheadFull, 503, 429, 8),
        (Reason::WaitTimedOut, 503, 429, 8),
        (Reason::DeadlineExceeded, 504, 504, 4),
        (Reason::Policy("secret"), 503, 429, 14),
    ];

    #[test]
    fn each_reason_has_its_status_and_its_code() {
        for (reason, for_all, per_client, code) in REASONS {
            let rejection = Rejection::new(reason);
            assert_eq!(status(&rejection), for_all, "{reason:?}");
            let problem = Problem::per_client(&rejection);
            assert_eq!(problem.status(), per_client, "{reason:?}");
            assert_eq!(grpc_code(&rejection), code, "{reason:?}");
        }
    }

    #[test]
    fn a_response_says_what_a_problem_says() {
        let rejection = Rejection::new(Reason::DeadlineExceeded);
        let response: Response<String> = respond(&rejection);
        assert_eq!(response.status(), 504);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        assert!(!response.headers().contains_key(RETRY_AFTER));
        let body: serde_json::Value = serde_json::from_str(response.body()).unwrap();
        assert_eq!(
            body,
            serde_json::json!({
                "type": "about:blank",
                "title": "Gateway Timeout",
                "status": 504,
                "detail": "The answer did not come in time.",
            })
        );
    }

    #[test]
    fn nothing_from_inside_gets_out() {
        for (reason, ..) in REASONS {
            let rejection = Rejection::new(reason).named(Some(Arc::from("secret")));
            let responses: [Response<String>; 3] = [
                respond(&rejection),
                respond_per_client(&rejection),
                respond_grpc(&rejection),
            ];
            for response in responses {
                assert!(!format!("{response:?}").contains("secret"), "{reason:?}");
            }
        }
    }

    #[test]
    fn retry_after_is_rounded_up_to_whole_seconds() {
        let after = |wait: Duration| {
            let rejection = Rejection::new(Reason::CircuitOpen).with_retry_after(Some(wait));
            let response: Response<String> = respond(&rejection);
            let value = response.headers()[RETRY_AFTER].to_str();
            value.unwrap().parse::<u64>().unwrap()
        };
        assert_eq!(after(Duration::ZERO), 1);
        assert_eq!(after(Duration::from_nanos(1)), 1);
        assert_eq!(after(Duration::from_secs(1)), 1);
        assert_eq!(after(Duration::from_millis(4_001)), 5);
        assert_eq!(after(Duration::MAX), u64::MAX);
    }

    #[test]
    fn what_passes_in_a_moment_says_so_and_the_rest_does_not() {
        let after = |reason| Problem::of(&Rejection::new(reason)).retry_after();
        for reason in [
            Reason::HalfOpenFull,
            Reason::RampingUp,
            Reason::NotReady,
            Reason::BulkheadFull,
            Reason::WaitTimedOut,
        ] {
            assert_eq!(after(reason), Some(A_MOMENT), "{reason:?}");
        }
        for reason in [
            Reason::CircuitForcedOpen,
            Reason::DeadlineExceeded,
            Reason::Policy("closed"),
        ] {
            assert_eq!(after(reason), None, "{reason:?}");
        }
    }

    #[test]
    fn over_grpc_the_answer_is_in_the_headers() {
        let rejection = Rejection::new(Reason::CircuitOpen)
            .with_retry_after(Some(Duration::from_micros(1_500_500)));
        let response: Response<String> = respond_grpc(&rejection);
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/grpc");
        assert_eq!(response.headers()[GRPC_STATUS], "14");
        assert_eq!(response.headers()[PUSHBACK], "1500");
        assert!(response.body().is_empty());
    }

    #[test]
    fn no_word_of_a_problem_needs_to_be_encoded() {
        for (reason, ..) in REASONS {
            for problem in [Problem::of, Problem::per_client] {
                let detail = problem(&Rejection::new(reason)).detail();
                let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && !b"%\"\\".contains(&byte);
                assert!(detail.bytes().all(is_plain), "{detail}");
            }
        }
    }
}
