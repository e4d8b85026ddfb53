//! The URL that a response came from.

use reqwest::{Body, Response, ResponseBuilderExt};

/// Takes a response apart without the loss of its URL: reqwest finds it again when it makes a response of it, and
/// puts a made-up one there otherwise.
pub(super) fn keep(response: Response) -> http::Response<Body> {
    let mut seat = http::Response::builder().url(response.url().clone());
    let mut response = http::Response::<Body>::from(response);
    if let Some(extensions) = seat.extensions_mut() {
        response.extensions_mut().extend(std::mem::take(extensions));
    }
    response
}
