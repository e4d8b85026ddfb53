//! Rejections as responses.

use axum_core::response::{IntoResponse, Response};

use crate::{http as terms, rejection::Rejection};

/// Makes a response of a rejection, for `reject_with`: [`http::respond`](terms::respond) with axum's body.
#[must_use]
pub fn respond(rejection: &Rejection) -> Response {
    terms::respond(rejection)
}

/// As [`respond`] does.
impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        respond(&self)
    }
}
