//! The routes.

use std::{fmt, sync::Arc};

use ::axum::{Router, routing::get};
use http::{
    HeaderName, HeaderValue, Response,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
        X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
    },
};

use super::{Settings, page::Page};
use crate::{registry::Registry, settings::SettingsError};

/// A live page about the pipelines of a registry.
///
/// See the [module docs](super). Clones are the same dashboard.
#[derive(Clone)]
pub struct Dashboard {
    shared: Arc<Shared>,
    admin_at: String,
}

struct Shared {
    settings: Settings,
}

impl Dashboard {
    /// Creates a dashboard with the default settings.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        Self::checked(registry, Settings::default())
    }

    /// Creates a dashboard with settings.
    ///
    /// # Errors
    ///
    /// The first setting that is out of its range.
    pub fn with(registry: &Registry, settings: Settings) -> Result<Self, SettingsError> {
        settings.check()?;
        Ok(Self::checked(registry, settings))
    }

    fn checked(_: &Registry, settings: Settings) -> Self {
        Self {
            shared: Arc::new(Shared { settings }),
            admin_at: String::new(),
        }
    }

    /// Tells the page under which path it finds the routes that steer: absolute, or relative to its own. Without
    /// one, it offers nothing to steer with.
    #[must_use]
    pub fn admin_at(self, path: impl Into<String>) -> Self {
        Self {
            admin_at: path.into(),
            ..self
        }
    }

    /// Returns the routes, to be nested under a path or merged at the root.
    pub fn router<S>(&self) -> Router<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        let page = Page::new(&self.admin_at);
        Router::new().route("/", get(async move || answer(page)))
    }
}

const PAGE_HEADERS: [(HeaderName, HeaderValue); 6] = [
    (
        CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    ),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

fn answer(page: Page) -> Response<::axum::body::Body> {
    let mut response = Response::new(page.html.into());
    let headers = response.headers_mut();
    headers.extend(PAGE_HEADERS);
    headers.insert(CONTENT_SECURITY_POLICY, page.policy);
    response
}

impl fmt::Debug for Dashboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dashboard")
            .field("settings", &self.shared.settings)
            .finish_non_exhaustive()
    }
}
