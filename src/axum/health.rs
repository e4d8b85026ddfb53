//! Health as routes.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use axum_core::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{
    Method, Request, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE},
};
use tower_service::Service;

use crate::health::Health;

/// A route that tells a service's health, made by [`liveness`], [`readiness`] and [`details`].
///
/// It answers `GET` and `HEAD`, and forbids caches to keep what it said.
#[derive(Clone, Debug)]
pub struct HealthRoute {
    page: Page,
}

#[derive(Clone, Debug)]
enum Page {
    Liveness,
    Readiness(Health),
    Details(Health),
}

/// Makes a route that answers 200 as long as the process answers.
#[must_use]
pub const fn liveness() -> HealthRoute {
    HealthRoute {
        page: Page::Liveness,
    }
}

/// Makes a route that answers 200 while the service should be sent calls, and 503 otherwise. It names no pipeline.
#[must_use]
pub fn readiness(health: &Health) -> HealthRoute {
    HealthRoute {
        page: Page::Readiness(health.clone()),
    }
}

/// Makes a route that answers with the [`Details`](crate::health::Details) as JSON.
///
/// **Do not expose it**: it tells which dependencies there are and how they fare. Serve it on a port that only
/// operators reach.
#[must_use]
pub fn details(health: &Health) -> HealthRoute {
    HealthRoute {
        page: Page::Details(health.clone()),
    }
}

impl Page {
    fn respond(&self) -> Response {
        match self {
            Self::Liveness => "alive".into_response(),
            Self::Readiness(health) if health.readiness().is_ready() => "ready".into_response(),
            Self::Readiness(_) => (StatusCode::SERVICE_UNAVAILABLE, "not ready").into_response(),
            Self::Details(health) => {
                let json = serde_json::to_vec(&health.details());
                let json = json.expect("details are plain values");
                ([(CONTENT_TYPE, "application/json")], json).into_response()
            }
        }
    }
}

impl<B> Service<Request<B>> for HealthRoute {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut response = match *request.method() {
            Method::GET | Method::HEAD => self.page.respond(),
            _ => (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET, HEAD")]).into_response(),
        };
        let headers = response.headers_mut();
        headers.insert(
            CACHE_CONTROL,
            const { http::HeaderValue::from_static("no-store") },
        );
        ready(Ok(response))
    }
}
