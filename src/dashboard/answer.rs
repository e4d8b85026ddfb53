//! How all routes answer.

use ::axum::body::Body;
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
};
use serde::Serialize;

/// Those of all answers: nobody guesses what they are, and no page of another origin may have them.
pub(super) const HEADERS: [(HeaderName, HeaderValue); 3] = [
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

pub(super) fn insert<const N: usize>(headers: &mut HeaderMap, new: [(HeaderName, HeaderValue); N]) {
    for (name, value) in new {
        headers.insert(name, value);
    }
}

/// Names are whatever users made them; in JSON that is read as JSON they are harmless, with `<` and line separators
/// as they are.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    let text = serde_json::to_vec(value).expect("answers are plain values");
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    insert(headers, HEADERS);
    insert(
        headers,
        [(CONTENT_TYPE, HeaderValue::from_static("application/json"))],
    );
    response
}

pub(super) fn refusal(status: StatusCode, error: &str) -> Response<Body> {
    json(status, &Refused { error })
}

#[derive(Serialize)]
struct Refused<'a> {
    error: &'a str,
}
