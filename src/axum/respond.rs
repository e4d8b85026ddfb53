//! Rejections as responses.

use axum_core::response::{IntoResponse, Response};

use crate::{http as terms, rejection::Rejection};

/// Answers a rejection with its [`Problem`](terms::Problem), for `reject_with`: [`terms::respond`] with the body
/// that axum has.
#[must_use]
pub fn respond(rejection: &Rejection) -> Response {
    terms::respond(rejection)
}

/// [`terms::respond_per_client`] with the body that axum has.
#[must_use]
pub fn respond_per_client(rejection: &Rejection) -> Response {
    terms::respond_per_client(rejection)
}

/// Answers as [`respond`] does.
impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        respond(&self)
    }
}
