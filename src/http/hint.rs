//! How long a dependency asks to be left alone (RFC 9110, 10.2.3; RFC 6585, 4; gRFC A6).

use std::time::Duration;

use http::{
    HeaderMap, HeaderName, StatusCode,
    header::{DATE, RETRY_AFTER},
};
use httpdate::parse_http_date;

use crate::outcome::Verdict;

pub(super) const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// Adds the hint to the verdict of a status that may come with one.
pub(super) fn hinted(verdict: Verdict, status: StatusCode, headers: &HeaderMap) -> Verdict {
    let asks = matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    );
    with_hint(verdict, asks.then(|| retry_after(headers)).flatten())
}

pub(super) fn with_hint(verdict: Verdict, hint: Option<Duration>) -> Verdict {
    match hint {
        Some(hint) => verdict.with_retry_after(hint),
        None => verdict,
    }
}

/// Returns the time that `Retry-After` asks for; nothing if it asks for none, or for what nobody understands.
///
/// A date counts from the `Date` of the same answer, so that the two clocks need not agree. Without one it is
/// not understood: whoever has a clock to write dates with has one for that as well.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = text(headers, &RETRY_AFTER)?;
    let wait = match seconds(value) {
        Some(wait) => wait,
        None => {
            let until = parse_http_date(value).ok()?;
            let now = parse_http_date(text(headers, &DATE)?).ok()?;
            until.duration_since(now).ok()?
        }
    };
    (!wait.is_zero()).then_some(wait)
}

/// Returns the time that gRPC's server pushback asks for. What is no number says "never again", to retries; a
/// circuit cannot stay open for ever.
pub(super) fn pushback(headers: &HeaderMap) -> Option<Duration> {
    let millis = text(headers, &PUSHBACK)?.parse().ok()?;
    (millis > 0).then(|| Duration::from_millis(millis))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    Some(headers.get(name)?.to_str().ok()?.trim())
}

/// Reads `1*DIGIT`. There are numbers of that kind for which no type has room.
fn seconds(value: &str) -> Option<Duration> {
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| Duration::from_secs(value.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
            .collect()
    }

    fn asked(value: &'static str) -> Option<Duration> {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        retry_after(&headers(&[(RETRY_AFTER, value), (DATE, date)]))
    }

    #[test]
    fn retry_after_is_read_in_seconds_and_as_any_of_the_three_kinds_of_date() {
        assert_eq!(asked("120"), Some(Duration::from_secs(120)));
        for date in [
            "Sun, 06 Nov 1994 08:50:37 GMT",
            "Sunday, 06-Nov-94 08:50:37 GMT",
            "Sun Nov  6 08:50:37 1994",
        ] {
            assert_eq!(asked(date), Some(Duration::from_secs(60)), "{date}");
        }
    }

    #[test]
    fn nonsense_asks_for_nothing() {
        for value in ["", "0", "-1", "+5", "1.5", "soon", "12 s", "0x10", "٣"] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_str(value).unwrap());
            assert_eq!(retry_after(&headers), None, "{value}");
        }
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:37 GMT"), None);
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:36 GMT"), None);
    }

    #[test]
    fn a_date_needs_the_date_of_the_answer() {
        let alone = headers(&[(RETRY_AFTER, "Sun, 06 Nov 2094 08:49:37 GMT")]);
        assert_eq!(retry_after(&alone), None);
    }

    #[test]
    fn seconds_without_end_are_as_long_as_can_be() {
        assert_eq!(
            asked("99999999999999999999999"),
            Some(Duration::from_secs(u64::MAX))
        );
    }

    #[test]
    fn pushback_is_read_in_milliseconds() {
        let asked = |value| pushback(&headers(&[(PUSHBACK, value)]));
        assert_eq!(asked("1500"), Some(Duration::from_millis(1500)));
        for value in ["-1", "0", "", "never"] {
            assert_eq!(asked(value), None, "{value}");
        }
    }

    #[test]
    fn only_overload_and_maintenance_come_with_a_hint() {
        use crate::outcome::Outcome;

        let asked = headers(&[(RETRY_AFTER, "3")]);
        let hint = |status| hinted(Verdict::from(Outcome::Failure), status, &asked).retry_after();
        assert_eq!(
            hint(StatusCode::TOO_MANY_REQUESTS),
            Some(Duration::from_secs(3))
        );
        assert_eq!(
            hint(StatusCode::SERVICE_UNAVAILABLE),
            Some(Duration::from_secs(3))
        );
        assert_eq!(hint(StatusCode::MOVED_PERMANENTLY), None);
        assert_eq!(hint(StatusCode::INTERNAL_SERVER_ERROR), None);
    }
}
